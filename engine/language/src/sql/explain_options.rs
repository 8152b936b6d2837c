//! The options of EXPLAIN. Those about how the plan is shown stand in the syntax tree as a format, which DataFusion never plans.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::statement::{bare_word, keyword_at};
use super::syntax_error::expected;
use crate::error::{EngineError, ErrorKind, Result};

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExplainFormat {
    /// As JSON, else as text.
    pub json: bool,
    /// What each step is thought to cost.
    pub costs: bool,
}

impl Default for ExplainFormat {
    fn default() -> Self {
        ExplainFormat { json: false, costs: true }
    }
}

/// How the formats that are not the default are called in the syntax tree.
const FORMATS: [(&str, ExplainFormat); 3] = [
    ("json", ExplainFormat { json: true, costs: true }),
    ("json_without_costs", ExplainFormat { json: true, costs: false }),
    ("text_without_costs", ExplainFormat { json: false, costs: false }),
];

impl ExplainFormat {
    /// The format of an EXPLAIN in the syntax tree; `None` for one of DataFusion's own.
    pub fn of(format: Option<&str>) -> Option<ExplainFormat> {
        match format {
            None => Some(ExplainFormat::default()),
            Some(name) => FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format),
        }
    }
}

/// Turns PostgreSQL's `EXPLAIN (ANALYZE, VERBOSE off, FORMAT text) …` into the `EXPLAIN ANALYZE …` that DataFusion
/// parses. Options about what PostgreSQL measures (BUFFERS, TIMING, …) change nothing here and are dropped.
///
/// # Errors
/// [`ErrorKind::Syntax`] for what is no option; [`ErrorKind::FeatureNotSupported`] for other formats.
pub(super) fn unfold(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    if tokens.get(1).map(|t| &t.token) != Some(&Token::LParen) {
        return Ok(());
    }
    // `EXPLAIN (SELECT …)` is a query in parentheses.
    if matches!(keyword_at(tokens, 2), Some(Keyword::SELECT | Keyword::WITH | Keyword::VALUES) | None) {
        return Ok(());
    }
    let Some(end) = tokens.iter().position(|t| t.token == Token::RParen) else { return Ok(()) };
    let (mut analyze, mut verbose) = (None, None);
    let mut format = ExplainFormat::default();
    let mut of_running = Vec::new();
    for option in tokens[2..end].split(|t| t.token == Token::Comma) {
        let Some(name) = option.first() else { return Err(expected("an EXPLAIN option", &tokens[end])) };
        let value = option.get(1).map(|t| t.token.to_string().trim_matches('\'').to_ascii_lowercase());
        let on = match value.as_deref() {
            None | Some("on" | "true" | "1") => true,
            Some("off" | "false" | "0" | "none") => false,
            Some(_) if name.token.to_string().eq_ignore_ascii_case("format") => true,
            Some(_) => return Err(expected("on or off", option.last().unwrap_or(name))),
        };
        let word = |text: &str, keyword| Some(TokenWithSpan::new(Token::Word(bare_word(text, keyword)), name.span));
        match name.token.to_string().to_ascii_lowercase().as_str() {
            "analyze" => analyze = word("ANALYZE", Keyword::ANALYZE).filter(|_| on),
            "verbose" => verbose = word("VERBOSE", Keyword::VERBOSE).filter(|_| on),
            which @ ("timing" | "wal") if on => of_running.push(which.to_owned()),
            "costs" => format.costs = on,
            "buffers" | "timing" | "summary" | "settings" | "wal" | "memory" | "serialize" | "generic_plan" => {}
            "format" => format.json = is_json(value.as_deref().unwrap_or("text"))?,
            _ => return Err(expected("an EXPLAIN option such as ANALYZE or VERBOSE", name)),
        }
    }
    if let (None, Some(option)) = (&analyze, of_running.first()) {
        let message = format!("EXPLAIN option {} requires ANALYZE", option.to_uppercase());
        return Err(EngineError::new(ErrorKind::InvalidParameter, message));
    }
    let span = tokens[1].span;
    let name = FORMATS.iter().find(|(_, known)| *known == format).map(|(name, _)| *name);
    let words = name.map(|name| {
        [("FORMAT", Keyword::FORMAT), (name, Keyword::NoKeyword)]
            .map(|(text, keyword)| TokenWithSpan::new(Token::Word(bare_word(text, keyword)), span))
    });
    // A plan in JSON has everything that there is to say.
    let verbose = verbose.filter(|_| !format.json);
    tokens.splice(1..=end, analyze.into_iter().chain(verbose).chain(words.into_iter().flatten()));
    Ok(())
}

/// True for JSON, false for text.
fn is_json(format: &str) -> Result<bool> {
    match format {
        "text" => Ok(false),
        "json" => Ok(true),
        "xml" | "yaml" => Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!("EXPLAIN with the format {format} is not supported"),
        )
        .with_hint("Use the format text or json")),
        _ => Err(EngineError::new(
            ErrorKind::InvalidParameter,
            format!("unrecognized value for EXPLAIN option \"format\": \"{format}\""),
        )),
    }
}
