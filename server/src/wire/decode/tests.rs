#![allow(clippy::unwrap_used)]

use std::error::Error;

use bytes::BytesMut;
use datafusion::arrow::datatypes::TimeUnit;
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::*;

fn text(value: &str, pg_type: &Type, wanted: &DataType) -> Result<ScalarValue, WireError> {
    decode(Some(value.as_bytes()), Format::Text, pg_type.oid(), wanted)
}

/// Bytes as the reference client sends them.
fn binary(value: &(dyn ToSql + Sync), pg_type: &Type, wanted: &DataType) -> ScalarValue {
    let mut bytes = BytesMut::new();
    let is_null: Result<IsNull, Box<dyn Error + Sync + Send>> = value.to_sql_checked(pg_type, &mut bytes);
    assert!(matches!(is_null.unwrap(), IsNull::No));
    decode(Some(&bytes), Format::Binary, pg_type.oid(), wanted).unwrap()
}

#[test]
fn text_parameters() {
    let decimal = DataType::Decimal128(20, 8);
    assert_eq!(text("1.5", &Type::NUMERIC, &decimal).unwrap(), ScalarValue::Decimal128(Some(150_000_000), 20, 8));
    assert_eq!(text("1.5e3", &Type::UNKNOWN, &decimal).unwrap(), ScalarValue::Decimal128(Some(150_000_000_000), 20, 8));
    assert_eq!(text(" 42 ", &Type::INT4, &DataType::Int64).unwrap(), ScalarValue::Int64(Some(42)));
    assert_eq!(text("yes", &Type::BOOL, &DataType::Boolean).unwrap(), ScalarValue::Boolean(Some(true)));
    assert_eq!(text("2024-01-02", &Type::DATE, &DataType::Date32).unwrap(), ScalarValue::Date32(Some(19_724)));
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    for value in ["2024-01-02 03:04:05+00", "2024-01-02T03:04:05Z", "2024-01-02 05:04:05+02:00", "2024-01-02 03:04:05"]
    {
        assert_eq!(
            text(value, &Type::TIMESTAMPTZ, &zoned).unwrap(),
            ScalarValue::TimestampMicrosecond(Some(1_704_164_645_000_000), Some("UTC".into())),
            "{value}"
        );
    }
    assert_eq!(
        text("\\x00ff", &Type::BYTEA, &DataType::BinaryView).unwrap(),
        ScalarValue::BinaryView(Some(vec![0, 255]))
    );
    assert_eq!(
        text("a'b", &Type::VARCHAR, &DataType::Utf8View).unwrap(),
        ScalarValue::Utf8View(Some("a'b".to_owned()))
    );
    assert!(decode(None, Format::Text, 0, &DataType::Int32).unwrap().is_null());
}

#[test]
fn texts_hold_no_zero_byte() {
    for format in [Format::Text, Format::Binary] {
        let error = decode(Some(b"a\0b"), format, Type::TEXT.oid(), &DataType::Utf8View).unwrap_err();
        assert_eq!(error.code, "22021");
    }
}

#[test]
fn values_that_are_none_are_refused() {
    for (value, pg_type, code) in [
        ("x", Type::INT4, "22P02"),
        ("99999", Type::INT2, "22003"),
        ("maybe", Type::BOOL, "22P02"),
        ("2024-13-01", Type::DATE, "22008"),
        ("soon", Type::DATE, "22007"),
        ("1e400", Type::FLOAT8, "22003"),
        ("{{1,2},{3,4}}", Type::INT4_ARRAY, "0A000"),
        ("[0:1]={1,2}", Type::INT4_ARRAY, "0A000"),
        ("1.2.3", Type::NUMERIC, "22P02"),
        ("NaN", Type::NUMERIC, "22003"),
        ("1e400", Type::FLOAT8, "22003"),
        ("{1,,2}", Type::INT4_ARRAY, "22P02"),
        ("1e40", Type::NUMERIC, "22003"),
        ("{1,2", Type::INT4_ARRAY, "22P02"),
    ] {
        assert_eq!(text(value, &pg_type, &DataType::Null).unwrap_err().code, code, "{value}");
    }
    assert_eq!(decode(Some(&[1, 2]), Format::Binary, Type::INT4.oid(), &DataType::Int32).unwrap_err().code, "08P01");
    assert_eq!(decode(Some(&[0; 8]), Format::Binary, Type::INT4.oid(), &DataType::Int32).unwrap_err().code, "22P03");
    assert_eq!(decode(Some(&[0xff]), Format::Text, Type::TEXT.oid(), &DataType::Utf8View).unwrap_err().code, "22021");
}

#[test]
fn numerics_are_never_rounded() {
    let wanted = DataType::Decimal128(20, 8);
    let value = text("1.123456789", &Type::NUMERIC, &wanted).unwrap();
    assert_eq!(value, ScalarValue::Decimal128(Some(1_123_456_789), 38, 9));
    assert!(!fits(&value, &wanted));
    let value = text("1.50", &Type::NUMERIC, &DataType::Int64).unwrap();
    assert!(!fits(&value, &DataType::Int64));
}

#[test]
fn binary_parameters_as_a_client_sends_them() {
    assert_eq!(binary(&7i16, &Type::INT2, &DataType::Int64), ScalarValue::Int64(Some(7)));
    assert_eq!(binary(&-7i32, &Type::INT4, &DataType::Int32), ScalarValue::Int32(Some(-7)));
    assert_eq!(binary(&1.5f64, &Type::FLOAT8, &DataType::Float64), ScalarValue::Float64(Some(1.5)));
    assert_eq!(binary(&true, &Type::BOOL, &DataType::Boolean), ScalarValue::Boolean(Some(true)));
    assert_eq!(binary(&"x", &Type::TEXT, &DataType::Utf8View), ScalarValue::Utf8View(Some("x".to_owned())));
    let date = chrono::NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    assert_eq!(binary(&date, &Type::DATE, &DataType::Date32), ScalarValue::Date32(Some(19_782)));
    let moment = chrono::DateTime::from_timestamp_micros(1_704_164_645_123_456).unwrap();
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(
        binary(&moment, &Type::TIMESTAMPTZ, &zoned),
        ScalarValue::TimestampMicrosecond(Some(1_704_164_645_123_456), Some("UTC".into()))
    );
    let wanted = DataType::new_list(DataType::Utf8View, true);
    let list = binary(&vec![Some("a"), None], &Type::TEXT_ARRAY, &wanted);
    assert_eq!(list.to_string(), "[a, ]");
    assert_eq!(
        binary(&vec![1i64, 2], &Type::INT8_ARRAY, &DataType::new_list(DataType::Int64, true)).to_string(),
        "[1, 2]"
    );
}

#[test]
fn numeric_bytes_of_postgres() {
    // numeric_send of PostgreSQL 15.
    for (hex, shown) in [
        ("000200000000000404d2162e", "1234.5678"),
        ("0001ffff4000000103e8", "-0.1"),
        ("0001fffe000000080001", "0.00000001"),
        ("00010001000000000001", "10000"),
        ("0000000000000002", "0.00"),
    ] {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let value = decode(Some(&bytes), Format::Binary, Type::NUMERIC.oid(), &DataType::Null).unwrap();
        assert_eq!(value, decimal(shown).unwrap(), "{shown}");
    }
}
