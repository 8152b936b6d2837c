//! Quotients and averages of decimals as texts: with the digits that clients are shown of them.
//!
//! A rule over the plan, once its types are settled. Casts to text, and functions that show what they are given, get the texts
//! of such a decimal in its place.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use super::quotients::{QuotientDigits, expression};

/// Functions that show any value as its text.
const SHOWING: [&str; 5] = ["concat", "concat_ws", "format", "quote_literal", "quote_nullable"];

/// Puts the texts of quotients in their places.
#[derive(Debug)]
pub(crate) struct QuotientTexts;

impl AnalyzerRule for QuotientTexts {
    fn name(&self) -> &str {
        "quotient_texts"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(node)?.data)
    }
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let [input] = plan.inputs()[..] else { return Ok(Transformed::no(plan)) };
    if !shows_quotients(&plan, input)? {
        return Ok(Transformed::no(plan));
    }
    let input = input.clone();
    let names = NamePreserver::new(&plan);
    let shown = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let shown = expr.transform_up(|part| Ok(one(part, &input)))?;
        Ok(shown.update_data(|expr| name.restore(expr)))
    })?;
    shown.map_data(LogicalPlan::recompute_schema)
}

fn shows_quotients(plan: &LogicalPlan, input: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        expr.apply(|part| {
            found |= match part {
                Expr::Cast(cast) => is_shown(&cast.expr, cast.field.data_type(), input).is_some(),
                Expr::ScalarFunction(call) => {
                    SHOWING.contains(&call.func.name()) && call.args.iter().any(|arg| expression(arg, input).is_some())
                }
                _ => false,
            };
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

fn is_shown(expr: &Expr, to: &DataType, input: &LogicalPlan) -> Option<QuotientDigits> {
    if to.is_string() { expression(expr, input) } else { None }
}

fn one(expr: Expr, input: &LogicalPlan) -> Transformed<Expr> {
    match expr {
        Expr::Cast(cast) => match is_shown(&cast.expr, cast.field.data_type(), input) {
            Some(digits) => Transformed::yes(text_of(*cast.expr, digits, cast.field.data_type().clone())),
            None => Transformed::no(Expr::Cast(cast)),
        },
        Expr::ScalarFunction(ScalarFunction { func, args }) if SHOWING.contains(&func.name()) => {
            let mut any = false;
            let args = args.into_iter().map(|arg| match expression(&arg, input) {
                Some(digits) => {
                    any = true;
                    text_of(arg, digits, DataType::Utf8View)
                }
                None => arg,
            });
            let call = Expr::ScalarFunction(ScalarFunction { args: args.collect(), func });
            if any { Transformed::yes(call) } else { Transformed::no(call) }
        }
        other => Transformed::no(other),
    }
}

fn text_of(quotient: Expr, digits: QuotientDigits, to: DataType) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    let function = Arc::new(ScalarUDF::from(QuotientText { digits, to, signature }));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![quotient]))
}

/// The text of a quotient.
#[derive(Debug, PartialEq, Eq, Hash)]
struct QuotientText {
    digits: QuotientDigits,
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for QuotientText {
    fn name(&self) -> &str {
        "text"
    }

    /// As a cast is named: after what is cast.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map(|arg| arg.schema_name().to_string()).unwrap_or_default())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match &args.args[0] {
            ColumnarValue::Array(values) => ColumnarValue::Array(self.texts(values)?),
            ColumnarValue::Scalar(value) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&self.texts(&value.to_array()?)?, 0)?)
            }
        })
    }
}

impl QuotientText {
    fn texts(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let DataType::Decimal128(precision, scale) = values.data_type() else { return Ok(cast(values, &self.to)?) };
        let decimals = values.as_primitive::<Decimal128Type>();
        let mut texts = StringBuilder::new();
        for row in 0..decimals.len() {
            if decimals.is_null(row) {
                texts.append_null();
                continue;
            }
            let (value, digits) = self.digits.shown(decimals.value(row), *scale);
            texts.append_value(Decimal128Type::format_decimal(value, *precision, digits));
        }
        Ok(cast(&texts.finish(), &self.to)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::Decimal128Array;

    use super::*;
    use crate::semantics::quotients::QuotientKind;

    #[test]
    fn each_has_digits_of_its_own() {
        let digits = QuotientDigits { least: 0, by: QuotientKind::Division, divisor: None, factor: None };
        let function = QuotientText { digits, to: DataType::Utf8, signature: Signature::any(1, Volatility::Immutable) };
        let one = 10_i128.pow(20);
        let values =
            [Some(one / 3), None, Some(16_666_666_666_666_667 * 10_000), Some(one * 20_000 / 3), Some(-one * 8 / 3)];
        let values = Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, 20).unwrap();
        let texts = function.texts(&(Arc::new(values) as ArrayRef)).unwrap();
        let texts: Vec<&str> = texts.as_string::<i32>().iter().map(|text| text.unwrap_or("NULL")).collect();
        let expected =
            ["0.33333333333333333333", "NULL", "1.6666666666666667", "6666.6666666666666667", "-2.6666666666666667"];
        assert_eq!(texts, expected);
    }
}
