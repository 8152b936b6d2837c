"""psycopg2: the driver that most of Python's tools use, over libpq and simple queries."""

import io
from decimal import Decimal

from harness import COLUMNS, Client, DbApi, mistakes, must_fail, require, same

psycopg2, extras, pool = require("psycopg2", "psycopg2.extras", "psycopg2.pool")

client = Client(
    "psycopg2",
    psycopg2.__version__.split()[0],
    'psycopg2.connect("{dsn}")',
    "host={host} port={port} dbname={database} user={user}",
    "host={host} port={port} dbname={database} user={user} password={password} sslmode=verify-full sslrootcert={root} "
    "channel_binding=require",
    globals(),
)
sqlstate = lambda error: error.pgcode


def opened(autocommit):
    connection = client.connect()
    connection.autocommit = autocommit
    return connection


driver = DbApi(client, opened, sqlstate)
session, ask = driver.session, driver.ask


@client.feature("connect")
def connect():
    connection, cursor = session()
    same(ask(cursor, "SELECT current_user, current_database()"), [(connection.info.user, "zxq")])
    same(connection.server_version >= 150000 and connection.encoding == "UTF8", True, "version and encoding")


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows")
    extras.register_uuid()
    _, cursor = session(statements)
    got = ask(cursor, f"SELECT * FROM {table} ORDER BY id")
    raw = list(COLUMNS).index("raw")
    plain = lambda row: tuple(bytes(v) if i == raw and v is not None else v for i, v in enumerate(row))
    same([plain(row) for row in got], expected)
    same([column.name for column in cursor.description], list(COLUMNS), "names")


@client.feature("params")
def params():
    statements, table, expected = client.typed("params", rows=False)
    extras.register_uuid()
    _, cursor = session(statements)
    places = ", ".join(["%s"] * len(COLUMNS))
    for row in expected:
        cursor.execute(f"INSERT INTO {table} VALUES ({places})", [extras.Json(v) if isinstance(v, dict) else v for v in row])
    first = expected[0]
    for column in ("id", "n", "name", "price", "f", "ok", "day", "seen", "ts", "uid"):
        value = first[list(COLUMNS).index(column)]
        same(ask(cursor, f"SELECT id FROM {table} WHERE {column} = %s", [value]), [(1,)], column)
    same(ask(cursor, f"SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id LIMIT %s", [[3, 2, 9], 5]), [(2,), (3,)])
    same(ask(cursor, "SELECT %s::text IS NULL, %s || 'x'", [None, "it's 100%"]), [(True, "it's 100%x")])


@client.feature("transactions")
def transactions():
    connection, cursor, beside, table = driver.transactions()
    with connection:
        cursor.execute(f"INSERT INTO {table} VALUES (3, 'kept too')")
    same(ask(beside, f"SELECT count(*) FROM {table}"), [(2,)], "after a block")


@client.feature("copy out")
def copy_out():
    statements, table = client.small("copy out", 3)
    _, cursor = session(statements)
    text, csv = io.StringIO(), io.StringIO()
    cursor.copy_to(text, table)
    same("".join(sorted(text.getvalue().splitlines(True))), "1\tname 1\n2\tname 2\n3\tname 3\n")
    cursor.copy_expert(
        f"COPY (SELECT id, name, NULL AS n FROM {table} ORDER BY id DESC) TO STDOUT WITH (FORMAT csv, HEADER)", csv
    )
    same(csv.getvalue(), "id,name,n\n3,name 3,\n2,name 2,\n1,name 1,\n")


@client.feature("copy in")
def copy_in():
    statements, table = client.small("copy in")
    connection, cursor = session(statements, autocommit=False)
    cursor.copy_from(io.StringIO("1\ta\\tb\n2\t\\N\n"), table, columns=("id", "name"))
    connection.commit()
    cursor.copy_expert(
        f"COPY {table} FROM STDIN WITH (FORMAT csv, HEADER)", io.StringIO('id,name\n3,"with ""quotes"", and more"\n')
    )
    connection.rollback()
    cursor.copy_expert(f"COPY {table} FROM STDIN WITH (FORMAT csv)", io.StringIO("4,four\n"))
    bad = io.StringIO("five,5\n")
    cursor.execute("SAVEPOINT s")
    must_fail("22P02", lambda: cursor.copy_expert(f"COPY {table} FROM STDIN WITH (FORMAT csv)", bad), sqlstate)
    cursor.execute("ROLLBACK TO SAVEPOINT s")
    connection.commit()
    same(ask(cursor, f"SELECT id, name FROM {table} ORDER BY id"), [(1, "a\tb"), (2, None), (4, "four")])


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    connection, plain = session(statements)
    connection.autocommit = False
    named = connection.cursor("steps", scrollable=True)
    named.itersize = 700
    named.execute(f"SELECT id FROM {table} WHERE id > %s ORDER BY id", [10])
    same(named.fetchmany(2), [(11,), (12,)])
    named.scroll(-1)
    same(named.fetchone(), (12,))
    same(sum(row[0] for row in named), sum(range(13, 5001)))
    named.close()
    connection.commit()
    held = connection.cursor("held", withhold=True)
    held.execute(f"SELECT id FROM {table} ORDER BY id DESC")
    connection.commit()
    same(held.fetchmany(2), [(5000,), (4999,)], "a cursor after its transaction")
    held.close()


@client.feature("pool")
def pooled():
    source = pool.ThreadedConnectionPool(1, 4, client.dsn)
    taken = [source.getconn() for _ in range(4)]
    for number, connection in enumerate(taken):
        connection.cursor().execute("SET application_name = %s", [f"p{number}"])
        source.putconn(connection)
    again = source.getconn()
    with again.cursor() as cursor:
        same(ask(cursor, "SELECT 1"), [(1,)])
        again.rollback()
        again.reset()
        same(ask(cursor, "SHOW application_name"), [("",)], "after a reset")
    source.putconn(again)
    source.closeall()


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    _, cursor = session(statements)
    for code, sql in mistakes(table):
        must_fail(code, lambda: cursor.execute(sql), sqlstate)
    try:
        cursor.execute("SELECT *\nFROM no_such_table")
    except psycopg2.errors.UndefinedTable as error:
        same((error.diag.severity, error.diag.statement_position), ("ERROR", "15"), "where it is")
    same(ask(cursor, "SELECT 1"), [(1,)], "afterwards")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    _, cursor = session(statements)
    extras.execute_values(
        cursor, f"INSERT INTO {table} (id, name) VALUES %s", [(i, f"n{i}") for i in range(1, 5001)], page_size=1000
    )
    extras.execute_batch(cursor, f"INSERT INTO {table} VALUES (%s, %s)", [(i, None) for i in range(5001, 5101)])
    same(ask(cursor, f"SELECT count(*), sum(id), count(name) FROM {table}"), [(5100, Decimal(13007550), 5000)])


client.main()
