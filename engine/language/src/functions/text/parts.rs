//! `substring` in all its forms, `overlay`, `replace`, `repeat`, `lpad` and `rpad`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::Int64Type;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{EngineError, ErrorKind};
use crate::functions::made_texts::MadeTexts;
use crate::functions::overloads::{Form, Overloaded, Takes, text};
use crate::functions::regex::Options;
use crate::functions::regex::pattern::{Matches, Patterns};
use crate::functions::regex::similar::{escape_of, to_regex};

/// Longest text that padding makes, in characters.
const LONGEST: i64 = 1 << 28;

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Integer, Text};
    const SUBSTRING: &[Form] = &[
        Form::new(&[Text, Integer], text, substring),
        Form::new(&[Text, Integer, Integer], text, substring),
        Form::new(&[Text, Text], text, first_match),
        Form::new(&[Text, Text, Text], text, similar),
    ];
    const OVERLAY: &[Form] =
        &[Form::new(&[Text, Text, Integer], text, overlay), Form::new(&[Text, Text, Integer, Integer], text, overlay)];
    const REPLACE: &[Form] = &[Form::new(&[Text, Text, Text], text, replace)];
    const REPEAT: &[Form] = &[Form::new(&[Text, Integer], text, repeat)];
    const LPAD: &[Form] = &[Form::new(&[Text, Integer], text, lpad), Form::new(&[Text, Integer, Text], text, lpad)];
    const RPAD: &[Form] = &[Form::new(&[Text, Integer], text, rpad), Form::new(&[Text, Integer, Text], text, rpad)];
    vec![
        Overloaded::new("substr", SUBSTRING).also("substring").into(),
        Overloaded::new("overlay", OVERLAY).into(),
        Overloaded::new("replace", REPLACE).into(),
        Overloaded::new("repeat", REPEAT).into(),
        Overloaded::new("lpad", LPAD).into(),
        Overloaded::new("rpad", RPAD).into(),
    ]
}

fn any_null(args: &[ArrayRef], row: usize) -> bool {
    args.iter().any(|arg| arg.is_null(row))
}

fn negative_length() -> EngineError {
    EngineError::new(ErrorKind::InvalidSubstring, "negative substring length not allowed")
}

/// The characters from `start` on, counted from one, `length` of them.
fn part(text: &str, start: i64, length: Option<i64>) -> Result<&str, EngineError> {
    let end = match length {
        Some(length) if length < 0 => return Err(negative_length()),
        Some(length) => start.saturating_add(length),
        None => i64::MAX,
    };
    let skipped = usize::try_from(start.max(1) - 1).unwrap_or(usize::MAX);
    let wanted = usize::try_from(end.saturating_sub(start.max(1)).max(0)).unwrap_or(usize::MAX);
    if text.is_ascii() {
        let from = skipped.min(text.len());
        return Ok(&text[from..from.saturating_add(wanted).min(text.len())]);
    }
    let byte_at = |text: &str, place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
    let rest = &text[byte_at(text, skipped)..];
    Ok(&rest[..byte_at(rest, wanted)])
}

fn substring(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    let starts = args[1].as_primitive::<Int64Type>();
    let lengths = args.get(2).map(|lengths| lengths.as_primitive::<Int64Type>());
    let mut results = StringBuilder::new();
    for row in 0..rows {
        if any_null(args, row) {
            results.append_null();
            continue;
        }
        let length = lengths.map(|lengths| lengths.value(row));
        results.append_value(part(texts.value(row), starts.value(row), length)?);
    }
    Ok(Arc::new(results.finish()))
}

/// What an expression matches: its first group, or all of it where it has none.
fn matched(
    args: &[ArrayRef],
    rows: usize,
    pattern_of: impl Fn(usize) -> Result<String, EngineError>,
) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    let mut known = Patterns::default();
    let mut results = StringBuilder::new();
    for row in 0..rows {
        if any_null(args, row) {
            results.append_null();
            continue;
        }
        let text = texts.value(row);
        let pattern = known.get(&pattern_of(row)?, Options::default())?;
        let found = Matches::new(&pattern, text).next_from(0)?;
        let group = found.and_then(|found| found.get(usize::from(pattern.groups() > 0)).copied().flatten());
        results.append_option(group.map(|(start, end)| &text[start..end]));
    }
    Ok(Arc::new(results.finish()))
}

fn first_match(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let patterns = args[1].as_string_view();
    matched(args, rows, |row| Ok(patterns.value(row).to_owned()))
}

fn similar(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (patterns, escapes) = (args[1].as_string_view(), args[2].as_string_view());
    matched(args, rows, |row| to_regex(patterns.value(row), escape_of(escapes.value(row))?))
}

/// `overlay(text placing new from start [for length])`
fn overlay(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (texts, news) = (args[0].as_string_view(), args[1].as_string_view());
    let starts = args[2].as_primitive::<Int64Type>();
    let lengths = args.get(3).map(|lengths| lengths.as_primitive::<Int64Type>());
    let mut results = MadeTexts::default();
    for row in 0..rows {
        if any_null(args, row) {
            results.push_null();
            continue;
        }
        let (text, new, start) = (texts.value(row), news.value(row), starts.value(row));
        if start <= 0 {
            return Err(negative_length().into());
        }
        let length = lengths.map_or_else(|| new.chars().count() as i64, |lengths| lengths.value(row));
        let before = part(text, 1, Some(start - 1))?;
        let after = part(text, start.saturating_add(length), None)?;
        results.push(&format!("{before}{new}{after}"))?;
    }
    Ok(results.finish())
}

fn replace(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (texts, olds, news) = (args[0].as_string_view(), args[1].as_string_view(), args[2].as_string_view());
    let mut results = MadeTexts::default();
    for row in 0..rows {
        if any_null(args, row) {
            results.push_null();
            continue;
        }
        let (text, old, new) = (texts.value(row), olds.value(row), news.value(row));
        let found = if old.is_empty() { 0 } else { text.matches(old).count() };
        if found == 0 {
            results.push(text)?;
            continue;
        }
        results.room_for((text.len() - found * old.len()).saturating_add(found.saturating_mul(new.len())))?;
        results.push(&text.replace(old, new))?;
    }
    Ok(results.finish())
}

fn repeat(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (texts, counts) = (args[0].as_string_view(), args[1].as_primitive::<Int64Type>());
    let mut results = MadeTexts::default();
    for row in 0..rows {
        if any_null(args, row) {
            results.push_null();
            continue;
        }
        let (text, count) = (texts.value(row), usize::try_from(counts.value(row)).unwrap_or(0));
        results.room_for(text.len().saturating_mul(count))?;
        results.push(&text.repeat(count))?;
    }
    Ok(results.finish())
}

fn lpad(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    pad(args, rows, |text, fill, out| {
        out.extend(fill);
        out.push_str(text);
    })
}

fn rpad(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    pad(args, rows, |text, fill, out| {
        out.push_str(text);
        out.extend(fill);
    })
}

fn pad(args: &[ArrayRef], rows: usize, put: fn(&str, &mut dyn Iterator<Item = char>, &mut String)) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    let lengths = args[1].as_primitive::<Int64Type>();
    let fills = args.get(2).map(|fills| fills.as_string_view());
    let mut results = MadeTexts::default();
    let mut out = String::new();
    for row in 0..rows {
        if any_null(args, row) {
            results.push_null();
            continue;
        }
        let (text, length) = (texts.value(row), lengths.value(row).max(0));
        if length > LONGEST {
            return Err(EngineError::new(ErrorKind::LimitExceeded, "requested length too large").into());
        }
        let text = part(text, 1, Some(length))?;
        let missing = usize::try_from(length).unwrap_or(0).saturating_sub(text.chars().count());
        let fill = fills.map_or(" ", |fills| fills.value(row));
        out.clear();
        put(text, &mut fill.chars().cycle().take(missing), &mut out);
        results.push(&out)?;
    }
    Ok(results.finish())
}
