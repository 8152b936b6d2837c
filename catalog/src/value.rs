//! A single column value, as segment statistics and partition keys need it.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One non-NULL column value. NULL is `Option::None` wherever a `Value` may be missing.
///
/// Integers of every width are `Int`; the column's type in the table definition says how wide it really is. Decimals
/// are the unscaled integer; the scale is the column's. Timestamps are microseconds since the Unix epoch in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A floating-point number. Statistics never hold NaN. Serialised as text, because JSON has no infinity and its
    /// readers may round.
    #[serde(with = "text")]
    Float(f64),
    /// The unscaled integer of a decimal; serialised as text, because JSON numbers are not exact.
    #[serde(with = "text")]
    Decimal(i128),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    TimestampMicros(i64),
    /// Text.
    Text(String),
}

impl Value {
    /// Compares two values of the same variant; `None` when the variants differ or a float is NaN.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
            (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
            (Value::TimestampMicros(a), Value::TimestampMicros(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v}"),
            Value::Decimal(v) => write!(f, "{v}"),
            Value::Date(v) => f.write_str(&date_text(*v)),
            Value::TimestampMicros(v) => match chrono::DateTime::from_timestamp_micros(*v) {
                Some(ts) => write!(f, "{}", ts.format("%Y-%m-%d %H:%M:%S%.6f")),
                None => write!(f, "{v}us"),
            },
            Value::Text(v) => f.write_str(v),
        }
    }
}

/// Renders days since 1970-01-01 as `YYYY-MM-DD` (or `<n>d` outside the calendar's range).
pub fn date_text(days: i32) -> String {
    match chrono::DateTime::from_timestamp(i64::from(days) * 86_400, 0) {
        Some(ts) => ts.format("%Y-%m-%d").to_string(),
        None => format!("{days}d"),
    }
}

/// Numbers as text. Rust prints the shortest text that parses back to the same number.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
