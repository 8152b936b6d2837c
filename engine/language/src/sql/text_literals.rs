//! Texts in PostgreSQL's other forms, as plain ones: `U&'\0061'`, `N'…'`, `B'101'` where it is cast to text, and texts that
//! go on in the next line.

use datafusion::sql::sqlparser::ast::{DataType, Expr, Value};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use crate::error::{EngineError, ErrorKind};

/// Rewrites one node of an expression; what it does not know stays as it is.
///
/// # Errors
/// Digits of a `B'…'` that are neither 0 nor 1.
pub(super) fn rewrite(expr: &mut Expr) -> Result<(), EngineError> {
    match expr {
        Expr::Value(value) => {
            // The parser has read the escapes already.
            if let Value::UnicodeStringLiteral(text) | Value::NationalStringLiteral(text) = &mut value.value {
                value.value = Value::SingleQuotedString(std::mem::take(text));
            }
        }
        Expr::Cast { expr: inner, data_type: DataType::Text | DataType::Varchar(None), .. } => {
            if let Expr::Value(value) = inner.as_mut()
                && let Value::SingleQuotedByteStringLiteral(bits) = &mut value.value
            {
                if let Some(other) = bits.chars().find(|bit| !matches!(bit, '0' | '1')) {
                    let message = format!("\"{other}\" is not a valid binary digit");
                    return Err(EngineError::new(ErrorKind::InvalidText, message));
                }
                value.value = Value::SingleQuotedString(std::mem::take(bits));
            }
        }
        _ => {}
    }
    Ok(())
}

/// True for what ends a line between the parts of a text: a comment to its end does.
pub(super) fn ends_line(space: &Whitespace) -> bool {
    matches!(space, Whitespace::Newline | Whitespace::SingleLineComment { .. })
}

/// Adds a text to the one before it, from which only a line's end parts it; false where these are not two texts.
pub(super) fn continues(before: Option<&mut TokenWithSpan>, token: &TokenWithSpan) -> bool {
    let Some(before) = before else { return false };
    match (&mut before.token, &token.token) {
        (Token::SingleQuotedString(text), Token::SingleQuotedString(more)) => {
            text.push_str(more);
            before.span.end = token.span.end;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::rewrite;
    use crate::error::ErrorKind;
    use crate::sql::statement::{parse, parse_expression};

    #[test]
    fn other_forms_of_texts_are_plain_texts() {
        for (written, plain) in [
            ("U&'d\\0061t\\+000061'", "'data'"),
            ("N'abc'", "'abc'"),
            ("B'0101'::text", "'0101'::TEXT"),
            ("B'0101'::int", "B'0101'::INT"),
            ("'U&'", "'U&'"),
        ] {
            let mut expr = parse_expression(written).unwrap();
            rewrite(&mut expr).unwrap();
            assert_eq!(expr.to_string(), plain, "{written}");
        }
        let mut wrong = parse_expression("B'102'::text").unwrap();
        assert_eq!(rewrite(&mut wrong).unwrap_err().kind(), ErrorKind::InvalidText);
    }

    #[test]
    fn a_text_goes_on_in_the_next_line() {
        for (written, read) in [
            ("SELECT 'con'\n  'cat', 1", "SELECT 'concat', 1"),
            ("SELECT 'a' -- more below\n'b'\n\n'c'", "SELECT 'abc'"),
            ("SELECT 'a', \n'b'", "SELECT 'a', 'b'"),
            ("SELECT 'a'\n; SELECT 'b'", "SELECT 'a'"),
        ] {
            let statements = parse(written).unwrap();
            assert_eq!(statements[0].ast().unwrap().to_string(), read, "{written}");
            assert!(written.starts_with(statements[0].text()), "{written}");
        }
    }
}
