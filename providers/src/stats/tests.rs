#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringViewArray, UInt64Array};
use arrow::datatypes::Field;
use zxq_catalog::{JobId, PartitionKey, Role, RowHash, Tier};

use super::*;

fn one(array: ArrayRef) -> ColumnStats {
    let batch = RecordBatch::try_from_iter_with_nullable(vec![("c", array, true)]).unwrap();
    column_stats(&[batch]).unwrap().remove("c").unwrap()
}

fn floats_of(values: Vec<Option<f64>>) -> ColumnStats {
    one(Arc::new(Float64Array::from(values)))
}

fn known(min: Value, max: Value, null_count: u64) -> ColumnStats {
    ColumnStats { min: Some(min), max: Some(max), null_count, has_bounds: true }
}

pub(crate) fn segment(id: u64, rows: u64, stats: Vec<(&str, ColumnStats)>) -> Arc<Segment> {
    Arc::new(Segment {
        id,
        table: 1,
        partition: PartitionKey::default(),
        tier: Tier::Hot,
        role: Role::Owner,
        location: String::new(),
        rows,
        bytes: 100,
        hash: RowHash::default(),
        stats: stats.into_iter().map(|(n, s)| (n.to_owned(), s)).collect::<BTreeMap<_, _>>(),
        sorted: true,
        job: JobId("j".into()),
        created_epoch: 1,
    })
}

#[test]
fn bounds_are_exact_over_several_batches() {
    let batch = |v: Vec<Option<i64>>, t: Vec<Option<&str>>| {
        RecordBatch::try_from_iter_with_nullable(vec![
            ("i", Arc::new(Int64Array::from(v)) as ArrayRef, true),
            ("t", Arc::new(StringViewArray::from(t)) as ArrayRef, true),
        ])
        .unwrap()
    };
    let stats = column_stats(&[
        batch(vec![Some(3), None], vec![None, None]),
        batch(vec![Some(-7), Some(5)], vec![Some("b"), Some("a")]),
        batch(vec![None], vec![Some("zz")]),
    ])
    .unwrap();
    assert_eq!(stats["i"], known(Value::Int(-7), Value::Int(5), 2));
    assert_eq!(stats["t"], known(Value::Text("a".into()), Value::Text("zz".into()), 2));
}

#[test]
fn a_column_of_nulls_has_known_empty_bounds() {
    let all_null = one(Arc::new(Int64Array::from(vec![None, None])));
    assert_eq!(all_null, ColumnStats { min: None, max: None, null_count: 2, has_bounds: true });
}

#[test]
fn floats_give_up_their_bounds_when_they_could_mislead() {
    assert_eq!(floats_of(vec![Some(1.0), None, Some(-2.0)]), known(Value::Float(-2.0), Value::Float(1.0), 1));
    assert!(!floats_of(vec![Some(1.0), Some(f64::NAN)]).has_bounds);
    assert!(!floats_of(vec![Some(-0.0), Some(1.0)]).has_bounds, "x = 0 must still find it");
    assert!(!floats_of(vec![Some(-1.0), Some(-0.0)]).has_bounds);
    assert!(floats_of(vec![Some(-1.0), Some(-0.0), Some(1.0)]).has_bounds, "an inner zero misleads nobody");
    assert_eq!(floats_of(vec![Some(0.0)]), known(Value::Float(0.0), Value::Float(0.0), 0));
    assert_eq!(
        floats_of(vec![Some(f64::NEG_INFINITY), Some(f64::INFINITY)]),
        known(Value::Float(f64::NEG_INFINITY), Value::Float(f64::INFINITY), 0)
    );
}

#[test]
fn long_texts_and_huge_integers_have_no_bounds() {
    let long = "x".repeat(65);
    assert!(!one(Arc::new(StringViewArray::from(vec!["a", long.as_str()]))).has_bounds);
    let exact = "x".repeat(64);
    assert!(one(Arc::new(StringViewArray::from(vec!["a", exact.as_str()]))).has_bounds);
    // A long text that is not an extreme does no harm.
    assert!(one(Arc::new(StringViewArray::from(vec!["a", long.as_str(), "y"]))).has_bounds);
    assert!(!one(Arc::new(UInt64Array::from(vec![1, u64::MAX]))).has_bounds);
}

#[test]
fn one_unknown_batch_makes_the_whole_unknown() {
    let batch =
        |v: f64| RecordBatch::try_from_iter(vec![("c", Arc::new(Float64Array::from(vec![v])) as ArrayRef)]).unwrap();
    for batches in [[batch(f64::NAN), batch(1.0)], [batch(1.0), batch(f64::NAN)]] {
        let stats = column_stats(&batches).unwrap();
        assert_eq!(stats["c"], ColumnStats::default());
    }
}

#[test]
fn datafusion_sees_totals_and_nothing_that_is_unknown() {
    let schema = Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("added_later", DataType::Int64, true),
        Field::new("t", DataType::Utf8View, true),
    ]);
    let unbounded = ColumnStats { null_count: 1, ..ColumnStats::default() };
    let text = |a: &str, b: &str| known(Value::Text(a.into()), Value::Text(b.into()), 0);
    let segments = [
        segment(1, 10, vec![("a", known(Value::Int(1), Value::Int(5), 2)), ("t", text("m", "n"))]),
        segment(
            2,
            20,
            vec![("a", known(Value::Int(-1), Value::Int(2), 3)), ("added_later", unbounded.clone()), ("t", unbounded)],
        ),
    ];
    let all = statistics(&schema, &segments, &[2, 0, 1], true);
    assert_eq!(all.num_rows, Precision::Exact(30));
    let [t, a, added] = all.column_statistics.as_slice() else { panic!("three columns") };
    assert_eq!(a.min_value, Precision::Exact(ScalarValue::Int64(Some(-1))));
    assert_eq!(a.max_value, Precision::Exact(ScalarValue::Int64(Some(5))));
    assert_eq!(a.null_count, Precision::Exact(5));
    assert_eq!((&t.min_value, &t.null_count), (&Precision::Absent, &Precision::Exact(1)));
    assert_eq!(added, &ColumnStatistics::new_unknown());
    let estimate = statistics(&schema, &segments, &[0], false);
    assert_eq!(estimate.num_rows, Precision::Inexact(30));
    assert_eq!(estimate.column_statistics[0].max_value, Precision::Inexact(ScalarValue::Int64(Some(5))));
}
