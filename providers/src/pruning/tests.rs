#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::SessionContext;

use super::*;
use crate::stats::tests::segment;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8View, true)]))
}

fn bounds(min: i64, max: i64) -> ColumnStats {
    ColumnStats { min: Some(Value::Int(min)), max: Some(Value::Int(max)), null_count: 0, has_bounds: true }
}

fn kept(filter: Expr) -> Vec<bool> {
    let text = ColumnStats {
        min: Some(Value::Text("EUR".into())),
        max: Some(Value::Text("USD".into())),
        null_count: 0,
        has_bounds: true,
    };
    let segments = [
        segment(1, 10, vec![("n", bounds(0, 9)), ("s", text)]),
        segment(2, 10, vec![("n", bounds(10, 19))]),
        segment(3, 10, vec![("n", ColumnStats { null_count: 10, has_bounds: true, ..ColumnStats::default() })]),
        segment(4, 10, vec![("n", ColumnStats::default())]),
    ];
    let df_schema = DFSchema::try_from(schema().as_ref().clone()).unwrap();
    let physical = SessionContext::new().create_physical_expr(filter, &df_schema).unwrap();
    prune(&schema(), &segments, &physical).unwrap()
}

#[test]
fn segments_are_kept_where_a_row_could_match() {
    // Segment 3 holds only NULLs; segment 4 has no bounds.
    assert_eq!(kept(col("n").eq(lit(12_i64))), [false, true, false, true]);
    assert_eq!(kept(col("n").lt(lit(0_i64))), [false, false, false, true]);
    assert_eq!(kept(col("n").gt(lit(5_i64)).and(col("n").lt(lit(11_i64)))), [true, true, false, true]);
    assert_eq!(kept(col("n").in_list(vec![lit(3_i64), lit(4_i64)], false)), [true, false, false, true]);
    assert_eq!(kept(col("n").is_not_null()), [true, true, false, true]);
    assert_eq!(kept(col("n").is_null()), [false, false, true, false]);
}

#[test]
fn a_column_without_statistics_keeps_its_segments() {
    assert_eq!(kept(col("s").eq(lit("AUD"))), [false, true, true, true]);
    assert_eq!(kept(col("s").eq(lit("GBP"))), [true, true, true, true]);
    assert_eq!(kept((col("n") % lit(2_i64)).eq(lit(0_i64))), [true; 4]);
}
