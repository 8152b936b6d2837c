"""pandas over SQLAlchemy: frames read with their types, by chunks, and written in the ways that to_sql has."""

from harness import Client, require, same

pandas, sqlalchemy, _ = require("pandas", "sqlalchemy", "psycopg")
from sqlalchemy import text

client = Client(
    "pandas",
    pandas.__version__,
    'sqlalchemy.create_engine("{dsn}")',
    "postgresql+psycopg://{user}@{host}:{port}/{database}",
    "postgresql+psycopg://{user}:{password}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert={root}&channel_binding=require",
    {"sqlalchemy": sqlalchemy},
    over_tls=["connect", "rows"],
)
TYPED = ("id", "n", "name", "price", "f", "ok", "day", "seen", "ts")


def make(statements):
    engine = client.connect()
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    return engine


def frame(rows):
    index = range(rows)
    return pandas.DataFrame(
        {
            "id": pandas.Series(index, dtype="int64"),
            "name": [f"n{i}" for i in index],
            "price": [i / 4 for i in index],
            "ok": [i % 2 == 0 for i in index],
            "ts": pandas.date_range("2024-01-01", periods=rows, freq="min", tz="UTC"),
        }
    )


@client.feature("connect")
def connect():
    got = pandas.read_sql("SELECT 1 AS one", make([]))
    same(got.to_dict("records"), [{"one": 1}])


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows", TYPED)
    engine = make(statements)
    got = pandas.read_sql_query(f"SELECT * FROM {table} ORDER BY id", engine, parse_dates=["day"])
    same(list(got.columns), list(TYPED))
    same((str(got.id.dtype), got.f.dtype.kind, got.seen.dtype.kind, str(got.ts.dt.tz)), ("int64", "f", "M", "UTC"))
    same(got.loc[0, ["id", "name", "price", "f"]].tolist(), [1, "O'Neil", expected[0][3], 0.5])
    same(got.isna().sum().to_dict(), {"id": 0, **dict.fromkeys(TYPED[1:], 1)}, "NULLs")
    same(got.ts[0].to_pydatetime(), expected[0][8])
    whole = pandas.read_sql_table(table, engine, columns=["id", "ok"], index_col="id")
    same(whole.ok.to_dict(), {1: True, 2: False, 3: None})


@client.feature("params")
def params():
    statements, table = client.small("params", 9)
    engine = make(statements)
    got = pandas.read_sql(
        text(f"SELECT id FROM {table} WHERE id > :low AND name <> :name ORDER BY id"),
        engine,
        params={"low": 6, "name": "name 8"},
    )
    same(got.id.tolist(), [7, 9])
    got = pandas.read_sql(f"SELECT id FROM {table} WHERE id = ANY(%(ids)s)", engine, params={"ids": [1, 2]})
    same(sorted(got.id), [1, 2])


@client.feature("transactions")
def transactions():
    statements, table = client.small("transactions")
    engine = make(statements)
    data = pandas.DataFrame({"id": [1, 2], "name": ["a", None]})
    with engine.connect() as connection, connection.begin() as transaction:
        data.to_sql(table, connection, if_exists="append", index=False)
        transaction.rollback()
    same(pandas.read_sql(f"SELECT count(*) AS n FROM {table}", engine).n[0].item(), 0, "after a rollback")
    with engine.begin() as connection:
        data.to_sql(table, connection, if_exists="append", index=False)
    same(pandas.read_sql(f"SELECT * FROM {table} ORDER BY id", engine).name.fillna("-").tolist(), ["a", "-"])


@client.feature("copy in")
def copy_in():
    """The way to load a large frame: to_sql with a method that copies."""

    def by_copy(table, connection, keys, rows):
        with connection.connection.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(keys)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    table = client.table("copy in")
    engine = make([f"DROP TABLE IF EXISTS {table}"])
    frame(5000).to_sql(table, engine, index=False, method=by_copy)
    got = pandas.read_sql(f"SELECT count(*) AS n, sum(price) AS total, max(ts) AS newest FROM {table}", engine)
    same((got.n[0].item(), got.total[0].item(), str(got.newest[0])), (5000, 3124375.0, "2024-01-04 11:19:00+00:00"))


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    engine = make(statements)
    with engine.connect().execution_options(stream_results=True) as connection:
        parts = [
            (len(part), int(part.id.sum()))
            for part in pandas.read_sql(f"SELECT id FROM {table} ORDER BY id", connection, chunksize=600)
        ]
    same((len(parts), sum(total for _, total in parts)), (9, 12502500))


@client.feature("bulk")
def bulk():
    table = client.table("bulk")
    engine = make([f"DROP TABLE IF EXISTS {table}"])
    data = frame(600)
    data.to_sql(table, engine, index=False)
    data.to_sql(table, engine, index=False, if_exists="append", method="multi", chunksize=200)
    data.to_sql(table, engine, index=False, if_exists="append", chunksize=100)
    got = pandas.read_sql(f"SELECT * FROM {table} ORDER BY id, ts", engine)
    same((len(got), got.id.nunique(), str(got.ok.dtype), got.price.max().item()), (1800, 600, "bool", 149.75))
    data.head(3).to_sql(table, engine, index=False, if_exists="replace")
    back = pandas.read_sql(f"SELECT * FROM {table} ORDER BY id", engine)
    pandas.testing.assert_frame_equal(back, data.head(3), check_dtype=False, check_index_type=False, check_freq=False)


client.main()
