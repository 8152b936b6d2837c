//! Signs and digits: `sign`, `ceiling`, `scale`, `min_scale`, `trim_scale`, `num_nulls`, `num_nonnulls`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::functions::overloads::{Form, Overloaded, Takes, as_first, double, integer};

/// Digits that a decimal holds.
const PRECISION: u8 = 38;

pub(super) fn functions() -> Vec<ScalarUDF> {
    use Takes::{Any, Double, Number};
    const SIGN: &[Form] = &[
        // An integer is a double here: PostgreSQL prefers that to numeric.
        Form::new(&[Double], double, sign_of_doubles),
        Form::new(&[Number], whole, sign_of_decimals),
    ];
    const CEILING: &[Form] = &[
        Form::new(&[Double], double, |args, _| rounded_doubles(args, f64::ceil)),
        Form::new(&[Number], whole, |args, _| rounded_decimals(args, ceiling)),
    ];
    const FLOOR: &[Form] = &[
        Form::new(&[Double], double, |args, _| rounded_doubles(args, f64::floor)),
        Form::new(&[Number], whole, |args, _| rounded_decimals(args, i128::div_euclid)),
    ];
    const SCALE: &[Form] = &[Form::new(&[Number], integer, scale)];
    const MIN_SCALE: &[Form] = &[Form::new(&[Number], integer, min_scale)];
    const TRIM_SCALE: &[Form] = &[Form::new(&[Number], as_first, |args, _| Ok(Arc::clone(&args[0])))];
    const NULLS: &[Form] = &[Form::new(&[Any], integer, |args, rows| Ok(count(args, rows, true))).and_more()];
    const NON_NULLS: &[Form] = &[Form::new(&[Any], integer, |args, rows| Ok(count(args, rows, false))).and_more()];
    vec![
        Overloaded::new("sign", SIGN).also("signum").into(),
        Overloaded::new("ceil", CEILING).also("ceiling").into(),
        Overloaded::new("floor", FLOOR).into(),
        Overloaded::new("scale", SCALE).into(),
        Overloaded::new("min_scale", MIN_SCALE).into(),
        Overloaded::new("trim_scale", TRIM_SCALE).into(),
        Overloaded::new("num_nulls", NULLS).into(),
        Overloaded::new("num_nonnulls", NON_NULLS).into(),
    ]
}

/// As many digits as stand before the point, and one for what is rounded up: an average of them has room for its own.
fn whole(given: &[DataType]) -> DataType {
    match given {
        [DataType::Decimal128(precision, scale)] => {
            let digits = (i16::from(*precision) - i16::from(*scale) + 1).clamp(1, i16::from(PRECISION));
            DataType::Decimal128(u8::try_from(digits).unwrap_or(PRECISION), 0)
        }
        _ => DataType::Decimal128(PRECISION, 0),
    }
}

fn sign_of_doubles(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Float64Type>();
    // Of NaN it is 0, as in PostgreSQL.
    let sign = |value: f64| match value {
        _ if value > 0.0 => 1.0,
        _ if value < 0.0 => -1.0,
        _ => 0.0,
    };
    Ok(Arc::new(numbers.unary::<_, Float64Type>(sign)))
}

fn sign_of_decimals(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Decimal128Type>();
    let signs: Decimal128Array = numbers.unary::<_, Decimal128Type>(i128::signum);
    Ok(Arc::new(signs.with_data_type(whole(&[args[0].data_type().clone()]))))
}

fn rounded_doubles(args: &[ArrayRef], round: fn(f64) -> f64) -> Result<ArrayRef> {
    let numbers: &Float64Array = args[0].as_primitive();
    Ok(Arc::new(numbers.unary::<_, Float64Type>(round)))
}

fn rounded_decimals(args: &[ArrayRef], round: fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Decimal128Type>();
    let unit = 10_i128.pow(u32::try_from(numbers.scale()).unwrap_or(0));
    let rounded: Decimal128Array = numbers.unary::<_, Decimal128Type>(|value| round(value, unit));
    Ok(Arc::new(rounded.with_data_type(whole(&[args[0].data_type().clone()]))))
}

/// Of what stands where a value is NULL, too.
fn ceiling(value: i128, unit: i128) -> i128 {
    value.div_euclid(unit) + i128::from(value.rem_euclid(unit) > 0)
}

fn scale(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Decimal128Type>();
    let scale = i32::from(numbers.scale());
    Ok(Arc::new(numbers.iter().map(|number| number.map(|_| scale)).collect::<Int32Array>()))
}

/// The digits behind the point up to the last that is not 0.
fn min_scale(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Decimal128Type>();
    let scale = i32::from(numbers.scale());
    let least = |value: i128| {
        let (mut value, mut digits) = (value, scale);
        while digits > 0 && value % 10 == 0 {
            value /= 10;
            digits -= 1;
        }
        digits
    };
    Ok(Arc::new(numbers.iter().map(|number| number.map(least)).collect::<Int32Array>()))
}

fn count(args: &[ArrayRef], rows: usize, nulls: bool) -> ArrayRef {
    let nulls_of: Vec<_> = args.iter().map(|arg| arg.logical_nulls()).collect();
    let counts = (0..rows).map(|row| {
        let matching = nulls_of.iter().filter(|of| of.as_ref().is_some_and(|of| of.is_null(row)) == nulls);
        i32::try_from(matching.count()).unwrap_or(i32::MAX)
    });
    Arc::new(counts.collect::<Int32Array>())
}
