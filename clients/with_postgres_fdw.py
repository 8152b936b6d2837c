"""postgres_fdw: a PostgreSQL whose foreign tables are the server's. `ZXQ_CLIENT_POSTGRES` says where that PostgreSQL is."""

import os
from decimal import Decimal

from harness import HOST, PORT, TARGET, TLS, USER, Client, missing, must_fail, require, same

(psycopg,) = require("psycopg")
NEAR = os.environ.get("ZXQ_CLIENT_POSTGRES")
if not NEAR:
    missing("a PostgreSQL server with postgres_fdw")

client = Client(
    "postgres_fdw",
    "15",
    "CREATE SERVER z FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({dsn})",
    "host '{host}', port '{port}', dbname '{database}'",
    "host '{host}', port '{port}', dbname '{database}', sslmode 'verify-full', sslrootcert '{root}', channel_binding 'require'",
)
TYPED = ("id", "n", "name", "note", "price", "f", "ok", "day", "seen", "ts", "raw", "uid", "tags", "doc")
DATABASE = client.prefix
sqlstate = lambda error: error.sqlstate


def far(statements=()):
    """A connection to the server itself."""
    tls = f" password={TARGET['password']} sslmode=verify-full sslrootcert={TARGET['root']}" if TLS else ""
    connection = psycopg.connect(f"host={HOST} port={PORT} dbname=zxq user={USER}{tls}", autocommit=True)
    for statement in statements:
        connection.execute(statement)
    return connection


def near(statements=(), tables=()):
    """A connection to PostgreSQL, where these tables of the server have been imported into schema `far`."""
    far(statements)
    if not getattr(near, "made", False):
        with psycopg.connect(NEAR, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {DATABASE}")
    connection = psycopg.connect(NEAR.replace("dbname=postgres", f"dbname={DATABASE}"), autocommit=True)
    if not getattr(near, "made", False):
        password = f", password '{TARGET['password']}'" if TLS else ""
        connection.execute("CREATE EXTENSION postgres_fdw")
        connection.execute(client.call.format(dsn=client.dsn))
        connection.execute("ALTER SERVER z OPTIONS (use_remote_estimate 'false', fetch_size '200', batch_size '50')")
        connection.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER z OPTIONS (user '{USER}'{password})")
        connection.execute("CREATE SCHEMA far")
        near.made = True
    if tables:
        connection.execute(f"IMPORT FOREIGN SCHEMA public LIMIT TO ({', '.join(tables)}) FROM SERVER z INTO far")
    return connection


def ask(connection, sql, *parameters):
    return connection.execute(sql, *parameters).fetchall()


@client.feature("connect")
def connect():
    statements, table = client.small("connect", 1)
    same(ask(near(statements, [table]), f"SELECT * FROM far.{table}"), [(1, "name 1")])


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows")
    connection = near(statements, [table])
    same(ask(connection, f"SELECT * FROM far.{table} ORDER BY id"), expected)
    same(ask(connection, f"SELECT id FROM far.{table} WHERE n > 0 AND name LIKE 'O%'"), [(1,)], "conditions there")


@client.feature("params")
def params():
    statements, table, expected = client.typed("params")
    connection = near(statements, [table])
    for column in ("id", "n", "name", "price", "f", "ok", "day", "seen", "ts", "uid"):
        value = expected[0][list(TYPED).index(column)]
        same(ask(connection, f"SELECT id FROM far.{table} WHERE {column} = %s", [value]), [(1,)], column)
    same(ask(connection, f"SELECT id FROM far.{table} WHERE id = ANY(%s) ORDER BY id LIMIT 2", [[3, 2, 9]]), [(2,), (3,)])
    same(
        ask(connection, f"SELECT count(*), sum(n), max(price) FROM far.{table} WHERE day < now()"),
        [(2, -2147483638, Decimal("1.5000"))],
        "aggregates there",
    )
    same(
        ask(connection, f"SELECT a.id FROM far.{table} a JOIN far.{table} b ON a.id = b.id AND a.day = b.day ORDER BY 1"),
        [(1,), (2,)],
        "a join there",
    )
    same(
        ask(
            connection,
            f"SELECT g, t.name FROM generate_series(1, 2) AS s(g), LATERAL (SELECT name FROM far.{table} WHERE id = g) AS t ORDER BY g",
        ),
        [(1, "O'Neil"), (2, "")],
        "a key at a time",
    )


@client.feature("transactions")
def transactions():
    statements, table = client.small("transactions")
    connection = near(statements, [table])
    there = far()
    connection.autocommit = False
    connection.execute(f"INSERT INTO far.{table} VALUES (1, 'gone')")
    same(
        (ask(connection, f"SELECT count(*) FROM far.{table}"), ask(there, f"SELECT count(*) FROM {table}")),
        ([(1,)], [(0,)]),
        "before the rollback",
    )
    connection.rollback()
    same(ask(connection, f"SELECT count(*) FROM far.{table}"), [(0,)], "after it")
    connection.execute(f"INSERT INTO far.{table} VALUES (2, 'kept')")
    connection.execute("SAVEPOINT s")
    connection.execute(f"INSERT INTO far.{table} VALUES (3, 'undone')")
    connection.execute("ROLLBACK TO SAVEPOINT s")
    same(ask(connection, f"INSERT INTO far.{table} VALUES (4, 'kept too') RETURNING id, name"), [(4, "kept too")], "RETURNING")
    connection.commit()
    same(ask(there, f"SELECT id FROM {table} ORDER BY id"), [(2,), (4,)])


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    connection = near(statements, [table])
    connection.autocommit = False
    with connection.cursor("steps") as steps:
        steps.itersize = 300
        steps.execute(f"SELECT id FROM far.{table}")
        same(sum(row[0] for row in steps), 12502500)


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    connection = near(statements, [table])
    must_fail("22012", lambda: connection.execute(f"SELECT 1 / (id - 1) FROM far.{table}"), sqlstate)
    must_fail("23514", lambda: connection.execute(f"INSERT INTO far.{table} VALUES (-1, 'x')"), sqlstate)
    far([f"DROP TABLE {table}"])
    must_fail("42P01", lambda: connection.execute(f"SELECT * FROM far.{table}"), sqlstate)
    same(ask(connection, "SELECT 1"), [(1,)], "afterwards")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    connection = near(statements, [table])
    connection.execute(f"INSERT INTO far.{table} SELECT g, 'n' || g FROM generate_series(1, 1000) AS s(g)")
    with connection.cursor().copy(f"COPY far.{table} FROM STDIN") as copy:
        for i in range(1001, 2001):
            copy.write_row((i, f"n{i}"))
    same(ask(connection, f"SELECT count(*), sum(id), count(DISTINCT name) FROM far.{table}"), [(2000, Decimal(2001000), 2000)])


@client.feature("catalog")
def catalog():
    statements, table, _ = client.typed("catalog")
    connection = near(statements)
    connection.execute(
        f"IMPORT FOREIGN SCHEMA public LIMIT TO ({table}) FROM SERVER z INTO far OPTIONS (import_default 'true', import_generated 'true')"
    )
    columns = ask(
        connection,
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        f"WHERE attrelid = 'far.{table}'::regclass AND attnum > 0 ORDER BY attnum",
    )
    same(
        [(c[0], c[1]) for c in columns if c[0] in ("id", "name", "price", "ts", "tags")],
        [
            ("id", "bigint"),
            ("name", "character varying(20)"),
            ("price", "numeric(12,4)"),
            ("ts", "timestamp with time zone"),
            ("tags", "text[]"),
        ],
    )
    same(columns[0][2], True, "NOT NULL")
    connection.execute(f"ANALYZE far.{table}")
    connection.execute("ALTER SERVER z OPTIONS (SET use_remote_estimate 'true')")
    try:
        same(ask(connection, f"SELECT count(*) FROM far.{table} WHERE n > 0"), [(1,)], "with estimates of the server")
    finally:
        connection.execute("ALTER SERVER z OPTIONS (SET use_remote_estimate 'false')")


client.main()
