//! Syntax errors, worded as PostgreSQL words them, with the place and what was expected.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{EngineError, ErrorKind};

/// The error for a token that cannot stand where it stands.
pub(super) fn expected(what: &str, found: &TokenWithSpan) -> EngineError {
    let start = found.span.start;
    let message = match &found.token {
        Token::EOF => format!("syntax error at end of input: expected {what}"),
        token if start.line == 0 => format!("syntax error at or near \"{token}\": expected {what}"),
        token => format!(
            "syntax error at or near \"{token}\" (line {}, column {}): expected {what}",
            start.line, start.column
        ),
    };
    EngineError::new(ErrorKind::Syntax, message)
}

/// Rewords what sqlparser says.
pub(super) fn from_parser(error: &ParserError) -> EngineError {
    let message = match error {
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => reword(text),
    };
    EngineError::new(ErrorKind::Syntax, message)
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

/// `Expected: X, found: Y at Line: 1, Column: 2` to `syntax error at or near "Y" (line 1, column 2): expected X`.
fn reword(text: &str) -> String {
    let (text, place) = match text.rsplit_once(" at Line: ") {
        Some((before, location)) => match location.split_once(", Column: ") {
            Some((line, column)) => (before, format!(" (line {line}, column {column})")),
            None => (text, String::new()),
        },
        None => (text, String::new()),
    };
    match text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((what, "EOF")) => format!("syntax error at end of input: expected {what}"),
        Some((what, found)) => format!("syntax error at or near \"{found}\"{place}: expected {what}"),
        None => format!("syntax error{place}: {text}"),
    }
}
