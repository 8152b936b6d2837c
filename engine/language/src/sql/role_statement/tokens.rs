//! The tokens of a statement about roles, taken one by one.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::RoleName;
use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::syntax_error::expected;

/// Takes tokens from the front.
pub(super) struct Tokens<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(tokens: &'a [TokenWithSpan]) -> Self {
        Tokens { tokens, at: 0 }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|token| &token.token)
    }

    /// True where the word comes next, unquoted.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
    }

    /// Takes the word if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    /// Takes one of the words, and says which.
    pub(super) fn take_one<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        words.iter().find(|word| self.take(word)).copied()
    }

    /// Takes these words if they all come next.
    pub(super) fn take_all(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        let all = words.iter().all(|word| self.take(word));
        if !all {
            self.at = start;
        }
        all
    }

    /// Requires the words.
    pub(super) fn need(&mut self, words: &[&str]) -> Result<()> {
        words.iter().try_for_each(|word| if self.take(word) { Ok(()) } else { Err(self.unexpected(word)) })
    }

    /// Takes the token if it comes next.
    pub(super) fn take_token(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    pub(super) fn is_token(&self, token: &Token) -> bool {
        self.peek() == Some(token)
    }

    /// A name, in lower case unless it is quoted.
    pub(super) fn name(&mut self, what: &str) -> Result<String> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.unexpected(what)) };
        self.at += 1;
        Ok(match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_ascii_lowercase(),
        })
    }

    /// The word that comes next, in upper case.
    pub(super) fn word(&mut self, what: &str) -> Result<String> {
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                self.at += 1;
                Ok(word.value.to_ascii_uppercase())
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// A text literal.
    pub(super) fn text(&mut self, what: &str) -> Result<String> {
        let text = match self.peek() {
            Some(
                Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text),
            ) => text.clone(),
            Some(Token::DollarQuotedString(text)) => text.value.clone(),
            _ => return Err(self.unexpected(what)),
        };
        self.at += 1;
        Ok(text)
    }

    /// A whole number with its sign.
    pub(super) fn number(&mut self) -> Result<i64> {
        let negative = self.take_token(&Token::Minus);
        let number = match self.peek() {
            Some(Token::Number(digits, false)) => digits.to_string().parse::<i64>().ok(),
            _ => None,
        };
        let Some(number) = number else { return Err(self.unexpected("a whole number")) };
        self.at += 1;
        Ok(if negative { -number } else { number })
    }

    /// A role that there may be.
    pub(super) fn role(&mut self) -> Result<RoleName> {
        if self.take("CURRENT_USER") || self.take("CURRENT_ROLE") {
            return Ok(RoleName::Current);
        }
        if self.take("SESSION_USER") {
            return Ok(RoleName::Session);
        }
        self.role_name().map(RoleName::Named)
    }

    /// The name of a role.
    pub(super) fn role_name(&mut self) -> Result<String> {
        if self.is("PUBLIC") || self.is("NONE") {
            let name = self.name("the name of a role")?;
            return Err(EngineError::new(ErrorKind::ReservedName, format!("role name \"{name}\" is reserved")));
        }
        self.name("the name of a role")
    }

    /// Things separated by commas.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Requires the end of the statement.
    pub(super) fn end(&self) -> Result<()> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.tokens.len()
    }

    /// The error for a token that cannot stand here. A text is not shown: it may be a password.
    pub(super) fn unexpected(&self, what: &str) -> EngineError {
        let Some(found) = self.tokens.get(self.at) else { return expected(what, &TokenWithSpan::wrap(Token::EOF)) };
        match found.token {
            Token::Word(_) | Token::Comma | Token::LParen | Token::RParen => expected(what, found),
            _ => {
                EngineError::new(ErrorKind::Syntax, format!("syntax error in a statement about roles: expected {what}"))
            }
        }
    }
}
