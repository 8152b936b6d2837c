//! `array_to_string(array, separator [, null text])`.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::functions::made_texts::MadeTexts;
use crate::functions::overloads::{Form, Overloaded, Takes, text};
use crate::functions::text::shown;

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Array, Text};
    const FORMS: &[Form] =
        &[Form::new(&[Array, Text], text, to_string), Form::new(&[Array, Text, Text], text, to_string)];
    vec![Overloaded::new("array_to_string", FORMS).also("list_to_string").also("array_join").also("list_join").into()]
}

fn to_string(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let separators = args[1].as_string_view();
    let nulls = args.get(2).map(|nulls| nulls.as_string_view());
    // The innermost elements; of arrays of arrays all of them, one after the other.
    let mut leaves = Arc::clone(&args[0]);
    while let DataType::List(_) = leaves.data_type() {
        let inner = Arc::clone(leaves.as_list::<i32>().values());
        leaves = inner;
    }
    let leaves = shown::texts(&leaves)?;
    let mut results = MadeTexts::default();
    let mut out = String::new();
    for row in 0..rows {
        if args[0].is_null(row) || separators.is_null(row) {
            results.push_null();
            continue;
        }
        out.clear();
        let null = nulls.filter(|nulls| nulls.is_valid(row)).map(|nulls| nulls.value(row));
        let joined = Joined { leaves: &leaves, separator: separators.value(row), null };
        joined.write(leaves_of(&args[0], row), &results, &mut out)?;
        results.push(&out)?;
    }
    Ok(results.finish())
}

fn leaves_of(array: &ArrayRef, row: usize) -> Range<usize> {
    let mut array = Arc::clone(array);
    let mut range = row..row + 1;
    while let DataType::List(_) = array.data_type() {
        let lists = array.as_list::<i32>();
        let offsets = lists.value_offsets();
        range = offsets[range.start] as usize..offsets[range.end] as usize;
        let inner = Arc::clone(lists.values());
        array = inner;
    }
    range
}

/// How elements are put together.
struct Joined<'a> {
    leaves: &'a StringArray,
    separator: &'a str,
    /// What stands for NULL; without it NULLs are left out.
    null: Option<&'a str>,
}

impl Joined<'_> {
    fn write(&self, range: Range<usize>, results: &MadeTexts, out: &mut String) -> Result<()> {
        let mut first = true;
        for at in range {
            let text = if self.leaves.is_valid(at) { Some(self.leaves.value(at)) } else { self.null };
            let Some(text) = text else { continue };
            results.room_to_grow(out, self.separator.len().saturating_add(text.len()))?;
            if !first {
                out.push_str(self.separator);
            }
            out.push_str(text);
            first = false;
        }
        Ok(())
    }
}
