//! Digits of times beyond the microsecond, which files may have. They are cut, in a text as in a Parquet file's nanoseconds: the
//! same rows come out of both, and no time moves into the next second, minute or day.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::{DataType, Schema, TimestampNanosecondType};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::Result;

/// Digits that a microsecond needs.
const DIGITS: usize = 6;

/// The texts with times of microseconds in the columns that `schema`, of the same columns, has as timestamps; and whether
/// digits were cut for that.
pub(super) fn in_micros(batch: RecordBatch, schema: &Schema) -> Result<(RecordBatch, bool)> {
    let is_time = |(place, field): &(usize, &Arc<arrow::datatypes::Field>)| {
        matches!(field.data_type(), DataType::Timestamp(_, _))
            && batch.columns().get(*place).is_some_and(|column| {
                let texts = column.as_string_view_opt();
                texts.is_some_and(|texts| texts.iter().flatten().any(|text| cut(text).is_some()))
            })
    };
    let places: Vec<usize> = schema.fields().iter().enumerate().filter(is_time).map(|(place, _)| place).collect();
    if places.is_empty() {
        return Ok((batch, false));
    }
    let mut columns = batch.columns().to_vec();
    for place in places {
        let mut times = StringViewBuilder::with_capacity(batch.num_rows());
        for text in columns[place].as_string_view() {
            match text.map(|text| (text, cut(text))) {
                Some((_, Some(shorter))) => times.append_value(shorter),
                Some((text, None)) => times.append_value(text),
                None => times.append_null(),
            }
        }
        columns[place] = Arc::new(times.finish());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok((RecordBatch::try_new_with_options(batch.schema(), columns, &options)?, true))
}

/// True for times of nanoseconds of which some are between two microseconds.
pub(super) fn has_more_digits(times: &ArrayRef) -> bool {
    let nanoseconds = times.as_primitive_opt::<TimestampNanosecondType>();
    nanoseconds.is_some_and(|times| times.iter().flatten().any(|nanoseconds| nanoseconds % 1_000 != 0))
}

/// The text without the digits that are too many, `None` where there are none.
fn cut(text: &str) -> Option<String> {
    let (before, after) = text.rsplit_once('.')?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let follows_digit = before.bytes().last().is_some_and(|byte| byte.is_ascii_digit());
    (digits > DIGITS && follows_digit).then(|| format!("{before}.{}{}", &after[..DIGITS], &after[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_beyond_the_microsecond_are_cut_and_nothing_else() {
        for (text, expected) in [
            ("1969-12-31 23:59:59.999999999+00", Some("1969-12-31 23:59:59.999999+00")),
            ("2024-01-02T10:00:00.1234567Z", Some("2024-01-02T10:00:00.123456Z")),
            ("2024-01-02 10:00:00.123456", None),
            ("2024-01-02 10:00:00", None),
            ("02.01.2024", None),
            ("", None),
        ] {
            assert_eq!(cut(text).as_deref(), expected, "{text}");
        }
    }
}
