#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray, StringViewArray, TimestampMicrosecondArray};
use arrow::compute::{cast, concat};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// Rows with NULLs and equal keys; `row` tells where each came from.
fn rows(seed: u64, n: usize) -> RecordBatch {
    let mut random = StdRng::seed_from_u64(seed);
    let symbols = ["EURUSD", "", "a symbol longer than twelve bytes", "a symbol longer than twelve bytez", "Z", "é"];
    let symbol: Vec<Option<&str>> = (0..n).map(|_| symbols.get(random.random_range(0..7)).copied()).collect();
    let maybe = |v: i64, random: &mut StdRng| random.random_bool(0.9).then_some(v);
    let ts: Vec<Option<i64>> = (0..n)
        .map(|_| {
            let v = random.random_range(-50..50);
            maybe(v, &mut random)
        })
        .collect();
    let wide: Vec<Option<i64>> = (0..n)
        .map(|_| {
            let v = random.random();
            maybe(v, &mut random)
        })
        .collect();
    let float: Vec<f64> = (0..n).map(|i| if i % 9 == 0 { -0.0 } else { random.random_range(-2.0..2.0) }).collect();
    let decimal = cast(&Int64Array::from(ts.clone()), &DataType::Decimal128(20, 3)).unwrap();
    RecordBatch::try_from_iter_with_nullable(vec![
        ("symbol", Arc::new(StringViewArray::from(symbol.clone())) as ArrayRef, true),
        ("plain", Arc::new(StringArray::from(symbol)), true),
        ("ts", Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")), true),
        ("wide", Arc::new(Int64Array::from(wide)), true),
        ("wide2", Arc::new(Int64Array::from_iter_values((0..n).map(|_| random.random()))), true),
        ("float", Arc::new(arrow::array::Float64Array::from(float)), true),
        ("decimal", decimal, true),
        ("row", Arc::new(Int64Array::from_iter_values(0..n as i64)), true),
    ])
    .unwrap()
}

/// The order by Arrow's row format, stable: what the fast ways must agree with.
fn reference(batch: &RecordBatch, by: &[String]) -> RecordBatch {
    let keys = key_columns(batch, by).unwrap();
    take_record_batch(batch, &row_format_order(&keys, batch.num_rows()).unwrap()).unwrap()
}

#[test]
fn agrees_with_arrows_row_format_for_all_widths_of_key() {
    let keys: [&[&str]; 9] = [
        &["symbol", "ts"],
        &["ts"],
        &["symbol"],
        &["decimal", "symbol"],
        &["float"],
        &["wide"],
        &["wide", "symbol", "ts"],
        &["wide", "wide2", "ts"],
        &["plain", "ts"],
    ];
    for (seed, by) in keys.iter().enumerate() {
        for n in [2, 3, 500, 3000] {
            let batch = rows(seed as u64 * 31 + n as u64, n);
            let by = names(by);
            let sorted = sort_batch(&batch, &by).unwrap();
            assert_eq!(sorted, reference(&batch, &by), "{by:?} {n}");
            assert!(is_sorted(&sorted, &by).unwrap());
        }
    }
}

#[test]
fn sorted_rows_are_handed_back_as_they_are() {
    let by = names(&["symbol", "ts"]);
    let sorted = sort_batch(&rows(1, 100), &by).unwrap();
    let again = sort_batch(&sorted, &by).unwrap();
    assert!(Arc::ptr_eq(again.column(0), sorted.column(0)));
    assert!(!is_sorted(&rows(1, 100), &by).unwrap());
    let unsorted = rows(1, 100);
    assert!(Arc::ptr_eq(sort_batch(&unsorted, &[]).unwrap().column(0), unsorted.column(0)));
    assert_eq!(sort_batch(&unsorted.slice(0, 0), &by).unwrap().num_rows(), 0);
}

#[test]
fn extreme_integers_are_in_order() {
    let values = vec![Some(i64::MAX), Some(i64::MIN), None, Some(0), Some(-1)];
    let batch = RecordBatch::try_from_iter(vec![("v", Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap();
    let sorted = sort_batch(&batch, &names(&["v"])).unwrap();
    let expected = Int64Array::from(vec![None, Some(i64::MIN), Some(-1), Some(0), Some(i64::MAX)]);
    assert_eq!(sorted.column(0).as_ref(), &expected as &dyn Array);
}

#[test]
fn merging_gives_all_rows_in_order() {
    let by = names(&["symbol", "ts"]);
    let parts: Vec<RecordBatch> = (0..5).map(|i| sort_batch(&rows(i, 100 * i as usize), &by).unwrap()).collect();
    let merged = merge_sorted(&parts, &by).unwrap();
    assert_eq!(merged.num_rows(), 1000);
    assert!(is_sorted(&merged, &by).unwrap());
    let whole: Vec<&dyn Array> = parts.iter().map(|b| b.column(3).as_ref()).collect();
    let (mut a, mut b): (Vec<_>, Vec<_>) = (
        merged.column(3).as_primitive::<Int64Type>().iter().collect(),
        concat(&whole).unwrap().as_primitive::<Int64Type>().iter().collect(),
    );
    a.sort();
    b.sort();
    assert_eq!(a, b);
    assert!(merge_sorted(&[], &by).is_err());
}

#[test]
fn an_unknown_column_is_an_error() {
    assert!(sort_batch(&rows(0, 5), &names(&["nope"])).unwrap_err().to_string().contains("nope"));
}
