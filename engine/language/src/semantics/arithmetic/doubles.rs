//! Doubles: an infinite result of finite numbers is out of range, as is a zero product or quotient of others; a zero divisor
//! is an error.

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::{Float32Type, Float64Type};
use datafusion::common::Result;

use super::{Operand, Operation, check_rows, noting, nulls};
use crate::error::ErrorKind;
use crate::semantics::{division_by_zero, failure};

macro_rules! of_doubles {
    ($name:ident, $arrow:ty, $native:ty) => {
        /// The operation on floating-point numbers of this width.
        pub(super) fn $name(
            operation: Operation,
            left: &Operand<'_, $arrow>,
            right: &Operand<'_, $arrow>,
        ) -> Result<ArrayRef> {
            let mut suspicious = false;
            let finite = |result: $native| (result, !result.is_finite());
            // Zero where neither operand is: an underflow.
            let nonzero = |result: $native| (result, !result.is_finite() | (result == 0.0));
            let mut values: Vec<$native> = match operation {
                Operation::Plus => noting(left, right, &mut suspicious, |a, b| finite(a + b)),
                Operation::Minus => noting(left, right, &mut suspicious, |a, b| finite(a - b)),
                Operation::Times => noting(left, right, &mut suspicious, |a, b| nonzero(a * b)),
                Operation::Divided => noting(left, right, &mut suspicious, |a, b| nonzero(a / b)),
                Operation::Modulo => noting(left, right, &mut suspicious, |a, b| finite(a % b)),
                Operation::Negate => noting(left, right, &mut suspicious, |a, _| finite(-a)),
            };
            let nulls = nulls(left, right);
            if suspicious {
                // One NaN, that above all numbers: computing gives one with a sign.
                values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = <$native>::NAN);
                check_rows(left, right, nulls.as_ref(), |a, b| match operation {
                    Operation::Plus => check(a + b, a.is_finite() && b.is_finite(), false),
                    Operation::Minus => check(a - b, a.is_finite() && b.is_finite(), false),
                    Operation::Times => check(a * b, a.is_finite() && b.is_finite(), a != 0.0 && b != 0.0),
                    Operation::Divided | Operation::Modulo if b == 0.0 && !a.is_nan() => Err(division_by_zero()),
                    Operation::Divided => check(a / b, a.is_finite(), a != 0.0 && b.is_finite()),
                    Operation::Modulo | Operation::Negate => Ok(()),
                })?;
            }
            Ok(Arc::new(PrimitiveArray::<$arrow>::new(values.into(), nulls)))
        }
    };
}

of_doubles!(real, Float32Type, f32);
of_doubles!(double, Float64Type, f64);

fn check(result: impl Into<f64>, of_finite: bool, of_nonzero: bool) -> Result<()> {
    let result: f64 = result.into();
    if result.is_infinite() && of_finite {
        return Err(failure(ErrorKind::NumericOutOfRange, "value out of range: overflow"));
    }
    if result == 0.0 && of_nonzero {
        return Err(failure(ErrorKind::NumericOutOfRange, "value out of range: underflow"));
    }
    Ok(())
}
