#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{
    Date64Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::util::display::array_value_to_string;

use super::*;
use crate::sql::types::{timestamp, timestamptz};
use CastProblem::{Invalid, Overflow, TooLong};

fn column(data_type: DataType) -> ColumnDef {
    let sql_type = data_type.to_string();
    ColumnDef::new("c", data_type, sql_type)
}

/// Values as text (NULL as `-`) and the bad rows.
fn cast_to(values: impl Array + 'static, data_type: DataType) -> (Vec<String>, Vec<(usize, CastProblem)>) {
    let casted = cast_column(&(Arc::new(values) as ArrayRef), &column(data_type.clone())).unwrap();
    assert_eq!(casted.values.data_type(), &data_type);
    let texts = (0..casted.values.len()).map(|row| match casted.values.is_null(row) {
        true => "-".to_owned(),
        false => array_value_to_string(&casted.values, row).unwrap(),
    });
    (texts.collect(), casted.bad)
}

#[test]
fn values_of_the_right_type_are_not_copied() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let casted = cast_column(&values, &column(DataType::Int64)).unwrap();
    assert!(Arc::ptr_eq(&casted.values, &values));
}

#[test]
fn numbers_round_as_in_postgres_or_are_reported() {
    let (values, bad) = cast_to(Float64Array::from(vec![0.5, 1.5, -2.5, 2.6, 4e9, f64::NAN]), DataType::Int32);
    assert_eq!(values, ["0", "2", "-2", "3", "-", "-"]);
    assert_eq!(bad, [(4, Overflow), (5, Overflow)]);
    let (values, bad) = cast_to(Float64Array::from(vec![Some(9.3e18), None, Some(-9.2e18)]), DataType::Int64);
    assert_eq!((values[0].as_str(), values[1].as_str()), ("-", "-"));
    assert_eq!(bad, [(0, Overflow)]);

    let decimals = Decimal128Array::from(vec![150, -250, 249, 99_999]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(cast_to(decimals.clone(), DataType::Int16).0, ["2", "-3", "2", "1000"]);
    let (values, bad) = cast_to(decimals, DataType::Decimal128(3, 1));
    assert_eq!(values, ["1.5", "-2.5", "2.5", "-"]);
    assert_eq!(bad, [(3, Overflow)]);

    let halves = Decimal128Array::from(vec![125, -125]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(cast_to(halves, DataType::Decimal128(10, 1)).0, ["1.3", "-1.3"]);
    let (values, bad) =
        cast_to(Float64Array::from(vec![1.005, 61_556.05, 1e30, f64::INFINITY]), DataType::Decimal128(20, 8));
    assert_eq!(values, ["1.00500000", "61556.05000000", "-", "-"]);
    assert_eq!(bad, [(2, Overflow), (3, Overflow)]);
    let (_, bad) = cast_to(Int64Array::from(vec![40_000, 1]), DataType::Int16);
    assert_eq!(bad, [(0, Overflow)]);
    let (_, bad) = cast_to(UInt64Array::from(vec![u64::MAX, 1]), DataType::Int64);
    assert_eq!(bad, [(0, Overflow)]);
    let (_, bad) = cast_to(Float64Array::from(vec![1e300, f64::INFINITY]), DataType::Float32);
    assert_eq!(bad, [(0, Overflow)]);
    let (_, bad) = cast_to(Int64Array::from(vec![100, 99]), DataType::Decimal128(4, 2));
    assert_eq!(bad, [(0, Overflow)]);
}

#[test]
fn times_become_microseconds_utc() {
    let nanos = TimestampNanosecondArray::from(vec![1_999, -1]).with_timezone("+00:00");
    let floored = ["1970-01-01T00:00:00.000001Z", "1969-12-31T23:59:59.999999Z"];
    assert_eq!(cast_to(nanos, timestamptz()).0, floored);
    let millis = TimestampMillisecondArray::from(vec![i64::MAX, 1]);
    let (values, bad) = cast_to(millis, timestamptz());
    assert_eq!((values[1].as_str(), bad), ("1970-01-01T00:00:00.001Z", vec![(0, Overflow)]));
    let zoned = TimestampMillisecondArray::from(vec![3_600_000]).with_timezone("Europe/Berlin");
    assert_eq!(cast_to(zoned.clone(), timestamp()).0, ["1970-01-01T01:00:00"]);
    assert_eq!(cast_to(zoned, DataType::Date32).0, ["1970-01-01"]);
    assert_eq!(cast_to(Date64Array::from(vec![86_400_000]), timestamptz()).0, ["1970-01-02T00:00:00Z"]);
}

#[test]
fn texts_are_parsed() {
    let texts = StringArray::from(vec![Some("1.5"), None, Some("abc"), Some("1e40"), Some("-2")]);
    let (values, bad) = cast_to(texts, DataType::Decimal128(10, 1));
    assert_eq!(values, ["1.5", "-", "-", "-", "-2.0"]);
    assert_eq!(bad, [(2, Invalid), (3, Overflow)]);
    let dictionary: DictionaryArray<arrow::datatypes::Int8Type> = vec!["t", "no", "t", "x"].into_iter().collect();
    let (values, bad) = cast_to(dictionary, DataType::Boolean);
    assert_eq!((values, bad), (vec!["true".into(), "false".into(), "true".into(), "-".into()], vec![(3, Invalid)]));
    let (values, _) = cast_to(StringArray::from(vec!["2024-01-02 01:00:00+01"]), timestamptz());
    assert_eq!(values, ["2024-01-02T00:00:00Z"]);
}

#[test]
fn lengths_count_characters() {
    let limited = ColumnDef { max_chars: Some(3), ..column(DataType::Utf8View) };
    let texts = StringArray::from(vec![Some("abc"), None, Some("äöü"), Some("abcd"), Some("ab     "), Some("")]);
    let casted = cast_column(&(Arc::new(texts) as ArrayRef), &limited).unwrap();
    assert_eq!(casted.bad, [(3, TooLong)]);
    let values: Vec<Option<&str>> = casted.values.as_string_view().iter().collect();
    assert_eq!(values, [Some("abc"), None, Some("äöü"), None, Some("ab "), Some("")]);
}

#[test]
fn unlike_types_do_not_mix() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    for target in [DataType::Boolean, timestamptz(), DataType::Date32] {
        let error = cast_column(&numbers, &column(target.clone())).err().expect("a mismatch");
        assert_eq!(error.kind(), ErrorKind::DatatypeMismatch, "{target}");
    }
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    assert!(cast_column(&flags, &column(DataType::Int32)).is_err());
    assert_eq!(cast_to(Int64Array::from(vec![Some(7), None]), DataType::Utf8View).0, ["7", "-"]);
}
