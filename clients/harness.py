"""What the scripts of all clients share: where the server is, rows of every type, and how a result is told.

A script makes one `Client`, marks its functions with `@client.feature(...)` and ends with `client.main()`. What it prints is one
line of JSON for itself and one for each feature; `run.py` reads them.
"""

import asyncio
import datetime as dt
import inspect
import json
import os
import subprocess
import sys
import threading
import uuid
from decimal import Decimal

# The columns of the table in docs/clients.md, in its order.
FEATURES = {
    "connect": "connects",
    "rows": "typed rows",
    "params": "parameters",
    "transactions": "transactions",
    "copy out": "COPY out",
    "copy in": "COPY in",
    "binary copy": "binary COPY",
    "cursor": "rows in steps",
    "pool": "pool",
    "errors": "SQLSTATE",
    "bulk": "bulk load",
    "catalog": "catalog",
}

# Where the server is. `root` is the file of the authority that signed its certificate; without one the client connects plainly.
TARGET = {
    key: os.environ.get(f"ZXQ_CLIENT_{key.upper()}", "") for key in ("host", "port", "user", "database", "password", "root")
}
TLS = bool(TARGET["root"])
HOST, PORT, USER, DATABASE = TARGET["host"], int(TARGET["port"] or 0), TARGET["user"], TARGET["database"]

# Where `install` puts packages.
ENVIRONMENT = os.environ.get("ZXQ_CLIENTS_ENV", os.path.expanduser("~/.cache/zxq-clients"))

# A client connects as its script says, and not as this machine is set up.
for variable in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[variable]
os.environ["PGPASSFILE"] = "/nonexistent"

UTC = dt.timezone.utc
MOMENT = dt.datetime(2024, 2, 29, 12, 30, 0, 250000)
OLD = dt.datetime(1969, 12, 31, 23, 59, 59, 999999)

COLUMNS = {
    "id": "BIGINT NOT NULL",
    "n": "INTEGER",
    "name": "VARCHAR(20)",
    "note": "TEXT",
    "price": "DECIMAL(12,4)",
    "f": "DOUBLE PRECISION",
    "ok": "BOOLEAN",
    "day": "DATE",
    "seen": "TIMESTAMP",
    "ts": "TIMESTAMPTZ",
    "raw": "BYTEA",
    "uid": "UUID",
    "tags": "TEXT[]",
    "doc": "JSONB",
}
ROWS = [
    (
        1,
        10,
        "O'Neil",
        "tab\tback\\slash é",
        Decimal("1.5000"),
        0.5,
        True,
        dt.date(2024, 2, 29),
        MOMENT,
        MOMENT.replace(tzinfo=UTC),
        b"\x00\xff'",
        uuid.UUID(int=1),
        ["a", "b c", None],
        {"a": [1, 2]},
    ),
    (
        2,
        -2147483648,
        "",
        "line\nline",
        Decimal("-99999999.9999"),
        -1e300,
        False,
        dt.date(1969, 12, 31),
        OLD,
        OLD.replace(tzinfo=UTC),
        b"",
        uuid.UUID(int=2**128 - 1),
        [],
        {},
    ),
    (3,) + (None,) * 13,
]


def literal(value):
    """A value as SQL writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float, Decimal)):
        return f"{value}"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if isinstance(value, list):
        parts = ["NULL" if part is None else f'"{part}"' for part in value]
        return f"'{{{','.join(parts)}}}'"
    if isinstance(value, dict):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


class Mismatch(Exception):
    """An answer that is not the right one."""


def same(got, want, what=""):
    """Fails unless the answer is the right one, also in its type."""
    if got != want or type(got) is not type(want):
        raise Mismatch(f"{what + ': ' if what else ''}got {got!r}, not {want!r}")


def must_fail(sqlstate, action, code):
    """Runs what must fail with this SQLSTATE; `code` finds it in the client's exception."""
    try:
        action()
    except Mismatch:
        raise
    except Exception as error:  # every client has its own class
        same(code(error), sqlstate, f"SQLSTATE of {error}")
    else:
        raise Mismatch(f"no error where {sqlstate} is due")


def mistakes(table):
    """Statements and the SQLSTATEs that they end with; the table is one of `small`."""
    return [
        ("42P01", "SELECT * FROM no_such_table"),
        ("42703", f"SELECT no_such_column FROM {table}"),
        ("42601", "SELEC 1"),
        ("42883", "SELECT no_such_function(1)"),
        ("22012", f"SELECT 1 / (id - id) FROM {table}"),
        ("22P02", "SELECT 'abc'::integer"),
        ("22003", "SELECT 2147483647 + 1"),
        ("23502", f"INSERT INTO {table} (name) VALUES ('no id')"),
        ("23514", f"INSERT INTO {table} (id) VALUES (-1)"),
    ]


class Client:
    """One client: what it is called, how it connects, and what it is tried with."""

    def __init__(self, name, version, call, plain, tls, names=None, over_tls=None):
        """`call` is how the connection is made, with `{dsn}` for what `plain` and `tls` say; `names` holds what it is evaluated in,
        so that the call in the documentation is the one that was run. `over_tls` are the features that are tried over TLS too, all
        by default: tools over a driver that has a script of its own need not do everything twice."""
        self.name, self.version, self.call, self.names = name, version, call, names
        self.templates = {"plain": plain, "tls": tls}
        self.dsn = self.templates["tls" if TLS else "plain"].format(**TARGET)
        self.features = {}
        self.over_tls = over_tls
        # Each script has its tables, also when the same server is asked plainly and over TLS at once.
        self.prefix = "c_" + "".join(c if c.isalnum() else "_" for c in name.lower()) + ("_tls" if TLS else "")

    def connect(self):
        """Connects as the documentation says."""
        return eval(self.call.format(dsn=self.dsn), self.names)

    def table(self, feature):
        return f"{self.prefix}_{feature.replace(' ', '_')}"

    def typed(self, feature, columns=tuple(COLUMNS), rows=True):
        """Statements that make a table of these types with its rows, the table and the rows as Python has them."""
        table = self.table(feature)
        places = [list(COLUMNS).index(column) for column in columns]
        picked = [tuple(row[place] for place in places) for row in ROWS]
        made = ", ".join(f"{column} {COLUMNS[column]}" for column in columns)
        values = ", ".join("(" + ", ".join(map(literal, row)) + ")" for row in picked)
        statements = [f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} ({made})"]
        if rows:
            statements.append(f"INSERT INTO {table} VALUES {values}")
        return statements, table, picked

    def small(self, feature, rows=0):
        """Statements that make a small table, with rows 1 to `rows`, and the table."""
        table = self.table(feature)
        statements = [f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} (id BIGINT NOT NULL CHECK (id > 0), name TEXT)"]
        if rows:
            statements.append(f"INSERT INTO {table} SELECT g, 'name ' || g FROM generate_series(1, {rows}) AS s(g)")
        return statements, table

    def feature(self, key):
        if key not in FEATURES:
            raise KeyError(key)

        def mark(function):
            self.features[key] = function
            return function

        return mark

    def program(self, command, features, **environment):
        """Leaves the features to a program in another language. It is told the same things by variables, and prints a line for each
        feature: `ok` or `no`, the feature and why, with tabs between them."""
        tell(client=self.name, version=self.version, call=self.call, features=features, **self.templates)
        statements, table, _ = self.typed("any")
        told = {
            "DSN": self.dsn,
            "PREFIX": self.prefix,
            "COLUMNS": statements[1].split("(", 1)[1][:-1],
            "VALUES": statements[2].split(" VALUES ", 1)[1],
            "MISTAKES": "\n".join(f"{code}\t{sql}" for code, sql in mistakes("@T")),
            "FEATURES": ",".join(sys.argv[1:] or features),
        }
        variables = os.environ | {f"ZXQ_CLIENT_{key}": value for key, value in told.items()} | environment
        running = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        other = []
        for line in running.stdout:
            state, _, rest = line.rstrip("\n").partition("\t")
            if state not in ("ok", "no"):
                other.append(line)
                continue
            feature, _, why = rest.partition("\t")
            tell_result(feature, why if state == "no" else None)
        if running.wait():
            sys.exit(f"{command[0]} ended with {running.returncode}: {''.join(other)[-1000:]}")

    def main(self):
        wanted = sys.argv[1:] or (TLS and self.over_tls) or list(self.features)
        features = {key: run for key, run in self.features.items() if key in wanted}
        tell(client=self.name, version=self.version, call=self.call, features=list(features), **self.templates)
        waiting = list(features)
        watch = Watch(float(os.environ.get("ZXQ_CLIENT_PATIENCE", "60")), waiting)
        for key, function in features.items():
            watch.begin()
            try:
                asyncio.run(function()) if inspect.iscoroutinefunction(function) else function()
                why = None
            except BaseException as error:  # some drivers' errors are no Exceptions (a panic of Rust)
                if isinstance(error, KeyboardInterrupt):
                    raise
                why = f"{type(error).__name__}: {error}"
            with watch.lock:
                waiting.remove(key)
                tell_result(key, why)
        # A driver's thread that hangs must hold nobody.
        os._exit(0)


class DbApi:
    """What every driver of Python's DB API is tried with in the same steps. `connect(autocommit, ...)` gives a connection."""

    def __init__(self, client, connect, sqlstate):
        self.client, self.connect, self.sqlstate = client, connect, sqlstate

    def session(self, statements=(), autocommit=True, **more):
        connection = self.connect(autocommit, **more)
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return connection, cursor

    @staticmethod
    def ask(cursor, sql, *parameters):
        cursor.execute(sql, *parameters)
        return [tuple(row) for row in cursor.fetchall()]

    def transactions(self, savepoints=True):
        """A rollback, a commit, what others see before it, and with savepoints a block that fails; gives the session, another
        one's cursor and the table, in which one row was left."""
        statements, table = self.client.small("transactions")
        _, beside = self.session(statements)
        connection, cursor = self.session(autocommit=False)
        count = lambda k: self.ask(k, f"SELECT count(*) FROM {table}")[0][0]
        cursor.execute(f"INSERT INTO {table} VALUES (1, 'gone')")
        same((count(cursor), count(beside)), (1, 0), "before the rollback")
        connection.rollback()
        same(count(cursor), 0, "after it")
        cursor.execute(f"INSERT INTO {table} VALUES (2, 'kept')")
        if savepoints:
            cursor.execute("SAVEPOINT s")
            must_fail("22012", lambda: cursor.execute("SELECT 1/0"), self.sqlstate)
            must_fail("25P02", lambda: cursor.execute("SELECT 1"), self.sqlstate)
            cursor.execute("ROLLBACK TO SAVEPOINT s")
        connection.commit()
        same(self.ask(beside, f"SELECT id, name FROM {table}"), [(2, "kept")])
        return connection, cursor, beside, table


class Watch(threading.Thread):
    """Ends the script where one feature takes too long: a driver that waits in C hears no signal."""

    def __init__(self, patience, waiting):
        super().__init__(daemon=True)
        self.patience, self.waiting, self.lock, self.begun = patience, waiting, threading.Lock(), threading.Event()
        self.start()

    def begin(self):
        self.begun.set()

    def run(self):
        self.begun.wait()
        seen, since = None, 0.0
        while True:
            threading.Event().wait(0.25)
            with self.lock:
                now = self.waiting[0] if self.waiting else None
                since = since + 0.25 if now == seen else 0.0
                seen = now
                if now and since >= self.patience:
                    tell_result(now, f"no answer in {self.patience:.0f} s")
                    for other in self.waiting[1:]:
                        tell_result(other, f"not tried: {now} had no answer")
                    os._exit(0)


def tell(**what):
    print(json.dumps(what), flush=True)


def tell_result(feature, why):
    tell(feature=feature, ok=why is None, why=" ".join(str(why).split())[:600] if why is not None else "")


def require(*modules):
    """Leaves, saying so, where a driver is not installed."""
    import importlib

    try:
        return [importlib.import_module(module) for module in modules]
    except ImportError as error:
        missing(str(error))


def missing(what):
    """Says that this client is not installed, and leaves."""
    tell(missing=what)
    os._exit(0)
