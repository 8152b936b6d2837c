//! Constants lifted out of a text: `… WHERE id = 5` becomes `… WHERE id = $1` with 5 as its value, so that texts which differ in
//! constants alone share a plan. What the form means is found by planning it; here only tokens are looked at.

use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;

use super::decode;
use super::encode::Format;
use super::lexer::{Lexer, Token, TokenKind};
use super::plan::Planned;

/// Constants of a text that are lifted; of one with more, none.
const MOST: usize = 16;

/// A text without its constants, and those.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lifted<'a> {
    /// The text with parameters in their place.
    pub(crate) form: String,
    constants: Vec<Token<'a>>,
}

impl<'a> Lifted<'a> {
    /// Lifts what is compared with something, and what a LIMIT counts. `None` where there is nothing to lift.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let mut lexer = Lexer::new(text);
        let first = lexer.next().ok()??;
        if !first.is("select") {
            return None;
        }
        let (mut constants, mut before) = (Vec::new(), first);
        let mut next = lexer.next().ok()?;
        while let Some(token) = next {
            if token.kind == TokenKind::Parameter {
                return None;
            }
            next = lexer.next().ok()?;
            let is_cast = next.is_some_and(|next| next.is_symbol(":"));
            if is_constant(&token) && !is_cast && stands_alone(&before, &token) {
                constants.push(token);
            }
            before = token;
        }
        if constants.is_empty() || constants.len() > MOST {
            return None;
        }
        let mut form = String::with_capacity(text.len() + 4 * constants.len());
        let mut copied = 0;
        for (at, constant) in constants.iter().enumerate() {
            form.push_str(&text[copied..constant.start]);
            // Whatever stands beside it must not be read as a part of it.
            form.push_str(&format!(" ${} ", at + 1));
            copied = constant.end();
        }
        form.push_str(&text[copied..]);
        Some(Lifted { form, constants })
    }

    /// The constants as values of the form's parameters. `None` where one is none of its parameter's type, as it is written: what
    /// that means, and whether it is an error, planning the text itself says.
    pub(crate) fn values(&self, form: &Planned, zone: &str) -> Option<Vec<ScalarValue>> {
        if form.parameters.len() != self.constants.len() {
            return None;
        }
        let value = |(at, constant): (usize, &Token<'_>)| {
            let (oid, wanted) = (*form.parameters.get(at)?, form.wanted(at)?);
            let text = constant.value();
            let suits = match constant.kind {
                TokenKind::Number => wanted.is_integer(),
                // Blanks at the end count for some types and not for others.
                _ => !text.ends_with(' ') && (is_text(wanted) || wanted.is_integer() || wanted.is_temporal()),
            };
            if !suits {
                return None;
            }
            let value = decode::decode_in(Some(text.as_bytes()), Format::Text, oid, wanted, zone).ok()?;
            decode::fits(&value, wanted).then_some(value)
        };
        self.constants.iter().enumerate().map(value).collect()
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// True for a text in plain quotes and for an integer.
fn is_constant(token: &Token<'_>) -> bool {
    match token.kind {
        TokenKind::Text => token.raw.starts_with('\''),
        TokenKind::Number => token.raw.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// True for a constant after a comparison, and a number after LIMIT or OFFSET.
fn stands_alone(before: &Token<'_>, constant: &Token<'_>) -> bool {
    let counts = constant.kind == TokenKind::Number && (before.is("limit") || before.is("offset"));
    counts || ["=", "<", ">"].iter().any(|symbol| before.is_symbol(symbol))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn form(text: &str) -> Option<(String, Vec<String>)> {
        let lifted = Lifted::of(text)?;
        let constants = lifted.constants.iter().map(|constant| constant.value().into_owned()).collect();
        Some((lifted.form, constants))
    }

    #[test]
    fn what_is_compared_or_counted_is_lifted() {
        let (text, constants) = form("SELECT a FROM t WHERE id=5AND b >= 'it''s' LIMIT 3").unwrap_or_default();
        assert_eq!((text.as_str(), constants.len()), ("SELECT a FROM t WHERE id=5AND b >=  $1  LIMIT  $2 ", 2));
        assert_eq!(constants, ["it's", "3"]);
        let (text, constants) = form("select 1, 'x' from t where id = 5 and d < '2024-01-02'").unwrap();
        assert_eq!(text, "select 1, 'x' from t where id =  $1  and d <  $2 ");
        assert_eq!(constants, ["5", "2024-01-02"]);
    }

    #[test]
    fn what_is_more_than_a_plain_constant_stays() {
        for text in [
            "SELECT a FROM t WHERE id = 5.5",
            "SELECT a FROM t WHERE id = -5",
            "SELECT a FROM t WHERE d = '2024-01-02'::date",
            "SELECT a FROM t WHERE d = DATE '2024-01-02'",
            "SELECT a FROM t WHERE b = E'x'",
            "SELECT a FROM t WHERE b = $1 AND c = 5",
            "SELECT a FROM t ORDER BY 1",
            "INSERT INTO t SELECT a FROM t WHERE id = 5",
            "SELECT a FROM t WHERE b = 'no end",
            "",
        ] {
            assert_eq!(form(text), None, "{text}");
        }
    }
}
