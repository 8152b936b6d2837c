//! Parameters in text format.

use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use tokio_postgres::types::Kind;
use zxq_engine::functions::declared::kept_text;
use zxq_engine::functions::text_beside_times::value_of;

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
        Type::DATE => cast(trimmed, &DataType::Date32, "date"),
        Type::TIMESTAMP => cast(trimmed, &DataType::Timestamp(micros, None), "timestamp"),
        Type::TIMESTAMPTZ => {
            cast(trimmed, &DataType::Timestamp(micros, Some("UTC".into())), "timestamp with time zone")
        }
        Type::TIME => cast(trimmed, &DataType::Time64(micros), "time"),
        Type::INTERVAL => cast(trimmed, &DataType::Interval(IntervalUnit::MonthDayNano), "interval"),
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

fn float<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, WireError> {
    text.parse().map_err(|_| invalid(name, text))
}

fn boolean(text: &str) -> Result<bool, WireError> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Ok(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Ok(false),
        _ => Err(invalid("boolean", text)),
    }
}

/// Dates and times.
fn cast(text: &str, data_type: &DataType, name: &str) -> Result<ScalarValue, WireError> {
    value_of(text, data_type).ok_or_else(|| invalid(name, text))
}

/// `\x0aff`, or PostgreSQL's older escape format.
fn bytea(text: &str) -> Result<Vec<u8>, WireError> {
    zxq_engine::functions::declared::bytes_of_text(text).ok_or_else(|| invalid("bytea", text))
}

/// `{1,NULL,"a b"}`.
fn array(text: &str, element: &Type) -> Result<ScalarValue, WireError> {
    let data_type = element_data_type(element)?;
    let elements = array_elements(text)
        .ok_or_else(|| WireError::new("22P02", format!("malformed array literal: \"{text}\"")))?
        .into_iter()
        .map(|value| match value {
            Some(value) => {
                let value = decode(&value, element, &data_type)?;
                super::cast(value, &data_type)
            }
            None => ScalarValue::try_from(&data_type).map_err(WireError::from),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(list(elements, &data_type))
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
