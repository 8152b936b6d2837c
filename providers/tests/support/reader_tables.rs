//! Tables that other programs read: of every type, by every granularity, with the history that zxq gives a table.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use serde_json::{Value as Json, json};
use zxq_catalog::value::date_text;
use zxq_catalog::{ColumnDef, Granularity, JobId, PartitionKey, Partitioning, Segment, TableDef, Value};
use zxq_providers::{Publication, TierStore, scalar};
use zxq_test_support::segments;

/// 2024-01-02, and its first microsecond.
const DAY: i32 = 19_724;
const DAY_US: i64 = DAY as i64 * 86_400_000_000;

fn column(name: &str, data_type: DataType, nullable: bool) -> ColumnDef {
    let sql_type = data_type.to_string();
    ColumnDef { nullable, ..ColumnDef::new(name, data_type, sql_type) }
}

pub fn table(id: u64, granularity: Granularity) -> TableDef {
    let timestamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from));
    TableDef {
        partitioning: Partitioning {
            date_column: Some("trade_date".to_owned()),
            granularity,
            class_column: Some("asset_class".to_owned()),
        },
        time_column: Some("ts".to_owned()),
        sort_by: vec!["symbol".to_owned(), "ts".to_owned()],
        lookup: vec!["symbol".to_owned()],
        ..TableDef::new(
            id,
            format!("every type by {}", granularity.name()),
            vec![
                column("id", DataType::Int64, false),
                column("trade_date", DataType::Date32, true),
                column("asset_class", DataType::Utf8View, true),
                column("symbol", DataType::Utf8View, false),
                column("ts", timestamp(Some("UTC")), false),
                column("local", timestamp(None), true),
                column("price", DataType::Decimal128(18, 8), true),
                column("notional", DataType::Decimal128(38, 10), true),
                column("ticks", DataType::Decimal128(9, 0), true),
                column("small", DataType::Int16, true),
                column("medium", DataType::Int32, true),
                column("single", DataType::Float32, true),
                column("double", DataType::Float64, true),
                column("flag", DataType::Boolean, true),
                column("settles", DataType::Date32, true),
                column("odd name, \"quoted\"", DataType::Utf8View, true),
            ],
        )
    }
}

/// Rows of one partition, with ids from `first`. Bounds fall between milliseconds, and negatives and extremes occur.
pub fn rows(table: &TableDef, first: i64, date: Option<i32>, class: Option<&str>, count: i64) -> RecordBatch {
    let ids = || first..first + count;
    let some = |i: i64| i % 5 != 3;
    let us = |i: i64| DAY_US + i * 1_234_567 + 999;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids())),
        Arc::new(Date32Array::from_iter(ids().map(|_| date))),
        Arc::new(StringViewArray::from_iter(ids().map(|_| class))),
        Arc::new(StringViewArray::from_iter_values(ids().map(|i| format!("S{:05}", i / 3)))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(ids().map(us)).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from_iter(ids().map(|i| some(i).then(|| -us(i))))),
        Arc::new(
            Decimal128Array::from_iter(ids().map(|i| some(i).then_some(i128::from(i - 40) * 100_000_001)))
                .with_precision_and_scale(18, 8)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from_iter(ids().map(|i| some(i).then_some(i128::from(i - 40) * 10_i128.pow(34) + 1)))
                .with_precision_and_scale(38, 10)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from_iter(ids().map(|i| some(i).then_some(i128::from(i))))
                .with_precision_and_scale(9, 0)
                .unwrap(),
        ),
        Arc::new(Int16Array::from_iter(ids().map(|i| some(i).then(|| i16::try_from(i).unwrap() - 50)))),
        Arc::new(Int32Array::from_iter(ids().map(|i| some(i).then(|| i32::MIN + i32::try_from(i).unwrap())))),
        Arc::new(Float32Array::from_iter(ids().map(|i| some(i).then_some(i as f32 / 3.0)))),
        Arc::new(Float64Array::from_iter(ids().map(|i| some(i).then_some(i as f64 / 3.0 - 1e17)))),
        Arc::new(BooleanArray::from_iter(ids().map(|i| some(i).then_some(i % 2 == 0)))),
        Arc::new(Date32Array::from_iter(ids().map(|i| some(i).then(|| i32::try_from(i).unwrap() * 1_000 - 20_000)))),
        Arc::new(StringViewArray::from_iter(
            ids().map(|i| some(i).then(|| format!("\"é\\\n{}", "x".repeat(i as usize)))),
        )),
    ];
    let present = columns.into_iter().chain((16..table.columns.len()).map(|extra| -> ArrayRef {
        assert_eq!(table.columns[extra].data_type, DataType::Int64);
        Arc::new(Int64Array::from_iter(ids().map(|i| some(i).then_some(i * 10))))
    }));
    RecordBatch::try_new(table.schema(), present.collect()).unwrap()
}

/// Writes and publishes one segment.
pub async fn publish(
    store: &dyn TierStore,
    table: &TableDef,
    key: &PartitionKey,
    rows: &RecordBatch,
    removed: &[Segment],
) -> Segment {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let job = JobId::new();
    let written = store.write_segment(table, &job, id, key, vec![rows.clone()]).await.unwrap();
    let segment = segments::written(table, &job, id, key, (written.location, written.bytes), rows);
    let added = [segment.clone()];
    let data_change = removed.is_empty();
    store.publish(table, &Publication { job: &job, added: &added, removed, data_change }).await.unwrap();
    segment
}

/// What looks at a table after each commit: its definition, and all rows that it holds then.
pub type Look<'a> = &'a mut dyn FnMut(&TableDef, &[RecordBatch]);

/// A table of many commits: partitions with NULLs and special characters, a compaction, an added column, a removal.
pub async fn fill(store: &dyn TierStore, table: &mut TableDef, look: Look<'_>) -> Vec<RecordBatch> {
    let period = |date: i32| table.partitioning.granularity.period_start(date);
    let key = |date: Option<i32>, class: Option<&str>| PartitionKey {
        period: date.map(period),
        class: class.map(str::to_owned),
    };
    let mut written = Vec::new();
    let odd = "a/b c=%2F+é#?&'\"";
    let partitions = [
        (Some(DAY), Some("FX")),
        (Some(DAY + 31), Some(odd)),
        (None, None),
        (Some(DAY + 400), None),
        (None, Some("FX")),
    ];
    for (position, (date, class)) in partitions.into_iter().enumerate() {
        let batch = rows(table, position as i64 * 7, date, class, 7);
        publish(store, table, &key(date, class), &batch, &[]).await;
        written.push(batch);
        look(table, &written);
    }
    let (date, class) = (Some(DAY + 1), Some("FX"));
    let halves = [rows(table, 40, date, class, 5), rows(table, 45, date, class, 5)];
    let mut old = Vec::new();
    for half in &halves {
        old.push(publish(store, table, &key(date, class), half, &[]).await);
        written.push(half.clone());
        look(table, &written);
    }
    written.truncate(written.len() - halves.len());
    let whole = rows(table, 40, date, class, 10);
    publish(store, table, &key(date, class), &whole, &old).await;
    written.push(whole);
    look(table, &written);
    store.drop_segments(&table.storage_name(), &old).await.unwrap();
    look(table, &written);
    table.columns.push(column("added", DataType::Int64, true));
    store.alter_table(table).await.unwrap();
    look(table, &written);
    let period = |date: i32| table.partitioning.granularity.period_start(date);
    let key = PartitionKey { period: Some(period(DAY)), class: Some("FX".to_owned()) };
    let late = rows(table, 60, Some(DAY), Some("FX"), 9);
    let late_segment = publish(store, table, &key, &late, &[]).await;
    written.push(late.clone());
    look(table, &written);
    // Rows that leave, and come back.
    let job = JobId::new();
    let removed = [late_segment];
    store.publish(table, &Publication { job: &job, added: &[], removed: &removed, data_change: true }).await.unwrap();
    written.pop();
    look(table, &written);
    store.drop_segments(&table.storage_name(), &removed).await.unwrap();
    publish(store, table, &key, &late, &[]).await;
    written.push(late);
    look(table, &written);
    written
}

fn value_json(value: Option<Value>, data_type: &DataType) -> Json {
    match (value, data_type) {
        (None, _) => Json::Null,
        (Some(Value::Decimal(unscaled)), DataType::Decimal128(precision, scale)) => {
            let array = Decimal128Array::from(vec![unscaled]).with_precision_and_scale(*precision, *scale).unwrap();
            json!(array.value_as_string(0))
        }
        (Some(Value::Bool(v)), _) => json!(v),
        (Some(Value::Int(v) | Value::TimestampMicros(v)), _) => json!(v),
        (Some(Value::Float(v)), _) => json!(v),
        (Some(Value::Date(days)), _) => json!(date_text(days)),
        (Some(Value::Text(text)), _) => json!(text),
        (Some(other), _) => panic!("no JSON for {other:?}"),
    }
}

/// What the Python side must find at `path`.
pub fn expected(path: &str, table: &TableDef, written: &[RecordBatch]) -> Json {
    let kind = |data_type: &DataType| match data_type {
        DataType::Decimal128(_, _) => "decimal",
        DataType::Timestamp(_, _) => "time",
        DataType::Date32 => "date",
        _ => "plain",
    };
    let mut rows: Vec<(i64, Json)> = Vec::new();
    for batch in written {
        for row in 0..batch.num_rows() {
            let values: Vec<Json> = table
                .columns
                .iter()
                .map(|c| match batch.column_by_name(&c.name) {
                    Some(array) => value_json(scalar::value_at(array.as_ref(), row), &c.data_type),
                    None => Json::Null,
                })
                .collect();
            rows.push((values[0].as_i64().unwrap(), json!(values)));
        }
    }
    rows.sort_by_key(|(id, _)| *id);
    let ids =
        |keep: &dyn Fn(&Json) -> bool| rows.iter().filter(|(_, r)| keep(r)).map(|(id, _)| *id).collect::<Vec<_>>();
    let last_ts = rows.last().unwrap().1[4].as_i64().unwrap();
    let filters = json!([
        [format!("ts >= make_timestamptz({last_ts})"), ids(&|r| r[4].as_i64() >= Some(last_ts))],
        ["symbol = 'S00015'", ids(&|r| r[3] == "S00015")],
        ["asset_class = 'FX' and trade_date = date '2024-01-02'", ids(&|r| r[2] == "FX" && r[1] == "2024-01-02")],
        ["asset_class is null", ids(&|r| r[2].is_null())],
        ["trade_date is null", ids(&|r| r[1].is_null())],
        ["price = -40.00000040", ids(&|r| r[6] == "-40.00000040")],
        ["medium is null", ids(&|r| r[10].is_null())],
    ]);
    json!({
        "path": path,
        "columns": table.columns.iter().map(|c| json!([c.name, kind(&c.data_type)])).collect::<Vec<_>>(),
        "rows": rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(),
        "filters": filters,
    })
}
