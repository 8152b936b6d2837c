//! Arrays as sets: `a && b`, `a @> b` and `a <@ b`. A NULL equals nothing.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::{OVERLAP, in_common};
use crate::functions::overloads::{Form, Overloaded, Takes, boolean};

pub(super) fn functions() -> Vec<ScalarUDF> {
    const TWO: &[Takes] = &[Takes::Array, Takes::Array];
    const OVERLAPS: &[Form] = &[Form::new(TWO, boolean, |args, rows| compare(args, rows, false))];
    const CONTAINS: &[Form] = &[Form::new(TWO, boolean, |args, rows| compare(args, rows, true))];
    vec![
        Overloaded::new(OVERLAP, OVERLAPS).also("array_has_any").also("list_has_any").into(),
        // DataFusion's planner makes a call of this of `a @> b`.
        Overloaded::new("array_has_all", CONTAINS).also("list_has_all").into(),
    ]
}

/// Whether the first has all elements of the second, or any.
fn compare(args: &[ArrayRef], rows: usize, all: bool) -> Result<ArrayRef> {
    let (left, right) = (args[0].as_list::<i32>(), args[1].as_list::<i32>());
    let (left_items, right_items) = in_common(left.values(), right.values())?;
    let converter = RowConverter::new(vec![SortField::new(left_items.data_type().clone())])?;
    let left_rows = converter.convert_columns(&[Arc::clone(&left_items)])?;
    let right_rows = converter.convert_columns(&[Arc::clone(&right_items)])?;
    let (of_left, of_right) = (left.value_offsets(), right.value_offsets());
    let results = (0..rows).map(|row| {
        if left.is_null(row) || right.is_null(row) {
            return None;
        }
        let has: HashSet<_> = (of_left[row] as usize..of_left[row + 1] as usize)
            .filter(|at| left_items.is_valid(*at))
            .map(|at| left_rows.row(at))
            .collect();
        let mut wanted = of_right[row] as usize..of_right[row + 1] as usize;
        let found = |at: usize| right_items.is_valid(at) && has.contains(&right_rows.row(at));
        Some(if all { wanted.all(found) } else { wanted.any(found) })
    });
    Ok(Arc::new(results.collect::<BooleanArray>()))
}
