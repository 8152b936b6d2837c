//! Values and their texts: [`text`] reads numbers, dates and times, [`interval`] intervals, `shown` writes them;
//! [`zone`] knows time zones, [`civil`] the calendar. [`value_texts`] offers them to those outside of the engine.

pub mod array_text;
pub mod bytea;
pub mod civil;
pub mod counted;
pub mod doubles;
pub mod interval;
pub mod json;
pub mod kept;
pub(crate) mod quotient_digits;
pub(crate) mod shown;
pub mod text;
pub mod time_of_day;
pub mod uuid_text;
pub mod value_texts;
pub(crate) mod wordy;
pub mod zone;

use crate::error::ErrorKind;

/// Why a value does not fit its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastProblem {
    /// The number is out of the column's range.
    Overflow,
    /// The text is no value of the column's type.
    Invalid,
    /// The text is longer than the column allows.
    TooLong,
}

impl CastProblem {
    /// The kind of error that it is.
    pub fn kind(self) -> ErrorKind {
        match self {
            CastProblem::Overflow => ErrorKind::NumericOutOfRange,
            CastProblem::Invalid => ErrorKind::InvalidText,
            CastProblem::TooLong => ErrorKind::StringTooLong,
        }
    }
}

/// Microseconds since the Unix epoch of a timestamp written as text; a text without a zone is UTC, and one with a zone is
/// local time unless `zoned`. `None` when it is no timestamp.
pub(crate) fn parse_timestamp(text: &str, zoned: bool) -> Option<i64> {
    text::timestamp(text, zoned).ok()
}

/// True for texts such as `2024-01-02`.
pub fn is_date_text(text: &str) -> bool {
    text.len() == 10 && text::date(text).is_ok()
}

/// Whether a text is a timestamp with a time of day, and if so, whether it names its zone.
pub fn timestamp_text_has_zone(text: &str) -> Option<bool> {
    text::timestamp_zone(text)
}
