//! One type for a column that files have in several: the one that holds all their values, or none.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};

/// The type that holds every value of both.
pub fn widened(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::*;
    if one == other {
        return Some(one.clone());
    }
    Some(match (one, other) {
        (Null, wide) | (wide, Null) => wide.clone(),
        (Dictionary(_, values), wide) | (wide, Dictionary(_, values)) => widened(values, wide)?,
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Utf8View,
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => BinaryView,
        (Date32 | Date64, Date32 | Date64) => Date32,
        (Float16 | Float32 | Float64, Float16 | Float32 | Float64) => Float64,
        (Timestamp(_, None), Timestamp(_, None)) => Timestamp(TimeUnit::Microsecond, None),
        // The zone is a name only: the instants are the same.
        (Timestamp(_, Some(_)), Timestamp(_, Some(_))) => Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
        _ => match (integer_bits(one), integer_bits(other)) {
            (Some(one), Some(other)) => match one.max(other) {
                ..=16 => Int16,
                17..=32 => Int32,
                33..=64 => Int64,
                _ => Decimal128(20, 0),
            },
            _ => {
                let ((whole, scale), (other_whole, other_scale)) = (decimal_digits(one)?, decimal_digits(other)?);
                let (whole, scale) = (whole.max(other_whole), scale.max(other_scale));
                let precision = whole.checked_add(scale).filter(|precision| *precision <= 38)?;
                Decimal128(u8::try_from(precision).ok()?, i8::try_from(scale).ok()?)
            }
        },
    })
}

/// Bits of the signed integer that holds the type's values.
fn integer_bits(data_type: &DataType) -> Option<u32> {
    Some(match data_type {
        DataType::Int8 => 8,
        DataType::Int16 | DataType::UInt8 => 16,
        DataType::Int32 | DataType::UInt16 => 32,
        DataType::Int64 | DataType::UInt32 => 64,
        DataType::UInt64 => 65,
        _ => return None,
    })
}

/// Digits before and after the point.
fn decimal_digits(data_type: &DataType) -> Option<(u32, u32)> {
    let (precision, scale) = match data_type {
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => (*p, *s),
        integer => {
            let digits = match integer_bits(integer)? {
                ..=8 => 3,
                9..=16 => 5,
                17..=32 => 10,
                33..=64 => 19,
                _ => 20,
            };
            return Some((digits, 0));
        }
    };
    let scale = u32::try_from(scale).ok()?;
    Some((u32::from(precision).checked_sub(scale)?, scale))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_wider_type_holds_both_or_there_is_none() {
        use DataType::*;
        for (one, other, wide) in [
            (Int32, Int64, Some(Int64)),
            (UInt8, Int16, Some(Int16)),
            (UInt64, Int64, Some(Decimal128(20, 0))),
            (Decimal128(10, 2), Decimal128(12, 4), Some(Decimal128(12, 4))),
            (Decimal128(38, 0), Decimal128(38, 10), None),
            (Int32, Decimal128(5, 2), Some(Decimal128(12, 2))),
            (Float32, Float64, Some(Float64)),
            (Int64, Float64, None),
            (Utf8, Int64, None),
            (Null, Date32, Some(Date32)),
            (Dictionary(Box::new(Int32), Box::new(Utf8)), LargeUtf8, Some(Utf8View)),
            (Timestamp(TimeUnit::Millisecond, None), Timestamp(TimeUnit::Microsecond, Some("UTC".into())), None),
            (
                Timestamp(TimeUnit::Millisecond, None),
                Timestamp(TimeUnit::Nanosecond, None),
                Some(Timestamp(TimeUnit::Microsecond, None)),
            ),
        ] {
            assert_eq!(widened(&one, &other), wide, "{one} {other}");
            assert_eq!(widened(&other, &one), wide, "{other} {one}");
        }
    }
}
