#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn types_are_guessed_exactly() {
    let cases: [(&[&str], DataType); 20] = [
        (&["1", "-20", "0"], DataType::Int64),
        (&["61556.05", "1", "-0.5"], DataType::Decimal128(20, 8)),
        (&["1234567890123456.5"], DataType::Decimal128(38, 1)),
        (&["0.123456789"], DataType::Decimal128(38, 9)),
        (&["1e5", "2.5"], DataType::Float64),
        (&["12345678901234567890"], DataType::Decimal128(38, 0)),
        (&["007", "123"], DataType::Utf8View),
        (&["true", "f"], DataType::Boolean),
        (&["2024-01-02"], DataType::Date32),
        (&["2024-01-02", "2024-01-02 03:04:05"], timestamp()),
        (&["2024-01-02T03:04:05Z"], timestamptz()),
        (&["AAPL", "1"], DataType::Utf8View),
        (&["T", "F"], DataType::Utf8View),
        (&["NAN", "INF"], DataType::Utf8View),
        (&["NaN", "1.5"], DataType::Float64),
        (&["1704067200000000000"], DataType::Int64),
        (&["-9223372036854775808", "1"], DataType::Int64),
        (&["1", "9223372036854775808"], DataType::Decimal128(38, 0)),
        (&["true", "1"], DataType::Utf8View),
        (&[], DataType::Utf8View),
    ];
    for (texts, expected) in cases {
        assert_eq!(guess(&StringViewArray::from(texts.to_vec())), expected, "{texts:?}");
    }
}
