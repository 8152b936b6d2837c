//! `array_fill(value, lengths)`, `array_repeat(value, count)`, `array_resize(array, length [, value])`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt64Array};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::{item_of, list_of};
use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes};

/// Most elements that the arrays of a batch are filled with.
const MOST: usize = 1 << 27;

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Any, Array, Integer};
    const FILL: &[Form] = &[Form::new(&[Any, Array], filled_type, fill)];
    const REPEAT: &[Form] = &[Form::new(&[Any, Integer], filled_type, repeat)];
    const RESIZE: &[Form] =
        &[Form::new(&[Array, Integer], resized_type, resize), Form::new(&[Array, Integer, Any], resized_type, resize)];
    vec![
        Overloaded::new("array_fill", FILL).into(),
        Overloaded::new("array_repeat", REPEAT).also("list_repeat").into(),
        Overloaded::new("array_resize", RESIZE).also("list_resize").into(),
    ]
}

fn filled_type(given: &[DataType]) -> DataType {
    list_of(given.first().cloned().unwrap_or(DataType::Null))
}

/// A list in which there may be NULLs, whatever the first one holds.
fn resized_type(given: &[DataType]) -> DataType {
    list_of(given.first().map_or(DataType::Null, item_of))
}

/// Arrays, one per row, by the places of their elements.
#[derive(Default)]
pub(super) struct Filled {
    places: Vec<Option<u64>>,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Filled {
    /// The array of the next row, as long as it is asked to be.
    fn push(&mut self, length: i64, places: impl Iterator<Item = Option<u64>>) -> Result<()> {
        let wanted = usize::try_from(length).ok().filter(|wanted| *wanted <= MOST - self.places.len());
        let Some(wanted) = wanted else {
            return Err(EngineError::new(ErrorKind::LimitExceeded, "array size exceeds the maximum allowed").into());
        };
        self.places.extend(places.take(wanted));
        self.end(true);
        Ok(())
    }

    /// The array of the next row has the elements at these places; it is NULL where there are none.
    pub(super) fn keep(&mut self, places: Option<impl Iterator<Item = usize>>) {
        let valid = places.is_some();
        self.places.extend(places.into_iter().flatten().map(|at| Some(at as u64)));
        self.end(valid);
    }

    fn end(&mut self, valid: bool) {
        self.ends.push(self.places.len() as i32);
        self.valid.push(valid);
    }

    fn finish(self, values: &ArrayRef) -> Result<ArrayRef> {
        self.finish_as(values, Arc::new(Field::new_list_field(values.data_type().clone(), true)))
    }

    /// The arrays, of elements of this field.
    pub(super) fn finish_as(self, values: &ArrayRef, field: FieldRef) -> Result<ArrayRef> {
        let values = take(values, &UInt64Array::from(self.places), None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from([vec![0], self.ends].concat()));
        Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(NullBuffer::from(self.valid)))?))
    }
}

/// One dimension: the type of a result cannot depend on how many lengths there are.
fn fill(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let lengths = args[1].as_list::<i32>();
    let items: ArrayRef = cast(lengths.values(), &DataType::Int64)?;
    let items: &Int64Array = items.as_primitive::<Int64Type>();
    let mut filled = Filled::default();
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
        filled.push(length, std::iter::repeat(Some(row as u64)))?;
    }
    filled.finish(&args[0])
}

fn repeat(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let counts = args[1].as_primitive::<Int64Type>();
    let mut filled = Filled::default();
    for row in 0..rows {
        match counts.is_null(row) {
            true => filled.end(false),
            false => filled.push(counts.value(row).max(0), std::iter::repeat(Some(row as u64)))?,
        }
    }
    filled.finish(&args[0])
}

/// The first elements; where there are fewer, the value, or NULL, for the rest.
fn resize(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (lists, lengths) = (args[0].as_list::<i32>(), args[1].as_primitive::<Int64Type>());
    let (values, further) = match args.get(2) {
        Some(value) => {
            let value = cast(value, lists.values().data_type())?;
            (concat(&[lists.values().as_ref(), value.as_ref()])?, Some(lists.values().len() as u64))
        }
        None => (Arc::clone(lists.values()), None),
    };
    let mut filled = Filled::default();
    for row in 0..rows {
        if lists.is_null(row) || lengths.is_null(row) {
            filled.end(false);
            continue;
        }
        let old = lists.value_offsets()[row] as u64..lists.value_offsets()[row + 1] as u64;
        let rest = std::iter::repeat(further.map(|first| first + row as u64));
        filled.push(lengths.value(row).max(0), old.map(Some).chain(rest))?;
    }
    filled.finish(&values)
}
