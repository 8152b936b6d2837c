//! Functions on arrays: PostgreSQL's where DataFusion has none, or answers otherwise. Indexes count from one, and what lies
//! outside is NULL.
//!
//! - [`quantified`]: `x = ANY (array)`, `x LIKE ALL (array)`; [`shape`]: `array_length`, `array_dims` and their like.
//! - [`items`]: `array[n]`, `array[m:n]`, `array_remove`, `array_replace`, `trim_array`; [`joined`]: `array_to_string`.
//! - [`sets`]: `&&`, `@>`, `<@`; [`filled`]: `array_fill`, `array_repeat`, `array_resize`.

mod filled;
mod items;
mod joined;
mod quantified;
mod sets;
mod shape;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::binary::type_union_resolution;

/// All of them.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let families = [
        filled::functions(),
        items::functions(),
        joined::functions(),
        quantified::functions(),
        sets::functions(),
        shape::functions(),
    ];
    families.into_iter().flatten().collect()
}

/// The name of `a && b`.
pub(super) const OVERLAP: &str = "arrays_overlap";

/// The type of an array's elements.
fn item_of(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(item) => item.data_type().clone(),
        _ => DataType::Null,
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// For each element of the lists the row that it belongs to.
fn rows_of(lists: &ListArray) -> UInt32Array {
    let mut rows: Vec<Option<u32>> = vec![None; lists.values().len()];
    let offsets = lists.value_offsets();
    for row in 0..lists.len() {
        for place in &mut rows[offsets[row] as usize..offsets[row + 1] as usize] {
            *place = Some(row as u32);
        }
    }
    UInt32Array::from(rows)
}

/// The values of each row, once for each element of its list.
fn repeated(values: &ArrayRef, lists: &ListArray) -> Result<ArrayRef> {
    Ok(take(values, &rows_of(lists), None)?)
}

/// Two arrays in one type that holds both.
fn in_common(left: &ArrayRef, right: &ArrayRef) -> Result<(ArrayRef, ArrayRef)> {
    let (of_left, of_right) = (left.data_type(), right.data_type());
    if of_left == of_right {
        return Ok((Arc::clone(left), Arc::clone(right)));
    }
    let common = common_type(of_left, of_right);
    Ok((cast(left, &common)?, cast(right, &common)?))
}

fn common_type(left: &DataType, right: &DataType) -> DataType {
    match (left, right) {
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (a, b) if a.is_numeric() && b.is_numeric() && (a.is_floating() || b.is_floating()) => DataType::Float64,
        (a, b) => type_union_resolution(&[a.clone(), b.clone()]).unwrap_or_else(|| b.clone()),
    }
}
