//! Whether a text matches: `~`, `!~`, `~*`, `SIMILAR TO`, `regexp_like`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::Options;
use super::pattern::Patterns;
use super::similar::{escape_of, to_regex};
use crate::error::EngineError;
use crate::functions::overloads::{Form, Overloaded, Takes, boolean, invalid_parameter, text};

/// The function behind `text ~ pattern`.
pub(crate) const MATCHES: &str = "regex_matches";
/// The function behind `text ~* pattern`.
pub(crate) const MATCHES_ANY_CASE: &str = "regex_matches_any_case";
/// Makes the regular expression of a pattern of `SIMILAR TO`.
pub(crate) const SIMILAR_TO_ESCAPE: &str = "similar_to_escape";

/// `regexp_like` and what operators become.
pub(in crate::functions) fn functions() -> Vec<ScalarUDF> {
    const TWO: &[Takes] = &[Takes::Text, Takes::Text];
    const THREE: &[Takes] = &[Takes::Text, Takes::Text, Takes::Text];
    const MATCHES_FORMS: &[Form] = &[Form::new(TWO, boolean, matches_case)];
    const ANY_CASE_FORMS: &[Form] = &[Form::new(TWO, boolean, matches_any_case)];
    const LIKE_FORMS: &[Form] = &[Form::new(TWO, boolean, regexp_like), Form::new(THREE, boolean, regexp_like)];
    const ESCAPE_FORMS: &[Form] =
        &[Form::new(&[Takes::Text], text, similar_to_escape), Form::new(TWO, text, similar_to_escape)];
    vec![
        Overloaded::new(MATCHES, MATCHES_FORMS).into(),
        Overloaded::new(MATCHES_ANY_CASE, ANY_CASE_FORMS).into(),
        Overloaded::new("regexp_like", LIKE_FORMS).into(),
        Overloaded::new(SIMILAR_TO_ESCAPE, ESCAPE_FORMS).into(),
    ]
}

fn matches_case(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    matches(args[0].as_string_view(), args[1].as_string_view(), |_| Ok(Some(Options::default())))
}

fn matches_any_case(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let options = Options { ignore_case: true, ..Options::default() };
    matches(args[0].as_string_view(), args[1].as_string_view(), |_| Ok(Some(options)))
}

fn regexp_like(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let flags = args.get(2).map(|flags| flags.as_string_view());
    matches(args[0].as_string_view(), args[1].as_string_view(), |row| options_of(flags, row, "regexp_like()", None))
}

fn matches(
    texts: &StringViewArray,
    patterns: &StringViewArray,
    options: impl Fn(usize) -> Result<Option<Options>, EngineError>,
) -> Result<ArrayRef> {
    let mut known = Patterns::default();
    let mut results = BooleanArray::builder(texts.len());
    for row in 0..texts.len() {
        if texts.is_null(row) || patterns.is_null(row) {
            results.append_null();
            continue;
        }
        match options(row)? {
            Some(options) => {
                results.append_value(known.get(patterns.value(row), options)?.is_match(texts.value(row))?);
            }
            None => results.append_null(),
        }
    }
    Ok(Arc::new(results.finish()))
}

/// The options of a row; `None` where they are NULL. `g` is for functions that say nothing against it.
pub(super) fn options_of(
    flags: Option<&StringViewArray>,
    row: usize,
    refuses_global: &str,
    hint: Option<&str>,
) -> Result<Option<Options>, EngineError> {
    let Some(flags) = flags else { return Ok(Some(Options::default())) };
    if flags.is_null(row) {
        return Ok(None);
    }
    let options = Options::parse(flags.value(row))?;
    if options.global && !refuses_global.is_empty() {
        let error = invalid_parameter(format!("{refuses_global} does not support the \"global\" option"));
        return Err(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    }
    Ok(Some(options))
}

/// `similar_to_escape(pattern [, escape])`
fn similar_to_escape(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let patterns = args[0].as_string_view();
    let escapes = args.get(1).map(|escapes| escapes.as_string_view());
    let mut results = arrow::array::StringBuilder::new();
    for row in 0..rows {
        if patterns.is_null(row) || escapes.is_some_and(|e| e.is_null(row)) {
            results.append_null();
            continue;
        }
        let escape = match escapes {
            Some(escapes) => escape_of(escapes.value(row))?,
            None => Some('\\'),
        };
        results.append_value(to_regex(patterns.value(row), escape)?);
    }
    Ok(Arc::new(results.finish()))
}
