//! Sizes and ages as people write them: `4GiB`, `7 days`.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use zxq_engine::sql::options::{Age, parse_age};

/// A number of bytes: a whole number, or a number with `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`,
/// `GiB`, `TiB` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSize(pub(super) u64);

/// A time, read as the ages in table options are: seconds, `7 days`, `5 min`, `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Age);

const KIB: u64 = 1024;

/// Bytes in a text such as `4GiB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("cannot read {text:?} as a size: write bytes, or a number with MiB, GiB, MB or GB");
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000_u64.pow(2),
        "gb" => 1000_u64.pow(3),
        "tb" => 1000_u64.pow(4),
        "kib" | "k" => KIB,
        "mib" | "m" => KIB.pow(2),
        "gib" | "g" => KIB.pow(3),
        "tib" | "t" => KIB.pow(4),
        _ => return Err(wrong()),
    };
    let total = number * factor as f64;
    if total >= u64::MAX as f64 { Err(wrong()) } else { Ok(total.round() as u64) }
}

/// A non-negative number and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// Reads a whole number as itself and a text by its parser.
struct NumberOrText<T>(fn(&str) -> Result<T, String>, fn(u64) -> T, &'static str);

impl<T> Visitor<'_> for NumberOrText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.2)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Ok(self.1(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.0(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText(bytes, |n| n, "a size such as 4GiB")).map(ByteSize)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let of_text = |text: &str| parse_age(text).map_err(|e| e.to_string());
        let of_seconds = |seconds| Age::After(Duration::from_secs(seconds));
        deserializer.deserialize_any(NumberOrText(of_text, of_seconds, "a time such as 7 days")).map(Span)
    }
}
