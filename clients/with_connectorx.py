"""connectorx: frames through COPY, cursors and simple queries, split into ranges that are read at once."""

import datetime as dt

from harness import Client, Mismatch, require, same

connectorx, pandas, polars, psycopg, _ = require("connectorx", "pandas", "polars", "psycopg", "pyarrow")

client = Client(
    "connectorx",
    connectorx.__version__,
    'connectorx.read_sql("{dsn}", sql)',
    "postgresql://{user}@{host}:{port}/{database}",
    "postgresql://{user}:{password}@{host}:{port}/{database}?sslmode=require&sslrootcert={root}",
)
TYPED = ("id", "n", "name", "note", "f", "ok", "day", "seen")
PROTOCOLS = ("binary", "csv", "cursor", "simple")


def make(statements):
    with psycopg.connect(client.dsn.replace("sslmode=require", "sslmode=verify-full"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def read(sql, **how):
    return connectorx.read_sql(client.dsn, sql, return_type="polars", **how)


@client.feature("connect")
def connect():
    got = eval(client.call.format(dsn=client.dsn), {"connectorx": connectorx, "sql": "SELECT 1 AS one"})
    same(got.to_dict("records"), [{"one": 1}])


@client.feature("rows")
def rows():
    statements, table, expected = client.typed("rows", TYPED)
    make(statements)
    for protocol in PROTOCOLS:
        got = read(f"SELECT * FROM {table} ORDER BY id", protocol=protocol)
        values = [tuple(v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for v in row) for row in got.rows()]
        # Through CSV it cannot tell an empty text from none.
        empty = None if protocol == "csv" else ""
        same(values, [tuple(empty if v == "" else v for v in row) for row in expected], protocol)


@client.feature("cursor")
def cursor():
    statements, table = client.small("cursor", 5000)
    make(statements)
    for protocol in PROTOCOLS:
        got = read(f"SELECT id, name FROM {table}", protocol=protocol, partition_on="id", partition_num=3)
        same((len(got), got["id"].sum(), got["name"].n_unique()), (5000, 12502500, 5000), protocol)
    got = read([f"SELECT id FROM {table} WHERE id <= 100", f"SELECT id FROM {table} WHERE id > 4900"])
    same(got["id"].sum(), sum(range(1, 101)) + sum(range(4901, 5001)))


@client.feature("errors")
def errors():
    for sql in ("SELECT * FROM no_such_table", "SELECT 1/0 AS x"):
        try:
            read(sql)
        except BaseException:  # it has no codes
            continue
        raise Mismatch(f"no error of {sql}")
    same(read("SELECT 1 AS one").rows(), [(1,)], "afterwards")


client.main()
