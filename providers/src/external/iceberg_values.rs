//! Values that Iceberg's metadata holds (of partitions, defaults of columns) as the table's.

use ::iceberg::spec::{Literal, PrimitiveLiteral, PrimitiveType, Type};
use arrow::datatypes::Field;
use datafusion::common::ScalarValue;

use crate::error::Result;

/// A value of an Iceberg type in the type that the field has. `None` where it is none that a column can hold.
pub(super) fn value_of(kind: &Type, literal: Option<&Literal>, field: &Field) -> Result<Option<ScalarValue>> {
    let Some(literal) = literal else { return Ok(Some(ScalarValue::try_from(field.data_type())?)) };
    let (Type::Primitive(kind), Literal::Primitive(literal)) = (kind, literal) else { return Ok(None) };
    match scalar(kind, literal) {
        Some(value) => Ok(Some(value.cast_to(field.data_type())?)),
        None => Ok(None),
    }
}

fn scalar(kind: &PrimitiveType, literal: &PrimitiveLiteral) -> Option<ScalarValue> {
    Some(match (literal, kind) {
        (PrimitiveLiteral::Boolean(v), _) => ScalarValue::Boolean(Some(*v)),
        (PrimitiveLiteral::Int(v), PrimitiveType::Date) => ScalarValue::Date32(Some(*v)),
        (PrimitiveLiteral::Int(v), _) => ScalarValue::Int32(Some(*v)),
        (PrimitiveLiteral::Long(v), PrimitiveType::Time) => ScalarValue::Time64Microsecond(Some(*v)),
        (PrimitiveLiteral::Long(v), PrimitiveType::Timestamp) => ScalarValue::TimestampMicrosecond(Some(*v), None),
        (PrimitiveLiteral::Long(v), PrimitiveType::Timestamptz) => {
            ScalarValue::TimestampMicrosecond(Some(*v), Some("UTC".into()))
        }
        (PrimitiveLiteral::Long(v), PrimitiveType::TimestampNs) => {
            ScalarValue::TimestampMicrosecond(Some(v.div_euclid(1_000)), None)
        }
        (PrimitiveLiteral::Long(v), PrimitiveType::TimestamptzNs) => {
            ScalarValue::TimestampMicrosecond(Some(v.div_euclid(1_000)), Some("UTC".into()))
        }
        (PrimitiveLiteral::Long(v), _) => ScalarValue::Int64(Some(*v)),
        (PrimitiveLiteral::Float(v), _) => ScalarValue::Float32(Some(v.0)),
        (PrimitiveLiteral::Double(v), _) => ScalarValue::Float64(Some(v.0)),
        (PrimitiveLiteral::String(v), _) => ScalarValue::Utf8(Some(v.clone())),
        (PrimitiveLiteral::Binary(v), _) => ScalarValue::Binary(Some(v.clone())),
        (PrimitiveLiteral::Int128(v), PrimitiveType::Decimal { precision, scale }) => {
            ScalarValue::Decimal128(Some(*v), u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
        }
        (PrimitiveLiteral::UInt128(v), _) => ScalarValue::FixedSizeBinary(16, Some(v.to_be_bytes().to_vec())),
        _ => return None,
    })
}
