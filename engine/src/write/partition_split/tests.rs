use std::sync::Arc;

use arrow::array::{Date32Array, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use zxq_catalog::Partitioning;

use super::*;

fn table(granularity: Granularity) -> TableDef {
    let schema = Schema::new(vec![
        Field::new("trade_date", DataType::Date32, true),
        Field::new("asset_class", DataType::Utf8View, true),
        Field::new("n", DataType::Int64, false),
    ]);
    let mut def = zxq_language::sql::table_from_schema("t", &schema).unwrap();
    def.partitioning = Partitioning {
        date_column: Some("trade_date".to_owned()),
        granularity,
        class_column: Some("asset_class".to_owned()),
    };
    def
}

fn batch(rows: &[(Option<i32>, Option<&str>)]) -> RecordBatch {
    RecordBatch::try_from_iter([
        ("trade_date", Arc::new(rows.iter().map(|r| r.0).collect::<Date32Array>()) as _),
        ("asset_class", Arc::new(rows.iter().map(|r| r.1).collect::<StringViewArray>()) as _),
        ("n", Arc::new(Int64Array::from_iter_values(0..rows.len() as i64)) as _),
    ])
    .unwrap()
}

#[test]
fn every_row_lands_in_one_part_in_order() {
    let rows = [
        (Some(10), Some("FX")),
        (Some(10), Some("FX")),
        (Some(11), Some("FX")),
        (None, Some("FX")),
        (Some(10), None),
        (Some(10), Some("FX")),
    ];
    let parts = split(&table(Granularity::Day), &batch(&rows)).unwrap();
    let found: Vec<(PartitionKey, Vec<i64>)> = parts
        .into_iter()
        .map(|(key, part)| (key, part.column(2).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()))
        .collect();
    let key = |period, class: Option<&str>| PartitionKey { period, class: class.map(str::to_owned) };
    assert_eq!(
        found,
        vec![
            (key(None, Some("FX")), vec![3]),
            (key(Some(10), None), vec![4]),
            (key(Some(10), Some("FX")), vec![0, 1, 5]),
            (key(Some(11), Some("FX")), vec![2]),
        ]
    );
}

#[test]
fn days_of_one_month_share_a_partition() {
    // 2024-01-31, 2024-02-01 and 2024-02-29.
    let rows = [(Some(19_753), Some("FX")), (Some(19_754), Some("FX")), (Some(19_782), Some("FX"))];
    let parts = split(&table(Granularity::Month), &batch(&rows)).unwrap();
    let sizes: Vec<(Option<i32>, usize)> = parts.iter().map(|(k, b)| (k.period, b.num_rows())).collect();
    assert_eq!(sizes, vec![(Some(19_723), 1), (Some(19_754), 2)]);
}

#[test]
fn one_partition_is_not_copied() {
    let rows = batch(&[(Some(1), Some("FX")), (Some(1), Some("FX"))]);
    let parts = split(&table(Granularity::Day), &rows).unwrap();
    assert_eq!(parts.len(), 1);
    assert!(Arc::ptr_eq(parts[0].1.column(2), rows.column(2)));
}
