//! Parameters of a `Bind` message: PostgreSQL text or binary to DataFusion scalars.

pub(crate) mod binary;
pub(crate) mod numeric;
mod text;

#[cfg(test)]
mod tests;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use zxq_engine::Zone;
use zxq_engine::functions::text_beside_times::value_in;
use zxq_engine::value_texts;

use super::encode::Format;
use super::error::WireError;
use super::types::{parameter_hint, type_of_oid};
use crate::sqlstate;

/// Decodes one parameter of the wire type `oid`. `wanted` is the type the statement was planned with.
///
/// A numeric keeps all its digits: where `wanted` has fewer, the value comes back with its own scale, and
/// [`fits`] tells the caller to plan again.
///
/// # Errors
/// When the bytes are no value of the type, or cannot be cast to `wanted`.
pub(crate) fn decode(
    bytes: Option<&[u8]>,
    format: Format,
    oid: u32,
    wanted: &DataType,
) -> Result<ScalarValue, WireError> {
    let Some(bytes) = bytes else {
        return ScalarValue::try_from(wanted).map_err(WireError::from);
    };
    let pg_type = type_of_oid(oid);
    let value = match format {
        Format::Text => text::decode(text_of(bytes)?, &pg_type, wanted)?,
        Format::Binary => binary::decode(bytes, &pg_type)?,
    };
    cast(value, wanted)
}

/// The same, where texts of moments without a zone are local to one.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_in(
    bytes: Option<&[u8]>,
    format: Format,
    oid: u32,
    wanted: &DataType,
    zone: &str,
) -> Result<ScalarValue, WireError> {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    if let (Some(bytes), Format::Text, Some((zone, _))) = (bytes, format, Zone::of_setting(zone))
        && effective_type(&type_of_oid(oid), wanted) == Type::TIMESTAMPTZ
    {
        return cast(value_in(text_of(bytes)?, &moment, zone)?, wanted);
    }
    decode(bytes, format, oid, wanted)
}

/// True where the value has the type the statement was planned with.
pub(crate) fn fits(value: &ScalarValue, wanted: &DataType) -> bool {
    value.data_type() == *wanted
}

/// The value in the type that the statement was planned with; a number whose digits that would not keep, as it is.
///
/// # Errors
/// 22P02 where it is no value of that type.
pub(crate) fn cast(value: ScalarValue, wanted: &DataType) -> Result<ScalarValue, WireError> {
    if value.data_type() == *wanted || *wanted == DataType::Null {
        return Ok(value);
    }
    // Arrays and times are read from texts where the statement runs: a cast does not know all their forms.
    let is_text = value.try_as_str().is_some();
    if is_text && (wanted.is_temporal() || matches!(wanted, DataType::List(_) | DataType::Interval(_))) {
        return Ok(value);
    }
    let Ok(cast) = value.cast_to(wanted) else {
        if value.data_type().is_numeric() && wanted.is_numeric() {
            // Its own type counts then, not that of what stands beside it.
            return Ok(value);
        }
        let message = format!("parameter value {value} is no value of type {}", super::types::pg_type(wanted).name());
        return Err(WireError::new(sqlstate::INVALID_TEXT_REPRESENTATION, message));
    };
    // Casting rounds decimals; the digits that were sent have to count.
    let exact = match &value {
        ScalarValue::Decimal128(Some(_), ..) if matches!(wanted, DataType::Decimal128(..)) => {
            cast.cast_to(&value.data_type()).is_ok_and(|back| back == value)
        }
        // An array's numbers have one type: it is the statement's.
        ScalarValue::List(_) if !cast.cast_to(&value.data_type()).is_ok_and(|back| back == value) => {
            let name = super::types::pg_type(wanted).name().to_owned();
            return Err(WireError::out_of_range(format!(
                "a number does not fit the elements of a parameter of type {name}"
            )));
        }
        ScalarValue::Decimal128(Some(_), ..) if wanted.is_integer() => {
            cast.cast_to(&value.data_type()).is_ok_and(|back| back == value)
        }
        _ => true,
    };
    Ok(if exact { cast } else { value })
}

fn text_of(bytes: &[u8]) -> Result<&str, WireError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| WireError::not_utf8("invalid byte sequence for encoding \"UTF8\" in a parameter"))?;
    // No text has one: PostgreSQL, as the place of warm rows, could not keep it.
    match text.contains('\0') {
        true => Err(WireError::not_utf8("invalid byte sequence for encoding \"UTF8\": 0x00")),
        false => Ok(text),
    }
}

/// The value of a text where its type is known only from the statement: text itself, unless planned as a type that
/// has a wire type of its own.
fn effective_type(pg_type: &Type, wanted: &DataType) -> Type {
    match *pg_type {
        Type::UNKNOWN => super::types::pg_type(wanted),
        _ => pg_type.clone(),
    }
}

/// The Arrow type of the elements of an array type.
fn element_data_type(element: &Type) -> Result<DataType, WireError> {
    match *element {
        Type::NUMERIC => Ok(DataType::Decimal128(38, 10)),
        _ => parameter_hint(element.oid())
            .ok_or_else(|| WireError::unsupported(format!("parameters of type {element}[] are not supported"))),
    }
}

/// A list of the elements, all in one type: of numbers with digits behind the point, that of the longest.
fn list(elements: Vec<Option<ScalarValue>>, element_type: &DataType) -> Result<ScalarValue, WireError> {
    let scales = elements.iter().flatten().filter_map(|value| match value {
        ScalarValue::Decimal128(_, _, scale) => Some(*scale),
        _ => None,
    });
    let element_type = match (element_type, scales.max()) {
        (DataType::Decimal128(precision, scale), Some(longest)) => {
            DataType::Decimal128(*precision, longest.max(*scale))
        }
        _ => element_type.clone(),
    };
    let in_type = |value: Option<ScalarValue>| match value {
        None => ScalarValue::try_from(&element_type).map_err(WireError::from),
        Some(value) if value.data_type() == element_type => Ok(value),
        Some(value) => value.cast_to(&element_type).map_err(WireError::from),
    };
    let elements = elements.into_iter().map(in_type).collect::<Result<Vec<_>, _>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&elements, &element_type)))
}

/// A numeric parameter with its own scale.
fn decimal(text: &str) -> Result<ScalarValue, WireError> {
    let (value, scale) = value_texts::decimal(text).ok_or_else(|| {
        let what = text.trim();
        if what.eq_ignore_ascii_case("nan") || what.to_ascii_lowercase().contains("infinity") {
            WireError::out_of_range(format!("numeric parameters cannot be {what}"))
        } else if what.parse::<f64>().is_ok() {
            // A number, so it is its size that does not fit.
            WireError::out_of_range(format!("numeric parameter {what} has more than 38 digits"))
        } else {
            invalid("numeric", text)
        }
    })?;
    Ok(ScalarValue::Decimal128(Some(value), 38, scale as i8))
}

fn invalid(type_name: &str, text: &str) -> WireError {
    let shown: String = text.chars().take(200).collect();
    WireError::new(
        sqlstate::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {type_name}: \"{shown}\""),
    )
}
