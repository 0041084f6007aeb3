"""Runs one statement on Oracle for sql.sh, which starts this file and prints what it tells.

One line of JSON with the request comes in, lines of JSON with the answer go out. Values are bound by the driver,
never pasted. TERM has the server cancel the statement.
"""

import json
import signal
import sys
import threading
from typing import Any, Dict, List, Optional


def say(kind: str, value: Any = None) -> None:
    """One line for sql.sh; a line without a value is a bare word."""
    print(json.dumps(kind if value is None else {kind: value}), flush=True)


def text(value: Any) -> Optional[str]:
    """A value as text; None is NULL."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return "0x" + bytes(value).hex()
    if hasattr(value, "read"):  # a LOB
        return text(value.read())
    return str(value)


def connect(oracledb: Any, request: Dict[str, Any]) -> Any:
    """Signs in. With TLS the server's certificate must prove the host."""
    parameters = oracledb.ConnectParams(
        host=request["host"],
        port=request["port"],
        service_name=request["service"],
        protocol="tcps" if request["tls"] else "tcp",
        ssl_server_dn_match=True,
        tcp_connect_timeout=request["connect_timeout"],
        user=request["user"],
        password=request["password"],
    )
    if request["tls"] and request["ca_file"]:
        import ssl

        parameters.set(ssl_context=ssl.create_default_context(cafile=request["ca_file"]))
    return oracledb.connect(params=parameters)


def run(connection: Any, request: Dict[str, Any]) -> None:
    """Runs the statement and tells its rows."""
    cursor = connection.cursor()
    values: Dict[str, str] = request["values"]
    if request["check"]:
        cursor.parse(request["statement"])
        say("prepared")
        say("done")
        return
    if request["read_only"]:
        cursor.execute("SET TRANSACTION READ ONLY")
    connection.call_timeout = request["timeout"] * 1000
    limit: int = request["rows"]
    cursor.arraysize = min(limit + 1, 1000)
    say("prepared")
    cursor.execute(request["statement"], values)
    if cursor.description is None:
        say("changed", max(cursor.rowcount, 0))
    else:
        say("columns", [column[0] for column in cursor.description])
        rows = 0
        for row in cursor:
            if rows == limit:
                say("more")
                break
            rows += 1
            cells: List[Optional[str]] = [text(value) for value in row]
            say("row", cells)
    if not request["read_only"]:
        connection.commit()
    say("done")


def cancel_on_signal(connection: Any) -> None:
    """Waits for TERM on a thread of its own and has the server end the statement."""

    def wait() -> None:
        signal.sigwait({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
        connection.cancel()

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    # Before any thread starts, so that all of them leave the signals to the one that waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    request: Dict[str, Any] = json.loads(sys.stdin.readline())
    try:
        import oracledb
    except ImportError as error:
        say("no_connection", f"python-oracledb is not installed for {sys.executable} ({error})")
        return
    try:
        connection = connect(oracledb, request)
    except oracledb.Error as error:
        say("no_connection", str(error))
        return
    cancel_on_signal(connection)
    try:
        run(connection, request)
    except oracledb.Error as error:
        details = error.args[0] if error.args else None
        # DPY-4011 and its like: the connection is gone, and so is the server's word about the statement.
        gone = getattr(details, "full_code", "") in ("DPY-4011", "DPY-1001", "ORA-03113", "ORA-03114", "ORA-12537")
        say("lost" if gone else "refused", str(error))


if __name__ == "__main__":
    main()
