//! Parameters in binary format.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use tokio_postgres::types::Kind;
use zxq_engine::ErrorKind;

use super::numeric::{Groups, Unscaled};
use super::{element_data_type, list, text_of};
use crate::sqlstate;
use crate::wire::encode::binary::{EPOCH_DAYS, EPOCH_MICROS};
use crate::wire::error::WireError;

/// Microseconds of a day; `24:00:00` is the latest time.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Decodes bytes.
///
/// # Errors
/// When they are no value of the type.
pub(super) fn decode(bytes: &[u8], pg_type: &Type) -> Result<ScalarValue, WireError> {
    let timestamp = |zone: Option<std::sync::Arc<str>>| {
        let micros = i64::from_be_bytes(fixed(bytes)?);
        // The ends stand for infinity in both.
        let micros = match micros {
            i64::MAX | i64::MIN => micros,
            _ => micros.checked_add(EPOCH_MICROS).ok_or_else(|| time_out_of_range("timestamp"))?,
        };
        Ok(ScalarValue::TimestampMicrosecond(Some(micros), zone))
    };
    match *pg_type {
        Type::BOOL => Ok(ScalarValue::Boolean(Some(fixed::<1>(bytes)? != [0]))),
        Type::INT2 => Ok(ScalarValue::Int16(Some(i16::from_be_bytes(fixed(bytes)?)))),
        Type::INT4 => Ok(ScalarValue::Int32(Some(i32::from_be_bytes(fixed(bytes)?)))),
        Type::INT8 => Ok(ScalarValue::Int64(Some(i64::from_be_bytes(fixed(bytes)?)))),
        Type::OID | Type::REGCLASS | Type::REGTYPE | Type::REGNAMESPACE | Type::REGPROC | Type::XID | Type::CID => {
            Ok(ScalarValue::Int64(Some(i64::from(u32::from_be_bytes(fixed(bytes)?)))))
        }
        Type::FLOAT4 => Ok(ScalarValue::Float32(Some(f32::from_be_bytes(fixed(bytes)?)))),
        Type::FLOAT8 => Ok(ScalarValue::Float64(Some(f64::from_be_bytes(fixed(bytes)?)))),
        Type::NUMERIC => decimal(bytes),
        Type::DATE => match i32::from_be_bytes(fixed(bytes)?) {
            infinite @ (i32::MAX | i32::MIN) => Ok(ScalarValue::Date32(Some(infinite))),
            days => {
                let days = days.checked_add(EPOCH_DAYS).ok_or_else(|| time_out_of_range("date"))?;
                Ok(ScalarValue::Date32(Some(days)))
            }
        },
        Type::TIMESTAMP => timestamp(None),
        Type::TIMESTAMPTZ => timestamp(Some("UTC".into())),
        Type::TIME => match i64::from_be_bytes(fixed(bytes)?) {
            micros @ 0..=DAY_MICROS => Ok(ScalarValue::Time64Microsecond(Some(micros))),
            _ => Err(time_out_of_range("time")),
        },
        Type::INTERVAL => Ok(ScalarValue::IntervalMonthDayNano(Some(interval(bytes)?))),
        Type::BYTEA => Ok(ScalarValue::Binary(Some(bytes.to_vec()))),
        Type::UUID => {
            let hex: String = fixed::<16>(bytes)?.iter().map(|byte| format!("{byte:02x}")).collect();
            super::text::declared(&hex, pg_type)
        }
        Type::JSON => super::text::declared(text_of(bytes)?, pg_type),
        Type::JSONB => match bytes.split_first() {
            Some((1, text)) => super::text::declared(text_of(text)?, pg_type),
            Some(_) => Err(wrong_format()),
            None => Err(too_short()),
        },
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN => {
            text_of(bytes).map(|text| ScalarValue::Utf8(Some(text.to_owned())))
        }
        _ => match pg_type.kind() {
            Kind::Array(element) => array(bytes, element),
            _ => Err(WireError::unsupported(format!("binary parameters of type {pg_type} are not supported"))),
        },
    }
}

/// Bytes of a value of a fixed length.
///
/// # Errors
/// 08P01 where they are too few, 22P03 where there are more.
pub(crate) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| if bytes.len() < N { too_short() } else { wrong_format() })
}

/// Bytes that end within a value.
pub(crate) fn too_short() -> WireError {
    WireError::protocol("insufficient data left in message")
}

/// Bytes that are no value.
pub(crate) fn wrong_format() -> WireError {
    WireError::new(sqlstate::INVALID_BINARY_REPRESENTATION, "incorrect binary data format")
}

/// An interval.
///
/// # Errors
/// As [`fixed`]; 22008 for one of more than 292 years of hours.
pub(crate) fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano, WireError> {
    let bytes = fixed::<16>(bytes)?;
    let micros = i64::from_be_bytes(fixed(&bytes[..8])?);
    let days = i32::from_be_bytes(fixed(&bytes[8..12])?);
    let months = i32::from_be_bytes(fixed(&bytes[12..])?);
    let nanoseconds = micros.checked_mul(1_000).ok_or_else(|| time_out_of_range("interval"))?;
    Ok(IntervalMonthDayNano { months, days, nanoseconds })
}

/// The error for a date or time that cannot be kept.
pub(crate) fn time_out_of_range(what: &str) -> WireError {
    WireError::new(sqlstate::of(ErrorKind::DatetimeOutOfRange), format!("{what} out of range"))
}

/// A numeric with its own scale.
fn decimal(bytes: &[u8]) -> Result<ScalarValue, WireError> {
    let number = Groups::read(bytes)?;
    let scale = i8::try_from(number.scale).ok().filter(|scale| *scale <= 38);
    match scale.map_or(Unscaled::TooLong, |scale| number.unscaled(scale)) {
        Unscaled::Number(value) => Ok(ScalarValue::Decimal128(Some(value), 38, scale.unwrap_or(0))),
        Unscaled::Special(name) => Err(WireError::out_of_range(format!("numeric parameters cannot be {name}"))),
        Unscaled::TooLong => Err(WireError::out_of_range("a numeric parameter has more than 38 digits")),
    }
}

fn array(bytes: &[u8], element: &Type) -> Result<ScalarValue, WireError> {
    let data_type = element_data_type(element)?;
    let mut elements = Vec::new();
    each_element(bytes, element, |value| {
        elements.push(value.map(|value| decode(value, element)).transpose()?);
        Ok(())
    })?;
    list(elements, &data_type)
}

/// Gives each element of an array of one dimension, `None` for NULL.
///
/// # Errors
/// 42804 for an array of another type, 0A000 for one of more dimensions, 08P01 and 22P03 where the bytes are no array; what
/// is said of an element.
pub(crate) fn each_element(
    bytes: &[u8],
    element: &Type,
    mut each: impl FnMut(Option<&[u8]>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut rest = bytes;
    let mut take = |count: usize| -> Result<&[u8], WireError> {
        let (head, tail) = rest.split_at_checked(count).ok_or_else(too_short)?;
        rest = tail;
        Ok(head)
    };
    let dimensions = i32::from_be_bytes(fixed(take(4)?)?);
    take(4)?;
    let given = u32::from_be_bytes(fixed(take(4)?)?);
    if given != element.oid() {
        let (oid, name) = (element.oid(), element.name());
        let message = format!("binary data has array element type {given} instead of expected {oid} ({name})");
        return Err(WireError::new(sqlstate::of(ErrorKind::DatatypeMismatch), message));
    }
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = i32::from_be_bytes(fixed(take(4)?)?);
            if i32::from_be_bytes(fixed(take(4)?)?) != 1 {
                return Err(WireError::unsupported("arrays whose first place is not 1 are not supported"));
            }
            count
        }
        2..=6 => return Err(WireError::unsupported("arrays of more than one dimension cannot come in")),
        _ => return Err(wrong_format()),
    };
    for _ in 0..count {
        let length = i32::from_be_bytes(fixed(take(4)?)?);
        match usize::try_from(length) {
            Ok(length) => each(Some(take(length)?))?,
            Err(_) => each(None)?,
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(wrong_format()) }
}
