//! `LIKE … ESCAPE …`, and `LIKE ANY (array)` with its like.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::overloads::{Form, Overloaded, Takes, text};
use super::regex::similar::escape_of;
use crate::error::{EngineError, ErrorKind};

/// Makes a pattern whose escape is a backslash of one with another escape.
pub(crate) const LIKE_ESCAPE: &str = "like_escape";

/// `like_escape(pattern, escape)`
pub(super) fn functions() -> Vec<ScalarUDF> {
    const FORMS: &[Form] = &[Form::new(&[Takes::Text, Takes::Text], text, like_escape)];
    vec![Overloaded::new(LIKE_ESCAPE, FORMS).into()]
}

/// The pattern with a backslash for its escape character; without one, nothing in it is escaped.
///
/// # Errors
/// An escape character at the end.
pub(crate) fn with_backslashes(pattern: &str, escape: Option<char>) -> Result<String, EngineError> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let Some(next) = chars.next() else {
                return Err(EngineError::new(
                    ErrorKind::InvalidEscape,
                    "LIKE pattern must not end with escape character",
                ));
            };
            // Only these mean anything by themselves.
            if matches!(next, '%' | '_' | '\\') {
                out.push('\\');
            }
            out.push(next);
        } else {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
    }
    Ok(out)
}

fn like_escape(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (patterns, escapes) = (args[0].as_string_view(), args[1].as_string_view());
    let mut results = StringBuilder::new();
    for row in 0..rows {
        if patterns.is_null(row) || escapes.is_null(row) {
            results.append_null();
        } else {
            results.append_value(with_backslashes(patterns.value(row), escape_of(escapes.value(row))?)?);
        }
    }
    Ok(Arc::new(results.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn escapes_become_backslashes() {
        let made = |pattern: &str, escape| with_backslashes(pattern, escape).unwrap();
        assert_eq!(made("50#%", Some('#')), "50\\%");
        assert_eq!(made("a##b%", Some('#')), "a#b%");
        assert_eq!(made("a\\b", Some('#')), "a\\\\b");
        assert_eq!(made("a\\%", None), "a\\\\%");
        assert_eq!(with_backslashes("a#", Some('#')).unwrap_err().kind(), ErrorKind::InvalidEscape);
    }
}
