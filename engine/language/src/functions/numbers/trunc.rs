//! `trunc(number [, digits])`: exact for decimals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int32Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::functions::overloads::no_such_function;

/// Implements `trunc`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Trunc {
    signature: Signature,
}

impl Default for Trunc {
    fn default() -> Self {
        Trunc { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Trunc {
    fn name(&self) -> &str {
        "trunc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (number, digits) = match given {
            [number] => (number, None),
            [number, digits] if digits.is_integer() || digits.is_null() => (number, Some(DataType::Int32)),
            _ => return Err(no_such_function(self.name(), given).into()),
        };
        let number = match number {
            DataType::Decimal128(_, _) => number.clone(),
            whole if whole.is_integer() && digits.is_some() => DataType::Decimal128(20, 0),
            number if number.is_numeric() || number.is_string() || number.is_null() => DataType::Float64,
            _ => return Err(no_such_function(self.name(), given).into()),
        };
        Ok([number].into_iter().chain(digits).collect())
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        internal_err!("the type of trunc depends on its arguments")
    }

    /// A decimal with as many digits behind its point as are kept, where they are constant.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = match (args.arg_fields[0].data_type(), args.scalar_arguments.get(1)) {
            (DataType::Decimal128(precision, scale), None) => {
                let digits = precision.saturating_sub(scale.unsigned_abs()).max(1);
                DataType::Decimal128(if *scale < 0 { *precision } else { digits }, 0)
            }
            (DataType::Decimal128(precision, scale), Some(Some(digits))) => {
                let kept = match digits.cast_to(&DataType::Int32) {
                    Ok(ScalarValue::Int32(Some(digits))) => digits.clamp(0, i32::from(*scale).max(0)),
                    _ => i32::from(*scale),
                };
                DataType::Decimal128(*precision, i8::try_from(kept).unwrap_or(*scale))
            }
            (other, _) => other.clone(),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<_>>()?;
        let digits_of = |row: usize| match arrays.get(1) {
            Some(digits) if digits.is_null(row) => None,
            Some(digits) => Some(digits.as_primitive::<Int32Type>().value(row)),
            None => Some(0),
        };
        let kept: ArrayRef = match (arrays[0].data_type(), args.return_field.data_type()) {
            (DataType::Decimal128(_, scale), DataType::Decimal128(precision, shown)) => {
                let numbers = arrays[0].as_primitive::<Decimal128Type>();
                let kept = (0..rows).map(|row| {
                    let digits = digits_of(row).filter(|_| numbers.is_valid(row))?;
                    Some(decimal(numbers.value(row), i32::from(*scale), digits, i32::from(*shown)))
                });
                Arc::new(kept.collect::<Decimal128Array>().with_precision_and_scale(*precision, *shown)?)
            }
            _ => {
                let numbers = arrays[0].as_primitive::<arrow::datatypes::Float64Type>();
                let kept = (0..rows).map(|row| {
                    let digits = digits_of(row).filter(|_| numbers.is_valid(row))?;
                    let unit = 10_f64.powi(digits);
                    let value = numbers.value(row);
                    Some(if digits == 0 { value.trunc() } else { (value * unit).trunc() / unit })
                });
                Arc::new(kept.collect::<Float64Array>())
            }
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&kept, 0)?),
            false => ColumnarValue::Array(kept),
        })
    }
}

/// A decimal of this scale without what stands behind so many digits, with as many digits as are shown.
fn decimal(value: i128, scale: i32, digits: i32, shown: i32) -> i128 {
    let power = |exponent: i32| 10_i128.checked_pow(u32::try_from(exponent).unwrap_or(0));
    let kept = match power(scale.saturating_sub(digits)) {
        Some(unit) => value - value % unit,
        None => 0,
    };
    kept / power(scale - shown).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_cut_and_never_rounded() {
        assert_eq!(decimal(99_999_999_999_999_999_999, 6, 0, 0), 99_999_999_999_999);
        assert_eq!(decimal(-2_675, 3, 2, 2), -267);
        assert_eq!(decimal(123_456, 2, -2, 0), 1_200);
        assert_eq!(decimal(123_456, 2, -40, 0), 0);
        assert_eq!(decimal(123_456, 2, 9, 2), 123_456);
    }
}
