//! Trigonometry in degrees: `sind`, `cosd`, `tand`, `cotd`, `asind`, `acosd`, `atand`, `atan2d`. Round angles have round results.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::Float64Type;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::{Form, Overloaded, Takes, double};

pub(super) fn functions() -> Vec<ScalarUDF> {
    const ONE: &[Takes] = &[Takes::Double];
    const TWO: &[Takes] = &[Takes::Double, Takes::Double];
    const SIND: &[Form] = &[Form::new(ONE, double, |args, _| of_angles(args, sind))];
    const COSD: &[Form] = &[Form::new(ONE, double, |args, _| of_angles(args, cosd))];
    const TAND: &[Form] = &[Form::new(ONE, double, |args, _| of_angles(args, tand))];
    const COTD: &[Form] = &[Form::new(ONE, double, |args, _| of_angles(args, |x| 1.0 / tand(x)))];
    const ASIND: &[Form] = &[Form::new(ONE, double, |args, _| of_shares(args, |x| exact(x.asin(), ASIN_HALF, 30.0)))];
    const ACOSD: &[Form] = &[Form::new(ONE, double, |args, _| of_shares(args, acosd))];
    const ATAND: &[Form] = &[Form::new(ONE, double, |args, _| unary(args, |x| Ok(atand(x))))];
    const ATAN2D: &[Form] = &[Form::new(TWO, double, atan2d)];
    const ATAN2: &[Form] = &[Form::new(TWO, double, atan2)];
    vec![
        Overloaded::new("sind", SIND).into(),
        Overloaded::new("cosd", COSD).into(),
        Overloaded::new("tand", TAND).into(),
        Overloaded::new("cotd", COTD).into(),
        Overloaded::new("asind", ASIND).into(),
        Overloaded::new("acosd", ACOSD).into(),
        Overloaded::new("atand", ATAND).into(),
        Overloaded::new("atan2d", ATAN2D).into(),
        Overloaded::new("atan2", ATAN2).into(),
    ]
}

/// `asin(0.5)`, which is 30 degrees exactly.
const ASIN_HALF: f64 = std::f64::consts::FRAC_PI_6;

fn out_of_range() -> EngineError {
    EngineError::new(ErrorKind::NumericOutOfRange, "input is out of range")
}

fn unary(args: &[ArrayRef], compute: fn(f64) -> Result<f64, EngineError>) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Float64Type>();
    Ok(Arc::new(numbers.try_unary::<_, Float64Type, EngineError>(compute)?))
}

fn of_angles(args: &[ArrayRef], compute: fn(f64) -> f64) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Float64Type>();
    let checked = |x: f64| if x.is_infinite() { Err(out_of_range()) } else { Ok(compute(x)) };
    Ok(Arc::new(numbers.try_unary::<_, Float64Type, EngineError>(checked)?))
}

fn of_shares(args: &[ArrayRef], compute: fn(f64) -> f64) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Float64Type>();
    let checked = |x: f64| if x.abs() > 1.0 { Err(out_of_range()) } else { Ok(compute(x)) };
    Ok(Arc::new(numbers.try_unary::<_, Float64Type, EngineError>(checked)?))
}

/// Radians as degrees, such that a known angle comes out round.
fn exact(radians: f64, known: f64, degrees: f64) -> f64 {
    radians / known * degrees
}

/// The sine of an angle in the first quadrant.
fn sind_first(x: f64) -> f64 {
    let sin = |x: f64| x.to_radians().sin() / 30_f64.to_radians().sin() / 2.0;
    let cos = |x: f64| 1.0 - (1.0 - x.to_radians().cos()) / (1.0 - 60_f64.to_radians().cos()) / 2.0;
    if x <= 30.0 { sin(x) } else { cos(90.0 - x) }
}

fn sind(x: f64) -> f64 {
    let mut x = x % 360.0;
    let mut sign = 1.0;
    if x < 0.0 {
        (x, sign) = (-x, -sign);
    }
    if x > 180.0 {
        (x, sign) = (360.0 - x, -sign);
    }
    if x > 90.0 {
        x = 180.0 - x;
    }
    sign * sind_first(x)
}

fn cosd(x: f64) -> f64 {
    sind(90.0 - (x % 360.0).abs())
}

fn tand(x: f64) -> f64 {
    let tangent = sind(x) / cosd(x) / (sind(45.0) / cosd(45.0));
    if tangent == 0.0 { 0.0 } else { tangent }
}

fn acosd(x: f64) -> f64 {
    match x {
        _ if x < 0.0 => 180.0 - acosd(-x),
        _ if x <= 0.5 => 90.0 - exact(x.asin(), ASIN_HALF, 30.0),
        _ => exact(x.acos(), 0.5_f64.acos(), 60.0),
    }
}

fn atand(x: f64) -> f64 {
    exact(x.atan(), 1_f64.atan(), 45.0)
}

fn pairs(args: &[ArrayRef], compute: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (y, x) = (args[0].as_primitive::<Float64Type>(), args[1].as_primitive::<Float64Type>());
    let results = y.iter().zip(x).map(|pair| match pair {
        (Some(y), Some(x)) => Some(compute(y, x)),
        _ => None,
    });
    Ok(Arc::new(results.collect::<Float64Array>()))
}

fn atan2d(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    pairs(args, |y, x| exact(y.atan2(x), 1_f64.atan(), 45.0))
}

fn atan2(args: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    pairs(args, f64::atan2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)]
    fn round_angles_have_round_results() {
        assert_eq!((sind(30.0), sind(90.0), sind(-30.0), sind(210.0)), (0.5, 1.0, -0.5, -0.5));
        assert_eq!((cosd(60.0), cosd(0.0), cosd(180.0), cosd(-60.0)), (0.5, 1.0, -1.0, 0.5));
        assert_eq!((tand(45.0), atand(1.0), acosd(0.5)), (1.0, 45.0, 60.0));
    }
}
