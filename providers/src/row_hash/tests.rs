#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Field, Schema};

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn ints(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn hash(batch: &RecordBatch) -> u64 {
    hash_batch(batch).unwrap().0
}

/// More rows than one chunk, of many types.
fn big() -> RecordBatch {
    let n = 20_000_i64;
    let text: Vec<Option<String>> =
        (0..n).map(|i| (i % 7 != 0).then(|| format!("text number {} of some length", i % 100))).collect();
    batch(vec![
        ("i", ints((0..n).map(|i| (i % 5 != 0).then_some(i)).collect())),
        ("f", Arc::new(Float64Array::from_iter_values((0..n).map(|i| i as f64 / 7.0)))),
        ("s", Arc::new(arrow::array::StringViewArray::from_iter(text.iter().map(|t| t.as_deref())))),
    ])
}

#[test]
fn order_of_rows_and_columns_and_splitting_do_not_matter() {
    let big = big();
    let whole = hash(&big);
    let n = big.num_rows() as u32;
    let turned = take_record_batch(&big, &UInt32Array::from_iter_values((0..n).rev())).unwrap();
    assert_eq!(hash(&turned), whole);
    assert_eq!(hash(&big.project(&[2, 0, 1]).unwrap()), whole);
    let (a, b) = (hash_batch(&big.slice(0, 777)).unwrap(), hash_batch(&big.slice(777, 19_223)).unwrap());
    assert_eq!(a.combine(b).0, whole);
}

#[test]
fn every_text_layout_and_integer_width_hashes_alike() {
    let big = big();
    let whole = hash(&big);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for layout in [DataType::Utf8, DataType::LargeUtf8, dictionary] {
        let text = compute::cast(big.column(2), &layout).unwrap();
        let same = batch(vec![("i", big.column(0).clone()), ("f", big.column(1).clone()), ("s", text)]);
        assert_eq!(hash(&same), whole, "{layout}");
    }
    let wide = batch(vec![("i", ints(vec![Some(-5), None]))]);
    let narrow = batch(vec![("i", Arc::new(Int32Array::from(vec![Some(-5), None])))]);
    assert_eq!(hash(&wide), hash(&narrow));
}

#[test]
fn any_change_of_a_value_is_seen() {
    let base = |a, b| hash(&batch(vec![("a", ints(vec![Some(a), Some(2)])), ("b", ints(vec![Some(b), Some(4)]))]));
    let start = base(1, 3);
    assert_ne!(base(3, 1), start, "values swapped between columns");
    assert_ne!(base(2, 3), start);
    // Values swapped between rows.
    let swapped = hash(&batch(vec![("a", ints(vec![Some(2), Some(1)])), ("b", ints(vec![Some(3), Some(4)]))]));
    assert_ne!(swapped, start);
    // A doubled row, a lost row, a NULL for a zero.
    let rows = |v: Vec<Option<i64>>| hash(&batch(vec![("a", ints(v))]));
    assert_ne!(rows(vec![Some(1), Some(1)]), rows(vec![Some(1)]));
    assert_ne!(rows(vec![None]), rows(vec![]));
    assert_ne!(rows(vec![None]), rows(vec![Some(0)]));
}

#[test]
fn a_column_of_nulls_adds_nothing_and_columns_can_be_left_out() {
    let one = batch(vec![("a", ints(vec![Some(1)]))]);
    let two = batch(vec![("a", ints(vec![Some(1)])), ("new", ints(vec![None]))]);
    let three = batch(vec![("a", ints(vec![Some(1)])), ("new", ints(vec![Some(9)]))]);
    assert_eq!(hash(&one), hash(&two));
    assert_eq!(hash_batch_columns(&three, |name| name != "new").unwrap().0, hash(&one));
}

#[test]
fn zeros_and_nans_have_one_form() {
    let f = |v: f64| hash(&batch(vec![("f", Arc::new(Float64Array::from(vec![v])) as ArrayRef)]));
    assert_eq!(f(0.0), f(-0.0));
    assert_eq!(f(f64::NAN), f(-f64::NAN));
    assert_ne!(f(0.0), f(f64::NAN));
}

#[test]
fn an_unknown_type_is_refused_by_name() {
    let schema = Schema::new(vec![Field::new("odd", DataType::Float16, true)]);
    let error = hash_batch(&RecordBatch::new_empty(Arc::new(schema.clone()))).map(|h| h.0);
    assert_eq!(error.unwrap(), 0, "no rows, nothing to hash");
    let one = RecordBatch::try_new(Arc::new(schema), vec![arrow::array::new_null_array(&DataType::Float16, 1)]);
    assert!(hash_batch(&one.unwrap()).unwrap_err().to_string().contains("odd"));
}
