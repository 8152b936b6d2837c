//! JSON read character by character.

use std::borrow::Cow;

use super::Json;

/// How deep values may be nested.
const MOST_DEPTH: usize = 1_000;

/// A place in a text. What cannot be read is `None`.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    pub(super) fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// The next value as it is written.
    pub(super) fn slice(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        self.skip_value(0)?;
        self.text.get(start..self.at)
    }

    pub(super) fn skip_value(&mut self, depth: usize) -> Option<()> {
        if depth > MOST_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => {
                self.at += 1;
                if self.take(b'}').is_some() {
                    return Some(());
                }
                loop {
                    self.peek()?;
                    self.skip_string()?;
                    self.take(b':')?;
                    self.skip_value(depth + 1)?;
                    if self.take(b',').is_none() {
                        return self.take(b'}');
                    }
                }
            }
            b'[' => {
                self.at += 1;
                if self.take(b']').is_some() {
                    return Some(());
                }
                loop {
                    self.skip_value(depth + 1)?;
                    if self.take(b',').is_none() {
                        return self.take(b']');
                    }
                }
            }
            b'"' => self.skip_string(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        if depth > MOST_DEPTH {
            return None;
        }
        Some(match self.peek()? {
            b'{' => {
                self.at += 1;
                let mut members = Vec::new();
                if self.take(b'}').is_some() {
                    return Some(Json::Object(members));
                }
                loop {
                    let name = self.string()?;
                    self.take(b':')?;
                    members.push((name, self.value(depth + 1)?));
                    if self.take(b',').is_none() {
                        self.take(b'}')?;
                        break Json::Object(members);
                    }
                }
            }
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                if self.take(b']').is_some() {
                    return Some(Json::Array(items));
                }
                loop {
                    items.push(self.value(depth + 1)?);
                    if self.take(b',').is_none() {
                        self.take(b']')?;
                        break Json::Array(items);
                    }
                }
            }
            b'"' => Json::Text(self.string()?),
            b't' => self.word("true").map(|()| Json::Bool(true))?,
            b'f' => self.word("false").map(|()| Json::Bool(false))?,
            b'n' => self.word("null").map(|()| Json::Null)?,
            _ => Json::Number(self.number()?),
        })
    }

    fn number(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |at: &mut usize| {
            let from = *at;
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            *at > from
        };
        let mut at = start;
        at += usize::from(bytes.get(at) == Some(&b'-'));
        if bytes.get(at) == Some(&b'0') {
            at += 1;
        } else if !digits(&mut at) {
            return None;
        }
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            if !digits(&mut at) {
                return None;
            }
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            if !digits(&mut at) {
                return None;
            }
        }
        // A letter right behind it belongs to no JSON.
        if bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        self.at = at;
        self.text.get(start..at)
    }

    fn skip_string(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let mut at = self.at + 1;
        loop {
            match bytes.get(at)? {
                b'"' => {
                    self.at = at + 1;
                    return Some(());
                }
                b'\\' => match bytes.get(at + 1)? {
                    b'u' => {
                        let hex = bytes.get(at + 2..at + 6)?;
                        if !hex.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        at += 6;
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                    _ => return None,
                },
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
    }

    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        self.peek()?;
        let start = self.at + 1;
        self.skip_string()?;
        let raw = self.text.get(start..self.at - 1)?;
        if raw.contains('\\') { unescape(raw).map(Cow::Owned) } else { Some(Cow::Borrowed(raw)) }
    }
}

fn unescape(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let mut unit = || u32::from_str_radix(&chars.by_ref().take(4).collect::<String>(), 16).ok();
                let first = unit()?;
                let code = if (0xd800..0xdc00).contains(&first) {
                    if chars.next()? != '\\' || chars.next()? != 'u' {
                        return None;
                    }
                    let second = u32::from_str_radix(&chars.by_ref().take(4).collect::<String>(), 16).ok()?;
                    0x10000 + ((first - 0xd800) << 10) + second.checked_sub(0xdc00).filter(|low| *low < 0x400)?
                } else {
                    first
                };
                // As PostgreSQL, which has no text with a NUL.
                out.push(char::from_u32(code).filter(|c| *c != '\0')?);
            }
            other => out.push(other),
        }
    }
    Some(out)
}
