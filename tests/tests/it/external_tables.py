"""Makes the tables that the external-table suite registers, by libraries other than zxq's:
`external_tables.py FOLDER [ENDPOINT KEY SECRET BUCKET]`. With an S3 server, some lie in its bucket too.

Prints one JSON object: for each table its format, its location, and all its rows as text, sorted by `id`.
"""

import datetime
import json
import pathlib
import sys
from decimal import Decimal

import deltalake
import pyarrow as arrow
import pyarrow.dataset as dataset
import pyarrow.fs as arrow_fs
import pyarrow.parquet as parquet
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform, MonthTransform
from pyiceberg.types import DateType, DecimalType, LongType, NestedField, StringType, TimestamptzType

folder = pathlib.Path(sys.argv[1])
UTC = datetime.timezone.utc
START = datetime.datetime(2024, 1, 30, 14, 30, tzinfo=UTC)


def symbol(i):
    """Every fifth row has none; some hold what names of folders must escape."""
    return None if i % 5 == 0 else "BRK/B %2F=1" if i % 11 == 0 else f"S{i % 7}"


def trades(first, count):
    """Rows over two months, with NULLs."""
    ids = list(range(first, first + count))
    times = [START + datetime.timedelta(hours=7 * i, microseconds=i) for i in ids]
    return arrow.table(
        {
            "id": arrow.array(ids, arrow.int64()),
            "symbol": arrow.array([symbol(i) for i in ids], arrow.string()),
            "ts": arrow.array(times, arrow.timestamp("us", tz="UTC")),
            "price": arrow.array([Decimal(i * 101 - 3000) / 100 for i in ids], arrow.decimal128(18, 8)),
            "trade_date": arrow.array([t.date() for t in times], arrow.date32()),
        }
    )


def rows(table):
    """Each row as `id|symbol|ts|price|trade_date`, by id."""
    table = table.sort_by("id")
    lines = []
    for row in table.to_pylist():
        price = None if row["price"] is None else f"{row['price']:.8f}"
        time = row["ts"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        values = [row["id"], row["symbol"], time, price, row["trade_date"]]
        lines.append("|".join("NULL" if value is None else str(value) for value in values))
    return lines


tables = {}

# ---- Parquet: one file, and folders named after a column.
single = folder / "one.parquet"
parquet.write_table(trades(0, 50), single)
tables["parquet_file"] = ("parquet", single, rows(trades(0, 50)))
checked = folder / "checksums.parquet"
parquet.write_table(trades(0, 50), checked, write_page_checksum=True, use_dictionary=False, compression="none")
tables["parquet_checksums"] = ("parquet", checked, rows(trades(0, 50)))
hive = folder / "hive"
by_symbol = dataset.partitioning(arrow.schema([("symbol", arrow.string())]), flavor="hive")
dataset.write_dataset(trades(0, 80), hive, format="parquet", partitioning=by_symbol)
tables["parquet_folder"] = ("parquet", f"{hive}/", rows(trades(0, 80)))

# ---- Delta: partitioned by a date and by nullable text, in several commits, one of which rewrites files.
delta = folder / "delta"
deltalake.write_deltalake(delta, trades(0, 60), partition_by=["trade_date", "symbol"])
deltalake.write_deltalake(delta, trades(60, 40), mode="append")
deltalake.DeltaTable(delta).delete("id % 10 = 3")
kept = [i for i in range(100) if i % 10 != 3]
tables["delta_parts"] = ("delta", delta, rows(trades(0, 100).take(kept)))

# ---- Iceberg: a partition spec that zxq would not choose, a renamed, an added and a moved column, deleted rows.
warehouse = folder / "warehouse"
warehouse.mkdir()
catalog = SqlCatalog("test", uri=f"sqlite:///{folder}/iceberg.db", warehouse=f"file://{warehouse}")
catalog.create_namespace("market")
schema = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "ticker", StringType()),
    NestedField(3, "ts", TimestamptzType()),
    NestedField(4, "price", DecimalType(18, 8)),
    NestedField(5, "trade_date", DateType()),
)
spec = PartitionSpec(
    PartitionField(2, 1000, BucketTransform(4), "symbol_bucket"),
    PartitionField(5, 1001, MonthTransform(), "month"),
)
iceberg = catalog.create_table("market.trades", schema, partition_spec=spec)
iceberg.append(trades(0, 60).rename_columns(["id", "ticker", "ts", "price", "trade_date"]))
with iceberg.update_schema() as update:
    update.rename_column("ticker", "symbol")
iceberg.append(trades(60, 40))
with iceberg.update_spec() as update:
    update.remove_field("symbol_bucket")
    update.remove_field("month")
    update.add_field("trade_date", IdentityTransform(), "day")
iceberg.append(trades(100, 30))
iceberg.delete("id >= 20 and id < 33")
kept = [i for i in range(130) if not 20 <= i < 33]
tables["iceberg_evolved"] = ("iceberg", iceberg.metadata_location.removeprefix("file://"), rows(trades(0, 130).take(kept)))

empty = catalog.create_table("market.empty", schema)
with empty.update_schema() as update:
    update.rename_column("ticker", "symbol")
tables["iceberg_empty"] = ("iceberg", empty.metadata_location.removeprefix("file://"), [])

# ---- In a bucket: one of each format.
if len(sys.argv) > 2:
    endpoint, key, secret, bucket = sys.argv[2:6]
    store = arrow_fs.S3FileSystem(
        access_key=key, secret_key=secret, endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=False
    )
    dataset.write_dataset(trades(0, 80), f"{bucket}/others/hive", format="parquet", partitioning=by_symbol, filesystem=store)
    tables["parquet_in_bucket"] = ("parquet", f"s3://{bucket}/others/hive/", rows(trades(0, 80)))
    options = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "aws_conditional_put": "etag",
    }
    lake = f"s3://{bucket}/others/delta"
    deltalake.write_deltalake(lake, trades(0, 60), partition_by=["trade_date", "symbol"], storage_options=options)
    deltalake.write_deltalake(lake, trades(60, 40), mode="append", storage_options=options)
    tables["delta_in_bucket"] = ("delta", lake, rows(trades(0, 100)))
    keys = {"s3.endpoint": endpoint, "s3.access-key-id": key, "s3.secret-access-key": secret, "s3.region": "us-east-1"}
    remote = SqlCatalog("remote", uri=f"sqlite:///{folder}/remote.db", warehouse=f"s3://{bucket}/others/ice", **keys)
    remote.create_namespace("market")
    iceberg = remote.create_table("market.trades", trades(0, 1).schema)
    iceberg.append(trades(0, 60))
    iceberg.append(trades(60, 40))
    tables["iceberg_in_bucket"] = ("iceberg", iceberg.metadata_location, rows(trades(0, 100)))

print(json.dumps({name: {"format": f, "location": str(l), "rows": r} for name, (f, l, r) in tables.items()}))
