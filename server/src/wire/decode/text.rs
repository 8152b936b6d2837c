//! Parameters in text format.

use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use tokio_postgres::types::Kind;
use zxq_engine::Zone;
use zxq_engine::functions::declared::kept_text;
use zxq_engine::functions::text_beside_times::value_in;

use super::{decimal, effective_type, element_data_type, invalid, list};
use crate::wire::error::WireError;

/// Decodes a text.
///
/// # Errors
/// When it is no value of the type.
pub(super) fn decode(text: &str, pg_type: &Type, wanted: &DataType) -> Result<ScalarValue, WireError> {
    let pg_type = effective_type(pg_type, wanted);
    if let Kind::Array(element) = pg_type.kind() {
        return array(text, element);
    }
    let trimmed = text.trim();
    let micros = TimeUnit::Microsecond;
    match pg_type {
        Type::BOOL => boolean(trimmed).map(|value| ScalarValue::Boolean(Some(value))),
        Type::INT2 => number::<i16>(trimmed, "smallint").map(|value| ScalarValue::Int16(Some(value))),
        Type::INT4 => number::<i32>(trimmed, "integer").map(|value| ScalarValue::Int32(Some(value))),
        Type::INT8 | Type::OID => number::<i64>(trimmed, "bigint").map(|value| ScalarValue::Int64(Some(value))),
        Type::FLOAT4 => float::<f32>(trimmed, "real").map(|value| ScalarValue::Float32(Some(value))),
        Type::FLOAT8 => float::<f64>(trimmed, "double precision").map(|value| ScalarValue::Float64(Some(value))),
        Type::NUMERIC => decimal(trimmed),
        Type::DATE => time(trimmed, &DataType::Date32),
        Type::TIMESTAMP => time(trimmed, &DataType::Timestamp(micros, None)),
        Type::TIMESTAMPTZ => time(trimmed, &DataType::Timestamp(micros, Some("UTC".into()))),
        Type::TIME => time(trimmed, &DataType::Time64(micros)),
        Type::INTERVAL => time(trimmed, &DataType::Interval(IntervalUnit::MonthDayNano)),
        Type::BYTEA => bytea(text).map(|value| ScalarValue::Binary(Some(value))),
        Type::UUID | Type::JSON | Type::JSONB => declared(text, &pg_type),
        _ => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
    }
}

/// A text in the form in which its type keeps it.
///
/// # Errors
/// When it is no value of the type.
pub(super) fn declared(text: &str, pg_type: &Type) -> Result<ScalarValue, WireError> {
    let kept = kept_text(text, pg_type.name()).ok_or_else(|| invalid(pg_type.name(), text))?;
    Ok(ScalarValue::Utf8View(Some(kept)))
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(text: &str, name: &str) -> Result<T, WireError> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => {
            WireError::out_of_range(format!("value \"{text}\" is out of range for type {name}"))
        }
        _ => invalid(name, text),
    })
}

fn float<T: std::str::FromStr + Into<f64> + Copy>(text: &str, name: &str) -> Result<T, WireError> {
    let number: T = text.parse().map_err(|_| invalid(name, text))?;
    let value: f64 = number.into();
    let names_it = text.bytes().any(|byte| matches!(byte, b'i' | b'I'));
    let has_digits =
        text.split(['e', 'E']).next().is_some_and(|mantissa| mantissa.bytes().any(|b| matches!(b, b'1'..=b'9')));
    if value.is_infinite() && !names_it || value == 0.0 && has_digits {
        return Err(WireError::out_of_range(format!("\"{text}\" is out of range for type {name}")));
    }
    Ok(number)
}

/// `true`, `yes`, `on`, `1` and their opposites; the beginning of a word will do where it is no other's.
fn boolean(text: &str) -> Result<bool, WireError> {
    let text_of = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text_of.len() >= least && word.starts_with(&text_of);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || text_of == "1" {
        return Ok(true);
    }
    if begins("false", 1) || begins("no", 1) || begins("off", 2) || text_of == "0" {
        return Ok(false);
    }
    Err(invalid("boolean", text))
}

/// Dates and times.
fn time(text: &str, data_type: &DataType) -> Result<ScalarValue, WireError> {
    value_in(text, data_type, Zone::UTC).map_err(WireError::from)
}

/// `\x0aff`, or PostgreSQL's older escape format.
fn bytea(text: &str) -> Result<Vec<u8>, WireError> {
    zxq_engine::functions::declared::bytes_of_text(text).ok_or_else(|| invalid("bytea", text))
}

/// `{1,NULL,"a b"}`, also with its bounds in front: `[1:3]={1,2,3}`.
fn array(text: &str, element: &Type) -> Result<ScalarValue, WireError> {
    let data_type = element_data_type(element)?;
    let (bounds, items) = text.split_once('=').filter(|_| text.trim_start().starts_with('[')).unwrap_or(("", text));
    if items.trim_start().strip_prefix('{').is_some_and(|inner| inner.trim_start().starts_with('{')) {
        return Err(WireError::unsupported("arrays of more than one dimension cannot come in"));
    }
    if !bounds.is_empty() && !bounds.trim().starts_with("[1:") {
        return Err(WireError::unsupported("arrays whose first place is not 1 are not supported"));
    }
    let elements = array_elements(items)
        .ok_or_else(|| WireError::new("22P02", format!("malformed array literal: \"{text}\"")))?
        .into_iter()
        .map(|value| value.map(|value| decode(&value, element, &data_type)).transpose())
        .collect::<Result<Vec<_>, WireError>>()?;
    list(elements, &data_type)
}

/// The elements of a one-dimensional array literal; `None` for NULL. `None` altogether when it is malformed.
pub(crate) fn array_elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    let mut chars = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(elements);
    }
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        let quoted = chars.next_if_eq(&'"').is_some();
        loop {
            match chars.peek() {
                Some('\\') => {
                    chars.next();
                    value.push(chars.next()?);
                }
                Some('"') if quoted => {
                    chars.next();
                    break;
                }
                Some(',') | None if !quoted => break,
                Some('{' | '}' | '"') if !quoted => return None,
                Some(_) => value.extend(chars.next()),
                None => return None,
            }
        }
        if quoted {
            elements.push(Some(value));
        } else {
            let value = value.trim_end();
            elements.push((!value.eq_ignore_ascii_case("NULL")).then(|| value.to_owned()));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.next() {
            Some(',') => {}
            None => return Some(elements),
            Some(_) => return None,
        }
    }
}
