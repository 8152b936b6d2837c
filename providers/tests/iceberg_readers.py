"""Reads Iceberg tables with PyIceberg and with DuckDB, and compares every value with what was written.

Reads one table from each line of its standard input and answers "rows agree". A table is {"path" of the metadata file,
"name", "database" of the SQL catalog, "columns": [[name, kind]], "rows": [[value]], "filters": [[sql, ids]]}. Kinds say
how values are written: decimals as text, times as microseconds, dates as YYYY-MM-DD. Rows are ordered by the column `id`.
"""

import importlib
import json
import pathlib
import sys

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import GreaterThanOrEqual
from pyiceberg.table import StaticTable

# Conditions that PyIceberg's parser takes as DuckDB's does.
COMMON = ("symbol = 'S00015'", "asset_class is null", "trade_date is null", "medium is null")


def canonical(table: pa.Table, columns) -> list:
    """The rows of an Arrow table in the manifest's form, ordered by id."""
    table = table.sort_by("id")
    arrays = []
    for name, kind in columns:
        array = table.column(name)
        if kind == "time":
            array = array.cast(pa.timestamp("us", getattr(array.type, "tz", None))).cast(pa.int64())
        elif kind == "date":
            array = pc.strftime(array.cast(pa.date32()), format="%Y-%m-%d")
        elif kind == "decimal":
            arrays.append([None if v is None else format(v, "f") for v in array.to_pylist()])
            continue
        arrays.append(array.to_pylist())
    return [list(row) for row in zip(*arrays)]


def compare(reader: str, path: str, got: list, wanted: list) -> None:
    if len(got) != len(wanted):
        sys.exit(f"{reader} reads {len(got)} rows of {path}, {len(wanted)} were written")
    for got_row, wanted_row in zip(got, wanted):
        if got_row != wanted_row:
            sys.exit(f"{reader} reads of {path}\n  {got_row}\nbut this was written\n  {wanted_row}")


def ids(table: pa.Table) -> list:
    return sorted(table.column("id").to_pylist())


def with_pyiceberg(table: dict) -> None:
    path, wanted = table["path"], table["rows"]
    catalog = SqlCatalog("zxq", uri=f"sqlite:///{table['database']}")
    named = catalog.load_table(("zxq", table["name"]))
    if named.metadata_location != path:
        sys.exit(f"the catalog says {named.metadata_location}, not {path}")
    compare("PyIceberg", path, canonical(named.scan().to_arrow(), table["columns"]), wanted)
    static = StaticTable.from_metadata(path)
    compare("PyIceberg (static)", path, canonical(static.scan().to_arrow(), table["columns"]), wanted)

    summary = static.current_snapshot().summary
    if int(summary["total-records"]) != len(wanted):
        sys.exit(f"the snapshot of {path} counts {summary['total-records']} rows, {len(wanted)} were written")
    files = static.inspect.files().to_pylist()
    if sum(file["record_count"] for file in files) != len(wanted):
        sys.exit(f"the manifests of {path} count other rows than {len(wanted)}")
    for position, (name, _) in enumerate(table["columns"]):
        counts = [file["readable_metrics"][name]["null_value_count"] for file in files]
        nulls = sum(row[position] is None for row in wanted)
        if None not in counts and sum(counts) != nulls:
            sys.exit(f"the manifests of {path} count {sum(counts)} NULLs in {name}, {nulls} were written")

    for condition, found in table["filters"]:
        if condition in COMMON and ids(static.scan(row_filter=condition).to_arrow()) != found:
            sys.exit(f"PyIceberg finds other ids than {found} where {condition} in {path}")
    last = max(row[4] for row in wanted)
    newest = [row[0] for row in wanted if row[4] >= last]
    moment = pa.scalar(last, pa.timestamp("us", "UTC")).as_py().isoformat()
    if ids(static.scan(row_filter=GreaterThanOrEqual("ts", moment)).to_arrow()) != newest:
        sys.exit(f"PyIceberg finds other ids than {newest} since {moment} in {path}")


def connect() -> duckdb.DuckDBPyConnection:
    """A connection with the iceberg extension, from Python packages so that no network is needed."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ("avro", "iceberg"):
        folder = pathlib.Path(importlib.import_module(f"duckdb_extension_{name}").__path__[0])
        (extension,) = folder.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension")
        connection.load_extension(str(extension))
    return connection


def with_duckdb(connection: duckdb.DuckDBPyConnection, table: dict) -> None:
    path = table["path"].replace("'", "''")
    shown = []
    for name, kind in table["columns"]:
        quoted = '"' + name.replace('"', '""') + '"'
        if kind == "time":
            shown.append(f"epoch_us({quoted})")
        elif kind in ("date", "decimal"):
            shown.append(f"{quoted}::varchar")
        else:
            shown.append(quoted)
    rows = connection.execute(f"select {', '.join(shown)} from iceberg_scan('{path}') order by id").fetchall()
    compare("DuckDB", table["path"], [list(row) for row in rows], table["rows"])
    for condition, wanted in table["filters"]:
        got = connection.execute(f"select id from iceberg_scan('{path}') where {condition} order by id").fetchall()
        if [row[0] for row in got] != wanted:
            sys.exit(f"DuckDB finds ids {[row[0] for row in got]} where {condition} in {path}, not {wanted}")


def main() -> None:
    connection = connect()
    for line in sys.stdin:
        table = json.loads(line)
        with_pyiceberg(table)
        with_duckdb(connection, table)
        print("rows agree", flush=True)


main()
