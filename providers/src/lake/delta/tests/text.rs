//! What is written as text: options, paths, statistics.

use std::collections::BTreeMap;

use parquet::basic::Compression;
use zxq_catalog::{ColumnStats, Granularity, JobId, Partitioning, Role, RowHash, Segment, Tier, Value};

use super::fixture::{DAY, DAY_US, column, key, table, timestamp};
use crate::lake::delta::stats_json::stats_json;
use crate::lake::parquet_files::compression::parse_compression;
use crate::lake::parquet_files::layout::{location, partition_columns, partition_values};

#[test]
fn compressions_are_parsed_or_refused_by_name() {
    assert!(
        matches!(parse_compression("zstd(19)").unwrap(), Compression::ZSTD(level) if level.compression_level() == 19)
    );
    assert!(matches!(parse_compression(" ZSTD ").unwrap(), Compression::ZSTD(level) if level.compression_level() == 3));
    assert_eq!(parse_compression("lz4").unwrap(), Compression::LZ4_RAW);
    assert_eq!(parse_compression("snappy").unwrap(), Compression::SNAPPY);
    assert!(matches!(parse_compression("gzip(9)").unwrap(), Compression::GZIP(_)));
    assert_eq!(parse_compression("uncompressed").unwrap(), Compression::UNCOMPRESSED);
    for wrong in ["", "zstd(0)", "zstd(23)", "zstd(3", "zstd()", "lz4(3)", "brotli", "gzip(10)"] {
        let message = parse_compression(wrong).unwrap_err().to_string();
        assert!(message.contains(&format!("{wrong:?}")) && message.contains("zstd(1)"), "{message}");
    }
}

#[test]
fn folders_name_the_partition() {
    let job = JobId("abc".to_owned());
    let at = |granularity, period, class: Option<&str>| {
        location("trades_7", &table(granularity), &job, 12, &key(period, class))
    };
    assert_eq!(
        at(Granularity::Day, Some(DAY), Some("FX")),
        "trades_7/trade_date=2024-01-02/asset_class=FX/12-abc.parquet"
    );
    assert_eq!(at(Granularity::Month, Some(DAY - 1), None), {
        "trades_7/trade_month=2024-01/asset_class=__HIVE_DEFAULT_PARTITION__/12-abc.parquet"
    });
    assert_eq!(at(Granularity::Year, None, Some("a/b =%ü")), {
        "trades_7/trade_year=__HIVE_DEFAULT_PARTITION__/asset_class=a%2Fb%20%3D%25%C3%BC/12-abc.parquet"
    });
    let mut flat = table(Granularity::Day);
    flat.partitioning = Partitioning::none();
    assert_eq!(location("trades_7", &flat, &job, 12, &key(None, None)), "trades_7/12-abc.parquet");
}

#[test]
fn a_coarse_partition_column_gets_a_name_that_is_free() {
    let mut table = table(Granularity::Month);
    assert_eq!(partition_columns(&table)[0].name, "trade_month");
    assert_eq!(partition_values(&table, &key(Some(DAY - 1), None))["trade_month"].as_deref(), Some("2024-01"));
    table.columns.push(column("Trade_Month", arrow::datatypes::DataType::Utf8View, true));
    assert_eq!(partition_columns(&table)[0].name, "trade_date_month_partition");
}

fn stats(min: Value, max: Value) -> ColumnStats {
    ColumnStats { min: Some(min), max: Some(max), null_count: 1, has_bounds: true }
}

fn segment(stats: BTreeMap<String, ColumnStats>) -> Segment {
    Segment {
        id: 1,
        table: 7,
        partition: key(Some(DAY), Some("FX")),
        tier: Tier::Cold,
        role: Role::Owner,
        location: String::new(),
        rows: 5,
        bytes: 1,
        hash: RowHash(0),
        stats,
        sorted: true,
        job: JobId::new(),
        created_epoch: 0,
    }
}

#[test]
fn statistics_are_exact_or_wider() {
    let mut table = table(Granularity::Day);
    table.columns.push(column("local", timestamp(None), true));
    let long = "é".repeat(70);
    let segment = segment(BTreeMap::from([
        ("asset_class".to_owned(), stats(Value::Text("FX".into()), Value::Text("FX".into()))),
        ("symbol".to_owned(), stats(Value::Text("a\"\\\n".into()), Value::Text("b".into()))),
        ("ts".to_owned(), stats(Value::TimestampMicros(DAY_US + 1), Value::TimestampMicros(DAY_US + 1_001))),
        ("local".to_owned(), stats(Value::TimestampMicros(-1), Value::TimestampMicros(0))),
        ("price".to_owned(), stats(Value::Decimal(-5), Value::Decimal(12_345_678_901_234_567_890_123))),
        ("size".to_owned(), stats(Value::Float(-1.5e300), Value::Float(0.1))),
        ("venue".to_owned(), stats(Value::Text(long.clone()), Value::Text(long))),
        ("trade_id".to_owned(), ColumnStats { min: None, max: None, null_count: 5, has_bounds: true }),
    ]));
    let text = stats_json(&table, &segment);
    assert!(text.contains(r#""price":-0.00000005"#), "{text}");
    assert!(text.contains(r#""price":123456789012345.67890123"#), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["numRecords"], 5);
    assert_eq!(json["tightBounds"], false);
    assert_eq!(json["minValues"]["ts"], "2024-01-02T00:00:00.000Z");
    assert_eq!(json["maxValues"]["ts"], "2024-01-02T00:00:00.002Z");
    assert_eq!(json["minValues"]["local"], "1969-12-31T23:59:59.999");
    assert_eq!(json["maxValues"]["local"], "1970-01-01T00:00:00.000");
    assert_eq!(json["minValues"]["symbol"], "a\"\\\n");
    assert_eq!(json["minValues"]["size"], -1.5e300);
    assert_eq!(json["minValues"]["venue"], "é".repeat(64));
    assert_eq!(json["maxValues"]["venue"], format!("{}{}", "é".repeat(64), char::MAX));
    assert_eq!(json["nullCount"]["trade_id"], 5);
    assert!(json["minValues"].get("trade_id").is_none());
    assert!(json["nullCount"].get("asset_class").is_none(), "the folder tells");
}

#[test]
fn bounds_are_tight_only_when_nothing_was_rounded() {
    let table = table(Granularity::Day);
    let exact = segment(BTreeMap::from([("ts".to_owned(), {
        stats(Value::TimestampMicros(DAY_US), Value::TimestampMicros(DAY_US + 5_000))
    })]));
    assert!(stats_json(&table, &exact).contains("\"tightBounds\":true"));
    let infinite =
        segment(BTreeMap::from([("size".to_owned(), stats(Value::Float(1.0), Value::Float(f64::INFINITY)))]));
    let json: serde_json::Value = serde_json::from_str(&stats_json(&table, &infinite)).unwrap();
    assert!(json["minValues"].get("size").is_none(), "JSON has no infinity, and one bound alone misleads");
    let last = 253_402_300_799_999_999;
    let far = segment(BTreeMap::from([(
        "ts".to_owned(),
        stats(Value::TimestampMicros(DAY_US), Value::TimestampMicros(last)),
    )]));
    let json: serde_json::Value = serde_json::from_str(&stats_json(&table, &far)).unwrap();
    assert_eq!(json["maxValues"]["ts"], "9999-12-31T23:59:59.999999Z", "no millisecond of the calendar lies above");
    assert_eq!(json["tightBounds"], true);
}
