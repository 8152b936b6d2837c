//! Cuts SQL text into tokens and statements, without understanding more of it than quotes and comments.
//!
//! Commands that are the connection's own business (`SET`, `COPY … FROM STDIN`, cursors) are recognised on tokens;
//! everything else goes to the engine's parser as text.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::error::WireError;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name or keyword without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A text literal of any form.
    Text,
    /// A number.
    Number,
    /// A parameter: `$1`.
    Parameter,
    /// Any other single character.
    Symbol,
}

/// One token of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// As written, with its quotes.
    pub(crate) raw: &'a str,
    /// Byte offset of its first character.
    pub(crate) start: usize,
}

impl<'a> Token<'a> {
    /// True for this keyword, in any case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.raw.eq_ignore_ascii_case(keyword)
    }

    /// True for this character.
    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol && self.raw == symbol
    }

    /// Byte offset after its last character.
    pub(crate) fn end(&self) -> usize {
        self.start + self.raw.len()
    }

    /// The value: names folded to lower case or unquoted, literals without quotes and escapes.
    pub(crate) fn value(&self) -> Cow<'a, str> {
        match self.kind {
            TokenKind::Word => Cow::Owned(self.raw.to_lowercase()),
            TokenKind::Quoted => Cow::Owned(inside(self.raw, 1).replace("\"\"", "\"")),
            TokenKind::Text => text_value(self.raw),
            TokenKind::Number | TokenKind::Parameter | TokenKind::Symbol => Cow::Borrowed(self.raw),
        }
    }
}

fn inside(raw: &str, quotes: usize) -> &str {
    raw.get(quotes..raw.len().saturating_sub(quotes)).unwrap_or_default()
}

fn text_value(raw: &str) -> Cow<'_, str> {
    if raw.starts_with('\'') {
        return Cow::Owned(inside(raw, 1).replace("''", "'"));
    }
    if let Some(rest) = raw.strip_prefix('$') {
        let tag = rest.find('$').map_or(raw.len(), |at| at + 2);
        return Cow::Borrowed(inside(raw, tag));
    }
    // E'…'
    let mut value = String::new();
    let mut chars = raw.get(2..raw.len().saturating_sub(1)).unwrap_or_default().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                chars.next();
                value.push('\'');
            }
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some('b') => value.push('\u{8}'),
                Some('f') => value.push('\u{c}'),
                Some(other) => value.push(other),
                None => {}
            },
            other => value.push(other),
        }
    }
    Cow::Owned(value)
}

/// Reads the tokens of a text; comments and white space are skipped.
#[derive(Debug, Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of the text.
    pub(crate) fn new(text: &'a str) -> Self {
        Lexer { text, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// The next token; `None` at the end.
    ///
    /// # Errors
    /// For a quote or comment without an end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, WireError> {
        self.skip_blank()?;
        let rest = self.rest();
        let Some(first) = rest.first() else { return Ok(None) };
        let (kind, length) = match first {
            b'\'' => (TokenKind::Text, quoted_length(rest, b'\'', false)),
            b'"' => (TokenKind::Quoted, quoted_length(rest, b'"', false)),
            b'e' | b'E' if rest.get(1) == Some(&b'\'') => {
                (TokenKind::Text, quoted_length(&rest[1..], b'\'', true).map(|length| length + 1))
            }
            b'$' if rest.get(1).is_some_and(u8::is_ascii_digit) => {
                (TokenKind::Parameter, Some(1 + rest[1..].iter().take_while(|b| b.is_ascii_digit()).count()))
            }
            b'$' => match dollar_tag(rest) {
                Some(tag) => (TokenKind::Text, dollar_length(rest, tag)),
                None => (TokenKind::Symbol, Some(1)),
            },
            b if b.is_ascii_alphabetic() || *b == b'_' || !b.is_ascii() => {
                (TokenKind::Word, Some(rest.iter().take_while(|b| is_name_byte(**b)).count()))
            }
            b if b.is_ascii_digit() => {
                (TokenKind::Number, Some(rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'.').count()))
            }
            _ => (TokenKind::Symbol, Some(1)),
        };
        let start = self.at;
        let Some(length) = length else {
            let what = if kind == TokenKind::Quoted { "identifier" } else { "string" };
            return Err(WireError::syntax(format!("unterminated quoted {what}")).at(start));
        };
        self.at += length;
        Ok(Some(Token { kind, raw: &self.text[start..self.at], start }))
    }

    fn skip_blank(&mut self) -> Result<(), WireError> {
        loop {
            let rest = self.rest();
            let blank = rest.iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
            self.at += blank;
            let rest = &rest[blank..];
            if rest.starts_with(b"--") {
                self.at += rest.iter().take_while(|b| !matches!(**b, b'\n' | b'\r')).count();
            } else if rest.starts_with(b"/*") {
                let Some(length) = comment_length(rest) else {
                    return Err(WireError::syntax("unterminated /* comment").at(self.at));
                };
                self.at += length;
            } else {
                return Ok(());
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

/// Length of a quoted token with its quotes. A doubled quote, and with `escapes` a backslash, stands for itself.
fn quoted_length(rest: &[u8], quote: u8, escapes: bool) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        if escapes && rest[at] == b'\\' {
            at += 2;
        } else if rest[at] != quote {
            at += 1;
        } else if rest.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

/// `$tag$` at the start of the text.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let name = rest[1..].iter().take_while(|b| is_name_byte(**b) && **b != b'$').count();
    (rest.get(name + 1) == Some(&b'$')).then(|| &rest[..name + 2])
}

fn dollar_length(rest: &[u8], tag: &[u8]) -> Option<usize> {
    let body = &rest[tag.len()..];
    (0..body.len()).find(|at| body[*at..].starts_with(tag)).map(|at| tag.len() + at + tag.len())
}

/// Length of a comment, which may hold comments.
fn comment_length(rest: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    None
}

/// One statement of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatementText<'a> {
    /// Its text, without the semicolon and blank around it.
    pub(crate) text: &'a str,
    /// Byte offset of its first character in the whole text.
    pub(crate) offset: usize,
}

/// Cuts a text into its statements; empty ones are left out.
///
/// # Errors
/// For a quote or comment without an end.
pub(crate) fn split(text: &str) -> Result<Vec<StatementText<'_>>, WireError> {
    let mut statements = Vec::new();
    let mut lexer = Lexer::new(text);
    let mut open: Option<(usize, usize)> = None;
    loop {
        let token = lexer.next()?;
        match (&token, open) {
            (Some(token), _) if !token.is_symbol(";") => {
                open = Some((open.map_or(token.start, |(start, _)| start), token.end()));
            }
            (_, Some((start, end))) => {
                statements.push(StatementText { text: &text[start..end], offset: start });
                open = None;
            }
            _ => {}
        }
        if token.is_none() {
            return Ok(statements);
        }
    }
}
