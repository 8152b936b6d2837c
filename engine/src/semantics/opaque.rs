//! Comparisons that DataFusion must not estimate: of a time in a column with another column cast to a date. It takes more
//! rows to remain than there were, and fails with that.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The comparison with one side hidden, where it is such a one.
pub(crate) fn compared(expr: Expr, schema: &DFSchema) -> Expr {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return expr };
    let (left, right) = match op.supports_propagation() && (is_dated(&left, schema) || is_dated(&right, schema)) {
        true if !is_constant(&left) && !is_constant(&right) => (Box::new(hidden(*left)), right),
        _ => (left, right),
    };
    Expr::BinaryExpr(BinaryExpr { left, op, right })
}

/// True for a time of day and date that is cast to a date.
fn is_dated(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Cast(cast) => {
            *cast.field.data_type() == DataType::Date32
                && matches!(cast.expr.get_type(schema), Ok(DataType::Timestamp(_, _)))
        }
        _ => false,
    }
}

fn is_constant(expr: &Expr) -> bool {
    expr.column_refs().is_empty()
}

fn hidden(expr: Expr) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(Same { signature })), vec![expr]))
}

/// Its argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Same {
    signature: Signature,
}

impl ScalarUDFImpl for Same {
    fn name(&self) -> &str {
        "same"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [same] => Ok(same.clone()),
            _ => internal_err!("same takes one argument"),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.pop() {
            Some(same) => Ok(same),
            None => internal_err!("same takes one argument"),
        }
    }
}
