//! Patterns of `SIMILAR TO` and `substring(… SIMILAR … ESCAPE …)`, as regular expressions.

use crate::error::{EngineError, ErrorKind};

/// The regular expression of a pattern: PostgreSQL's `similar_to_escape`. `None` for `escape` means that nothing escapes.
///
/// # Errors
/// More than two separators.
pub(crate) fn to_regex(pattern: &str, escape: Option<char>) -> Result<String, EngineError> {
    let mut out = String::with_capacity(pattern.len() + 8);
    out.push_str("^(?:");
    let mut separators = 0;
    let mut in_brackets = false;
    let mut after_escape = false;
    for c in pattern.chars() {
        if after_escape {
            after_escape = false;
            if c == '"' && !in_brackets {
                separators += 1;
                match separators {
                    1 => out.push_str("){1,1}?("),
                    2 => out.push_str("){1,1}(?:"),
                    _ => {
                        return Err(EngineError::new(
                            ErrorKind::InvalidParameter,
                            "SQL regular expression may not contain more than two escape-double-quote separators",
                        ));
                    }
                }
            } else {
                out.push('\\');
                out.push(c);
            }
        } else if Some(c) == escape {
            after_escape = true;
        } else if in_brackets {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            in_brackets = c != ']';
        } else {
            match c {
                '[' => {
                    out.push('[');
                    in_brackets = true;
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                other => out.push(other),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

/// The escape character of an `ESCAPE` clause.
///
/// # Errors
/// More than one character.
pub(crate) fn escape_of(text: &str) -> Result<Option<char>, EngineError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (only, None) => Ok(only),
        _ => {
            Err(EngineError::new(ErrorKind::InvalidEscape, "invalid escape string: it must be empty or one character"))
        }
    }
}
