#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::error::Error;

use bytes::BytesMut;
use datafusion::arrow::util::display::array_value_to_string;
use tokio_postgres::types::{IsNull, ToSql};
use zxq_engine::catalog::declared::PG_TYPE;

use super::*;

/// Bytes as the reference client sends them.
fn bytes(value: &(dyn ToSql + Sync), pg_type: &Type) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let is_null: Result<IsNull, Box<dyn Error + Sync + Send>> = value.to_sql_checked(pg_type, &mut bytes);
    assert!(matches!(is_null.unwrap(), IsNull::No));
    bytes.to_vec()
}

fn field(data_type: DataType, declared: Option<&str>) -> Field {
    let metadata = declared.map(|name| HashMap::from([(PG_TYPE.to_owned(), name.to_owned())]));
    Field::new("x", data_type, true).with_metadata(metadata.unwrap_or_default())
}

/// The values that come of these bytes, and NULL behind them.
fn read(field: &Field, values: &[Vec<u8>]) -> Result<Vec<String>, WireError> {
    let mut builder = ColumnBuilder::new(field)?;
    values.iter().try_for_each(|value| builder.append(value))?;
    builder.append_null();
    assert_eq!(builder.rows(), values.len() + 1);
    let array = builder.finish()?;
    assert!(array.is_null(values.len()));
    assert_eq!(builder.rows(), 0);
    Ok((0..values.len()).map(|row| array_value_to_string(&array, row).unwrap()).collect())
}

#[test]
fn values_of_every_kind() {
    let one = |data_type: DataType, declared: Option<&str>, value: Vec<u8>| {
        read(&field(data_type, declared), &[value]).unwrap().remove(0)
    };
    assert_eq!(one(DataType::Boolean, None, bytes(&true, &Type::BOOL)), "true");
    assert_eq!(one(DataType::Int16, None, bytes(&-7_i16, &Type::INT2)), "-7");
    assert_eq!(one(DataType::Int64, None, bytes(&i64::MIN, &Type::INT8)), "-9223372036854775808");
    assert_eq!(one(DataType::Float64, None, bytes(&f64::NEG_INFINITY, &Type::FLOAT8)), "-inf");
    let numeric = [0, 2, 0, 1, 0x40, 0, 0, 3, 0, 1, 9, 41].to_vec();
    assert_eq!(one(DataType::Decimal128(12, 2), None, numeric), "-12345.00");
    assert_eq!(one(DataType::Date32, None, 0_i32.to_be_bytes().to_vec()), "2000-01-01");
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    assert_eq!(one(micros, None, (-1_i64).to_be_bytes().to_vec()), "1999-12-31T23:59:59.999999");
    assert_eq!(one(DataType::Utf8View, None, b"h\xc3\xa4".to_vec()), "hä");
    assert_eq!(one(DataType::Utf8View, Some("uuid"), (0..16).collect()), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    assert_eq!(one(DataType::Utf8View, Some("jsonb"), b"\x01{}".to_vec()), "{}");
    let list = DataType::List(Field::new_list_field(DataType::Int32, true).into());
    assert_eq!(one(list, None, bytes(&vec![Some(1), None, Some(3)], &Type::INT4_ARRAY)), "[1, , 3]");
}

#[test]
fn bytes_that_are_no_value_are_told() {
    let list = DataType::List(Field::new_list_field(DataType::Int32, true).into());
    for (data_type, declared, value, code) in [
        (DataType::Int32, None, vec![0, 0], "08P01"),
        (DataType::Int32, None, vec![0; 8], "22P03"),
        (DataType::Utf8View, None, vec![0xff], "22021"),
        (DataType::Utf8View, None, vec![0], "22021"),
        (DataType::Utf8View, Some("uuid"), vec![0; 15], "08P01"),
        (DataType::Utf8View, Some("jsonb"), vec![2], "22P03"),
        (DataType::Date32, None, i32::MAX.to_be_bytes().to_vec(), "22008"),
        (DataType::Decimal128(4, 2), None, vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 100], "22003"),
        (DataType::Decimal128(4, 2), None, vec![0, 0, 0, 0, 0xc0, 0, 0, 0], "22003"),
        (list.clone(), None, bytes(&vec![1_i64], &Type::INT8_ARRAY), "42804"),
        (list.clone(), None, vec![0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 23], "0A000"),
        (list, None, vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1], "08P01"),
    ] {
        let error = read(&field(data_type.clone(), declared), std::slice::from_ref(&value)).unwrap_err();
        assert_eq!(error.code, code, "{data_type} {value:?}: {error}");
    }
}
