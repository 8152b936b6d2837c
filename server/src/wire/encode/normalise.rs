//! Casts the uncommon Arrow types to the ones the encoder reads.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, RecordBatch, StringArray, StringViewBuilder, StructArray,
    new_empty_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options, concat};
use datafusion::arrow::datatypes::{
    DataType, DurationNanosecondType, Field, IntervalMonthDayNano, IntervalUnit, Schema, TimeUnit,
};
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::LineDelimited;

use crate::wire::error::WireError;
use crate::wire::types::pg_type;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;
/// Most bytes of the texts of one batch that are filled up with blanks.
const MOST_PADDED: usize = 1 << 30;

/// The array in a type that [`super::source::ColumnValues`] reads; the same array where it already is.
///
/// # Errors
/// When a value does not fit, such as a `UInt64` above the largest `int8`.
pub(crate) fn normalise(array: &ArrayRef) -> Result<ArrayRef, WireError> {
    match target(array.data_type()) {
        Target::AsIs => Ok(Arc::clone(array)),
        Target::Cast(data_type) => strict_cast(array, &data_type),
        Target::Days => days(array),
        Target::Json => json(array),
        Target::Record => record(array),
    }
}

/// The texts of a `CHAR(n)`, with blanks up to their length.
///
/// # Errors
/// 54000 where the blanks would take too much.
pub(crate) fn padded(array: &ArrayRef, length: Option<i32>) -> Result<ArrayRef, WireError> {
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let texts = strict_cast(array, &DataType::Utf8View)?;
    let mut out = StringViewBuilder::with_capacity(texts.len());
    let mut longer = String::new();
    let mut bytes = 0;
    for text in texts.as_string_view() {
        match text {
            Some(text) => {
                let blanks = length.saturating_sub(text.chars().count());
                bytes += text.len() + blanks;
                if bytes > MOST_PADDED {
                    return Err(WireError::too_many("requested length too large"));
                }
                longer.clear();
                longer.push_str(text);
                longer.extend(std::iter::repeat_n(' ', blanks));
                out.append_value(&longer);
            }
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The same values in memory of their own.
///
/// # Errors
/// None but bugs.
pub(crate) fn copied(array: &ArrayRef) -> Result<ArrayRef, WireError> {
    Ok(match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        // One alone would be given back as it is.
        data_type => concat(&[array.as_ref(), new_empty_array(data_type).as_ref()])?,
    })
}

fn strict_cast(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, WireError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, data_type, &options)
        .map_err(|error| WireError::out_of_range(format!("a value does not fit its result type: {error}")))
}

/// The difference of two times, as PostgreSQL gives it: days of 24 hours, and the rest.
fn days(array: &ArrayRef) -> Result<ArrayRef, WireError> {
    let nanos = strict_cast(array, &DataType::Duration(TimeUnit::Nanosecond))?;
    let nanos = nanos.as_primitive::<DurationNanosecondType>();
    let split = |nanos: i64| {
        let days = nanos / NANOS_PER_DAY;
        i32::try_from(days).map(|days| IntervalMonthDayNano::new(0, days, nanos % NANOS_PER_DAY))
    };
    let intervals = nanos.iter().map(|nanos| nanos.map(split).transpose()).collect::<Result<_, _>>();
    let intervals: IntervalMonthDayNanoArray =
        intervals.map_err(|_| WireError::out_of_range("interval out of range".to_owned()))?;
    Ok(Arc::new(intervals))
}

enum Target {
    AsIs,
    Cast(DataType),
    /// An interval of days and time.
    Days,
    Json,
    /// A record, of values that are normalised in turn.
    Record,
}

fn target(data_type: &DataType) -> Target {
    let micros = TimeUnit::Microsecond;
    match data_type {
        DataType::Int8 | DataType::UInt8 => Target::Cast(DataType::Int16),
        DataType::UInt16 => Target::Cast(DataType::Int32),
        DataType::UInt64 => Target::Cast(DataType::Int64),
        DataType::Float16 => Target::Cast(DataType::Float32),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            Target::Cast(DataType::Decimal128(*precision, *scale))
        }
        DataType::Date64 => Target::Cast(DataType::Timestamp(micros, None)),
        DataType::Timestamp(unit, zone) if *unit != micros => Target::Cast(DataType::Timestamp(micros, zone.clone())),
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => Target::Cast(DataType::Time64(micros)),
        DataType::Duration(_) => Target::Days,
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime) => {
            Target::Cast(DataType::Interval(IntervalUnit::MonthDayNano))
        }
        DataType::FixedSizeBinary(_) => Target::Cast(DataType::Binary),
        DataType::RunEndEncoded(_, values) => Target::Cast(values.data_type().clone()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => list_target(data_type, item),
        DataType::Struct(_) => Target::Record,
        DataType::Map(..) | DataType::Union(..) => Target::Json,
        _ => Target::AsIs,
    }
}

/// Lists become `List` of an element the encoder reads; lists PostgreSQL has no array type for become JSON.
fn list_target(data_type: &DataType, item: &Field) -> Target {
    if pg_type(data_type) == pgwire::api::Type::JSON {
        return Target::Json;
    }
    let element = match target(item.data_type()) {
        Target::AsIs => item.data_type().clone(),
        Target::Cast(element) => element,
        Target::Days => DataType::Interval(IntervalUnit::MonthDayNano),
        Target::Json | Target::Record => return Target::Json,
    };
    let wanted = DataType::List(Arc::new(Field::new(item.name(), element, item.is_nullable())));
    if *data_type == wanted { Target::AsIs } else { Target::Cast(wanted) }
}

/// The records with their values in types that the encoder reads.
fn record(array: &ArrayRef) -> Result<ArrayRef, WireError> {
    let records = array.as_struct();
    if records.num_columns() == 0 {
        return Ok(Arc::clone(array));
    }
    let mut fields = Vec::with_capacity(records.num_columns());
    let mut columns = Vec::with_capacity(records.num_columns());
    for (field, column) in records.fields().iter().zip(records.columns()) {
        let column = normalise(column)?;
        fields.push(field.as_ref().clone().with_data_type(column.data_type().clone()).with_nullable(true));
        columns.push(column);
    }
    let records = StructArray::try_new(fields.into(), columns, records.nulls().cloned());
    Ok(Arc::new(records.map_err(|error| WireError::internal(format!("a record of other values: {error}")))?))
}

/// Each value as JSON text.
fn json(array: &ArrayRef) -> Result<ArrayRef, WireError> {
    const KEY: &str = "v";
    let failed = |error: datafusion::arrow::error::ArrowError| {
        WireError::unsupported(format!("a {} cannot be shown as JSON: {error}", array.data_type()))
    };
    let schema = Schema::new(vec![Field::new(KEY, array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(array)]).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
    writer.write(&batch).map_err(failed)?;
    writer.finish().map_err(failed)?;
    drop(writer);
    // One line per row: {"v":VALUE}
    let text = String::from_utf8_lossy(&bytes);
    let values = text.lines().enumerate().map(|(row, line)| {
        let value = line.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}'));
        if array.is_null(row) { None } else { value }
    });
    Ok(Arc::new(values.collect::<StringArray>()))
}
