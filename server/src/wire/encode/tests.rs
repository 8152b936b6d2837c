#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::{
    DataType, Field, Int32Type, Int64Type, IntervalMonthDayNano, Schema, TimeUnit, UInt16Type, i256,
};
use pgwire::api::Type;
use tokio_postgres::types::FromSql;
use zxq_engine::QuotientKind;

use super::*;
use crate::wire::types::pg_type;

/// All values of a column in one format; `None` for NULL.
fn encoded(array: ArrayRef, format: Format) -> Vec<Option<Vec<u8>>> {
    encoded_as(array, format, None)
}

/// The same of quotients with at least so many digits.
fn encoded_as(array: ArrayRef, format: Format, least: Option<i8>) -> Vec<Option<Vec<u8>>> {
    let schema = Schema::new(vec![Field::new("c", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap();
    let quotient = least.map(|least| QuotientDigits { least, by: QuotientKind::Division, divisor: None, factor: None });
    let encoding = ColumnEncoding { pg_type: pg_type(batch.column(0).data_type()), format, quotient };
    let encodable = EncodableBatch::new(&batch).unwrap();
    let sources = encodable.sources(std::slice::from_ref(&encoding)).unwrap();
    (0..batch.num_rows())
        .map(|row| {
            let mut buf = BytesMut::new();
            put_value(&mut buf, &sources[0], row, &encoding).unwrap();
            let length = i32::from_be_bytes(buf[..4].try_into().unwrap());
            if length < 0 {
                assert_eq!(buf.len(), 4);
                return None;
            }
            assert_eq!(buf.len(), 4 + length as usize);
            Some(buf[4..].to_vec())
        })
        .collect()
}

fn texts(array: ArrayRef) -> Vec<Option<String>> {
    encoded(array, Format::Text).into_iter().map(|v| v.map(|v| String::from_utf8(v).unwrap())).collect()
}

fn text(array: impl Array + 'static) -> Vec<String> {
    texts(Arc::new(array)).into_iter().map(Option::unwrap).collect()
}

/// What the reference client reads from the binary format.
fn decoded<T: for<'a> FromSql<'a>>(array: impl Array + 'static) -> Vec<Option<T>> {
    let array: ArrayRef = Arc::new(array);
    let pg_type = pg_type(array.data_type());
    assert!(T::accepts(&pg_type), "{pg_type}");
    encoded(array, Format::Binary)
        .into_iter()
        .map(|value| value.map(|bytes| T::from_sql(&pg_type, &bytes).unwrap()))
        .collect()
}

fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()
}

#[test]
fn decimals_keep_every_digit_in_text() {
    let most = 99_999_999_999_999_999_999_999_999_999_999_999_999_i128;
    assert_eq!(text(decimals(vec![Some(most), Some(-most)], 38, 0)), [most.to_string(), (-most).to_string()]);
    assert_eq!(
        text(decimals(vec![Some(most), Some(1), Some(0), Some(-5)], 38, 38)),
        [
            "0.99999999999999999999999999999999999999",
            "0.00000000000000000000000000000000000001",
            "0.00000000000000000000000000000000000000",
            "-0.00000000000000000000000000000000000005",
        ]
    );
    assert_eq!(text(decimals(vec![Some(123_450_000_000), Some(-7)], 20, 8)), ["1234.50000000", "-0.00000007"]);
    assert_eq!(text(decimals(vec![Some(12), Some(0)], 10, -3)), ["12000", "0"]);
    let wide = Decimal256Array::from(vec![i256::from_i128(most) * i256::from_i128(10)]).with_precision_and_scale(76, 4);
    assert_eq!(text(wide.unwrap()), ["99999999999999999999999999999999999.9990"]);
}

#[test]
fn decimals_in_binary_read_back_as_the_same_text() {
    // The same bytes through our own reader of parameters, which is checked against a client in its own tests.
    let most = 99_999_999_999_999_999_999_999_999_999_999_999_999_i128;
    for (value, scale) in [
        (0, 0),
        (0, 8),
        (1, 0),
        (-1, 38),
        (most, 0),
        (-most, 38),
        (most, 19),
        (10_000, 4),
        (10_000, 0),
        (100_000_000, 2),
        (123_456_789, 5),
        (12_345, -2),
        (5, 3),
    ] {
        let array: ArrayRef = Arc::new(decimals(vec![Some(value)], 38, scale));
        let bytes = encoded(Arc::clone(&array), Format::Binary).remove(0).unwrap();
        let wanted = DataType::Null;
        let read = crate::wire::decode::decode(Some(&bytes), Format::Binary, Type::NUMERIC.oid(), &wanted).unwrap();
        let datafusion::scalar::ScalarValue::Decimal128(Some(unscaled), _, read_scale) = read else { unreachable!() };
        let again: ArrayRef = Arc::new(decimals(vec![Some(unscaled)], 38, read_scale));
        assert_eq!(texts(again), texts(array), "{value} scale {scale}");
    }
}

#[test]
fn numeric_binary_is_bytes_postgres_writes() {
    // select numeric_send(x) of PostgreSQL 15.
    for (value, scale, hex) in [
        (12_345_678, 4, "0002 0000 0000 0004 04d2 162e"),
        (0, 2, "0000 0000 0000 0002"),
        (-1, 1, "0001 ffff 4000 0001 03e8"),
        (1, 8, "0001 fffe 0000 0008 0001"),
        (10_000, 0, "0001 0001 0000 0000 0001"),
    ] {
        let bytes = encoded(Arc::new(decimals(vec![Some(value)], 38, scale)), Format::Binary).remove(0).unwrap();
        let shown: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(shown, hex.replace(' ', ""), "{value} scale {scale}");
    }
}

#[test]
fn floats_are_the_shortest_that_read_back() {
    assert_eq!(
        text(Float64Array::from(vec![
            0.1,
            1.0,
            -0.0,
            1e15,
            123_456_789_012_345.0,
            1e-4,
            1e-5,
            1.5e300,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.000_123,
            100.0,
            1234.5,
            5e-324,
            1.797_693_134_862_315_7e308
        ])),
        [
            "0.1",
            "1",
            "-0",
            "1e+15",
            "123456789012345",
            "0.0001",
            "1e-05",
            "1.5e+300",
            "NaN",
            "Infinity",
            "-Infinity",
            "0.000123",
            "100",
            "1234.5",
            "5e-324",
            "1.7976931348623157e+308"
        ]
    );
    assert_eq!(
        text(Float32Array::from(vec![0.1, 1_234_567.0, 123_456.0, 3.4e38])),
        ["0.1", "1.234567e+06", "123456", "3.4e+38"]
    );
    assert_eq!(decoded::<f64>(Float64Array::from(vec![Some(0.1), None])), [Some(0.1), None]);
    assert_eq!(decoded::<f32>(Float32Array::from(vec![0.1])), [Some(0.1)]);
}

#[test]
fn dates_and_times() {
    let day = 86_400_000_000;
    let micros = vec![
        0,
        1,
        -1,
        1_704_164_645_123_450,
        -62_135_596_800_000_000,
        -62_135_596_800_000_001,
        253_402_300_800_000_000,
    ];
    let zoned = TimestampMicrosecondArray::from(micros.clone()).with_timezone("UTC");
    assert_eq!(
        text(zoned),
        [
            "1970-01-01 00:00:00+00",
            "1970-01-01 00:00:00.000001+00",
            "1969-12-31 23:59:59.999999+00",
            "2024-01-02 03:04:05.12345+00",
            "0001-01-01 00:00:00+00",
            "0001-12-31 23:59:59.999999+00 BC",
            "10000-01-01 00:00:00+00",
        ]
    );
    assert_eq!(text(TimestampMicrosecondArray::from(vec![day])), ["1970-01-02 00:00:00"]);
    assert_eq!(text(TimestampNanosecondArray::from(vec![1_999])), ["1970-01-01 00:00:00.000001"]);
    assert_eq!(text(TimestampSecondArray::from(vec![60])), ["1970-01-01 00:01:00"]);
    assert_eq!(text(Date32Array::from(vec![0, 19_782, -719_528])), ["1970-01-01", "2024-02-29", "0001-01-01 BC"]);
    assert_eq!(text(Time64NanosecondArray::from(vec![3_723_500_000_000])), ["01:02:03.5"]);
    let dates = decoded::<chrono::NaiveDate>(Date32Array::from(vec![19_782, -1]));
    assert_eq!(dates.iter().map(|d| d.unwrap().to_string()).collect::<Vec<_>>(), ["2024-02-29", "1969-12-31"]);
    let times = decoded::<chrono::DateTime<chrono::Utc>>(
        TimestampMicrosecondArray::from(vec![1_704_164_645_123_450]).with_timezone("UTC"),
    );
    assert_eq!(times[0].unwrap().timestamp_micros(), 1_704_164_645_123_450);
    let naive = decoded::<chrono::NaiveDateTime>(TimestampMicrosecondArray::from(vec![-5]));
    assert_eq!(naive[0].unwrap().and_utc().timestamp_micros(), -5);
}

#[test]
fn intervals() {
    let value = |months, days, nanoseconds| IntervalMonthDayNano { months, days, nanoseconds };
    let array = IntervalMonthDayNanoArray::from(vec![
        value(14, 3, 14_706_789_000_000),
        value(0, 0, 0),
        value(-1, 2, -1_000_000_000),
        value(0, 1, 0),
        value(12, 0, 0),
        value(0, -1, 3_600_000_000_000),
    ]);
    assert_eq!(
        text(array),
        [
            "1 year 2 mons 3 days 04:05:06.789",
            "00:00:00",
            "-1 mons +2 days -00:00:01",
            "1 day",
            "1 year",
            "-1 days +01:00:00"
        ]
    );
}

#[test]
fn text_bytes_and_booleans() {
    assert_eq!(
        texts(Arc::new(StringViewArray::from(vec![Some("héllo"), None, Some("")]))),
        [Some("héllo".into()), None, Some(String::new())]
    );
    assert_eq!(text(LargeStringArray::from(vec!["x"])), ["x"]);
    assert_eq!(text(BinaryArray::from(vec![&b"\x00\xffA"[..]])), ["\\x00ff41"]);
    assert_eq!(text(BooleanArray::from(vec![true, false])), ["t", "f"]);
    assert_eq!(decoded::<Vec<u8>>(BinaryViewArray::from(vec![&b"ab"[..]])), [Some(b"ab".to_vec())]);
    assert_eq!(decoded::<String>(StringArray::from(vec![Some("a"), None])), [Some("a".to_owned()), None]);
    assert_eq!(decoded::<bool>(BooleanArray::from(vec![true])), [Some(true)]);
}

#[test]
fn integers_widen_to_what_postgres_has() {
    assert_eq!(decoded::<i16>(UInt8Array::from(vec![255])), [Some(255)]);
    assert_eq!(decoded::<i32>(UInt16Array::from(vec![65_535])), [Some(65_535)]);
    assert_eq!(decoded::<i64>(UInt32Array::from(vec![u32::MAX])), [Some(i64::from(u32::MAX))]);
    assert_eq!(decoded::<i64>(UInt64Array::from(vec![7])), [Some(7)]);
    assert_eq!(decoded::<i16>(Int8Array::from(vec![-128])), [Some(-128)]);
    assert_eq!(text(Int64Array::from(vec![i64::MIN])), ["-9223372036854775808"]);
    let too_large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    let batch = RecordBatch::try_from_iter([("c", too_large)]).unwrap();
    assert_eq!(EncodableBatch::new(&batch).unwrap_err().code, "22003");
}

#[test]
fn dictionaries_are_their_values() {
    let array: DictionaryArray<UInt16Type> =
        vec![Some("EURUSD"), None, Some("USDJPY"), Some("EURUSD")].into_iter().collect();
    assert_eq!(
        texts(Arc::new(array.clone())),
        [Some("EURUSD".into()), None, Some("USDJPY".into()), Some("EURUSD".into())]
    );
    assert_eq!(decoded::<String>(array)[2], Some("USDJPY".to_owned()));
}

#[test]
fn lists() {
    let array = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    assert_eq!(texts(Arc::new(array.clone())), [Some("{1,NULL}".into()), None, Some("{}".into())]);
    assert_eq!(decoded::<Vec<Option<i64>>>(array), [Some(vec![Some(1), None]), None, Some(vec![])]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)])], 2);
    assert_eq!(decoded::<Vec<i32>>(fixed), [Some(vec![1, 2])]);
    let mut words = ListBuilder::new(StringBuilder::new());
    words.append_value([Some("a b"), Some(""), Some("q\"\\"), Some("null"), Some("plain"), None]);
    assert_eq!(text(words.finish()), ["{\"a b\",\"\",\"q\\\"\\\\\",\"null\",plain,NULL}"]);
}

#[test]
fn structures_are_records() {
    let array = StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef),
        (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x", "y\"{}"])) as ArrayRef),
    ]);
    assert_eq!(text(array.clone()), ["(1,x)", "(,\"y\"\"{}\")"]);
    let quoted = StringArray::from(vec![Some(""), Some("a b"), Some("(,)"), Some("\\"), None, Some("plain")]);
    let quoted =
        StructArray::from(vec![(Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(quoted) as ArrayRef)]);
    assert_eq!(text(quoted), ["(\"\")", "(\"a b\")", "(\"(,)\")", "(\"\\\\\")", "()", "(plain)"]);
    let binary = encoded(Arc::new(array.slice(1, 1)), Format::Binary);
    let values = [&[0, 0, 0, 2, 0, 0, 0, 23][..], &[0xff; 4], &[0, 0, 0, 25, 0, 0, 0, 4], b"y\"{}"];
    assert_eq!(binary, [Some(values.concat())]);
}

#[test]
fn null_columns_are_null() {
    assert_eq!(texts(Arc::new(NullArray::new(2))), [None, None]);
    let array: ArrayRef = Arc::new(TimestampMicrosecondArray::new_null(1).with_timezone_opt(Some("UTC")));
    assert_eq!(*array.data_type(), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(texts(array), [None]);
}

#[test]
fn data_rows_stop_at_a_full_buffer_and_go_on() {
    let batch =
        RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from_iter_values(0..100)) as ArrayRef)]).unwrap();
    let encodable = EncodableBatch::new(&batch).unwrap();
    let encodings = [ColumnEncoding { pg_type: Type::INT4, format: Format::Binary, quotient: None }];
    let mut buf = BytesMut::new();
    let first = encode_data_rows(&encodable, &encodings, 0, 100, 50, &mut buf).unwrap();
    assert!(first > 0 && first < 100);
    let last = encode_data_rows(&encodable, &encodings, first, 100, usize::MAX, &mut buf).unwrap();
    assert_eq!((last, buf.len()), (100, 100 * 15));
    assert_eq!(buf[..15], *b"D\0\0\0\x0e\0\x01\0\0\0\x04\0\0\0\0");
}

#[test]
fn rows_that_are_kept_have_memory_of_their_own() {
    let long = "x".repeat(1_000);
    let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..1_000).map(|at| format!("{at} {long}"))));
    let plain: ArrayRef = Arc::new(StringArray::from_iter_values((0..1_000).map(|at| format!("{at} {long}"))));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000));
    let batch = RecordBatch::try_from_iter([("a", texts), ("b", plain), ("c", numbers)]).unwrap();
    let all = batch.get_array_memory_size();
    let (rest, bytes) = EncodableBatch::new(&batch).unwrap().rest(990).unwrap();
    assert_eq!(rest.rows(), 10);
    assert!(bytes > 20_000 && bytes < all / 20, "{bytes} of {all}");
    assert!(rest.arrays[0].as_string_view().value(9).starts_with("999 x"));
}

#[test]
fn texts_are_filled_up_with_blanks_within_bounds() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"; 200]));
    assert_eq!(normalise::padded(&texts, Some(3)).unwrap().as_string_view().value(7), "a  ");
    assert_eq!(normalise::padded(&texts, Some(10_000_000)).unwrap_err().code, "54000");
}

#[test]
fn of_a_row_that_cannot_be_sent_nothing_stays() {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..2));
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0, i64::MIN + 1]));
    let batch = RecordBatch::try_from_iter([("a", numbers), ("b", times)]).unwrap();
    let encodable = EncodableBatch::new(&batch).unwrap();
    let binary = |pg_type| ColumnEncoding { pg_type, format: Format::Binary, quotient: None };
    let encodings = [binary(Type::INT4), binary(Type::TIMESTAMP)];
    let mut buf = BytesMut::new();
    let error = encode_data_rows(&encodable, &encodings, 0, 2, usize::MAX, &mut buf).unwrap_err();
    assert_eq!(error.code, "22003");
    let first = u32::from_be_bytes(buf[1..5].try_into().unwrap()) as usize;
    assert_eq!((buf[0], buf.len()), (b'D', 1 + first), "the first row, and nothing of the second");
}

#[test]
fn quotients_have_the_digits_that_their_size_asks_for() {
    let values = [Some(33_333_333_333_333_333_333), Some(-166_666_666_666_666_670_000), Some(0), None];
    let array: ArrayRef = Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, 20).unwrap());
    let shown: Vec<Option<String>> = encoded_as(Arc::clone(&array), Format::Text, Some(2))
        .into_iter()
        .map(|text| text.map(|text| String::from_utf8(text).unwrap()))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        shown,
        [some("0.33333333333333333333"), some("-1.6666666666666667"), some("0.00000000000000000000"), None]
    );
    let bytes = encoded_as(array, Format::Binary, Some(2)).swap_remove(1).unwrap();
    assert_eq!(bytes, [0, 5, 0, 0, 0x40, 0, 0, 16, 0, 1, 26, 10, 26, 10, 26, 10, 26, 11]);
}
