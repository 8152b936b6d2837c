//! Small tables and segments for unit tests.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, TimeUnit};

use crate::{
    CheckDef, ColumnDef, ColumnStats, Granularity, JobId, PartitionKey, Partitioning, Role, RowHash, Segment,
    SegmentId, TableDef, TableId, Tier, Value,
};

/// A column that allows NULL and has nothing special.
pub(crate) fn column(name: &str, data_type: DataType, sql_type: &str) -> ColumnDef {
    ColumnDef::new(name, data_type, sql_type)
}

/// A table that uses everything a definition can say.
pub(crate) fn table(id: TableId, name: &str) -> TableDef {
    let micros = |tz: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, tz.map(Into::into));
    TableDef {
        renamed_from: None,
        owner: None,
        id,
        name: name.to_owned(),
        columns: vec![
            ColumnDef { nullable: false, ..column("ts", micros(Some("UTC")), "TIMESTAMPTZ") },
            column("local_ts", micros(None), "TIMESTAMP"),
            ColumnDef { max_chars: Some(50), ..column("symbol", DataType::Utf8View, "VARCHAR(50)") },
            column("price", DataType::Decimal128(20, 8), "DECIMAL(20,8)"),
            ColumnDef { default: Some("1".to_owned()), ..column("size", DataType::Int64, "BIGINT") },
            ColumnDef {
                generated: Some("price * size".to_owned()),
                ..column("notional", DataType::Decimal128(38, 8), "DECIMAL(38,8)")
            },
            column("trade_date", DataType::Date32, "DATE"),
            column("asset_class", DataType::Utf8View, "TEXT"),
        ],
        checks: vec![CheckDef { name: "size_check".to_owned(), expression: "size >= 0".to_owned() }],
        partitioning: Partitioning {
            date_column: Some("trade_date".to_owned()),
            granularity: Granularity::Month,
            class_column: Some("asset_class".to_owned()),
        },
        time_column: Some("ts".to_owned()),
        sort_by: vec!["symbol".to_owned(), "ts".to_owned()],
        lookup: vec!["symbol".to_owned()],
        options: BTreeMap::from([("hot_to_warm_age".to_owned(), "7 days".to_owned())]),
    }
}

/// A partition of January 2024.
pub(crate) fn partition(class: &str) -> PartitionKey {
    PartitionKey { period: Some(19_723), class: Some(class.to_owned()) }
}

/// An owner with statistics of every kind.
pub(crate) fn segment(id: SegmentId, table: TableId, tier: Tier) -> Segment {
    let bounds =
        |min: Value, max: Value| ColumnStats { min: Some(min), max: Some(max), null_count: 3, has_bounds: true };
    Segment {
        id,
        table,
        partition: partition("FX"),
        tier,
        role: Role::Owner,
        location: format!("{tier}/{id}"),
        rows: id.wrapping_add(100),
        bytes: 4096,
        hash: RowHash(u64::MAX - id),
        stats: BTreeMap::from([
            ("price".to_owned(), bounds(Value::Decimal(i128::MIN), Value::Decimal(i128::MAX))),
            ("size".to_owned(), bounds(Value::Int(i64::MIN), Value::Int(i64::MAX))),
            ("ratio".to_owned(), bounds(Value::Float(f64::NEG_INFINITY), Value::Float(0.1 + 0.2))),
            ("symbol".to_owned(), bounds(Value::Text(String::new()), Value::Text("ü'\"\\\n".to_owned()))),
            ("ts".to_owned(), bounds(Value::TimestampMicros(-1), Value::TimestampMicros(i64::MAX))),
            ("trade_date".to_owned(), bounds(Value::Date(-1), Value::Date(i32::MAX))),
            ("active".to_owned(), bounds(Value::Bool(false), Value::Bool(true))),
            ("empty".to_owned(), ColumnStats { null_count: 103, has_bounds: true, ..ColumnStats::default() }),
        ]),
        sorted: true,
        job: JobId(format!("job{id}")),
        created_epoch: 0,
    }
}

/// A replica of `owners`.
pub(crate) fn replica(id: SegmentId, table: TableId, tier: Tier, owners: &[SegmentId]) -> Segment {
    Segment { role: Role::ReplicaOf(owners.to_vec()), ..segment(id, table, tier) }
}
