"""Reads Delta tables with delta-rs and with DuckDB, and compares every value with what was written.

usage: delta_readers.py MANIFEST.json

The manifest lists tables: {"path", "columns": [[name, kind]], "rows": [[value]], "filters": [[sql, ids]]}. Kinds say how
values are written: decimals as text, times as microseconds, dates as YYYY-MM-DD. Rows are ordered by the column `id`.
"""

import json
import pathlib
import sys

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.compute as pc


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


def with_delta_rs(table: dict) -> None:
    opened = deltalake.DeltaTable(table["path"])
    compare("delta-rs", table["path"], canonical(opened.to_pyarrow_table(), table["columns"]), table["rows"])
    # The statistics that planners use: rows, and the nulls of every column that the files hold.
    adds = pa.table(opened.get_add_actions(flatten=True))
    rows = sum(adds.column("num_records").to_pylist())
    if rows != len(table["rows"]):
        sys.exit(f"the log of {table['path']} counts {rows} rows, {len(table['rows'])} were written")
    for position, (name, _) in enumerate(table["columns"]):
        key = f"null_count.{name}"
        if key in adds.column_names and None not in adds.column(key).to_pylist():
            nulls = sum(adds.column(key).to_pylist())
            wanted = sum(row[position] is None for row in table["rows"])
            if nulls != wanted:
                sys.exit(f"the log of {table['path']} counts {nulls} NULLs in {name}, {wanted} were written")


def connect() -> duckdb.DuckDBPyConnection:
    """A connection with the delta extension, from its Python package so that no network is needed."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    import duckdb_extension_delta

    folder = pathlib.Path(duckdb_extension_delta.__path__[0])
    (extension,) = folder.glob(f"extensions/v{duckdb.__version__}/delta.duckdb_extension")
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
    rows = connection.execute(f"select {', '.join(shown)} from delta_scan('{path}') order by id").fetchall()
    compare("DuckDB", table["path"], [list(row) for row in rows], table["rows"])
    for condition, wanted in table["filters"]:
        got = connection.execute(f"select id from delta_scan('{path}') where {condition} order by id").fetchall()
        if [row[0] for row in got] != wanted:
            sys.exit(f"DuckDB finds ids {[row[0] for row in got]} where {condition} in {path}, not {wanted}")


def main() -> None:
    manifest = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    connection = connect()
    for table in manifest["tables"]:
        with_delta_rs(table)
        with_duckdb(connection, table)
        print(f"{table['path']}: {len(table['rows'])} rows agree")


main()
