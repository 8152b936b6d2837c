#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::prelude::SessionContext;

use super::*;
use crate::hot::testing::trades;

fn bounds(filter: Expr) -> KeyBounds {
    let schema = trades().schema();
    let df_schema = DFSchema::try_from(schema.as_ref().clone()).unwrap();
    let physical = SessionContext::new().create_physical_expr(filter, &df_schema).unwrap();
    KeyBounds::of([&physical], &schema)
}

fn of(filter: Expr, name: &str) -> ColumnBounds {
    bounds(filter).column(name).cloned().unwrap_or_default()
}

fn ints(values: &[i64]) -> Option<Vec<Value>> {
    Some(values.iter().map(|v| Value::Int(*v)).collect())
}

fn at(value: i64, inclusive: bool) -> Option<Bound> {
    Some(Bound { value: Value::Int(value), inclusive })
}

#[test]
fn comparisons_give_bounds_whichever_side_the_column_is_on() {
    let id = || col("trade_id");
    let between = of(id().gt(lit(3_i64)).and(lit(9_i64).gt_eq(id())), "trade_id");
    assert_eq!((between.lower, between.upper), (at(3, false), at(9, true)));
    let tightest = of(id().gt(lit(3_i64)).and(id().gt_eq(lit(3_i64))).and(id().gt(lit(1_i64))), "trade_id");
    assert_eq!(tightest.lower, at(3, false));
    let tightest = of(id().lt_eq(lit(3_i64)).and(id().lt(lit(3_i64))).and(id().lt(lit(5_i64))), "trade_id");
    assert_eq!(tightest.upper, at(3, false));
}

#[test]
fn equalities_are_sorted_and_intersected() {
    let id = || col("trade_id");
    let list = |values: &[i64]| id().in_list(values.iter().map(|v| lit(*v)).collect(), false);
    assert_eq!(of(id().eq(lit(5_i64)), "trade_id").equals, ints(&[5]));
    let or = id().eq(lit(8_i64)).or(lit(3_i64).eq(id())).or(list(&[7, 8]));
    assert_eq!(of(or, "trade_id").equals, ints(&[3, 7, 8]));
    assert_eq!(of(list(&[9, 2, 9, 4]), "trade_id").equals, ints(&[2, 4, 9]));
    assert_eq!(of(list(&[1, 2, 3, 4]).and(list(&[3, 4, 5, 6])), "trade_id").equals, ints(&[3, 4]));
    assert_eq!(of(id().eq(lit(1_i64)).and(id().eq(lit(2_i64))), "trade_id").equals, ints(&[]));
    let text = of(col("symbol").eq(lit("AAA")), "symbol").equals;
    assert_eq!(text, Some(vec![Value::Text("AAA".into())]), "also where the literal is of another text type");
}

#[test]
fn text_of_any_encoding_on_either_side_narrows() {
    let text = |value: &str| Value::Text(value.into());
    let encodings = [
        lit("BBB"),
        lit(ScalarValue::LargeUtf8(Some("BBB".into()))),
        lit(ScalarValue::Utf8View(Some("BBB".into()))),
        cast(lit(ScalarValue::Utf8View(Some("BBB".into()))), DataType::Utf8),
    ];
    for constant in encodings {
        let column = || cast(col("symbol"), DataType::Utf8);
        for symbol in [col("symbol"), column(), cast(col("symbol"), DataType::LargeUtf8)] {
            let shown = format!("{symbol} against {constant}");
            assert_eq!(of(symbol.clone().eq(constant.clone()), "symbol").equals, Some(vec![text("BBB")]), "{shown}");
            let range = of(constant.clone().lt(symbol.clone()).and(symbol.lt_eq(lit("D"))), "symbol");
            assert_eq!(range.lower, Some(Bound { value: text("BBB"), inclusive: false }), "{shown}");
            assert_eq!(range.upper, Some(Bound { value: text("D"), inclusive: true }), "{shown}");
        }
    }
    let list = col("symbol").in_list(["q", "b", "x", "b"].map(lit).to_vec(), false);
    assert_eq!(of(list, "symbol").equals, Some(vec![text("b"), text("q"), text("x")]));
}

#[test]
fn what_is_not_understood_says_nothing() {
    let id = || col("trade_id");
    let nothing = [
        id().eq(lit(5_i64)).or(col("symbol").eq(lit("AAA"))),
        id().eq(lit(5_i64)).or(id().gt(lit(9_i64))),
        id().not_eq(lit(5_i64)),
        (id() + lit(1_i64)).eq(lit(5_i64)),
        id().in_list(vec![lit(1_i64), lit(2_i64)], true),
        id().in_list(vec![lit(1_i64), lit(2_i64), lit(3_i64), id()], false),
        id().eq(lit(ScalarValue::Int64(None))),
        col("price").eq(lit(0.0)),
        col("price").eq(lit(f64::NAN)),
        col("price").gt(col("trade_id")),
        // Casts that change what is compared.
        cast(id(), DataType::Utf8).eq(lit("5")),
        cast(id(), DataType::Int16).eq(lit(5_i16)),
        id().eq(cast(lit("five"), DataType::Int64)),
        cast(col("price"), DataType::Int64).eq(lit(5_i64)),
        id().is_null(),
        lit(true),
    ];
    for filter in nothing {
        let shown = filter.to_string();
        assert!(bounds(filter).is_empty(), "{shown}");
    }
}

#[test]
fn null_in_a_list_matches_nothing() {
    let values = (1..=4).map(|v: i64| lit(v)).chain([lit(ScalarValue::Int64(None))]).collect();
    assert_eq!(of(col("trade_id").in_list(values, false), "trade_id").equals, ints(&[1, 2, 3, 4]));
}
