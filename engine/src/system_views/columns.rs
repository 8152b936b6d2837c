//! Columns of a view, built value by value.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray};

pub(super) fn text<S: AsRef<str>>(values: impl IntoIterator<Item = Option<S>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringViewArray>())
}

pub(super) fn number(values: impl IntoIterator<Item = Option<u64>>) -> ArrayRef {
    let signed = values.into_iter().map(|v| v.map(|n| i64::try_from(n).unwrap_or(i64::MAX)));
    Arc::new(signed.collect::<Int64Array>())
}

pub(super) fn flag(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

/// Microseconds since the Unix epoch, UTC.
pub(super) fn time(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// Shares and ratios, to three digits: more would say nothing.
pub(super) fn share(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    let rounded = values.into_iter().map(|value| value.map(|share| (share * 1_000.0).round() / 1_000.0));
    Arc::new(rounded.collect::<Float64Array>())
}
