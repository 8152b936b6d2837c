//! Splits a text into SQL statements at its semicolons, as psql does.

pub(super) use zxq_engine::sql::{quoted as identifier, quoted_text as literal};

/// The statements of a text, trimmed, without their semicolons and without empty ones.
///
/// Semicolons inside quotes (`'…'`, `"…"`, `$tag$…$tag$`, `E'…\'…'`) and comments (`--`, `/* */`, nested) split nothing.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut statements = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        at = match bytes[at] {
            b';' => {
                statements.push(&text[start..at]);
                start = at + 1;
                at + 1
            }
            b'\'' => skip_quoted(bytes, at, b'\'', is_escape_string(bytes, at)),
            b'"' => skip_quoted(bytes, at, b'"', false),
            b'-' if bytes.get(at + 1) == Some(&b'-') => find(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => skip_comment(bytes, at),
            b'$' => skip_dollar_quoted(bytes, at),
            _ => at + 1,
        };
    }
    statements.push(&text[start..]);
    statements.into_iter().map(str::trim).filter(|statement| !is_blank(statement)).collect()
}

/// True for a text of nothing but comments and white space.
fn is_blank(statement: &str) -> bool {
    let bytes = statement.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at = match (byte, bytes.get(at + 1)) {
            (b'-', Some(b'-')) => find(bytes, at, b"\n"),
            (b'/', Some(b'*')) => skip_comment(bytes, at),
            (byte, _) if byte.is_ascii_whitespace() => at + 1,
            _ => return false,
        };
    }
    true
}

/// Position after the next `wanted`, or the end.
fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(wanted.len()).position(|window| window == wanted).map_or(bytes.len(), |p| from + p + wanted.len())
}

/// True when the quote at `at` opens an `E'…'` string, where a backslash escapes.
fn is_escape_string(bytes: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|p| bytes.get(p));
    matches!(before(1), Some(b'e' | b'E')) && !before(2).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn skip_quoted(bytes: &[u8], open: usize, quote: u8, escapes: bool) -> usize {
    let mut at = open + 1;
    while let Some(byte) = bytes.get(at) {
        if *byte == quote {
            return at + 1;
        }
        at += if escapes && *byte == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

fn skip_comment(bytes: &[u8], open: usize) -> usize {
    let (mut at, mut depth) = (open + 2, 1);
    while depth > 0 && at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
            }
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

/// Skips `$tag$…$tag$`; a `$1` or a lone `$` is no quote.
fn skip_dollar_quoted(bytes: &[u8], open: usize) -> usize {
    let rest = &bytes[open + 1..];
    let Some(length) = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')) else { return open + 1 };
    let starts_with_digit = rest.first().is_some_and(u8::is_ascii_digit);
    if rest.get(length) != Some(&b'$') || starts_with_digit {
        return open + 1;
    }
    let tag = &bytes[open..open + length + 2];
    find(bytes, open + tag.len(), tag)
}

/// The words PostgreSQL reports for a finished command, from the statement's text and the rows it changed.
pub(super) fn tag(statement: &str, rows: u64) -> String {
    let mut words = statement.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty());
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    match first.as_str() {
        "INSERT" => format!("INSERT 0 {rows}"),
        "UPDATE" | "DELETE" | "COPY" => format!("{first} {rows}"),
        "CREATE" | "DROP" | "ALTER" => {
            let second = words.next().unwrap_or_default().to_ascii_uppercase();
            format!("{first} {second}")
        }
        _ => first,
    }
}

/// True for a COPY whose data flows through the connection.
pub(super) fn streams_data(statement: &str) -> bool {
    let words: Vec<String> = statement.split_whitespace().map(str::to_ascii_uppercase).collect();
    let through =
        |pair: &[String]| matches!(pair, [a, b] if (a == "FROM" && b == "STDIN") || (a == "TO" && b == "STDOUT"));
    words.first().is_some_and(|word| word == "COPY") && words.windows(2).any(through)
}
