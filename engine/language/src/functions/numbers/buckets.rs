//! `width_bucket(value, low, high, count)` and `width_bucket(value, array)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, i256};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::binary::type_union_resolution;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, integer};

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Any, Array, Double, Integer, Number};
    const FORMS: &[Form] = &[
        Form::new(&[Any, Array], integer, among_thresholds),
        Form::new(&[Number, Number, Number, Integer], integer, of_decimals),
        Form::new(&[Double, Double, Double, Integer], integer, of_doubles),
    ];
    vec![Overloaded::new("width_bucket", FORMS).into()]
}

fn invalid(message: &str) -> EngineError {
    EngineError::new(ErrorKind::InvalidWidthBucket, message)
}

fn too_many() -> EngineError {
    EngineError::new(ErrorKind::NumericOutOfRange, "integer out of range")
}

fn count_of(count: i64) -> Result<i32, EngineError> {
    match i32::try_from(count) {
        Ok(1..) => Ok(count as i32),
        Ok(_) => Err(invalid("count must be greater than zero")),
        Err(_) if count > 0 => Err(too_many()),
        Err(_) => Err(invalid("count must be greater than zero")),
    }
}

fn of_doubles(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let [value, low, high] = [0, 1, 2].map(|place| args[place].as_primitive::<Float64Type>());
    let counts = args[3].as_primitive::<Int64Type>();
    let bucket = |row: usize| {
        if args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let (value, low, high) = (value.value(row), low.value(row), high.value(row));
        let count = count_of(counts.value(row))?;
        if value.is_nan() || low.is_nan() || high.is_nan() {
            return Err(invalid("operand, lower bound, and upper bound cannot be NaN"));
        }
        if !low.is_finite() || !high.is_finite() {
            return Err(invalid("lower and upper bounds must be finite"));
        }
        if low == high {
            return Err(invalid("lower bound cannot equal upper bound"));
        }
        let (before, beyond) = if low < high { (value < low, value >= high) } else { (value > low, value <= high) };
        if before {
            return Ok(Some(0));
        }
        if beyond {
            return count.checked_add(1).map(Some).ok_or_else(too_many);
        }
        let share = (value - low) / (high - low);
        Ok(Some(((f64::from(count) * share).floor() as i32).min(count - 1) + 1))
    };
    Ok(Arc::new((0..rows).map(bucket).collect::<Result<Int32Array, EngineError>>()?))
}

fn of_decimals(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let [value, low, high] = [0, 1, 2].map(|place| args[place].as_primitive::<Decimal128Type>());
    let counts = args[3].as_primitive::<Int64Type>();
    let scale = [value, low, high].map(|numbers| numbers.scale()).into_iter().max().unwrap_or(0);
    let ten = i256::from_i128(10);
    let factor = |of: i8| ten.wrapping_pow(u32::try_from(scale - of).unwrap_or(0));
    let factors = [value, low, high].map(|numbers| factor(numbers.scale()));
    let bucket = |row: usize| {
        if args.iter().any(|arg| arg.is_null(row)) {
            return Ok(None);
        }
        let wide = |number: i128, factor: i256| i256::from_i128(number).wrapping_mul(factor);
        let value = wide(value.value(row), factors[0]);
        let (low, high) = (wide(low.value(row), factors[1]), wide(high.value(row), factors[2]));
        let count = count_of(counts.value(row))?;
        if low == high {
            return Err(invalid("lower bound cannot equal upper bound"));
        }
        let (before, beyond) = if low < high { (value < low, value >= high) } else { (value > low, value <= high) };
        if before {
            return Ok(Some(0));
        }
        if beyond {
            return count.checked_add(1).map(Some).ok_or_else(too_many);
        }
        let (passed, width) = (value.wrapping_sub(low), high.wrapping_sub(low));
        let share = passed.checked_mul(i256::from_i128(i128::from(count))).and_then(|all| all.checked_div(width));
        let share = share.and_then(i256::to_i128).and_then(|share| i32::try_from(share).ok());
        share.map(|share| Some(share + 1)).ok_or_else(too_many)
    };
    Ok(Arc::new((0..rows).map(bucket).collect::<Result<Int32Array, EngineError>>()?))
}

/// How many of the thresholds, which are sorted, the value reaches.
fn among_thresholds(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let lists = args[1].as_list::<i32>();
    let types = [args[0].data_type().clone(), lists.value_type()];
    let common = match types.iter().all(|data_type| data_type.is_numeric()) && types[0] != types[1] {
        true if types.iter().any(DataType::is_floating) => DataType::Float64,
        _ => type_union_resolution(&types).unwrap_or_else(|| types[1].clone()),
    };
    let converter = RowConverter::new(vec![SortField::new(common.clone())])?;
    let values = converter.convert_columns(&[cast(&args[0], &common)?])?;
    let thresholds = converter.convert_columns(&[cast(lists.values(), &common)?])?;
    let offsets = lists.value_offsets();
    let null = || EngineError::new(ErrorKind::NullNotAllowed, "thresholds array must not contain NULLs");
    let bucket = |row: usize| {
        if args[0].is_null(row) || lists.is_null(row) {
            return Ok(None);
        }
        let (mut low, mut high) = (offsets[row] as usize, offsets[row + 1] as usize);
        let start = low;
        if (low..high).any(|at| lists.values().is_null(at)) {
            return Err(null());
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match values.row(row) < thresholds.row(middle) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        i32::try_from(low - start).map(Some).map_err(|_| too_many())
    };
    Ok(Arc::new((0..rows).map(bucket).collect::<Result<Int32Array, EngineError>>()?))
}
