"""Runs one statement on Oracle for sql.sh, which starts this file and prints what it tells.

One line of JSON with the request comes in, lines of JSON with the answer go out. After `prepared` it waits for the line
`go`; the line `cancel`, or the end of sql.sh, has the server cancel the statement. Values are bound by the driver, never
pasted.
"""

import json
import os
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
    if request["tls"] and (request["ca_file"] or request["identity"]):
        import ssl

        context = ssl.create_default_context(cafile=request["ca_file"])
        if request["identity"]:
            context.load_cert_chain(*request["identity"])
        parameters.set(ssl_context=context)
    return oracledb.connect(params=parameters)


def run(connection: Any, request: Dict[str, Any], orders: "Orders") -> None:
    """Runs the statement and tells its rows."""
    cursor = connection.cursor()
    values: Dict[str, str] = request["values"]
    connection.call_timeout = request["timeout"] * 1000
    if request["check"]:
        # Oracle runs definitions (CREATE, DROP, ...) already when they are parsed.
        if request["parse"]:
            cursor.parse(request["statement"])
        say("prepared")
        say("done")
        return
    if request["read_only"]:
        cursor.execute("SET TRANSACTION READ ONLY")
    limit: int = request["rows"]
    cursor.arraysize = min(limit + 1, 1000)
    say("prepared")
    orders.go.wait()
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
    orders.over.set()
    say("done")


class Orders:
    """What sql.sh says while the statement runs, heard on a thread of its own."""

    def __init__(self, connection: Any) -> None:
        self.go = threading.Event()
        self.over = threading.Event()
        self.connection = connection
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in sys.stdin:
            if line == "go\n":
                self.go.set()
            else:
                self.connection.cancel()
        # sql.sh is gone, and nobody is left to hear how the statement ends.
        if not self.go.is_set():
            os._exit(0)
        if not self.over.is_set():
            self.connection.cancel()


def main() -> None:
    # They go to sql.sh too, which decides and says what is to be done.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    request: Dict[str, Any] = json.loads(sys.stdin.readline())
    try:
        import oracledb
    except ImportError as error:
        say("no_connection", f"python-oracledb is not installed for {sys.executable} ({error})")
        return
    try:
        connection = connect(oracledb, request)
    except (oracledb.Error, OSError) as error:  # OSError: a certificate's file that can't be used
        say("no_connection", str(error))
        return
    orders = Orders(connection)
    try:
        run(connection, request, orders)
    except oracledb.Error as error:
        orders.over.set()
        details = error.args[0] if error.args else None
        # DPY-4011 and its like: the connection is gone, and so is the server's word about the statement.
        gone = getattr(details, "full_code", "") in ("DPY-4011", "DPY-1001", "ORA-03113", "ORA-03114", "ORA-12537")
        say("lost" if gone else "refused", str(error))


if __name__ == "__main__":
    main()
