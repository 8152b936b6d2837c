//! Elements of arrays: `array[n]`, `array[m:n]`, `array_remove`, `array_replace`, `trim_array`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt64Array, new_null_array};
use arrow::compute::kernels::{cmp, zip};
use arrow::compute::{cast, not, take};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::filled::Filled;
use super::{in_common, item_of, repeated};
use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, as_first};
use crate::sql::postgres_operators::{ARRAY_ITEM, ARRAY_PART};

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Any, Array, Integer};
    const ITEM: &[Form] = &[Form::new(&[Array, Integer], first_item, item)];
    const PART: &[Form] = &[Form::new(&[Array, Integer, Integer], as_first, part)];
    const REMOVE: &[Form] = &[Form::new(&[Array, Any], as_first, remove)];
    const REPLACE: &[Form] = &[Form::new(&[Array, Any, Any], as_first, replace)];
    const TRIM: &[Form] = &[Form::new(&[Array, Integer], as_first, trim)];
    vec![
        // DataFusion's planner makes calls of these names of `a[1]` and `a[1:2]`.
        Overloaded::new(ARRAY_ITEM, ITEM).also("array_element").into(),
        Overloaded::new(ARRAY_PART, PART).also("array_slice").into(),
        Overloaded::new("array_remove", REMOVE).also("list_remove").into(),
        Overloaded::new("array_replace", REPLACE).also("list_replace").into(),
        Overloaded::new("trim_array", TRIM).into(),
    ]
}

fn first_item(given: &[DataType]) -> DataType {
    given.first().map_or(DataType::Null, item_of)
}

fn item(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let indexes = args[1].as_primitive::<Int64Type>();
    let offsets = lists.value_offsets();
    let place = |row: usize| {
        if lists.is_null(row) || indexes.is_null(row) {
            return None;
        }
        let (start, end) = (i64::from(offsets[row]), i64::from(offsets[row + 1]));
        let at = start.checked_add(indexes.value(row).checked_sub(1)?)?;
        (at >= start && at < end).then_some(at as u64)
    };
    Ok(take(lists.values(), &(0..rows).map(place).collect::<UInt64Array>(), None)?)
}

/// A list for each row of which these places of the old lists are kept; NULL where there are none.
fn picked<P: Iterator<Item = usize>>(lists: &ListArray, kept: impl Iterator<Item = Option<P>>) -> Result<ArrayRef> {
    let DataType::List(field) = lists.data_type() else { return Ok(Arc::new(lists.clone())) };
    let mut picked = Filled::default();
    for places in kept {
        picked.keep(places);
    }
    picked.finish_as(lists.values(), Arc::clone(field))
}

fn part(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let (lows, highs) = (args[1].as_primitive::<Int64Type>(), args[2].as_primitive::<Int64Type>());
    let offsets = lists.value_offsets();
    picked(
        lists,
        (0..rows).map(|row| {
            if lists.is_null(row) || lows.is_null(row) || highs.is_null(row) {
                return None;
            }
            let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
            let length = (end - start) as i64;
            let low = lows.value(row).clamp(1, length + 1) as usize - 1;
            let high = highs.value(row).clamp(0, length) as usize;
            Some(start + low..(start + high).max(start + low))
        }),
    )
}

fn trim(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let counts = args[1].as_primitive::<Int64Type>();
    let offsets = lists.value_offsets();
    for row in 0..rows {
        if lists.is_valid(row) && counts.is_valid(row) {
            let length = lists.value_length(row);
            if !(0..=i64::from(length)).contains(&counts.value(row)) {
                let message = format!("number of elements to trim must be between 0 and {length}");
                return Err(EngineError::new(ErrorKind::ArraySubscript, message).into());
            }
        }
    }
    picked(
        lists,
        (0..rows).map(|row| {
            let counted = lists.is_valid(row) && counts.is_valid(row);
            counted.then(|| offsets[row] as usize..(i64::from(offsets[row + 1]) - counts.value(row)) as usize)
        }),
    )
}

/// Which elements are the row's value; NULL is NULL.
fn same(lists: &ListArray, value: &ArrayRef) -> Result<BooleanArray> {
    let (values, items) = in_common(&repeated(value, lists)?, lists.values())?;
    Ok(cmp::not_distinct(&values, &items)?)
}

fn remove(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let stays = &not(&same(lists, &args[1])?)?;
    let offsets = lists.value_offsets();
    picked(
        lists,
        (0..rows).map(|row| {
            let range = offsets[row] as usize..offsets[row + 1] as usize;
            lists.is_valid(row).then(|| range.filter(move |at| stays.value(*at)))
        }),
    )
}

fn replace(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let items = lists.values();
    let replaced = same(lists, &args[1])?;
    let new = match args[2].data_type() {
        DataType::Null => new_null_array(items.data_type(), items.len()),
        _ => cast(&repeated(&args[2], lists)?, items.data_type())?,
    };
    let values = zip::zip(&replaced, &new, items)?;
    let DataType::List(field) = lists.data_type() else { return Ok(Arc::new(lists.clone())) };
    let (offsets, nulls) = (lists.offsets().clone(), lists.nulls().cloned());
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, nulls)?))
}
