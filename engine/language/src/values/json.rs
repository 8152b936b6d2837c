//! JSON as text: whether it is JSON, its parts as they are written, and the one form in which `JSONB` is kept.

pub(crate) mod changes;
mod scanner;

use std::borrow::Cow;
use std::cmp::Ordering;

use scanner::Scanner;

#[cfg(test)]
mod tests;

/// Digits that an exponent may make of a number.
const MOST_DIGITS: i64 = 16_383;

/// A value, with the texts that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A text without its escapes.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, its members as they come.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// What a value begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonKind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl JsonKind {
    /// As `json_typeof` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            JsonKind::Null => "null",
            JsonKind::Boolean => "boolean",
            JsonKind::Number => "number",
            JsonKind::String => "string",
            JsonKind::Array => "array",
            JsonKind::Object => "object",
        }
    }
}

/// The kind of a JSON text.
pub(crate) fn kind(json: &str) -> JsonKind {
    match json.trim_start().bytes().next() {
        Some(b'{') => JsonKind::Object,
        Some(b'[') => JsonKind::Array,
        Some(b'"') => JsonKind::String,
        Some(b't' | b'f') => JsonKind::Boolean,
        Some(b'n') | None => JsonKind::Null,
        Some(_) => JsonKind::Number,
    }
}

/// True for one JSON value and nothing else.
pub fn is_valid(text: &str) -> bool {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_value(0).is_some() && scanner.at_end()
}

/// A JSON text as a value; `None` where it is none.
pub(crate) fn parse(text: &str) -> Option<Json<'_>> {
    let mut scanner = Scanner { text, at: 0 };
    let value = scanner.value(0)?;
    scanner.at_end().then_some(value)
}

/// A text as `JSONB` keeps it: members sorted by length and bytes, the last of equal names, numbers without exponents. `None`
/// where it is no JSON.
pub fn normalise(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    write(parse(text)?, &mut out)?;
    Some(out)
}

/// The members of an object, each value as it is written; `None` for what is no object.
pub(crate) fn members(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut scanner = Scanner { text: json, at: 0 };
    scanner.take(b'{')?;
    let mut found = Vec::new();
    if scanner.take(b'}').is_some() {
        return Some(found);
    }
    loop {
        let name = scanner.string()?;
        scanner.take(b':')?;
        found.push((name, scanner.slice()?));
        if scanner.take(b',').is_none() {
            scanner.take(b'}')?;
            return Some(found);
        }
    }
}

/// The elements of an array, each as it is written; `None` for what is no array.
pub(crate) fn elements(json: &str) -> Option<Vec<&str>> {
    let mut scanner = Scanner { text: json, at: 0 };
    scanner.take(b'[')?;
    let mut found = Vec::new();
    if scanner.take(b']').is_some() {
        return Some(found);
    }
    loop {
        found.push(scanner.slice()?);
        if scanner.take(b',').is_none() {
            scanner.take(b']')?;
            return Some(found);
        }
    }
}

/// The member of that name: of several the last.
pub(crate) fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    members(json)?.into_iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// The element at that place; below zero it counts from the end.
pub(crate) fn element(json: &str, at: i64) -> Option<&str> {
    let elements = elements(json)?;
    let at = if at < 0 { at + elements.len() as i64 } else { at };
    elements.get(usize::try_from(at).ok()?).copied()
}

/// What lies at the end of a path of names and places.
pub(crate) fn at_path<'a, 'p>(json: &'a str, path: impl IntoIterator<Item = &'p str>) -> Option<&'a str> {
    let mut value = json.trim();
    for step in path {
        value = match kind(value) {
            JsonKind::Object => member(value, step)?,
            JsonKind::Array => element(value, step.trim().parse().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// A value as text: strings without quotes and escapes, `null` as none, all else as it is written.
pub(crate) fn as_text(json: &str) -> Option<Cow<'_, str>> {
    match kind(json) {
        JsonKind::Null => None,
        JsonKind::String => Scanner { text: json, at: 0 }.string(),
        _ => Some(Cow::Borrowed(json)),
    }
}

/// PostgreSQL's `@>`: whether `outer` holds all of `inner`, at the same places.
pub(crate) fn contains(outer: &Json<'_>, inner: &Json<'_>) -> bool {
    match (outer, inner) {
        (Json::Array(items), scalar) if !matches!(scalar, Json::Array(_) | Json::Object(_)) => {
            items.iter().any(|item| equal(item, scalar))
        }
        (outer, inner) => holds(outer, inner),
    }
}

fn holds(outer: &Json<'_>, inner: &Json<'_>) -> bool {
    match (outer, inner) {
        (Json::Object(all), Json::Object(wanted)) => {
            wanted.iter().all(|(name, value)| all.iter().any(|(found, has)| found == name && holds(has, value)))
        }
        (Json::Array(all), Json::Array(wanted)) => wanted.iter().all(|value| all.iter().any(|has| holds(has, value))),
        (Json::Object(_) | Json::Array(_), _) | (_, Json::Object(_) | Json::Array(_)) => false,
        (outer, inner) => equal(outer, inner),
    }
}

fn equal(a: &Json<'_>, b: &Json<'_>) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => same_number(a, b),
        (a, b) => a == b,
    }
}

fn same_number(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let mut text = number(text)?;
        if text.contains('.') {
            text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        }
        Some(text)
    };
    plain(a) == plain(b)
}

/// A text as a JSON string, escaped as PostgreSQL does it.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writes a value as `JSONB` keeps it. `None` where a number has too many digits.
fn write(value: Json<'_>, out: &mut String) -> Option<()> {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Json::Number(digits) => out.push_str(&number(digits)?),
        Json::Text(text) => write_string(&text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Json::Object(members) => {
            // A stable sort, of which the last of equal names is kept.
            let mut members = members;
            members.sort_by(|(a, _), (b, _)| by_length(a, b));
            out.push('{');
            let mut first = true;
            let mut rest = members.into_iter().peekable();
            while let Some((name, value)) = rest.next() {
                if rest.peek().is_some_and(|(next, _)| *next == name) {
                    continue;
                }
                if !first {
                    out.push_str(", ");
                }
                first = false;
                write_string(&name, out);
                out.push_str(": ");
                write(value, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// A number without an exponent, with the digits behind the point that it has.
fn number(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if exponent.abs() > MOST_DIGITS {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i64 + exponent;
    let (whole, fraction) = if point <= 0 {
        (String::new(), format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)))
    } else if point as usize >= digits.len() {
        (format!("{digits}{}", "0".repeat(point as usize - digits.len())), String::new())
    } else {
        let (whole, fraction) = digits.split_at(point as usize);
        (whole.to_owned(), fraction.to_owned())
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let is_zero = whole == "0" && fraction.bytes().all(|b| b == b'0');
    let sign = if is_zero { "" } else { sign };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}
