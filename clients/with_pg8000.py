"""pg8000: pure Python, text formats, statements always prepared."""

import io
import ssl
from decimal import Decimal

from harness import COLUMNS, Client, DbApi, mistakes, must_fail, require, same

pg8000, _, _ = require("pg8000", "pg8000.dbapi", "pg8000.native")

client = Client(
    "pg8000",
    pg8000.__version__,
    "pg8000.dbapi.connect({dsn})",
    'host="{host}", port={port}, database="{database}", user="{user}"',
    'host="{host}", port={port}, database="{database}", user="{user}", password="{password}", '
    'ssl_context=ssl.create_default_context(cafile="{root}")',
    {"pg8000": pg8000, "ssl": ssl},
)
sqlstate = lambda error: error.args[0]["C"]


def opened(autocommit):
    connection = client.connect()
    connection.autocommit = autocommit
    return connection


driver = DbApi(client, opened, sqlstate)
session, ask = driver.session, driver.ask


@client.feature("connect")
def connect():
    connection, cursor = session()
    same(ask(cursor, "SELECT current_database()"), [("zxq",)])
    same(connection.parameter_statuses["server_encoding"], "UTF8")


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows")
    _, cursor = session(statements)
    same(ask(cursor, f"SELECT * FROM {table} ORDER BY id"), expected)
    same([column[0] for column in cursor.description], list(COLUMNS))


@client.feature("params")
def params():
    statements, table, expected = client.typed("params", rows=False)
    _, cursor = session(statements)
    places = ", ".join(["%s"] * len(COLUMNS))
    for row in expected:
        cursor.execute(f"INSERT INTO {table} VALUES ({places})", row)
    for column in ("id", "n", "name", "price", "f", "ok", "day", "seen", "ts", "uid", "raw"):
        value = expected[0][list(COLUMNS).index(column)]
        same(ask(cursor, f"SELECT id FROM {table} WHERE {column} = %s", [value]), [(1,)], column)
    same(ask(cursor, f"SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id LIMIT %s", [[3, 2, 9], 5]), [(2,), (3,)])
    native = pg8000.native.Connection(**eval(f"dict({client.dsn})", client.names))
    same(native.run("SELECT CAST(:a AS integer) + 1, :b || 'x'", a=41, b="it's"), [[42, "it'sx"]])
    prepared = native.prepare(f"SELECT name FROM {table} WHERE id = :id")
    same([prepared.run(id=number) for number in (1, 3, 9)], [[["O'Neil"]], [[None]], []])


@client.feature("transactions")
def transactions():
    driver.transactions()


@client.feature("copy out")
def copy_out():
    statements, table = client.small("copy out", 3)
    _, cursor = session(statements)
    out = io.BytesIO()
    cursor.execute(f"COPY (SELECT id, name FROM {table} ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)", stream=out)
    same(out.getvalue(), b"id,name\n1,name 1\n2,name 2\n3,name 3\n")


@client.feature("copy in")
def copy_in():
    statements, table = client.small("copy in")
    _, cursor = session(statements)
    cursor.execute(f"COPY {table} FROM STDIN", stream=io.BytesIO(b"1\ta\\tb\n2\t\\N\n"))
    must_fail("22P02", lambda: cursor.execute(f"COPY {table} FROM STDIN", stream=io.BytesIO(b"x\ty\n")), sqlstate)
    same(ask(cursor, f"SELECT id, name FROM {table} ORDER BY id"), [(1, "a\tb"), (2, None)])


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    _, cursor = session(statements)
    for code, sql in mistakes(table):
        must_fail(code, lambda: cursor.execute(sql), sqlstate)
    same(ask(cursor, "SELECT 1"), [(1,)], "afterwards")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    connection, cursor = session(statements, autocommit=False)
    cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", [(i, f"n{i}") for i in range(1, 301)])
    lines = "".join(f"{i}\tn{i}\n" for i in range(301, 20001))
    cursor.execute(f"COPY {table} FROM STDIN", stream=io.BytesIO(lines.encode()))
    connection.commit()
    same(ask(cursor, f"SELECT count(*), sum(id), count(DISTINCT name) FROM {table}"), [(20000, Decimal(200010000), 20000)])


client.main()
