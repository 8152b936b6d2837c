"""ADBC's PostgreSQL driver: Arrow tables out by binary COPY, and in."""

import datetime as dt
from decimal import Decimal

from harness import ROWS, USER, Client, DbApi, must_fail, require, same

_, pa, adbc_driver_postgresql = require("adbc_driver_postgresql.dbapi", "pyarrow", "adbc_driver_postgresql")
from adbc_driver_postgresql import StatementOptions

client = Client(
    "ADBC",
    adbc_driver_postgresql.__version__,
    'adbc_driver_postgresql.dbapi.connect("{dsn}")',
    "postgresql://{user}@{host}:{port}/{database}",
    "postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert={root}&channel_binding=require",
    globals(),
)
TYPED = ("id", "n", "name", "note", "price", "f", "ok", "day", "seen", "ts", "raw", "tags")
sqlstate = lambda error: error.sqlstate


def opened(autocommit):
    return eval(client.call.format(dsn=client.dsn)[:-1] + f", autocommit={autocommit})", globals())


driver = DbApi(client, opened, sqlstate)
session, ask = driver.session, driver.ask


def table_of(cursor, sql, copy=True):
    cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: "true" if copy else "false"})
    cursor.execute(sql)
    return cursor.fetch_arrow_table()


@client.feature("connect")
def connect():
    connection, cursor = session()
    same(ask(cursor, "SELECT current_user::text, current_database()::text"), [(USER, "zxq")])
    same(connection.adbc_get_info()["vendor_name"], "PostgreSQL")


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows", TYPED)
    _, cursor = session(statements)
    for copy in (True, False):
        got = table_of(cursor, f"SELECT * FROM {table} ORDER BY id", copy)
        types = dict(zip(got.schema.names, map(str, got.schema.types)))
        same(
            {name: types[name] for name in ("id", "n", "name", "f", "ok", "day", "seen", "ts", "raw")},
            {
                "id": "int64",
                "n": "int32",
                "name": "string",
                "f": "double",
                "ok": "bool",
                "day": "date32[day]",
                "seen": "timestamp[us]",
                "ts": "timestamp[us, tz=UTC]",
                "raw": "binary",
            },
        )
        values = [tuple(row.values()) for row in got.to_pylist()]
        # Decimals come as texts.
        values = [(*row[:4], None if row[4] is None else Decimal(row[4]), *row[5:]) for row in values]
        same(values, expected, f"copy={copy}")


@client.feature("params")
def params():
    statements, table, _ = client.typed("params", TYPED)
    _, cursor = session(statements)
    same(ask(cursor, f"SELECT id FROM {table} WHERE id > $1 AND name = $2", [0, "O'Neil"]), [(1,)])
    same(
        ask(cursor, f"SELECT id FROM {table} WHERE ok = $1 AND f < $2 AND day < $3", [False, 1.5, dt.date(2000, 1, 1)]), [(2,)]
    )
    same(ask(cursor, f"SELECT id FROM {table} WHERE ts = $1 AND seen = $2", [ROWS[0][9], ROWS[0][8]]), [(1,)])
    cursor.executemany(f"INSERT INTO {table} (id, note) VALUES ($1, $2)", [(10, "ten"), (11, None)])
    same(ask(cursor, f"SELECT id, note FROM {table} WHERE id >= 10 ORDER BY id"), [(10, "ten"), (11, None)])
    same(
        cursor.adbc_prepare(f"SELECT id FROM {table} WHERE id = $1 AND f = $2").types,
        [pa.int64(), pa.float64()],
        "types of parameters",
    )


@client.feature("transactions")
def transactions():
    connection, *_ = driver.transactions(savepoints=False)
    connection.rollback()


@client.feature("binary copy")
def binary_copy():
    statements, table, expected = client.typed("binary copy", TYPED, rows=False)
    connection, cursor = session(statements)
    fields = [
        ("id", pa.int64()),
        ("n", pa.int32()),
        ("name", pa.string()),
        ("note", pa.string()),
        ("price", pa.decimal128(12, 4)),
        ("f", pa.float64()),
        ("ok", pa.bool_()),
        ("day", pa.date32()),
        ("seen", pa.timestamp("us")),
        ("ts", pa.timestamp("us", "UTC")),
        ("raw", pa.binary()),
        ("tags", pa.list_(pa.string())),
    ]
    data = pa.Table.from_pylist([dict(zip(TYPED, row)) for row in expected], pa.schema(fields))
    same(cursor.adbc_ingest(table, data, mode="append"), 3)
    got = table_of(cursor, f"SELECT * FROM {table} ORDER BY id").to_pylist()
    same(
        [(row["id"], row["name"], row["ts"], row["tags"], row["price"] and Decimal(row["price"])) for row in got],
        [(row[0], row[2], row[9], row[11], row[4]) for row in expected],
    )


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    _, cursor = session(statements)
    cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: "4096"})
    cursor.execute(f"SELECT id, name FROM {table}")
    reader = cursor.fetch_record_batch()
    sizes = [(batch.num_rows, sum(batch.column(0).to_pylist())) for batch in reader]
    same((len(sizes) > 10, sum(n for n, _ in sizes), sum(s for _, s in sizes)), (True, 5000, 12502500), "batches")


@client.feature("errors")
def errors():
    statements, table = client.small("errors", 1)
    _, cursor = session(statements)
    for code, sql in [
        ("42P01", "SELECT * FROM no_such_table"),
        ("42703", f"SELECT no_such_column FROM {table}"),
        ("42601", "SELEC 1"),
        ("22012", f"SELECT 1 / (id - id) FROM {table}"),
        ("23502", f"INSERT INTO {table} (name) VALUES ('no id')"),
    ]:
        must_fail(code, lambda: ask(cursor, sql), sqlstate)
    same(ask(cursor, "SELECT 1"), [(1,)], "afterwards")


@client.feature("bulk")
def bulk():
    statements, table = client.small("bulk")
    connection, cursor = session(statements[:1])
    data = pa.table(
        {
            "id": pa.array(range(20000), pa.int64()),
            "name": [f"n{i}" for i in range(20000)],
            "x": pa.array([i / 4 for i in range(20000)]),
        }
    )
    same(cursor.adbc_ingest(table, data, mode="create"), 20000)
    same(cursor.adbc_ingest(table, data.to_reader(max_chunksize=3000), mode="append"), 20000)
    same(ask(cursor, f"SELECT count(*), count(DISTINCT name), max(x) FROM {table}"), [(40000, 20000, 4999.75)])


@client.feature("catalog")
def catalog():
    statements, table, _ = client.typed("catalog", TYPED)
    connection, cursor = session(statements)
    schema = connection.adbc_get_table_schema(table)
    same(schema.names, list(TYPED))
    same(str(schema.field("ts").type), "timestamp[us, tz=UTC]")
    same("table" in connection.adbc_get_table_types(), True, "kinds of tables")
    found = (
        connection.adbc_get_objects(depth="columns", db_schema_filter="public", table_name_filter=table).read_all().to_pylist()
    )
    tables = [t for c in found for s in c["catalog_db_schemas"] or [] for t in s["db_schema_tables"] or []]
    same([(t["table_name"], [c["column_name"] for c in t["table_columns"]]) for t in tables], [(table, list(TYPED))])
    cursor.execute(f"SELECT id FROM {table}")
    same(cursor.adbc_execute_schema(f"SELECT id, name FROM {table}").names, ["id", "name"], "described without running")


client.main()
