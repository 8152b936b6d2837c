//! Column types guessed from CSV texts, for a table that is made for a file.

use arrow::array::StringViewArray;
use arrow::datatypes::DataType;

use crate::constraints::{is_date_text, timestamp_text_has_zone};
use crate::sql::types::{timestamp, timestamptz};

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
    doubles: bool,
    dates: bool,
    timestamps: bool,
    zones: bool,
    whole_digits: usize,
    fraction_digits: usize,
}

impl Seen {
    fn look(&mut self, text: &str) {
        self.any = true;
        if matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "t" | "f") {
            self.booleans = true;
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
            self.doubles |= text.parse::<f64>().is_ok();
            return text.parse::<f64>().is_ok();
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return false;
        }
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
        if !self.any || self.is_text || kinds != 1 {
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
        if self.doubles {
            return DataType::Float64;
        }
        match (self.decimals, self.whole_digits, self.fraction_digits) {
            (false, ..=18, _) => DataType::Int64,
            (false, ..=38, _) => DataType::Decimal128(38, 0),
            (true, ..=12, ..=8) => DataType::Decimal128(20, 8),
            (true, whole, fraction) if whole + fraction <= 38 => DataType::Decimal128(38, fraction as i8),
            _ => DataType::Float64,
        }
    }
}
