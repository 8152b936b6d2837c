"""polars: frames through ADBC and other drivers, and written through ADBC and SQLAlchemy."""

import datetime as dt

from harness import Client, must_fail, require, same

polars, _, _, sqlalchemy, psycopg = require("polars", "pyarrow", "adbc_driver_postgresql.dbapi", "sqlalchemy", "psycopg")

client = Client(
    "polars",
    polars.__version__,
    'polars.read_database_uri(sql, "{dsn}", engine="adbc")',
    "postgresql://{user}@{host}:{port}/{database}",
    "postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert={root}&channel_binding=require",
    over_tls=["connect", "rows", "bulk"],
)
TYPED = ("id", "n", "name", "note", "f", "ok", "day", "seen", "ts")


def make(statements):
    with psycopg.connect(client.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def read(sql):
    return eval(client.call.format(dsn=client.dsn), {"polars": polars, "sql": sql})


@client.feature("connect")
def connect():
    same(read("SELECT 1 AS one").to_dicts(), [{"one": 1}])


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows", TYPED)
    make(statements)
    got = read(f"SELECT * FROM {table} ORDER BY id")
    same(
        dict(zip(got.columns, map(str, got.dtypes))),
        {
            "id": "Int64",
            "n": "Int32",
            "name": "String",
            "note": "String",
            "f": "Float64",
            "ok": "Boolean",
            "day": "Date",
            "seen": "Datetime(time_unit='us', time_zone=None)",
            "ts": "Datetime(time_unit='us', time_zone='UTC')",
        },
    )
    same(got.rows(), expected)
    with psycopg.connect(client.dsn) as connection:
        same(
            polars.read_database(f"SELECT id, day FROM {table} ORDER BY id", connection).rows(),
            [(1, dt.date(2024, 2, 29)), (2, dt.date(1969, 12, 31)), (3, None)],
        )


@client.feature("params")
def params():
    statements, table = client.small("params", 9)
    make(statements)
    with psycopg.connect(client.dsn) as connection:
        got = polars.read_database(
            f"SELECT id FROM {table} WHERE id > %s ORDER BY id", connection, execute_options={"params": [7]}
        )
    same(got["id"].to_list(), [8, 9])


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    make(statements)
    engine = sqlalchemy.create_engine(client.dsn.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect().execution_options(stream_results=True) as connection:
        parts = list(polars.read_database(f"SELECT id FROM {table} ORDER BY id", connection, iter_batches=True, batch_size=600))
    same((len(parts), sum(part["id"].sum() for part in parts)), (9, 12502500))


@client.feature("errors")
def errors():
    for code, sql in [("42P01", "SELECT * FROM no_such_table"), ("22012", "SELECT 1/0 AS x")]:
        must_fail(code, lambda: read(sql), lambda error: error.sqlstate)


@client.feature("bulk")
def bulk():
    table = client.table("bulk")
    make([f"DROP TABLE IF EXISTS {table}"])
    data = polars.DataFrame(
        {
            "id": range(20000),
            "name": [f"n{i}" for i in range(20000)],
            "day": [dt.date(2024, 1, 1 + i % 28) for i in range(20000)],
        }
    )
    same(data.write_database(table, client.dsn, engine="adbc", if_table_exists="fail"), 20000)
    data.head(500).write_database(table, client.dsn, engine="adbc", if_table_exists="append")
    got = read(f"SELECT count(*) AS n, count(DISTINCT name) AS names, max(day) AS newest FROM {table}")
    same(got.rows(), [(20500, 20000, dt.date(2024, 1, 28))])


client.main()
