"""A stand-in for python-oracledb in thin mode, which needs a database that no package registry has.

It has the names, errors and side effects that the driver's documentation promises, as far as sql_oracle.py uses them, and
knows a handful of statements by heart. What was asked of it is kept in the file `journal` beside it.
"""

import datetime
import decimal
import json
import os
import threading

JOURNAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "journal")
DEFINITIONS = ("CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE")


def keep(what, value=None):
    with open(JOURNAL, "a", encoding="utf-8") as journal:
        journal.write(json.dumps([what, value]) + "\n")


class Error(Exception):
    pass


class InterfaceError(Error):
    pass


class DatabaseError(Error):
    pass


class OperationalError(DatabaseError):
    pass


class _Error:
    """The only argument of each exception."""

    def __init__(self, full_code, message):
        self.full_code = full_code
        self.message = f"{full_code}: {message}"

    def __str__(self):
        return self.message


def fail(kind, full_code, message):
    raise kind(_Error(full_code, message))


class ConnectParams:
    """Settings by the names of the documentation; any other is a mistake."""

    def __init__(
        self, *, host=None, port=None, service_name=None, protocol=None, ssl_server_dn_match=True,
        tcp_connect_timeout=20.0, user=None, password=None, ssl_context=None,
    ):
        self.settings = {name: value for name, value in locals().items() if name != "self"}

    def set(self, *, ssl_context=None):
        self.settings["ssl_context"] = ssl_context


def connect(*, params):
    settings = dict(params.settings, ssl_context=params.settings["ssl_context"] is not None)
    password = settings.pop("password")
    keep("connect", settings)
    if settings["host"] == "away.example":
        fail(OperationalError, "DPY-6005", "cannot connect to database: [Errno 111] Connection refused")
    if password != "password-of-jane":
        fail(DatabaseError, "ORA-01017", "invalid username/password; logon denied")
    return Connection()


class Lob:
    def read(self):
        return "a large object"


class Connection:
    def __init__(self):
        self.call_timeout = 0
        self.read_only = False
        self.broken = threading.Event()

    def cursor(self):
        return Cursor(self)

    def cancel(self):
        keep("cancel")
        self.broken.set()

    def commit(self):
        keep("commit")


class Cursor:
    def __init__(self, connection):
        self.connection = connection
        self.arraysize = 100
        self.description = None
        self.rowcount = 0
        self.rows = []

    def parse(self, statement):
        """Parses, and runs definitions at once with an implied commit."""
        keep("parse", statement)
        if statement.split()[0].upper() in DEFINITIONS:
            keep("execute", [statement, {}])
            keep("commit")
        if "nonsense" in statement:
            fail(DatabaseError, "ORA-00904", '"NONSENSE": invalid identifier')

    def execute(self, statement, parameters=None):
        keep("execute", [statement, parameters])
        known = self.results(parameters or {})
        if statement == "SET TRANSACTION READ ONLY":
            self.connection.read_only = True
        elif statement == "SELECT sleep FROM dual":
            self.sleep()
        elif statement == "SELECT lost FROM dual":
            fail(OperationalError, "DPY-4011", "the database or network closed the connection")
        elif statement in ("DELETE FROM t", "SELECT gone() FROM dual"):
            if self.connection.read_only:
                fail(DatabaseError, "ORA-01456", "may not perform insert/delete/update operation inside a READ ONLY transaction")
            self.rowcount = 2
        elif statement in known:
            columns, self.rows = known[statement]
            self.description = [(name,) for name in columns]
        elif ";" in statement:
            fail(DatabaseError, "ORA-00933", "SQL command not properly ended")
        else:
            fail(DatabaseError, "ORA-00942", "table or view does not exist")

    def results(self, parameters):
        when = datetime.datetime(2026, 1, 2, 3, 4, 5)
        return {
            "SELECT :v AS v FROM dual": (["V"], [(parameters.get("v"),)]),
            "SELECT 7 FROM dual": (["7"], [(7,)]),
            "SELECT * FROM t": (
                ["ID", "NAME", "PRICE", "CHANGED", "RAW", "TEXT"],
                [(1, "one", decimal.Decimal("1.50"), when, b"\x00\xff", Lob()), (2, None, None, None, None, None)],
            ),
            "SELECT many FROM t": (["N"], [(number,) for number in range(5000)]),
        }

    def sleep(self):
        limit = self.connection.call_timeout
        if self.connection.broken.wait(limit / 1000 if limit else None):
            fail(DatabaseError, "ORA-01013", "user requested cancel of current operation")
        fail(OperationalError, "DPY-4024", f"call timeout of {limit} ms exceeded")

    def __iter__(self):
        return iter(self.rows)
