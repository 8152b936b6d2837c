//! Columns of one type of number as another.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, PrimitiveArray, StringViewArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;

use super::sql_name;
use crate::error::{EngineError, ErrorKind};
use crate::semantics::arithmetic::{power_of_ten, rounded};
use crate::semantics::{failure, out_of_range};
use crate::values::{CastProblem, text};

/// The values in another type; what does not fit is an error.
pub(super) fn convert(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if values.data_type().is_string() {
        let texts = cast(values, &DataType::Utf8View)?;
        return from_text(texts.as_string_view(), to);
    }
    match values.data_type() {
        DataType::Float16 => convert(&cast(values, &DataType::Float32)?, to),
        DataType::Float32 => {
            let doubles = cast(values, &DataType::Float64)?;
            from_doubles(doubles.as_primitive::<Float64Type>(), 6, to)
        }
        DataType::Float64 => from_doubles(values.as_primitive::<Float64Type>(), 15, to),
        DataType::Decimal128(_, scale) if *scale < 0 => convert(&cast(values, &DataType::Decimal128(38, 0))?, to),
        DataType::Decimal128(_, scale) if to.is_integer() => whole(values.as_primitive::<Decimal128Type>(), *scale, to),
        _ => exact(values, to),
    }
}

/// Between exact types: decimals are rounded half away from zero.
fn exact(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let converted = cast_with_options(values, to, &CastOptions { safe: true, ..CastOptions::default() })?;
    if converted.null_count() == values.null_count() { Ok(converted) } else { Err(overflow(to)) }
}

fn overflow(to: &DataType) -> DataFusionError {
    match to {
        DataType::Decimal128(_, _) => failure(ErrorKind::NumericOutOfRange, "numeric field overflow"),
        DataType::Float32 => failure(ErrorKind::NumericOutOfRange, "value out of range: overflow"),
        _ => out_of_range(sql_name(to)),
    }
}

/// Value by value; NULLs are left out.
fn each<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    values: &PrimitiveArray<F>,
    to: &DataType,
    one: impl Fn(F::Native) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>> {
    let mut failed = false;
    let converted: Vec<T::Native> = values
        .values()
        .iter()
        .map(|value| {
            one(*value).unwrap_or_else(|| {
                failed = true;
                T::Native::default()
            })
        })
        .collect();
    if failed {
        for row in 0..values.len() {
            if values.is_valid(row) && one(values.value(row)).is_none() {
                return Err(overflow(to));
            }
        }
    }
    Ok(PrimitiveArray::new(converted.into(), values.nulls().cloned()))
}

fn whole(values: &PrimitiveArray<Decimal128Type>, scale: i8, to: &DataType) -> Result<ArrayRef> {
    let Some(divisor) = power_of_ten(scale) else { return exec_err!("a decimal has a scale of {scale}") };
    let of = |value: i128| if scale == 0 { value } else { rounded(value, divisor) };
    Ok(match to {
        DataType::Int16 => Arc::new(each::<_, Int16Type>(values, to, |v| of(v).try_into().ok())?),
        DataType::Int32 => Arc::new(each::<_, Int32Type>(values, to, |v| of(v).try_into().ok())?),
        DataType::Int64 => Arc::new(each::<_, Int64Type>(values, to, |v| of(v).try_into().ok())?),
        _ => exact(&cast(values, &DataType::Decimal128(38, 0))?, to)?,
    })
}

/// `digits` are those that a number of this width has surely.
fn from_doubles(values: &PrimitiveArray<Float64Type>, digits: usize, to: &DataType) -> Result<ArrayRef> {
    // 2^63 is the first double above the bigints; the other bounds are exact.
    let within = |value: f64, least: f64, beyond: f64| {
        let rounded = value.round_ties_even();
        (rounded >= least && rounded < beyond).then_some(rounded)
    };
    Ok(match to {
        DataType::Int16 => {
            Arc::new(each::<_, Int16Type>(values, to, |v| within(v, -32_768.0, 32_768.0).map(|v| v as i16))?)
        }
        DataType::Int32 => {
            let bound = 2_147_483_648.0;
            Arc::new(each::<_, Int32Type>(values, to, |v| within(v, -bound, bound).map(|v| v as i32))?)
        }
        DataType::Int64 => {
            let bound = -(i64::MIN as f64);
            Arc::new(each::<_, Int64Type>(values, to, |v| within(v, -bound, bound).map(|v| v as i64))?)
        }
        DataType::Float32 => Arc::new(each::<_, Float32Type>(values, to, |v| {
            let real = v as f32;
            (real.is_infinite() == v.is_infinite() && (real != 0.0 || v == 0.0)).then_some(real)
        })?),
        DataType::Decimal128(precision, scale) => {
            refuse_non_finite(values)?;
            let Some(factor) = power_of_ten(*scale) else { return exec_err!("a decimal has a scale of {scale}") };
            let factor = factor as f64;
            let limit = power_of_ten(*precision as i8).unwrap_or(i128::MAX);
            let decimals: Decimal128Array = each::<_, Decimal128Type>(values, to, |v| {
                let unscaled = quickly(v, factor).or_else(|| written(v, digits, *scale as u8))?;
                (unscaled.abs() < limit).then_some(unscaled)
            })?;
            Arc::new(decimals.with_precision_and_scale(*precision, *scale)?)
        }
        _ => exact(&(Arc::new(values.clone()) as ArrayRef), to)?,
    })
}

/// A double as an integer number of units, where that is certain: few digits, and no tie near.
fn quickly(value: f64, factor: f64) -> Option<i128> {
    let scaled = value * factor;
    let away = (scaled.fract().abs() - 0.5).abs();
    (scaled.abs() < 1e12 && away > 0.01 && away < 0.499_999).then(|| scaled.round() as i128).or_else(|| {
        (value.fract() == 0.0 && value.abs() < 9e14 && factor < 1e22).then(|| value as i128 * factor as i128)
    })
}

/// As PostgreSQL: the shortest decimal of so many digits, then rounded half away from zero.
fn written(value: f64, digits: usize, scale: u8) -> Option<i128> {
    text::decimal(&format!("{value:.*e}", digits - 1), 38, scale).ok()
}

fn refuse_non_finite(values: &PrimitiveArray<Float64Type>) -> Result<()> {
    for (row, value) in values.values().iter().enumerate() {
        if !value.is_finite() && values.is_valid(row) {
            let name = if value.is_nan() { "NaN" } else { "infinity" };
            return Err(not_kept(name));
        }
    }
    Ok(())
}

fn not_kept(name: &str) -> DataFusionError {
    failure(ErrorKind::FeatureNotSupported, format!("numeric holds no {name} here: use DOUBLE PRECISION"))
}

fn from_text(texts: &StringViewArray, to: &DataType) -> Result<ArrayRef> {
    Ok(match to {
        DataType::Int16 => Arc::new(parsed::<Int16Type>(texts, to, text::integer::<i16>)?),
        DataType::Int32 => Arc::new(parsed::<Int32Type>(texts, to, text::integer::<i32>)?),
        DataType::Int64 => Arc::new(parsed::<Int64Type>(texts, to, text::integer::<i64>)?),
        DataType::Float32 => Arc::new(parsed::<Float32Type>(texts, to, text::real)?),
        DataType::Float64 => Arc::new(parsed::<Float64Type>(texts, to, text::double)?),
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            let decimals = parsed::<Decimal128Type>(texts, to, |t| text::decimal(t, precision, scale as u8))?;
            Arc::new(decimals.with_precision_and_scale(precision, scale)?)
        }
        other => return exec_err!("no text is cast to {other} here"),
    })
}

fn parsed<T: ArrowPrimitiveType>(
    texts: &StringViewArray,
    to: &DataType,
    parse: impl Fn(&str) -> Result<T::Native, CastProblem>,
) -> Result<PrimitiveArray<T>> {
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        values.push(match text {
            None => T::Native::default(),
            Some(text) => parse(text).map_err(|problem| no_value(text, to, problem))?,
        });
    }
    Ok(PrimitiveArray::new(values.into(), texts.nulls().cloned()))
}

fn no_value(text: &str, to: &DataType, problem: CastProblem) -> DataFusionError {
    let name = sql_name(to);
    match problem {
        CastProblem::Overflow if name == "numeric" => overflow(to),
        CastProblem::Overflow => {
            let message = format!("value \"{text}\" is out of range for type {name}");
            EngineError::new(ErrorKind::NumericOutOfRange, message).about_value(text).into()
        }
        _ if name == "numeric" && text::double(text).is_ok_and(|value| !value.is_finite()) => {
            not_kept(if text::double(text).is_ok_and(f64::is_nan) { "NaN" } else { "infinity" })
        }
        _ => EngineError::no_value(ErrorKind::InvalidText, name, text).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::Float64Array;

    use super::*;

    fn decimals(values: Vec<f64>, scale: i8) -> Vec<i128> {
        let values: ArrayRef = Arc::new(Float64Array::from(values));
        let converted = convert(&values, &DataType::Decimal128(38, scale)).unwrap();
        converted.as_primitive::<Decimal128Type>().values().to_vec()
    }

    #[test]
    fn doubles_round_on_their_fifteen_digits() {
        assert_eq!(
            decimals(vec![1.005, 0.1, 2.675, -1.005, 1e14 + 0.5], 2),
            [101, 10, 268, -101, 10_000_000_000_000_000]
        );
        assert_eq!(decimals(vec![0.1 + 0.2, 1e-7], 20), [30_000_000_000_000_000_000, 10_000_000_000_000]);
    }

    #[test]
    fn integers_round_half_to_even_from_doubles_and_away_from_decimals() {
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5, -2.5]));
        let converted = convert(&doubles, &DataType::Int32).unwrap();
        assert_eq!(converted.as_primitive::<Int32Type>().values().to_vec(), [0, 2, 2, -2]);
        let decimals = Decimal128Array::from(vec![5, 15, 25, -25]).with_precision_and_scale(3, 1).unwrap();
        let converted = convert(&(Arc::new(decimals) as ArrayRef), &DataType::Int32).unwrap();
        assert_eq!(converted.as_primitive::<Int32Type>().values().to_vec(), [1, 2, 3, -3]);
        let beyond: ArrayRef = Arc::new(Float64Array::from(vec![9.3e18]));
        assert!(convert(&beyond, &DataType::Int64).is_err());
    }
}
