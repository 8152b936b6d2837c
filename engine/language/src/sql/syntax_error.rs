//! Syntax errors, worded as PostgreSQL words them, with the place and what was expected.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{EngineError, ErrorKind, Place};

/// The error for a token that cannot stand where it stands.
pub(super) fn expected(what: &str, found: &TokenWithSpan) -> EngineError {
    let start = found.span.start;
    let (message, place) = match &found.token {
        Token::EOF => (format!("syntax error at end of input: expected {what}"), None),
        token => {
            let place = (start.line > 0).then_some(Place { line: start.line, column: start.column });
            (format!("syntax error at or near \"{token}\": expected {what}"), place)
        }
    };
    EngineError::new(ErrorKind::Syntax, message).at(place)
}

/// Rewords what sqlparser says.
pub(super) fn from_parser(error: &ParserError) -> EngineError {
    let (message, place) = match error {
        ParserError::RecursionLimitExceeded => {
            return EngineError::new(ErrorKind::LimitExceeded, "the statement is nested too deeply");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => reword(text),
    };
    EngineError::new(ErrorKind::Syntax, message).at(place)
}

/// Rewords what DataFusion's parser says.
pub(super) fn from_datafusion(error: DataFusionError) -> EngineError {
    match error {
        DataFusionError::SQL(inner, _) => from_parser(&inner),
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => from_datafusion(*inner),
        other => {
            EngineError::new(ErrorKind::Syntax, format!("syntax error: {}", other.strip_backtrace())).with_source(other)
        }
    }
}

/// `Expected: X, found: Y at Line: 1, Column: 2` to `syntax error at or near "Y": expected X` and its place, which sqlparser has
/// in its text only.
fn reword(text: &str) -> (String, Option<Place>) {
    let (text, place) = match text.rsplit_once(" at Line: ").and_then(|(before, place)| Some((before, read(place)?))) {
        Some((before, place)) => (before, Some(place)),
        None => (text, None),
    };
    match text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((what, "EOF")) => (format!("syntax error at end of input: expected {what}"), None),
        Some((what, found)) => (format!("syntax error at or near \"{found}\": expected {what}"), place),
        None => (format!("syntax error: {text}"), place),
    }
}

/// `1, Column: 2`.
fn read(place: &str) -> Option<Place> {
    let (line, column) = place.split_once(", Column: ")?;
    Some(Place { line: line.parse().ok()?, column: column.parse().ok()? })
}
