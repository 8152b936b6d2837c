"""psycopg 3: parameters and results in binary, pipelines, COPY of single rows, server-side cursors, its pool."""

import uuid
from decimal import Decimal

from harness import COLUMNS, Client, mistakes, must_fail, require, same

psycopg, psycopg_pool, _, types_json = require("psycopg", "psycopg_pool", "psycopg.rows", "psycopg.types.json")

client = Client(
    "psycopg 3",
    psycopg.__version__,
    'psycopg.connect("{dsn}")',
    "host={host} port={port} dbname={database} user={user}",
    "host={host} port={port} dbname={database} user={user} password={password} sslmode=verify-full sslrootcert={root} "
    "channel_binding=require",
    globals(),
)
sqlstate = lambda error: error.sqlstate


def session(statements=(), autocommit=True):
    connection = client.connect()
    connection.autocommit = autocommit
    for statement in statements:
        connection.execute(statement)
    return connection


def ask(connection, sql, *parameters, **how):
    return connection.execute(sql, *parameters, **how).fetchall()


@client.feature("connect")
def connect():
    connection = session()
    same(ask(connection, "SELECT current_user, current_database()"), [(connection.info.user, "zxq")])
    same((connection.info.server_version >= 150000, connection.info.encoding), (True, "utf-8"))
    same(connection.info.parameter_status("standard_conforming_strings"), "on")


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows")
    connection = session(statements)
    for binary in (False, True):
        same(ask(connection, f"SELECT * FROM {table} ORDER BY id", binary=binary), expected, f"binary={binary}")
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    cursor.execute(f"SELECT id, price FROM {table} WHERE id = 1")
    same(cursor.fetchall(), [{"id": 1, "price": Decimal("1.5000")}])
    same([(c.name, c.type_code) for c in cursor.description], [("id", 20), ("price", 1700)])
    same((cursor.description[1].precision, cursor.description[1].scale), (12, 4), "digits")


@client.feature("params")
def params():
    statements, table, expected = client.typed("params", rows=False)
    connection = session(statements)
    places = ", ".join(["%s"] * len(COLUMNS))
    insert = connection.cursor()
    insert.executemany(
        f"INSERT INTO {table} VALUES ({places})",
        [[types_json.Jsonb(v) if isinstance(v, dict) else v for v in row] for row in expected],
    )
    same(insert.rowcount, 3)
    for column in ("id", "n", "name", "price", "f", "ok", "day", "seen", "ts", "uid", "raw"):
        value = expected[0][list(COLUMNS).index(column)]
        for place in ("%s", "%b", "%t"):
            same(ask(connection, f"SELECT id FROM {table} WHERE {column} = {place}", [value]), [(1,)], f"{column} {place}")
    same(ask(connection, f"SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id LIMIT %s", [[3, 2, 9], 5]), [(2,), (3,)])
    same(ask(connection, "SELECT %s::text IS NULL, %s::text || 'x'", [None, "it's 100%"]), [(True, "it's 100%x")])
    # After five executions it prepares the statement on the server.
    for number in range(12):
        same(
            ask(connection, f"SELECT name, %s::int + 1 FROM {table} WHERE id = %s", [number, number % 4]),
            [(expected[number % 4 - 1][2], number + 1)] if number % 4 else [],
        )
    same(ask(connection, "SELECT %s::int", [7], prepare=True), [(7,)])
    same(
        ask(psycopg.connect(client.dsn, cursor_factory=psycopg.ClientCursor), "SELECT %s, %s", ["it's", uuid.UUID(int=5)]),
        [("it's", uuid.UUID(int=5))],
        "bound by the client",
    )


@client.feature("transactions")
def transactions():
    statements, table = client.small("transactions")
    beside = session(statements)
    count = lambda connection: ask(connection, f"SELECT count(*) FROM {table}")[0][0]
    connection = session(autocommit=False)
    connection.execute(f"INSERT INTO {table} VALUES (1, 'gone')")
    same((count(connection), count(beside)), (1, 0), "before the rollback")
    connection.rollback()
    same(count(connection), 0, "after it")
    connection.rollback()
    with connection.transaction():
        connection.execute(f"INSERT INTO {table} VALUES (%s, %s)", [2, "kept"])
        try:
            with connection.transaction():
                connection.execute(f"INSERT INTO {table} VALUES (3, 'undone')")
                must_fail("22012", lambda: connection.execute("SELECT 1/0"), sqlstate)
                must_fail("25P02", lambda: connection.execute("SELECT 1"), sqlstate)
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    same(ask(beside, f"SELECT id, name FROM {table}"), [(2, "kept")])
    connection.read_only, connection.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
    same(ask(connection, "SELECT current_setting('transaction_isolation')"), [("repeatable read",)])
    beside.execute(f"INSERT INTO {table} VALUES (4, 'later')")
    same(count(connection), 1, "a snapshot")
    must_fail("25006", lambda: connection.execute(f"INSERT INTO {table} VALUES (5, 'no')"), sqlstate)
    connection.rollback()
    with beside.pipeline():
        first = beside.execute(f"INSERT INTO {table} VALUES (6, 'piped')")
        second = beside.execute(f"SELECT count(*) FROM {table}")
        same((second.fetchall(), first.rowcount), ([(3,)], 1), "a pipeline")


@client.feature("copy out")
def copy_out():
    statements, table = client.small("copy out", 3)
    connection = session(statements)
    with connection.cursor().copy(f"COPY (SELECT id, name, NULL::text AS n FROM {table} ORDER BY id) TO STDOUT") as copy:
        copy.set_types(["int8", "text", "text"])
        same(list(copy.rows()), [(i, f"name {i}", None) for i in (1, 2, 3)])
    with connection.cursor().copy(
        f"COPY (SELECT id, name FROM {table} WHERE id > %s ORDER BY id) TO STDOUT (FORMAT csv, HEADER)", [1]
    ) as copy:
        same(b"".join(copy), b"id,name\n2,name 2\n3,name 3\n", "with a parameter, as CSV")


@client.feature("copy in")
def copy_in():
    statements, table, expected = client.typed("copy in", rows=False)
    connection = session(statements)
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for row in expected:
            copy.write_row([types_json.Jsonb(v) if isinstance(v, dict) else v for v in row])
    same(ask(connection, f"SELECT * FROM {table} ORDER BY id"), expected)

    def give_up():
        with connection.cursor().copy(f"COPY {table} (id) FROM STDIN") as copy:
            copy.write_row([9])
            raise ZeroDivisionError

    try:
        give_up()
    except ZeroDivisionError:
        pass
    same(ask(connection, f"SELECT count(*) FROM {table}"), [(3,)], "after a COPY that was given up")


@client.feature("binary copy")
def binary_copy():
    statements, table, expected = client.typed("binary copy", rows=False)
    connection = session(statements)
    types = [
        "int8",
        "int4",
        "varchar",
        "text",
        "numeric",
        "float8",
        "bool",
        "date",
        "timestamp",
        "timestamptz",
        "bytea",
        "uuid",
        "text[]",
        "jsonb",
    ]
    with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(types)
        for row in expected:
            copy.write_row([types_json.Jsonb(v) if isinstance(v, dict) else v for v in row])
    with connection.cursor().copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(types)
        same(list(copy.rows()), expected)


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    connection = session(statements)
    connection.autocommit = False
    with connection.cursor("steps", scrollable=True) as named:
        named.itersize = 700
        named.execute(f"SELECT id FROM {table} WHERE id > %s ORDER BY id", [10])
        same(named.fetchmany(2), [(11,), (12,)])
        named.scroll(-1)
        same(named.fetchone(), (12,))
        same(sum(row[0] for row in named), sum(range(13, 5001)))
    connection.commit()
    with connection.cursor("held", withhold=True) as held:
        held.execute(f"SELECT id FROM {table} ORDER BY id DESC")
        connection.commit()
        same(held.fetchmany(2), [(5000,), (4999,)], "a cursor after its transaction")
    connection.rollback()
    same(sum(row[0] for row in connection.cursor().stream(f"SELECT id FROM {table}")), 12502500, "row by row")


@client.feature("pool")
def pooled():
    with psycopg_pool.ConnectionPool(
        client.dsn, min_size=2, max_size=4, check=psycopg_pool.ConnectionPool.check_connection, open=True
    ) as source:
        source.wait(10)
        for number in range(12):
            with source.connection() as connection:
                same(ask(connection, "SELECT %s::int", [number]), [(number,)])
        try:
            with source.connection() as connection:
                connection.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            pass
        with source.connection() as connection:
            same(ask(connection, "SELECT 1"), [(1,)], "after an error")


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    connection = session(statements)
    for code, sql in mistakes(table):
        must_fail(code, lambda: connection.execute(sql), sqlstate)
    try:
        connection.execute("SELECT *\nFROM no_such_table")
    except psycopg.errors.UndefinedTable as error:
        same((error.diag.severity, error.diag.statement_position), ("ERROR", "15"), "where it is")
    must_fail("22P02", lambda: connection.execute("SELECT %t::int", ["abc"]), sqlstate)
    same(ask(connection, "SELECT 1"), [(1,)], "afterwards")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    connection = session(statements)
    with connection.transaction():
        connection.cursor().executemany(f"INSERT INTO {table} VALUES (%s, %s)", [(i, f"n{i}") for i in range(1, 501)])
    with connection.cursor().copy(f"COPY {table} (id, name) FROM STDIN") as copy:
        for i in range(501, 20001):
            copy.write_row((i, f"n{i}"))
    same(ask(connection, f"SELECT count(*), sum(id), count(DISTINCT name) FROM {table}"), [(20000, Decimal(200010000), 20000)])


client.main()
