//! `->`, `->>`, `#>`, `#>>`, `@>`, `<@` and `?` of JSON; `||`, `-`, `#-`, `?|` and `?&` of `jsonb`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use zxq_catalog::declared::{annotated, declared};

use super::changes::{Change, JsonChange};
use super::{JsonFunction, What};
use crate::error::EngineError;
use crate::functions::declared::rewrite;

/// Plans the operators.
#[derive(Debug)]
pub(crate) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if let Some(planned) = changed(&expr, schema) {
            return Ok(PlannerResult::Planned(planned));
        }
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
            let given = declared.unwrap_or("text");
            let operator = format!("{given} {name} …: it needs json or jsonb, so cast the value to that");
            return Err(EngineError::no_operator(operator).into());
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

/// An operator that makes other JSON of `jsonb`, or looks for names.
fn changed(expr: &RawBinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let (name, change) = match expr.op {
        BinaryOperator::StringConcat => ("||", Change::Concat),
        BinaryOperator::Minus => ("-", Change::Without),
        BinaryOperator::HashMinus => ("#-", Change::WithoutPath),
        BinaryOperator::QuestionPipe => ("?|", Change::HasAny),
        BinaryOperator::QuestionAnd => ("?&", Change::HasAll),
        _ => return None,
    };
    let left = is_jsonb(&expr.left, schema);
    let fits = match change {
        // Beside a text that is written out or a parameter, which are jsonb then.
        Change::Concat => {
            let open = |other: &Expr| is_open(other) || is_jsonb(other, schema);
            (left && open(&expr.right)) || (is_jsonb(&expr.right, schema) && open(&expr.left))
        }
        _ => left,
    };
    if !fits {
        return None;
    }
    let (left, right) = (expr.left.clone(), expr.right.clone());
    let right = match (change, right) {
        (Change::Without, Expr::Placeholder(Placeholder { id, field: None })) => {
            Expr::Placeholder(Placeholder::new_with_field(id, Some(text())))
        }
        (_, right) => right,
    };
    let as_jsonb = |operand: Expr| match is_open(&operand) {
        true => Expr::Cast(Cast::new_from_field(Box::new(operand), annotated(DataType::Utf8View, "jsonb"))),
        false => operand,
    };
    let arguments = match change {
        Change::Concat => vec![as_jsonb(left), as_jsonb(right)],
        _ => vec![left, right],
    };
    let function = Arc::new(ScalarUDF::from(JsonChange::new(name, change, true)));
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments)))
}

/// A text that is written out, or a parameter, of which nothing says the type yet.
fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Placeholder(_) => true,
        Expr::Literal(value, _) => value.data_type().is_string(),
        _ => false,
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
