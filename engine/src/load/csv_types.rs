//! Column types guessed from CSV texts, for a table that is made for a file.

use arrow::array::StringViewArray;
use arrow::datatypes::DataType;
use zxq_language::sql::types::{timestamp, timestamptz};
use zxq_language::values::{is_date_text, timestamp_text_has_zone};

#[cfg(test)]
mod tests;

/// The narrowest type that holds every text of a column. Prices become `DECIMAL(20,8)` where that is exact; texts with
/// leading zeros stay text, since they are codes; a column without any value is text.
pub(super) fn guess(texts: &StringViewArray) -> DataType {
    let mut seen = Seen::default();
    for text in texts.iter().flatten() {
        seen.look(text.trim());
        if seen.is_text {
            break;
        }
    }
    seen.data_type()
}

#[derive(Default)]
struct Seen {
    any: bool,
    is_text: bool,
    booleans: bool,
    integers: bool,
    decimals: bool,
    /// `t`, `F`: booleans where there are others.
    letters: bool,
    doubles: bool,
    /// `NaN`, `inf`: numbers where there are others.
    words: bool,
    dates: bool,
    timestamps: bool,
    zones: bool,
    /// An integer beyond 64 bits.
    wide: bool,
    whole_digits: usize,
    fraction_digits: usize,
}

impl Seen {
    fn look(&mut self, text: &str) {
        self.any = true;
        if matches!(text.to_ascii_lowercase().as_str(), "true" | "false") {
            self.booleans = true;
        } else if matches!(text, "t" | "f" | "T" | "F") {
            // Alone they are tickers.
            self.letters = true;
        } else if self.look_number(text) {
        } else if is_date_text(text) {
            self.dates = true;
        } else if let Some(zone) = timestamp_text_has_zone(text) {
            self.timestamps = true;
            self.zones |= zone;
        } else {
            self.is_text = true;
        }
    }

    fn look_number(&mut self, text: &str) -> bool {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = !digits.is_empty()
            && digits != "."
            && whole.bytes().all(|b| b.is_ascii_digit())
            && fraction.bytes().all(|b| b.is_ascii_digit());
        if !plain {
            // Words such as NAN and INF are tickers, too: beside numbers they are doubles.
            let is_number = text.parse::<f64>().is_ok();
            let is_word = is_number && !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            self.words |= is_word;
            self.doubles |= is_number && !is_word;
            return is_number;
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return false;
        }
        self.wide |= !digits.contains('.') && text.parse::<i64>().is_err();
        self.whole_digits = self.whole_digits.max(whole.len());
        self.fraction_digits = self.fraction_digits.max(fraction.len());
        if digits.contains('.') {
            self.decimals = true;
        } else {
            self.integers = true;
        }
        true
    }

    fn data_type(&self) -> DataType {
        let numbers = self.integers || self.decimals || self.doubles;
        let times = self.dates || self.timestamps;
        let kinds = [self.booleans, numbers, times].iter().filter(|kind| **kind).count();
        let stray = self.letters && !self.booleans || self.words && !numbers;
        if !self.any || self.is_text || kinds != 1 || stray {
            return DataType::Utf8View;
        }
        if self.booleans {
            return DataType::Boolean;
        }
        if times {
            return match (self.timestamps, self.zones) {
                (false, _) => DataType::Date32,
                (true, true) => timestamptz(),
                (true, false) => timestamp(),
            };
        }
        if self.doubles || self.words {
            return DataType::Float64;
        }
        match (self.decimals, self.whole_digits, self.fraction_digits) {
            (false, _, _) if !self.wide => DataType::Int64,
            (false, ..=38, _) => DataType::Decimal128(38, 0),
            (true, ..=12, ..=8) => DataType::Decimal128(20, 8),
            (true, whole, fraction) if whole + fraction <= 38 => DataType::Decimal128(38, fraction as i8),
            _ => DataType::Float64,
        }
    }
}
