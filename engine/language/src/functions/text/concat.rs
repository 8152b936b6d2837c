//! `concat(any, …)` and `concat_ws(separator, any, …)`: NULLs are left out.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::shown;
use crate::functions::made_texts::MadeTexts;
use crate::functions::overloads::{Form, Overloaded, Takes, text};

pub(super) fn functions() -> Vec<ScalarUDF> {
    const CONCAT: &[Form] = &[Form::new(&[Takes::Any], text, concat).and_more()];
    const CONCAT_WS: &[Form] = &[Form::new(&[Takes::Text, Takes::Any], text, concat_ws).and_more()];
    vec![Overloaded::new("concat", CONCAT).into(), Overloaded::new("concat_ws", CONCAT_WS).into()]
}

fn concat(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let texts = args.iter().map(shown::texts).collect::<Result<Vec<StringArray>>>()?;
    let mut results = MadeTexts::default();
    let mut out = String::new();
    for row in 0..rows {
        out.clear();
        for text in texts.iter().filter(|text| text.is_valid(row)) {
            results.room_to_grow(&out, text.value(row).len())?;
            out.push_str(text.value(row));
        }
        results.push(&out)?;
    }
    Ok(results.finish())
}

fn concat_ws(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let separators = args[0].as_string_view();
    let texts = args[1..].iter().map(shown::texts).collect::<Result<Vec<StringArray>>>()?;
    let mut results = MadeTexts::default();
    let mut out = String::new();
    for row in 0..rows {
        if separators.is_null(row) {
            results.push_null();
            continue;
        }
        out.clear();
        for (place, text) in texts.iter().filter(|text| text.is_valid(row)).enumerate() {
            results.room_to_grow(&out, separators.value(row).len().saturating_add(text.value(row).len()))?;
            if place > 0 {
                out.push_str(separators.value(row));
            }
            out.push_str(text.value(row));
        }
        results.push(&out)?;
    }
    Ok(results.finish())
}
