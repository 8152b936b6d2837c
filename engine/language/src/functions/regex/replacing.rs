//! `regexp_replace(text, pattern, replacement [, start [, n]] [, flags])`.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::Options;
use super::finding::{byte_of, positive};
use super::pattern::{Found, Matches, Patterns};
use crate::functions::made_texts::MadeTexts;
use crate::functions::overloads::{Form, Overloaded, Takes, invalid_parameter, text};

/// `regexp_replace`
pub(in crate::functions) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Integer, Text};
    const FORMS: &[Form] = &[
        Form::new(&[Text, Text, Text], text, with_flags),
        Form::new(&[Text, Text, Text, Text], text, with_flags),
        Form::new(&[Text, Text, Text, Integer], text, with_start),
        Form::new(&[Text, Text, Text, Integer, Integer], text, with_start),
        Form::new(&[Text, Text, Text, Integer, Integer, Text], text, with_start),
    ];
    vec![Overloaded::new("regexp_replace", FORMS).into()]
}

fn with_flags(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let flags = args.get(3).map(|flags| flags.as_string_view());
    replace(args, rows, |row| {
        let Some(flags) = flags else { return Ok(Some((1, 1, Options::default()))) };
        if flags.is_null(row) {
            return Ok(None);
        }
        let flags = flags.value(row);
        if flags.starts_with(|first: char| first.is_ascii_digit()) {
            let first: String = flags.chars().take(1).collect();
            let error = invalid_parameter(format!("invalid regular expression option: \"{first}\""));
            return Err(error
                .with_hint(
                    "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer \
                     explicitly.",
                )
                .into());
        }
        let options = Options::parse(flags)?;
        Ok(Some((1, if options.global { 0 } else { 1 }, options)))
    })
}

fn with_start(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let starts = args[3].as_primitive::<Int64Type>();
    let counts = args.get(4).map(|counts| counts.as_primitive::<Int64Type>());
    let flags = args.get(5).map(|flags| flags.as_string_view());
    replace(args, rows, |row| {
        if starts.is_null(row) || counts.is_some_and(|c| c.is_null(row)) || flags.is_some_and(|f| f.is_null(row)) {
            return Ok(None);
        }
        let start = positive("start", starts.value(row), 1)?;
        let options = flags.map(|f| Options::parse(f.value(row))).transpose()?.unwrap_or_default();
        let count = match counts {
            Some(counts) => positive("n", counts.value(row), 0)?,
            None => 1,
        };
        Ok(Some((start, count, options)))
    })
}

/// Replaces the match of this number, counted from one at `start`; all of them for 0.
fn replace(
    args: &[ArrayRef],
    rows: usize,
    how: impl Fn(usize) -> Result<Option<(usize, usize, Options)>>,
) -> Result<ArrayRef> {
    let (texts, patterns, news) = (args[0].as_string_view(), args[1].as_string_view(), args[2].as_string_view());
    let mut known = Patterns::default();
    let mut results = MadeTexts::default();
    let mut out = String::new();
    for row in 0..rows {
        let how = match texts.is_null(row) || patterns.is_null(row) || news.is_null(row) {
            true => None,
            false => how(row)?,
        };
        let Some((start, wanted, options)) = how else {
            results.push_null();
            continue;
        };
        let (text, new) = (texts.value(row), news.value(row));
        let pattern = known.get(patterns.value(row), options)?;
        out.clear();
        let mut copied = 0;
        let mut number = 0;
        if let Some(from) = byte_of(text, start) {
            Matches::new(&pattern, text).each(from, |found| {
                number += 1;
                if (wanted == 0 || number == wanted)
                    && let Some(Some((start, end))) = found.first().copied()
                {
                    out.push_str(&text[copied..start]);
                    insert(new, text, found, &mut out);
                    results.room_for(out.len())?;
                    copied = end;
                }
                Ok(wanted == 0 || number < wanted)
            })?;
        }
        out.push_str(&text[copied..]);
        results.push(&out)?;
    }
    Ok(results.finish())
}

/// The replacement, with `\1` … `\9` for groups, `\&` for the whole match and `\\` for a backslash.
fn insert(new: &str, text: &str, found: &Found, out: &mut String) {
    let mut rest = new;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escaped = rest[at + 1..].chars().next();
        let group = match escaped {
            Some('&') => Some(0),
            Some(digit @ '1'..='9') => digit.to_digit(10).map(|d| d as usize),
            _ => None,
        };
        match (escaped, group) {
            (_, Some(group)) => {
                if let Some((start, end)) = found.get(group).copied().flatten() {
                    out.push_str(&text[start..end]);
                }
                rest = &rest[at + 2..];
            }
            (Some('\\'), None) => {
                out.push('\\');
                rest = &rest[at + 2..];
            }
            _ => {
                // Any other backslash stands for itself.
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
}
