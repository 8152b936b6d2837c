//! A value under a name of its own. DataFusion names what an expression computes without brackets and without casts:
//! `(a + b) * c` is called as `a + b * c` is, and `a::INT` as `a`. Where two columns of a plan would so have one name, those
//! parts are wrapped in this function (`sql::told_apart`), which keeps them in the names; the pass over the plan takes it off
//! again, with the names left as they are.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::sql::told_apart::NAME;

/// The function, which gives its argument.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ToldApart {
    signature: Signature,
}

impl Default for ToldApart {
    fn default() -> Self {
        ToldApart { signature: Signature::any(1, Volatility::Immutable) }
    }
}

/// What such a call wraps.
pub(crate) fn unwrapped(mut call: ScalarFunction) -> Result<Expr, ScalarFunction> {
    if !call.func.inner().is::<ToldApart>() {
        return Err(call);
    }
    call.args.pop().ok_or(call)
}

impl ScalarUDFImpl for ToldApart {
    fn name(&self) -> &str {
        NAME
    }

    /// As the part is shown, which has its brackets and casts.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [part] => Ok(format!("({part})")),
            _ => plan_err!("{NAME} takes one value"),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [one] => Ok(one.clone()),
            _ => plan_err!("{NAME} takes one value"),
        }
    }

    /// With all that the field says, as what its type is declared as.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [one] => Ok(Arc::clone(one)),
            _ => plan_err!("{NAME} takes one value"),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.pop() {
            Some(value) => Ok(value),
            None => plan_err!("{NAME} takes one value"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::logical_expr::{ScalarUDF, cast, col};

    use super::*;

    fn call(part: Expr) -> ScalarFunction {
        ScalarFunction::new_udf(Arc::new(ScalarUDF::from(ToldApart::default())), vec![part])
    }

    #[test]
    fn brackets_and_casts_are_in_the_name() {
        let name = |part: Expr| Expr::ScalarFunction(call(part)).schema_name().to_string();
        assert_eq!(name(col("a") + col("b")), "(a + b)");
        assert_eq!(name(cast(col("a"), DataType::Int32)), "(CAST(a AS Int32))");
    }

    #[test]
    fn it_is_taken_off() {
        assert_eq!(unwrapped(call(col("a"))).unwrap(), col("a"));
        let other = ScalarFunction::new_udf(datafusion::functions::math::abs(), vec![col("a")]);
        assert_eq!(unwrapped(other.clone()).unwrap_err(), other);
    }
}
