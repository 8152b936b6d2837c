#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use zxq_catalog::{ColumnDef, Value};

use super::*;

fn column(data_type: DataType, default: Option<&str>) -> ColumnDef {
    ColumnDef { default: default.map(str::to_owned), ..ColumnDef::new("c", data_type, String::new()) }
}

#[test]
fn a_value_survives_the_way_to_a_scalar_an_array_and_back() {
    let cases = [
        (Value::Bool(true), DataType::Boolean),
        (Value::Int(-3), DataType::Int16),
        (Value::Int(7), DataType::Int32),
        (Value::Int(i64::MIN), DataType::Int64),
        (Value::Float(1.5), DataType::Float32),
        (Value::Float(-0.1), DataType::Float64),
        (Value::Decimal(-12_345), DataType::Decimal128(20, 8)),
        (Value::Date(19_000), DataType::Date32),
        (Value::TimestampMicros(-1), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        (Value::TimestampMicros(1), DataType::Timestamp(TimeUnit::Microsecond, None)),
        (Value::Text("a longer text than a view holds".into()), DataType::Utf8View),
        (Value::Text("x".into()), DataType::Utf8),
    ];
    for (value, data_type) in cases {
        let scalar = to_scalar(&value, &data_type).unwrap();
        assert_eq!(scalar.data_type(), data_type);
        assert_eq!(from_scalar(&scalar).unwrap(), value);
        assert_eq!(value_at(scalar.to_array().unwrap().as_ref(), 0).unwrap(), value);
        assert_eq!(from_scalar(&null_scalar(&data_type).unwrap()), None);
    }
}

#[test]
fn a_value_that_does_not_fit_has_no_scalar() {
    assert_eq!(to_scalar(&Value::Int(70_000), &DataType::Int16), None);
    assert_eq!(to_scalar(&Value::Text("1".into()), &DataType::Int64), None);
    assert_eq!(to_scalar(&Value::Float(0.1), &DataType::Float32), None);
    assert_eq!(from_scalar(&ScalarValue::Float64(Some(f64::NAN))), None);
}

#[test]
fn constant_defaults_are_read_and_expressions_refused() {
    let default = |t: DataType, text| constant_default(&column(t, text));
    assert_eq!(default(DataType::Int64, None).unwrap(), ScalarValue::Int64(None));
    assert_eq!(default(DataType::Int64, Some("NULL")).unwrap(), ScalarValue::Int64(None));
    assert_eq!(default(DataType::Int32, Some("(-5)")).unwrap(), ScalarValue::Int32(Some(-5)));
    assert_eq!(default(DataType::Boolean, Some("TRUE")).unwrap(), ScalarValue::Boolean(Some(true)));
    assert_eq!(default(DataType::Utf8View, Some("'it''s'::text")).unwrap(), ScalarValue::Utf8View(Some("it's".into())));
    assert_eq!(default(DataType::Date32, Some("DATE '1970-01-02'")).unwrap(), ScalarValue::Date32(Some(1)));
    assert_eq!(default(DataType::Decimal128(10, 2), Some("1.25")).unwrap(), ScalarValue::Decimal128(Some(125), 10, 2));
    assert!(default(DataType::Utf8View, Some("now()")).is_err());
    assert!(default(DataType::Utf8View, Some("'a' || 'b'")).is_err());
    assert!(default(DataType::Int64, Some("'seven'")).is_err());
}

#[test]
fn an_array_of_values_is_that_of_their_scalars() {
    let values = [
        Value::Bool(true),
        Value::Int(-3),
        Value::Int(70_000),
        Value::Int(i64::MAX),
        Value::Float(0.5),
        Value::Float(0.1),
        Value::Decimal(-12_345),
        Value::Date(-1),
        Value::TimestampMicros(1),
        Value::Text("x".into()),
        Value::Text("a longer text than a view holds".into()),
    ];
    let types = [
        DataType::Boolean,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(20, 8),
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Utf8View,
        DataType::Utf8,
        DataType::LargeUtf8,
    ];
    for data_type in types {
        let null = null_scalar(&data_type).unwrap();
        let scalars = values.iter().map(|value| to_scalar(value, &data_type).unwrap_or_else(|| null.clone()));
        let expected = ScalarValue::iter_to_array(scalars.chain([null.clone()])).unwrap();
        let array = array_of(values.iter().map(Some).chain([None]), &data_type).unwrap();
        assert_eq!(array.data_type(), &data_type);
        assert_eq!(array.as_ref(), expected.as_ref(), "{data_type}");
    }
}
