"""ADBC's PostgreSQL driver on the same rows: `adbc_peer.py in|out URL TABLE [FILE…]`; prints rows and seconds.

`in` reads the Parquet files first and times the ingest (binary COPY) and its commit; `out` times fetching all rows as Arrow.
"""

import sys
import time

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet as parquet

direction, url, table, files = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
with adbc.connect(url) as connection, connection.cursor() as cursor:
    if direction == "in":
        batches = [parquet.read_table(file) for file in files]
        started = time.perf_counter()
        for number, batch in enumerate(batches):
            cursor.adbc_ingest(table, batch, mode="replace" if number == 0 else "append")
        connection.commit()
        rows = sum(batch.num_rows for batch in batches)
    else:
        started = time.perf_counter()
        cursor.execute(f"SELECT * FROM {table}")
        rows = cursor.fetch_arrow_table().num_rows
    print(rows, time.perf_counter() - started)
