//! Parameters in text format.

use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use tokio_postgres::types::Kind;
use zxq_engine::Zone;
use zxq_engine::functions::text_beside_times::value_in;
use zxq_engine::value_texts::{self, CastProblem};

use super::{decimal, effective_type, element_data_type, invalid, list};
use crate::sqlstate;
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
        Type::BOOL => read(value_texts::boolean, trimmed, "boolean").map(ScalarValue::from),
        Type::INT2 => read(value_texts::integer::<i16>, trimmed, "smallint").map(ScalarValue::from),
        Type::INT4 => read(value_texts::integer::<i32>, trimmed, "integer").map(ScalarValue::from),
        Type::INT8 | Type::OID => read(value_texts::integer::<i64>, trimmed, "bigint").map(ScalarValue::from),
        Type::FLOAT4 => float(value_texts::real, trimmed, "real").map(ScalarValue::from),
        Type::FLOAT8 => float(value_texts::double, trimmed, "double precision").map(ScalarValue::from),
        Type::NUMERIC => decimal(trimmed),
        Type::DATE => time(trimmed, &DataType::Date32),
        Type::TIMESTAMP => time(trimmed, &DataType::Timestamp(micros, None)),
        Type::TIMESTAMPTZ => time(trimmed, &DataType::Timestamp(micros, Some("UTC".into()))),
        Type::TIME => time(trimmed, &DataType::Time64(micros)),
        Type::INTERVAL => time(trimmed, &DataType::Interval(IntervalUnit::MonthDayNano)),
        Type::BYTEA => match value_texts::bytes(text) {
            Some(value) => Ok(ScalarValue::Binary(Some(value))),
            None => Err(invalid("bytea", text)),
        },
        Type::UUID | Type::JSON | Type::JSONB => declared(text, &pg_type),
        _ => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
    }
}

/// A text in the form in which its type keeps it.
///
/// # Errors
/// When it is no value of the type.
pub(super) fn declared(text: &str, pg_type: &Type) -> Result<ScalarValue, WireError> {
    let kept = value_texts::kept(text, pg_type.name()).ok_or_else(|| invalid(pg_type.name(), text))?;
    Ok(ScalarValue::Utf8View(Some(kept)))
}

fn read<T>(as_type: fn(&str) -> Result<T, CastProblem>, text: &str, name: &str) -> Result<T, WireError> {
    as_type(text).map_err(|problem| match problem {
        CastProblem::Overflow => WireError::out_of_range(format!("value \"{text}\" is out of range for type {name}")),
        CastProblem::Invalid | CastProblem::TooLong => invalid(name, text),
    })
}

fn float<T>(as_type: fn(&str) -> Result<T, CastProblem>, text: &str, name: &str) -> Result<T, WireError> {
    as_type(text).map_err(|problem| match problem {
        CastProblem::Overflow => WireError::out_of_range(format!("\"{text}\" is out of range for type {name}")),
        CastProblem::Invalid | CastProblem::TooLong => invalid(name, text),
    })
}

/// Dates and times.
fn time(text: &str, data_type: &DataType) -> Result<ScalarValue, WireError> {
    value_in(text, data_type, Zone::UTC).map_err(WireError::from)
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
    let elements = value_texts::elements(items)
        .ok_or_else(|| {
            WireError::new(sqlstate::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{text}\""))
        })?
        .into_iter()
        .map(|value| value.map(|value| decode(&value, element, &data_type)).transpose())
        .collect::<Result<Vec<_>, WireError>>()?;
    list(elements, &data_type)
}
