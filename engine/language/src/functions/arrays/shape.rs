//! How long an array is: `array_length`, `array_lower`, `array_upper`, `array_ndims`, `array_dims`, `array_subscripts`.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int32Builder, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::list_of;
use crate::functions::overloads::{Form, Overloaded, Takes, integer, text};

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Array, Integer};
    const LENGTH: &[Form] = &[Form::new(&[Array, Integer], integer, |args, _| along(args, |length| length))];
    const LOWER: &[Form] = &[Form::new(&[Array, Integer], integer, |args, _| along(args, |_| 1))];
    const NDIMS: &[Form] = &[Form::new(&[Array], integer, ndims)];
    const DIMS: &[Form] = &[Form::new(&[Array], text, dims)];
    const SUBSCRIPTS: &[Form] = &[Form::new(&[Array, Integer], integers, subscripts)];
    vec![
        Overloaded::new("array_length", LENGTH).also("list_length").into(),
        Overloaded::new("array_upper", LENGTH).into(),
        Overloaded::new("array_lower", LOWER).into(),
        Overloaded::new("array_ndims", NDIMS).also("list_ndims").into(),
        Overloaded::new("array_dims", DIMS).also("list_dims").into(),
        Overloaded::new("array_subscripts", SUBSCRIPTS).into(),
    ]
}

fn integers(_: &[DataType]) -> DataType {
    list_of(DataType::Int32)
}

/// The lengths of a row's array, outermost first; none for an empty one.
fn lengths(array: &ArrayRef, row: usize) -> Vec<i32> {
    let mut lengths = Vec::new();
    let (mut array, mut row) = (Arc::clone(array), row);
    while let DataType::List(_) = array.data_type() {
        let lists = array.as_list::<i32>();
        if lists.is_null(row) || lists.value_length(row) == 0 {
            break;
        }
        lengths.push(lists.value_length(row));
        let inner = lists.value(row);
        (array, row) = (inner, 0);
    }
    lengths
}

fn along(args: &[ArrayRef], shown: fn(i32) -> i32) -> Result<ArrayRef> {
    let dimensions = args[1].as_primitive::<Int64Type>();
    let length = |row: usize| {
        let dimension = dimensions.is_valid(row).then(|| dimensions.value(row))?;
        let place = usize::try_from(dimension.checked_sub(1)?).ok()?;
        lengths(&args[0], row).get(place).copied().map(shown)
    };
    Ok(Arc::new((0..args[0].len()).map(length).collect::<Int32Array>()))
}

fn ndims(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let count = |row: usize| i32::try_from(lengths(&args[0], row).len()).ok().filter(|count| *count > 0);
    Ok(Arc::new((0..rows).map(count).collect::<Int32Array>()))
}

fn dims(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let mut results = StringBuilder::new();
    for row in 0..rows {
        let mut shown = String::new();
        for length in lengths(&args[0], row) {
            let _ = write!(shown, "[1:{length}]");
        }
        results.append_option(Some(shown).filter(|shown| !shown.is_empty()));
    }
    Ok(Arc::new(results.finish()))
}

/// The indexes along a dimension, for `generate_subscripts`.
fn subscripts(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let dimensions = args[1].as_primitive::<Int64Type>();
    let mut results = ListBuilder::new(Int32Builder::new());
    for row in 0..rows {
        let place = dimensions.is_valid(row).then(|| dimensions.value(row) - 1);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let length = place.and_then(|place| lengths(&args[0], row).get(place).copied()).unwrap_or(0);
        for index in 1..=length {
            results.values().append_value(index);
        }
        results.append(true);
    }
    Ok(Arc::new(results.finish()))
}
