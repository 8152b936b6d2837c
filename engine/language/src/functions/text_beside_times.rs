//! Dates and times written as text in PostgreSQL's forms: `ts >= '2024-01-02 09:30'`, `TIMESTAMPTZ '2024-01-02 09:30+01'`.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use chrono::Utc;
use datafusion::common::ScalarValue;

use crate::error::{EngineError, ErrorKind};
use crate::values::zone::Zone;
use crate::values::{CastProblem, interval, text};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The value of this type that a text stands for; times without a zone are UTC. `None` where it stands for none.
pub fn value_of(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    value_in(text, data_type, Zone::UTC).ok()
}

/// The value of this type that a text stands for; times without a zone are local to this one.
///
/// # Errors
/// Where the text stands for no such value, as PostgreSQL says it.
pub fn value_in(written: &str, data_type: &DataType, zone: Zone) -> Result<ScalarValue, EngineError> {
    let (name, kind) = match data_type {
        DataType::Date32 => ("date", ErrorKind::InvalidDatetime),
        DataType::Timestamp(_, None) => ("timestamp", ErrorKind::InvalidDatetime),
        DataType::Timestamp(_, Some(_)) => ("timestamp with time zone", ErrorKind::InvalidDatetime),
        DataType::Time64(_) => ("time", ErrorKind::InvalidDatetime),
        DataType::Interval(_) => ("interval", ErrorKind::InvalidDatetime),
        _ => ("value", ErrorKind::InvalidText),
    };
    let invalid = || EngineError::no_value(kind, name, written);
    let explain = |problem| match problem {
        CastProblem::Overflow => {
            let message = format!("date/time field value out of range: \"{written}\"");
            EngineError::new(ErrorKind::DatetimeOutOfRange, message).about_value(written)
        }
        _ => invalid(),
    };
    match data_type {
        DataType::Date32 => {
            let days = match special(written, zone) {
                Some(Special::Latest) => i32::MAX,
                Some(Special::Earliest) => i32::MIN,
                Some(Special::At(micros)) => {
                    (zone.to_local(micros).ok_or_else(invalid)?.div_euclid(MICROS_PER_DAY)) as i32
                }
                None => text::date(written).map_err(explain)?,
            };
            Ok(ScalarValue::Date32(Some(days)))
        }
        DataType::Timestamp(unit, label) => {
            let micros = match special(written, zone) {
                Some(Special::Latest) => i64::MAX,
                Some(Special::Earliest) => i64::MIN,
                Some(Special::At(micros)) if label.is_none() => zone.to_local(micros).ok_or_else(invalid)?,
                Some(Special::At(micros)) => micros,
                None => text::timestamp_in(written, label.is_some(), zone).map_err(explain)?,
            };
            let value = ScalarValue::TimestampMicrosecond(Some(micros), label.clone());
            if *unit == TimeUnit::Microsecond { Ok(value) } else { value.cast_to(data_type).map_err(EngineError::from) }
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            text::time_of_day(written).map(|micros| ScalarValue::Time64Microsecond(Some(micros))).map_err(explain)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => interval::read(written, Some("second"))
            .map(|interval| ScalarValue::IntervalMonthDayNano(Some(interval)))
            .ok_or_else(invalid),
        _ => {
            let value = ScalarValue::Utf8(Some(written.to_owned())).cast_to(data_type).ok();
            value.filter(|value| !value.is_null()).ok_or_else(invalid)
        }
    }
}

enum Special {
    Latest,
    Earliest,
    At(i64),
}

/// `infinity`, and the days that depend on when they are read.
fn special(written: &str, zone: Zone) -> Option<Special> {
    let word = written.trim();
    if !word.starts_with(['i', 'I', '-', '+', 'n', 'N', 't', 'T', 'y', 'Y']) {
        return None;
    }
    let days = match word.to_ascii_lowercase().as_str() {
        "infinity" | "inf" | "+infinity" => return Some(Special::Latest),
        "-infinity" | "-inf" => return Some(Special::Earliest),
        "now" => return Some(Special::At(Utc::now().timestamp_micros())),
        "today" => 0,
        "tomorrow" => 1,
        "yesterday" => -1,
        _ => return None,
    };
    let local = zone.to_local(Utc::now().timestamp_micros())?;
    let midnight = (local.div_euclid(MICROS_PER_DAY) + days) * MICROS_PER_DAY;
    zone.from_local(midnight).map(Special::At)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_text_has_the_value_that_postgres_reads() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let plain = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(value_of("2024-01-02 12:00", &zoned), value_of("2024-01-02T12:00:00Z", &zoned));
        let local = value_of("2024-01-02 12:00:00+05", &plain);
        assert_eq!(local, value_of("2024-01-02 12:00", &plain));
        assert_eq!(value_of("2024-01-02 12:00:00.0000005", &plain), value_of("2024-01-02 12:00", &plain));
        let york = Zone::parse("America/New_York").unwrap();
        assert_eq!(value_in("2024-01-02 12:00", &zoned, york).unwrap(), value_of("2024-01-02 17:00", &zoned).unwrap());
        assert_eq!(
            value_of("1 day 02:00", &DataType::Interval(IntervalUnit::MonthDayNano)).unwrap().to_string(),
            value_of("1 day 2 hours", &DataType::Interval(IntervalUnit::MonthDayNano)).unwrap().to_string()
        );
        assert_eq!(value_of("x", &zoned), None);
        assert_eq!(value_in("2024-02-30", &plain, york).unwrap_err().kind(), ErrorKind::DatetimeOutOfRange);
    }
}
