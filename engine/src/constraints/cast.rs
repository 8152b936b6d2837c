//! Columns as they come to columns as the table keeps them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, BooleanBufferBuilder, Decimal128Array, PrimitiveArray,
    StringArrayType, StringViewArray, StringViewBuilder, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use zxq_catalog::ColumnDef;
use zxq_language::error::type_names;

use crate::constraints::declared;
use crate::error::{EngineError, ErrorKind, Result};
use crate::values::interval::parse_interval;
use crate::values::{CastProblem, doubles, text, time_of_day};

#[cfg(test)]
mod tests;

/// A column in the table's type. Rows in `bad` are NULL in `values`.
pub(super) struct Casted {
    pub(super) values: ArrayRef,
    pub(super) bad: Vec<(usize, CastProblem)>,
}

impl Casted {
    fn clean(values: ArrayRef) -> Self {
        Casted { values, bad: Vec::new() }
    }
}

/// Casts one column, strictly: a value that does not fit is reported, never turned into NULL or cut. Values that are of
/// the right type already are not touched.
///
/// # Errors
/// [`ErrorKind::DatatypeMismatch`] when no value of the one type is a value of the other.
pub(super) fn cast_column(values: &ArrayRef, column: &ColumnDef) -> Result<Casted> {
    let target = &column.row_type();
    let casted = match values.data_type() {
        same if same == target => Casted::clean(Arc::clone(values)),
        DataType::Null => Casted::clean(new_null_array(target, values.len())),
        DataType::Dictionary(_, inner) => cast_column(&unwrapped(values, inner)?, &unlimited(column))?,
        DataType::RunEndEncoded(_, inner) => cast_column(&unwrapped(values, inner.data_type())?, &unlimited(column))?,
        DataType::Utf8 => from_text(values.as_string::<i32>(), values, target)?,
        DataType::LargeUtf8 => from_text(values.as_string::<i64>(), values, target)?,
        DataType::Utf8View => from_text(values.as_string_view(), values, target)?,
        _ => from_typed(values, column)?,
    };
    let casted = match column.max_chars {
        Some(limit) => limit_length(casted, limit as usize),
        None => casted,
    };
    Ok(declared::in_form(casted, column))
}

fn unlimited(column: &ColumnDef) -> ColumnDef {
    ColumnDef { max_chars: None, ..column.clone() }
}

fn unwrapped(values: &ArrayRef, inner: &DataType) -> Result<ArrayRef> {
    Ok(arrow::compute::cast(values, inner)?)
}

fn mismatch(from: &DataType, column: &ColumnDef) -> EngineError {
    EngineError::new(
        ErrorKind::DatatypeMismatch,
        format!(
            "column \"{}\" is of type {} but expression is of type {}",
            column.name,
            type_names::of(&column.data_type),
            type_names::of(from)
        ),
    )
}

/// From any type but text.
fn from_typed(values: &ArrayRef, column: &ColumnDef) -> Result<Casted> {
    let (from, target) = (values.data_type(), &column.row_type());
    let binary = matches!(from, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    match target {
        DataType::BinaryView if binary || matches!(from, DataType::FixedSizeBinary(_)) => {
            checked(values, target, CastProblem::Invalid)
        }
        DataType::List(item) if from.is_nested() => declared::lists(values, column, item),
        DataType::Time64(_) if matches!(from, DataType::Time32(_) | DataType::Time64(_)) => {
            checked(values, target, CastProblem::Overflow)
        }
        DataType::Interval(_) if matches!(from, DataType::Interval(_) | DataType::Duration(_)) => {
            checked(values, target, CastProblem::Overflow)
        }
        DataType::Utf8View if binary => checked(values, target, CastProblem::Invalid),
        DataType::Utf8View if !from.is_nested() && !binary => checked(values, target, CastProblem::Invalid),
        DataType::Int16 | DataType::Int32 | DataType::Int64 => match from {
            integer if integer.is_integer() => checked(values, target, CastProblem::Overflow),
            float if float.is_floating() => Ok(float_to_integer(values, target)?),
            decimal if decimal.is_decimal() => {
                // Through a decimal of scale 0, which rounds half away from zero.
                let whole = checked(values, &DataType::Decimal128(38, 0), CastProblem::Overflow)?;
                let mut casted = checked(&whole.values, target, CastProblem::Overflow)?;
                casted.bad.extend(whole.bad);
                casted.bad.sort_unstable_by_key(|(row, _)| *row);
                Ok(casted)
            }
            _ => Err(mismatch(from, column)),
        },
        DataType::Float32 if *from == DataType::Float64 => Ok(double_to_real(values)),
        DataType::Float64 if matches!(from, DataType::Decimal128(..)) => {
            Ok(Casted::clean(Arc::new(doubles::nearest(values.as_primitive()))))
        }
        DataType::Float32 | DataType::Float64 if from.is_numeric() => checked(values, target, CastProblem::Overflow),
        DataType::Decimal128(_, _) if from.is_numeric() => checked(values, target, CastProblem::Overflow),
        DataType::Date32 if matches!(from, DataType::Date64 | DataType::Timestamp(_, _)) => {
            // A timestamp's date is that of UTC.
            checked(&relabelled(values, None)?, target, CastProblem::Overflow)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => match from {
            DataType::Timestamp(_, from_zone) => {
                // The instant stays; only its unit and its label change. A zone-less timestamp is UTC.
                let of_unit = match from {
                    // Nanoseconds go down, before 1970 too: the same rows come out of CSV and Parquet.
                    DataType::Timestamp(TimeUnit::Nanosecond, _) => zxq_providers::adapt::in_micros(values)?,
                    _ => Arc::clone(values),
                };
                let micros = checked(
                    &of_unit,
                    &DataType::Timestamp(TimeUnit::Microsecond, from_zone.clone()),
                    CastProblem::Overflow,
                )?;
                Ok(Casted { values: relabelled(&micros.values, zone.clone())?, bad: micros.bad })
            }
            DataType::Date32 | DataType::Date64 => {
                let micros = checked(values, &DataType::Timestamp(TimeUnit::Microsecond, None), CastProblem::Overflow)?;
                Ok(Casted { values: relabelled(&micros.values, zone.clone())?, bad: micros.bad })
            }
            _ => Err(mismatch(from, column)),
        },
        _ => Err(mismatch(from, column)),
    }
}

/// The same instants under another zone's name; other types come back as they are.
fn relabelled(values: &ArrayRef, zone: Option<Arc<str>>) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::Timestamp(unit, _) => {
            let data = values.to_data().into_builder().data_type(DataType::Timestamp(*unit, zone)).build()?;
            arrow::array::make_array(data)
        }
        _ => Arc::clone(values),
    })
}

/// An Arrow cast that reports the values it could not cast.
fn checked(values: &ArrayRef, target: &DataType, problem: CastProblem) -> Result<Casted> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let casted = cast_with_options(values, target, &options)?;
    if casted.null_count() == values.null_count() {
        return Ok(Casted::clean(casted));
    }
    let bad = (0..values.len()).filter(|row| casted.is_null(*row) && values.is_valid(*row)).map(|row| (row, problem));
    Ok(Casted { bad: bad.collect(), values: casted })
}

/// Rounds to the nearest integer, ties to even, as PostgreSQL does.
fn float_to_integer(values: &ArrayRef, target: &DataType) -> Result<Casted> {
    let doubles = arrow::compute::cast(values, &DataType::Float64)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    Ok(match target {
        DataType::Int16 => convert::<Float64Type, Int16Type>(doubles, |v| {
            in_range(v, i16::MIN.into(), i16::MAX.into()).map(|v| v as i16)
        }),
        DataType::Int32 => convert::<Float64Type, Int32Type>(doubles, |v| {
            in_range(v, i32::MIN.into(), i32::MAX.into()).map(|v| v as i32)
        }),
        // 2^63 is the first double above i64::MAX.
        _ => convert::<Float64Type, Int64Type>(doubles, |v| {
            in_range(v, i64::MIN as f64, i64::MAX as f64).filter(|v| *v < i64::MAX as f64).map(|v| v as i64)
        }),
    })
}

fn in_range(value: f64, min: f64, max: f64) -> Option<f64> {
    let rounded = value.round_ties_even();
    (rounded >= min && rounded <= max).then_some(rounded)
}

fn double_to_real(values: &ArrayRef) -> Casted {
    convert::<Float64Type, Float32Type>(values.as_primitive(), |v| {
        let real = v as f32;
        (real.is_infinite() == v.is_infinite()).then_some(real)
    })
}

/// Converts value by value; `None` is an overflow.
fn convert<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    values: &PrimitiveArray<F>,
    to: impl Fn(F::Native) -> Option<T::Native>,
) -> Casted {
    let mut bad = Vec::new();
    let mut converted = Vec::with_capacity(values.len());
    for (row, value) in values.values().iter().enumerate() {
        converted.push(to(*value).unwrap_or_else(|| {
            if values.is_valid(row) {
                bad.push((row, CastProblem::Overflow));
            }
            T::Native::default()
        }));
    }
    let nulls = without_bad(values.nulls(), values.len(), &bad);
    Casted { values: Arc::new(PrimitiveArray::<T>::new(converted.into(), nulls)), bad }
}

/// Validity with the bad rows taken out.
fn without_bad(nulls: Option<&NullBuffer>, len: usize, bad: &[(usize, CastProblem)]) -> Option<NullBuffer> {
    if bad.is_empty() {
        return nulls.cloned();
    }
    let mut valid = BooleanBufferBuilder::new(len);
    match nulls {
        Some(nulls) => valid.append_buffer(nulls.inner()),
        None => valid.append_n(len, true),
    }
    for (row, _) in bad {
        valid.set_bit(*row, false);
    }
    Some(NullBuffer::new(valid.finish()))
}

/// From text: parsed value by value.
fn from_text<'a, S: StringArrayType<'a> + Copy>(texts: S, values: &ArrayRef, target: &DataType) -> Result<Casted> {
    Ok(match target {
        DataType::Utf8View => Casted::clean(arrow::compute::cast(values, target)?),
        DataType::Boolean => booleans(texts),
        DataType::Int16 => parse::<_, Int16Type>(texts, text::integer::<i16>),
        DataType::Int32 => parse::<_, Int32Type>(texts, text::integer::<i32>),
        DataType::Int64 => parse::<_, Int64Type>(texts, text::integer::<i64>),
        DataType::Float32 => parse::<_, Float32Type>(texts, text::real),
        DataType::Float64 => parse::<_, Float64Type>(texts, text::double),
        DataType::Date32 => parse::<_, Date32Type>(texts, text::date),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let zoned = zone.is_some();
            let parsed = parse::<_, TimestampMicrosecondType>(texts, |t| text::timestamp(t, zoned));
            Casted { values: relabelled(&parsed.values, zone.clone())?, bad: parsed.bad }
        }
        DataType::BinaryView => declared::bytes(texts),
        DataType::List(item) => declared::arrays(values, item)?,
        DataType::Time64(TimeUnit::Microsecond) => {
            parse::<_, Time64MicrosecondType>(texts, |t| time_of_day::parse(t).ok_or(CastProblem::Invalid))
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            parse::<_, IntervalMonthDayNanoType>(texts, |t| parse_interval(t).ok_or(CastProblem::Invalid))
        }
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            let places = u8::try_from(scale).unwrap_or(0);
            let parsed = parse::<_, arrow::datatypes::Decimal128Type>(texts, |t| text::decimal(t, precision, places));
            let decimals: Decimal128Array = parsed.values.as_primitive::<arrow::datatypes::Decimal128Type>().clone();
            Casted { values: Arc::new(decimals.with_precision_and_scale(precision, scale)?), bad: parsed.bad }
        }
        other => return Err(EngineError::internal(format!("no table column is of type {other}"))),
    })
}

fn parse<'a, S: StringArrayType<'a>, T: ArrowPrimitiveType>(
    texts: S,
    to: impl Fn(&str) -> Result<T::Native, CastProblem>,
) -> Casted {
    let len = texts.len();
    let mut bad = Vec::new();
    let mut parsed = Vec::with_capacity(len);
    for row in 0..len {
        parsed.push(if texts.is_null(row) {
            T::Native::default()
        } else {
            to(texts.value(row)).unwrap_or_else(|problem| {
                bad.push((row, problem));
                T::Native::default()
            })
        });
    }
    let nulls = without_bad(texts.nulls(), len, &bad);
    Casted { values: Arc::new(PrimitiveArray::<T>::new(parsed.into(), nulls)), bad }
}

fn booleans<'a, S: StringArrayType<'a>>(texts: S) -> Casted {
    let len = texts.len();
    let mut bad = Vec::new();
    let flags = BooleanBuffer::collect_bool(len, |row| {
        !texts.is_null(row)
            && text::boolean(texts.value(row)).unwrap_or_else(|problem| {
                bad.push((row, problem));
                false
            })
    });
    let nulls = without_bad(texts.nulls(), len, &bad);
    Casted { values: Arc::new(BooleanArray::new(flags, nulls)), bad }
}

/// Reports texts of more than `limit` characters. As in PostgreSQL, spaces beyond the limit are cut off silently.
fn limit_length(casted: Casted, limit: usize) -> Casted {
    let Casted { values, mut bad } = casted;
    let Some(texts) = values.as_string_view_opt() else { return Casted { values, bad } };
    // A text of at most `limit` bytes has at most `limit` characters, and a view's low 32 bits are its length in
    // bytes: the common case never looks at the text.
    if texts.views().iter().all(|view| (*view as u32) as usize <= limit) {
        return Casted { values, bad };
    }
    let mut too_long = Vec::new();
    let mut padded = false;
    for row in 0..texts.len() {
        if texts.is_valid(row)
            && let Some((end, _)) = texts.value(row).char_indices().nth(limit)
        {
            if texts.value(row)[end..].bytes().all(|b| b == b' ') {
                padded = true;
            } else {
                too_long.push((row, CastProblem::TooLong));
            }
        }
    }
    if too_long.is_empty() && !padded {
        return Casted { values, bad };
    }
    let values = cut(texts, limit, &too_long);
    bad.extend(too_long);
    bad.sort_unstable_by_key(|(row, _)| *row);
    Casted { values, bad }
}

fn cut(texts: &StringViewArray, limit: usize, too_long: &[(usize, CastProblem)]) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    let mut skip = too_long.iter().map(|(row, _)| *row).peekable();
    for (row, value) in texts.iter().enumerate() {
        match value {
            Some(_) if skip.next_if_eq(&row).is_some() => builder.append_null(),
            Some(value) => {
                builder.append_value(value.char_indices().nth(limit).map_or(value, |(end, _)| &value[..end]))
            }
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}
