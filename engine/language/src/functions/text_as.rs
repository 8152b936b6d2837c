//! A constant in quotes as a value of the type of another expression: a cast, as soon as that type is known
//! ([`crate::sql::typed_texts`]).

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, internal_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::sql::typed_texts::NAME;

/// The function; it is gone before anything is computed.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TextAs {
    signature: Signature,
}

impl Default for TextAs {
    fn default() -> Self {
        TextAs { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TextAs {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(beside) => Ok(beside.clone()),
            None => plan_err!("{NAME} takes a value and a text"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields.first() {
            Some(beside) => Ok(FieldRef::new(beside.as_ref().clone().with_name(NAME).with_nullable(true))),
            None => plan_err!("{NAME} takes a value and a text"),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{NAME} was not replaced by a cast")
    }
}

/// Puts the cast in its place.
#[derive(Debug)]
pub(super) struct TextsAs;

impl FunctionRewrite for TextsAs {
    fn name(&self) -> &str {
        "texts_as"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        let (NAME, [beside, text]) = (call.func.name(), call.args.as_slice()) else { return Ok(Transformed::no(expr)) };
        let (_, field) = beside.to_field(schema)?;
        Ok(Transformed::yes(Expr::Cast(Cast::new_from_field(Box::new(text.clone()), field))))
    }
}
