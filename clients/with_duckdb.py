"""DuckDB's postgres extension: the server attached as a database, read by binary COPY, and written."""

import datetime as dt
import glob
import os
from decimal import Decimal

from harness import UTC, Client, Mismatch, require, same

duckdb, extension, psycopg = require("duckdb", "duckdb_extension_postgres_scanner", "psycopg")

EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)

client = Client(
    "DuckDB",
    duckdb.__version__,
    "ATTACH '{dsn}' AS z (TYPE postgres)",
    "host={host} port={port} dbname={database} user={user}",
    "host={host} port={port} dbname={database} user={user} password={password} sslmode=verify-full sslrootcert={root} "
    "channel_binding=require",
)
TYPED = ("id", "n", "name", "note", "price", "f", "ok", "day", "seen", "ts", "raw", "uid", "tags")


def session(statements=()):
    with psycopg.connect(client.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
    duck = duckdb.connect()
    file = glob.glob(os.path.dirname(extension.__file__) + "/extensions/*/*.duckdb_extension")[0]
    duck.execute(f"LOAD '{file}'")
    duck.execute("SET TimeZone = 'UTC'")
    duck.execute(client.call.format(dsn=client.dsn))
    return duck


def ask(duck, sql):
    return duck.execute(sql).fetchall()


@client.feature("connect")
def connect():
    same(ask(session(), "SELECT * FROM postgres_query('z', 'SELECT current_database()::text')"), [("zxq",)])


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows", TYPED)
    duck = session(statements)
    got = ask(duck, f"SELECT * REPLACE (epoch_us(ts) AS ts) FROM z.{table} ORDER BY id")
    microseconds = lambda moment: moment and (moment - EPOCH) // dt.timedelta(microseconds=1)
    same(got, [(*row[:9], microseconds(row[9]), *row[10:]) for row in expected])
    same(
        ask(duck, f"SELECT count(*), sum(n) FROM z.public.{table} WHERE ok AND day > DATE '2000-01-01' AND price > 1"),
        [(1, 10)],
        "filters",
    )
    same(
        ask(duck, f"SELECT a.id, b.name FROM z.{table} a JOIN (SELECT 1 AS id, 'local' AS name) b USING (id)"),
        [(1, "local")],
        "a join",
    )


@client.feature("transactions")
def transactions():
    statements, table = client.small("transactions")
    duck = session(statements)
    duck.execute("BEGIN")
    duck.execute(f"INSERT INTO z.{table} VALUES (1, 'gone')")
    duck.execute("ROLLBACK")
    same(ask(duck, f"SELECT count(*) FROM z.{table}"), [(0,)], "after a rollback")
    duck.execute("BEGIN")
    duck.execute(f"INSERT INTO z.{table} VALUES (2, 'kept')")
    same(ask(duck, f"SELECT count(*) FROM z.{table}"), [(1,)], "its own row")
    duck.execute("COMMIT")
    same(ask(session(), f"SELECT * FROM z.{table}"), [(2, "kept")])


@client.feature("binary copy")
def binary_copy():
    statements, table, expected = client.typed("binary copy", TYPED[:-1])
    duck = session(statements)
    duck.execute(f"CREATE TABLE here AS SELECT * FROM z.{table}")
    duck.execute(f"INSERT INTO z.{table} SELECT * REPLACE (id + 10 AS id) FROM here")
    same(
        ask(duck, f"SELECT count(*), count(DISTINCT (n, name, note, price, f, ok, day, seen, ts, raw, uid)) FROM z.{table}")[0][
            0
        ],
        6,
    )
    halves = [ask(duck, f"SELECT * EXCLUDE (id, ts) FROM z.{table} WHERE id {side} 10 ORDER BY id") for side in "<>"]
    same(halves[1], halves[0], "what came back")
    same(ask(duck, f"SELECT count(*) FROM z.{table} a JOIN z.{table} b ON b.id = a.id + 10 AND a.ts = b.ts"), [(2,)], "moments")


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    duck = session(statements)
    reader = duck.execute(f"SELECT id FROM z.{table}")
    total = 0
    while part := reader.fetchmany(600):
        total += sum(row[0] for row in part)
    same(total, 12502500)
    for pages in (1, 100):
        duck.execute(f"SET pg_pages_per_task = {pages}")
        same(
            ask(duck, f"SELECT count(*), sum(id), min(name) FROM z.{table}"),
            [(5000, 12502500, "name 1")],
            f"{pages} pages per task",
        )


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    duck = session(statements)
    for sql in (
        "SELECT * FROM postgres_query('z', 'SELECT 1/0')",
        f"INSERT INTO z.{table} VALUES (-1, 'x')",
        "SELECT * FROM z.no_such_table",
    ):
        try:
            ask(duck, sql)
        except duckdb.Error:
            continue
        raise Mismatch(f"no error of {sql}")
    same(ask(duck, f"SELECT id FROM z.{table}"), [(1,)], "afterwards")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    duck = session(statements[:1])
    duck.execute(
        f"CREATE TABLE z.{table} AS SELECT i AS id, 'n' || i AS name, (i / 4)::DECIMAL(12,2) AS price, "
        "DATE '2024-01-01' + (i % 28)::INT AS day FROM range(20000) t(i)"
    )
    duck.execute(f"INSERT INTO z.{table} SELECT * FROM z.{table} WHERE id < 1000")
    same(
        ask(session(), f"SELECT count(*), count(DISTINCT name), max(price), min(day)::VARCHAR FROM z.{table}"),
        [(21000, 20000, Decimal("4999.75"), "2024-01-01")],
    )
    duck.execute(f"DROP TABLE z.{table}")


@client.feature("catalog")
def catalog():
    statements, table, _ = client.typed("catalog", TYPED)
    duck = session(statements)
    same(
        ask(
            duck,
            f"SELECT table_name FROM duckdb_tables() WHERE database_name = 'z' AND schema_name = 'public' AND table_name = '{table}'",
        ),
        [(table,)],
    )
    columns = ask(
        duck,
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
        f"WHERE database_name = 'z' AND table_name = '{table}' ORDER BY column_index",
    )
    same(
        columns,
        [
            ("id", "BIGINT", False),
            ("n", "INTEGER", True),
            ("name", "VARCHAR", True),
            ("note", "VARCHAR", True),
            ("price", "DECIMAL(12,4)", True),
            ("f", "DOUBLE", True),
            ("ok", "BOOLEAN", True),
            ("day", "DATE", True),
            ("seen", "TIMESTAMP", True),
            ("ts", "TIMESTAMP WITH TIME ZONE", True),
            ("raw", "BLOB", True),
            ("uid", "UUID", True),
            ("tags", "VARCHAR[]", True),
        ],
    )
    same(len(ask(duck, f"DESCRIBE z.{table}")), len(TYPED))


client.main()
