//! Parameters in binary format.

use datafusion::scalar::ScalarValue;
use pgwire::api::Type;
use tokio_postgres::types::Kind;

use super::{decimal, element_data_type, interval, list, text_of};
use crate::sqlstate;
use crate::wire::encode::binary::{EPOCH_DAYS, EPOCH_MICROS};
use crate::wire::error::WireError;

const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_POSITIVE: u16 = 0x0000;

/// Decodes bytes.
///
/// # Errors
/// When they are no value of the type.
pub(super) fn decode(bytes: &[u8], pg_type: &Type) -> Result<ScalarValue, WireError> {
    let bad = || malformed(pg_type);
    let timestamp = |zone: Option<std::sync::Arc<str>>| {
        let micros = i64::from_be_bytes(fixed(bytes, pg_type)?);
        let micros = micros
            .checked_add(EPOCH_MICROS)
            .filter(|_| micros != i64::MAX && micros != i64::MIN)
            .ok_or_else(|| WireError::out_of_range("timestamp out of range".to_owned()))?;
        Ok(ScalarValue::TimestampMicrosecond(Some(micros), zone))
    };
    match *pg_type {
        Type::BOOL => Ok(ScalarValue::Boolean(Some(fixed::<1>(bytes, pg_type)? != [0]))),
        Type::INT2 => Ok(ScalarValue::Int16(Some(i16::from_be_bytes(fixed(bytes, pg_type)?)))),
        Type::INT4 => Ok(ScalarValue::Int32(Some(i32::from_be_bytes(fixed(bytes, pg_type)?)))),
        Type::INT8 => Ok(ScalarValue::Int64(Some(i64::from_be_bytes(fixed(bytes, pg_type)?)))),
        Type::OID => Ok(ScalarValue::Int64(Some(i64::from(u32::from_be_bytes(fixed(bytes, pg_type)?))))),
        Type::FLOAT4 => Ok(ScalarValue::Float32(Some(f32::from_be_bytes(fixed(bytes, pg_type)?)))),
        Type::FLOAT8 => Ok(ScalarValue::Float64(Some(f64::from_be_bytes(fixed(bytes, pg_type)?)))),
        Type::NUMERIC => numeric(bytes).ok_or_else(bad).and_then(|text| decimal(&text)),
        Type::DATE => i32::from_be_bytes(fixed(bytes, pg_type)?)
            .checked_add(EPOCH_DAYS)
            .map(|days| ScalarValue::Date32(Some(days)))
            .ok_or_else(|| WireError::out_of_range("date out of range".to_owned())),
        Type::TIMESTAMP => timestamp(None),
        Type::TIMESTAMPTZ => timestamp(Some("UTC".into())),
        Type::TIME => Ok(ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(fixed(bytes, pg_type)?)))),
        Type::INTERVAL => {
            let bytes = fixed::<16>(bytes, pg_type)?;
            let micros = i64::from_be_bytes(fixed(&bytes[..8], pg_type)?);
            let days = i32::from_be_bytes(fixed(&bytes[8..12], pg_type)?);
            let months = i32::from_be_bytes(fixed(&bytes[12..], pg_type)?);
            let nanos =
                micros.checked_mul(1_000).ok_or_else(|| WireError::out_of_range("interval out of range".to_owned()))?;
            Ok(interval(months, days, nanos))
        }
        Type::BYTEA => Ok(ScalarValue::Binary(Some(bytes.to_vec()))),
        Type::UUID => {
            let hex: String = fixed::<16>(bytes, pg_type)?.iter().map(|byte| format!("{byte:02x}")).collect();
            super::text::declared(&hex, pg_type)
        }
        Type::JSON => super::text::declared(text_of(bytes)?, pg_type),
        Type::JSONB => match bytes.split_first() {
            Some((1, text)) => super::text::declared(text_of(text)?, pg_type),
            _ => Err(bad()),
        },
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN => {
            text_of(bytes).map(|text| ScalarValue::Utf8(Some(text.to_owned())))
        }
        _ => match pg_type.kind() {
            Kind::Array(element) => array(bytes, pg_type, element),
            _ => Err(WireError::unsupported(format!("binary parameters of type {pg_type} are not supported"))),
        },
    }
}

fn fixed<const N: usize>(bytes: &[u8], pg_type: &Type) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| malformed(pg_type))
}

fn malformed(pg_type: &Type) -> WireError {
    WireError::new(
        sqlstate::INVALID_BINARY_REPRESENTATION,
        format!("incorrect binary data format in a parameter of type {pg_type}"),
    )
}

/// Takes big-endian integers off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

/// The decimal text of a numeric: base-10000 groups around the point.
fn numeric(bytes: &[u8]) -> Option<String> {
    let mut reader = Reader(bytes);
    let count = i32::from(reader.u16()?);
    let weight = i32::from(reader.i16()?);
    let sign = reader.u16()?;
    let scale = usize::from(reader.u16()?);
    let groups = (0..count).map(|_| reader.u16().filter(|group| *group < 10_000)).collect::<Option<Vec<_>>>()?;
    if !reader.0.is_empty() {
        return None;
    }
    match sign {
        NUMERIC_POSITIVE | NUMERIC_NEGATIVE => {}
        0xC000 => return Some("NaN".to_owned()),
        0xD000 | 0xF000 => return Some("infinity".to_owned()),
        _ => return None,
    }
    let group_at = |position: i32| usize::try_from(position).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);
    let mut text = String::new();
    if sign == NUMERIC_NEGATIVE {
        text.push('-');
    }
    text.push('0');
    for position in 0..=weight {
        text.push_str(&format!("{:04}", group_at(position)));
    }
    let mut fraction = String::new();
    let mut position = weight + 1;
    // With a negative weight the first groups after the point are zeros.
    for _ in (weight + 1)..0 {
        fraction.push_str("0000");
    }
    position = position.max(0);
    while fraction.len() < scale {
        fraction.push_str(&format!("{:04}", group_at(position)));
        position += 1;
    }
    fraction.truncate(scale);
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(&fraction);
    }
    Some(text)
}

fn array(bytes: &[u8], pg_type: &Type, element: &Type) -> Result<ScalarValue, WireError> {
    let data_type = element_data_type(element)?;
    let bad = || malformed(pg_type);
    let mut reader = Reader(bytes);
    let dimensions = reader.i32().ok_or_else(bad)?;
    reader.take(8).ok_or_else(bad)?;
    if dimensions == 0 {
        return Ok(list(Vec::new(), &data_type));
    }
    if dimensions != 1 {
        return Err(WireError::unsupported("parameters that are arrays of arrays are not supported".to_owned()));
    }
    let count = reader.i32().ok_or_else(bad)?;
    reader.i32().ok_or_else(bad)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        let length = reader.i32().ok_or_else(bad)?;
        elements.push(match usize::try_from(length) {
            Ok(length) => super::cast(decode(reader.take(length).ok_or_else(bad)?, element)?, &data_type)?,
            Err(_) => ScalarValue::try_from(&data_type).map_err(WireError::from)?,
        });
    }
    Ok(list(elements, &data_type))
}
