//! The statistics of a file as the Delta log keeps them: a JSON text.
//!
//! Written by hand because the bounds of a decimal are JSON numbers with more digits than a float keeps.

use arrow::datatypes::DataType;
use chrono::{DateTime, Datelike, SecondsFormat};
use zxq_catalog::{Segment, TableDef, Value};

use crate::lake::delta::FORM;

/// Longest text written whole, in characters; longer bounds are cut.
const MAX_TEXT: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Min,
    Max,
}

/// One bound as JSON, and whether it is the exact value.
struct Bound {
    json: String,
    exact: bool,
}

impl Bound {
    fn exact(json: String) -> Option<Self> {
        Some(Bound { json, exact: true })
    }
}

/// The `stats` text of a segment's add action.
pub(crate) fn stats_json(table: &TableDef, segment: &Segment) -> String {
    let (mut mins, mut maxes, mut nulls) = (Vec::new(), Vec::new(), Vec::new());
    let mut tight = true;
    for column in FORM.columns(table).into_iter().filter_map(|i| table.columns.get(i)) {
        let Some(stats) = segment.stats.get(&column.name) else { continue };
        let name = quoted(&column.name);
        nulls.push(format!("{name}:{}", stats.null_count));
        if !stats.has_bounds {
            continue;
        }
        let bound = |value: &Option<Value>, side| value.as_ref().and_then(|v| bound_json(v, &column.data_type, side));
        // Both or none: a reader may take one bound for a promise of the other.
        if let (Some(min), Some(max)) = (bound(&stats.min, Side::Min), bound(&stats.max, Side::Max)) {
            tight &= min.exact && max.exact;
            mins.push(format!("{name}:{}", min.json));
            maxes.push(format!("{name}:{}", max.json));
        }
    }
    format!(
        "{{\"numRecords\":{},\"tightBounds\":{tight},\"minValues\":{{{}}},\"maxValues\":{{{}}},\"nullCount\":{{{}}}}}",
        segment.rows,
        mins.join(","),
        maxes.join(","),
        nulls.join(",")
    )
}

/// A bound as JSON; `None` for values that Delta's statistics cannot hold.
fn bound_json(value: &Value, data_type: &DataType, side: Side) -> Option<Bound> {
    match (value, data_type) {
        (Value::Int(v), _) => Bound::exact(v.to_string()),
        // Other writers keep no bounds of booleans, and some readers refuse them.
        (Value::Bool(_), _) => None,
        (Value::Float(v), DataType::Float32) => float_json(f64::from(*v as f32), format!("{:?}", *v as f32)),
        (Value::Float(v), _) => float_json(*v, format!("{v:?}")),
        (Value::Decimal(v), DataType::Decimal128(_, scale)) => {
            Bound::exact(decimal_text(*v, u32::try_from(*scale).ok()?))
        }
        (Value::Decimal(_), _) => None,
        (Value::Date(days), _) => {
            let date = DateTime::from_timestamp(i64::from(*days) * 86_400, 0)?;
            in_calendar(date.year()).then_some(())?;
            Bound::exact(format!("\"{}\"", date.format("%Y-%m-%d")))
        }
        (Value::TimestampMicros(micros), data_type) => {
            let zoned = matches!(data_type, DataType::Timestamp(_, Some(_)));
            timestamp_json(*micros, zoned, side)
        }
        (Value::Text(text), _) => text_json(text, side),
    }
}

fn in_calendar(year: i32) -> bool {
    (0..=9999).contains(&year)
}

/// JSON has no infinities.
fn float_json(value: f64, shortest: String) -> Option<Bound> {
    value.is_finite().then_some(Bound { json: shortest, exact: true })
}

/// An unscaled integer with its decimal point put in.
fn decimal_text(unscaled: i128, scale: u32) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let scale = scale as usize;
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

/// Delta keeps milliseconds: the lower bound is rounded down, the upper bound up. In the last millisecond of the calendar,
/// which nothing lies above, the upper bound keeps its microseconds: a reader takes a missing one for a promise.
fn timestamp_json(micros: i64, zoned: bool, side: Side) -> Option<Bound> {
    let part = micros.rem_euclid(1_000);
    let up = if side == Side::Max && part != 0 { 1_000 - part } else { -part };
    let rounded = DateTime::from_timestamp_micros(micros.checked_add(up)?)?;
    let time = if in_calendar(rounded.year()) { rounded } else { DateTime::from_timestamp_micros(micros)? };
    in_calendar(time.year()).then_some(())?;
    let digits = if time == rounded { SecondsFormat::Millis } else { SecondsFormat::Micros };
    let text = time.to_rfc3339_opts(digits, true);
    let text = if zoned { text.as_str() } else { text.trim_end_matches('Z') };
    Some(Bound { json: format!("\"{text}\""), exact: part == 0 || time != rounded })
}

/// Short texts whole; of long ones a prefix, which is a lower bound, or the prefix and the last character of all, an upper.
fn text_json(text: &str, side: Side) -> Option<Bound> {
    match text.char_indices().nth(MAX_TEXT) {
        None => Bound::exact(quoted(text)),
        Some((end, _)) => {
            let mut cut = text.get(..end)?.to_owned();
            if side == Side::Max {
                cut.push(char::MAX);
            }
            Some(Bound { json: quoted(&cut), exact: false })
        }
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if (c as u32) < 0x20 => json.push_str(&format!("\\u{:04x}", c as u32)),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
