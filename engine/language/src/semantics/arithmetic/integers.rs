//! Integers: what does not fit is out of range.

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use datafusion::common::Result;

use super::{Operand, Operation, check_rows, noting, nulls};
use crate::semantics::{division_by_zero, out_of_range};

macro_rules! of_integers {
    ($name:ident, $arrow:ty, $native:ty, $sql:literal) => {
        /// The operation on integers of this width.
        pub(super) fn $name(
            operation: Operation,
            left: &Operand<'_, $arrow>,
            right: &Operand<'_, $arrow>,
        ) -> Result<ArrayRef> {
            let mut failed = false;
            let divided = |a: $native, b: $native| if b == 0 { (0, true) } else { a.overflowing_div(b) };
            let modulo = |a: $native, b: $native| if b == 0 { (0, true) } else { (a.wrapping_rem(b), false) };
            let values: Vec<$native> = match operation {
                Operation::Plus => noting(left, right, &mut failed, <$native>::overflowing_add),
                Operation::Minus => noting(left, right, &mut failed, <$native>::overflowing_sub),
                Operation::Times => noting(left, right, &mut failed, <$native>::overflowing_mul),
                Operation::Divided => noting(left, right, &mut failed, divided),
                Operation::Modulo => noting(left, right, &mut failed, modulo),
                Operation::Negate => noting(left, right, &mut failed, |a: $native, _| a.overflowing_neg()),
            };
            let nulls = nulls(left, right);
            if failed {
                check_rows(left, right, nulls.as_ref(), |a, b| {
                    let fits = match operation {
                        Operation::Divided | Operation::Modulo if b == 0 => return Err(division_by_zero()),
                        Operation::Plus => a.checked_add(b).is_some(),
                        Operation::Minus => a.checked_sub(b).is_some(),
                        Operation::Times => a.checked_mul(b).is_some(),
                        Operation::Divided => a.checked_div(b).is_some(),
                        Operation::Modulo => true,
                        Operation::Negate => a.checked_neg().is_some(),
                    };
                    if fits { Ok(()) } else { Err(out_of_range($sql)) }
                })?;
            }
            Ok(Arc::new(PrimitiveArray::<$arrow>::new(values.into(), nulls)))
        }
    };
}

of_integers!(small, Int16Type, i16, "smallint");
of_integers!(integer, Int32Type, i32, "integer");
of_integers!(big, Int64Type, i64, "bigint");
