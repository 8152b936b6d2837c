#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::*;
use crate::sql::types::{timestamp, timestamptz};

#[test]
fn file_types_become_canonical() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let cases = [
        (DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into())), timestamptz(), "TIMESTAMPTZ"),
        (DataType::Timestamp(TimeUnit::Second, None), timestamp(), "TIMESTAMP"),
        (dictionary, DataType::Utf8View, "TEXT"),
        (DataType::LargeUtf8, DataType::Utf8View, "TEXT"),
        (DataType::UInt32, DataType::Int64, "BIGINT"),
        (DataType::UInt64, DataType::Decimal128(20, 0), "DECIMAL(20,0)"),
        (DataType::Decimal256(30, 10), DataType::Decimal128(30, 10), "DECIMAL(30,10)"),
        (DataType::Float32, DataType::Float32, "REAL"),
        (DataType::Date64, DataType::Date32, "DATE"),
    ];
    for (from, to, name) in cases {
        let def = table_from_schema("t", &Schema::new(vec![Field::new("c", from.clone(), false)])).unwrap();
        assert_eq!((&def.columns[0].data_type, def.columns[0].sql_type.as_str()), (&to, name), "{from}");
        assert!(!def.columns[0].nullable);
    }
}

#[test]
fn columns_no_table_can_hold_are_named() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
    let error = table_from_schema("t", &Schema::new(vec![Field::new("levels", list, true)])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FeatureNotSupported);
    assert!(error.to_string().contains("column \"levels\""), "{error}");
    for doubtful in [DataType::FixedSizeBinary(16), DataType::Time64(TimeUnit::Nanosecond)] {
        let error = columns_of(&Schema::new(vec![Field::new("v", doubtful, true)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FeatureNotSupported);
    }
    assert!(columns_of(&Schema::new(vec![Field::new("v", DataType::FixedSizeBinary(4), true)])).is_ok());
}
