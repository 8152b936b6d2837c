//! Names and texts as SQL writes them, for zxq itself and for every database that it talks to.

/// A name in double quotes, whatever characters it holds.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal.
pub fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text as PostgreSQL's `quote_literal` writes it: one with a backslash as `E'…'`, which means the same whatever
/// `standard_conforming_strings` is.
pub fn quoted_literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    if text.contains('\\') {
        out.push('E');
    }
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_quote_is_doubled() {
        assert_eq!(quoted("a \"b\" 'c'"), "\"a \"\"b\"\" 'c'\"");
        assert_eq!(quoted_text("a \"b\" 'c'"), "'a \"b\" ''c'''");
        assert_eq!(quoted_literal("it's"), "'it''s'");
        assert_eq!(quoted_literal("a\\b"), "E'a\\\\b'");
    }
}
