//! `->`, `->>`, `#>`, `#>>`, `@>`, `<@` and `?` of JSON.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use zxq_catalog::declared::{annotated, declared};

use super::{JsonFunction, What};
use crate::error::ErrorKind;
use crate::functions::declared::{failed, rewrite};

/// Plans the operators.
#[derive(Debug)]
pub(crate) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (name, what) = match expr.op {
            BinaryOperator::Arrow => ("->", What::Get),
            BinaryOperator::LongArrow => ("->>", What::GetText),
            BinaryOperator::HashArrow => ("#>", What::AtArray),
            BinaryOperator::HashLongArrow => ("#>>", What::AtArrayText),
            BinaryOperator::Question => ("?", What::Exists),
            BinaryOperator::AtArrow if is_jsonb(&expr.left, schema) => ("@>", What::Contains),
            BinaryOperator::ArrowAt if is_jsonb(&expr.right, schema) => ("<@", What::Contains),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (of, argument) = if name == "<@" { (expr.right, expr.left) } else { (expr.left, expr.right) };
        // A cast's field does not say what it is declared as; the call that it becomes does.
        let of = rewrite(of, schema)?;
        let Ok((_, field)) = of.to_field(schema) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op: expr.op, left: of, right: argument }));
        };
        let declared = declared(&field);
        let binary = declared == Some("jsonb");
        if !(binary || declared == Some("json") && !matches!(what, What::Contains | What::Exists)) {
            return Err(failed(
                ErrorKind::UndefinedFunction,
                format!(
                    "operator does not exist: {} {name} …: it needs json or jsonb, so cast the value to that",
                    declared.unwrap_or("text")
                ),
            ));
        }
        let argument = match (what, argument) {
            (What::Contains, argument) => {
                Expr::Cast(Cast::new_from_field(Box::new(argument), annotated(DataType::Utf8View, "jsonb")))
            }
            (_, Expr::Placeholder(Placeholder { id, field: None })) => {
                Expr::Placeholder(Placeholder::new_with_field(id, Some(text())))
            }
            (_, argument) => argument,
        };
        let function = Arc::new(ScalarUDF::from(JsonFunction::new(name, what, binary)));
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![of, argument]))))
    }
}

fn text() -> FieldRef {
    Arc::new(Field::new("", DataType::Utf8View, true))
}

fn is_jsonb(expr: &Expr, schema: &DFSchema) -> bool {
    if let Expr::Cast(cast) = expr {
        return declared(&cast.field) == Some("jsonb");
    }
    expr.to_field(schema).is_ok_and(|(_, field)| declared(&field) == Some("jsonb"))
}
