//! Kinds of types: which values compare alike, whatever layout they have.

use arrow::datatypes::{DataType, TimeUnit};

/// True for two types whose values a database keeps and compares alike: the same type, or two encodings of text or bytes.
pub(crate) fn same_kind(a: &DataType, b: &DataType) -> bool {
    let instant = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Microsecond, Some(_)));
    a == b || (is_text(a) && is_text(b)) || (is_bytes(a) && is_bytes(b)) || (instant(a) && instant(b))
}

/// True for every encoding of text.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// True for every encoding of bytes.
pub(crate) fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// True for the two floating-point types.
pub(crate) fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// True for the spellings of UTC that columns come with.
pub(crate) fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z")
}
