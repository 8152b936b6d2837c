//! Passwords, taken out of statements before anybody reads them.

use std::borrow::Cow;

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::sql::statement::DIALECT;

/// The statement's text with `'***'` for every password in it: for logs, and for those who look at what others run.
pub fn without_secrets(sql: &str) -> Cow<'_, str> {
    if !mentions(sql, "password") {
        return Cow::Borrowed(sql);
    }
    let Ok(tokens) = Tokenizer::new(&DIALECT, sql).tokenize_with_location() else {
        // What cannot be read may hold one anywhere.
        return Cow::Owned(sql.split_whitespace().take(2).chain(["…"]).collect::<Vec<_>>().join(" "));
    };
    let tokens: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let mut blanked = String::with_capacity(sql.len());
    let mut rest = Text { text: sql, at: 0, line: 1, column: 1 };
    for pair in tokens.windows(2) {
        let is_password = matches!(&pair[0].token, Token::Word(word) if word.value.eq_ignore_ascii_case("password"));
        if is_password && is_text(&pair[1].token) {
            blanked.push_str(rest.up_to(pair[1].span.start));
            rest.up_to(pair[1].span.end);
            blanked.push_str("'***'");
        }
    }
    blanked.push_str(&sql[rest.at..]);
    Cow::Owned(blanked)
}

fn mentions(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_text(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::DoubleQuotedString(_)
    )
}

/// A text that is walked once.
struct Text<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl<'a> Text<'a> {
    /// What lies between here and there.
    fn up_to(&mut self, place: Location) -> &'a str {
        let start = self.at;
        for c in self.text[start..].chars() {
            if (self.line, self.column) >= (place.line, place.column) {
                break;
            }
            self.at += c.len_utf8();
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        &self.text[start..self.at]
    }
}
