//! Arrays as PostgreSQL writes them: `{1,NULL,"a b"}`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StringArray, StringViewBuilder};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;

/// The elements of a one-dimensional array literal; `None` for NULL. `None` altogether when it is malformed.
pub(crate) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    let mut chars = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(elements);
    }
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        let quoted = chars.next_if_eq(&'"').is_some();
        let mut escaped = false;
        loop {
            match chars.peek() {
                Some('\\') => {
                    chars.next();
                    value.push(chars.next()?);
                    escaped = true;
                }
                Some('"') if quoted => {
                    chars.next();
                    break;
                }
                Some(',') | None if !quoted => break,
                Some('{' | '}' | '"') if !quoted => return None,
                Some(_) => value.extend(chars.next()),
                None => return None,
            }
        }
        if quoted {
            elements.push(Some(value));
        } else {
            let value = value.trim_end();
            if value.is_empty() && !escaped {
                return None;
            }
            elements.push((escaped || !value.eq_ignore_ascii_case("NULL")).then(|| value.to_owned()));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.next() {
            Some(',') => {}
            None => return Some(elements),
            Some(_) => return None,
        }
    }
}

/// Texts as lists of `item`, and the rows whose text is none; those are NULL.
pub fn lists(texts: &ArrayRef, item: &FieldRef) -> Result<(ArrayRef, Vec<usize>), ArrowError> {
    let texts = cast(texts, &DataType::Utf8View)?;
    let texts = texts.as_string_view();
    let mut bad = Vec::new();
    let mut values = StringViewBuilder::new();
    let mut offsets = vec![0_i32];
    let mut total = 0_i32;
    let mut valid = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let found = if texts.is_valid(row) { elements(texts.value(row)) } else { None };
        if found.is_none() && texts.is_valid(row) {
            bad.push(row);
        }
        valid.push(found.is_some());
        for element in found.unwrap_or_default() {
            values.append_option(element);
            total = total.checked_add(1).ok_or_else(|| ArrowError::ComputeError("too many elements".to_owned()))?;
        }
        offsets.push(total);
    }
    let texts: ArrayRef = Arc::new(values.finish());
    let items = cast_with_options(&texts, item.data_type(), &CastOptions { safe: true, ..CastOptions::default() })?;
    if items.null_count() > texts.null_count() {
        for row in 0..valid.len() {
            let wrong = |at: i32| items.is_null(at as usize) && texts.is_valid(at as usize);
            if valid[row] && (offsets[row]..offsets[row + 1]).any(wrong) {
                valid[row] = false;
                bad.push(row);
            }
        }
        bad.sort_unstable();
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let lists = ListArray::try_new(Arc::clone(item), offsets, items, Some(NullBuffer::from(valid)))?;
    Ok((Arc::new(lists), bad))
}

/// Lists as texts.
pub(crate) fn texts(lists: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let lists = lists.as_list::<i32>();
    let items = match lists.values().data_type() {
        DataType::Boolean => {
            let flags: &BooleanArray = lists.values().as_boolean();
            Arc::new(flags.iter().map(|flag| flag.map(|flag| if flag { "t" } else { "f" })).collect::<StringArray>())
        }
        _ => cast(lists.values(), &DataType::Utf8)?,
    };
    let items = items.as_string::<i32>();
    let mut out = StringViewBuilder::with_capacity(lists.len());
    let mut text = String::new();
    for row in 0..lists.len() {
        if lists.is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        text.push('{');
        let offsets = lists.value_offsets();
        for (place, at) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
            if place > 0 {
                text.push(',');
            }
            if items.is_null(at) { text.push_str("NULL") } else { push_element(items.value(at), &mut text) }
        }
        text.push('}');
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

/// An element, in quotes where it would be read differently without.
pub(crate) fn push_element(element: &str, out: &mut String) {
    let quotes = element.is_empty()
        || element.eq_ignore_ascii_case("NULL")
        || element.chars().any(|c| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace());
    if !quotes {
        out.push_str(element);
        return;
    }
    out.push('"');
    for c in element.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::StringViewArray;
    use arrow::datatypes::Field;

    use super::*;

    fn round_trip(texts_of: &[Option<&str>], item: DataType) -> (Vec<Option<String>>, Vec<usize>) {
        let input: ArrayRef = Arc::new(texts_of.iter().copied().collect::<StringViewArray>());
        let (read, bad) = lists(&input, &Arc::new(Field::new("item", item, true))).unwrap();
        let written = texts(&read).unwrap();
        let written = written.as_string_view().iter().map(|text| text.map(str::to_owned)).collect();
        (written, bad)
    }

    #[test]
    fn arrays_are_read_and_written() {
        let some = |text: &str| Some(text.to_owned());
        let (written, bad) =
            round_trip(&[Some("{1, NULL ,3}"), None, Some("{}"), Some("{a}"), Some("{1")], DataType::Int32);
        assert_eq!(written, [some("{1,NULL,3}"), None, some("{}"), None, None]);
        assert_eq!(bad, [3, 4]);
        let (written, bad) = round_trip(
            &[Some(r#"{a,"b c","",\NULL,"q\"\\",{}}"#), Some(r#"{a,"b c","","NULL","q\"\\"}"#)],
            DataType::Utf8View,
        );
        assert_eq!(written, [None, some(r#"{a,"b c","","NULL","q\"\\"}"#)]);
        assert_eq!(bad, [0]);
        let (written, _) = round_trip(&[Some("{t,false}")], DataType::Boolean);
        assert_eq!(written, [some("{t,f}")]);
        let (written, _) = round_trip(&[Some("{0.1,-1e300,NaN}")], DataType::Float64);
        let (again, _) = round_trip(&[written[0].as_deref()], DataType::Float64);
        assert_eq!(written, again);
    }

    #[test]
    fn array_literals() {
        let some = |texts: &[&str]| Some(texts.iter().map(|t| Some((*t).to_owned())).collect::<Vec<_>>());
        assert_eq!(elements("{}"), Some(Vec::new()));
        assert_eq!(elements("{a, \"b,c\" ,\"q\\\"\"}"), some(&["a", "b,c", "q\""]));
        assert_eq!(elements("{NULL,\"NULL\"}"), Some(vec![None, Some("NULL".to_owned())]));
        assert_eq!(elements("{a"), None);
        assert_eq!(elements("{{a}}"), None);
    }
}
