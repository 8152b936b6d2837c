//! Names and texts as SQL writes them, for zxq itself and for every database that it talks to.

/// A name in double quotes, whatever characters it holds.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal.
pub fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_quote_is_doubled() {
        assert_eq!(quoted("a \"b\" 'c'"), "\"a \"\"b\"\" 'c'\"");
        assert_eq!(quoted_text("a \"b\" 'c'"), "'a \"b\" ''c'''");
    }
}
