//! `x operator ANY (array)` and `x operator ALL (array)`, for every operator that compares.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{cast, kernels::comparison};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::{in_common, repeated};
use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, boolean};
use crate::functions::regex::Options;
use crate::functions::regex::pattern::Patterns;
use crate::sql::postgres_operators::{ALL_OF, ANY_OF};

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Any, Array, Text};
    const ANY: &[Form] = &[Form::new(&[Text, Any, Array], boolean, |args, _| quantified(args, true))];
    const ALL: &[Form] = &[Form::new(&[Text, Any, Array], boolean, |args, _| quantified(args, false))];
    vec![Overloaded::new(ANY_OF, ANY).into(), Overloaded::new(ALL_OF, ALL).into()]
}

fn quantified(args: &[ArrayRef], any: bool) -> Result<ArrayRef> {
    let operators = args[0].as_string_view();
    if operators.is_empty() {
        return Ok(Arc::new(BooleanArray::from(Vec::<bool>::new())));
    }
    let lists = args[2].as_list::<i32>();
    let (values, items) = in_common(&repeated(&args[1], lists)?, lists.values())?;
    let compared = compare(operators.value(0), &values, &items)?;
    Ok(Arc::new(reduce(&compared, &args[1], lists, any)))
}

/// True (or false for ALL) where one element decides it, NULL where a NULL could.
fn reduce(compared: &BooleanArray, values: &ArrayRef, lists: &ListArray, any: bool) -> BooleanArray {
    let offsets = lists.value_offsets();
    let decide = |row: usize| {
        if lists.is_null(row) {
            return None;
        }
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        if range.is_empty() {
            return Some(!any);
        }
        if values.is_null(row) {
            return None;
        }
        let mut unknown = false;
        for at in range {
            match compared.is_valid(at) {
                true if compared.value(at) == any => return Some(any),
                true => {}
                false => unknown = true,
            }
        }
        (!unknown).then_some(!any)
    };
    (0..lists.len()).map(decide).collect()
}

fn compare(operator: &str, values: &ArrayRef, items: &ArrayRef) -> Result<BooleanArray> {
    Ok(match operator {
        "=" => cmp::eq(values, items)?,
        "<>" | "!=" => cmp::neq(values, items)?,
        "<" => cmp::lt(values, items)?,
        "<=" => cmp::lt_eq(values, items)?,
        ">" => cmp::gt(values, items)?,
        ">=" => cmp::gt_eq(values, items)?,
        "~~" => comparison::like(&text(values)?, &text(items)?)?,
        "!~~" => comparison::nlike(&text(values)?, &text(items)?)?,
        "~~*" => comparison::ilike(&text(values)?, &text(items)?)?,
        "!~~*" => comparison::nilike(&text(values)?, &text(items)?)?,
        "~" => regex(values, items, false, false)?,
        "!~" => regex(values, items, false, true)?,
        "~*" => regex(values, items, true, false)?,
        "!~*" => regex(values, items, true, true)?,
        other => {
            let message = format!("operator {other} is not supported with ANY and ALL of an array");
            return Err(EngineError::new(ErrorKind::FeatureNotSupported, message).into());
        }
    })
}

fn text(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(values, &DataType::Utf8View)?)
}

fn regex(values: &ArrayRef, items: &ArrayRef, ignore_case: bool, negated: bool) -> Result<BooleanArray> {
    let (values, items) = (text(values)?, text(items)?);
    let (values, items) = (values.as_string_view(), items.as_string_view());
    let options = Options { ignore_case, ..Options::default() };
    let mut known = Patterns::default();
    let mut results = BooleanArray::builder(values.len());
    for row in 0..values.len() {
        match values.is_valid(row) && items.is_valid(row) {
            true => {
                let matches = known.get(items.value(row), options)?.is_match(values.value(row))?;
                results.append_value(matches != negated);
            }
            false => results.append_null(),
        }
    }
    Ok(results.finish())
}
