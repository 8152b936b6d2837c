//! `array_fill(value, lengths)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt32Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::list_of;
use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes};

/// Most elements that an array is filled with.
const MOST: i64 = 1 << 27;

pub(super) fn functions() -> Vec<ScalarUDF> {
    const FORMS: &[Form] = &[Form::new(&[Takes::Any, Takes::Array], filled_type, fill)];
    vec![Overloaded::new("array_fill", FORMS).into()]
}

fn filled_type(given: &[DataType]) -> DataType {
    list_of(given.first().cloned().unwrap_or(DataType::Null))
}

/// One dimension: the type of a result cannot depend on how many lengths there are.
fn fill(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let lengths = args[1].as_list::<i32>();
    let items: ArrayRef = cast(lengths.values(), &DataType::Int64)?;
    let items: &Int64Array = items.as_primitive::<Int64Type>();
    let mut offsets = vec![0_i32];
    let mut places: Vec<u32> = Vec::new();
    for row in 0..rows {
        let range = lengths.value_offsets()[row] as usize..lengths.value_offsets()[row + 1] as usize;
        if lengths.is_null(row) || range.clone().any(|at| items.is_null(at)) {
            return Err(EngineError::new(
                ErrorKind::NullNotAllowed,
                "dimension array or low bound array cannot be null",
            )
            .into());
        }
        if range.len() > 1 {
            let message = "array_fill is supported for arrays of one dimension";
            return Err(EngineError::new(ErrorKind::FeatureNotSupported, message).into());
        }
        let length = if range.is_empty() { 0 } else { items.value(range.start) };
        if !(0..=MOST).contains(&length) {
            return Err(EngineError::new(ErrorKind::LimitExceeded, "array size exceeds the maximum allowed").into());
        }
        places.extend(std::iter::repeat_n(row as u32, usize::try_from(length).unwrap_or(0)));
        offsets.push(places.len() as i32);
    }
    let values = take(&args[0], &UInt32Array::from(places), None)?;
    let field = Arc::new(Field::new_list_field(args[0].data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(ListArray::try_new(field, offsets, values, None)?))
}
