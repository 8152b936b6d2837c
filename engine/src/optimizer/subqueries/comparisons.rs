//! `EXISTS`, `IN`, `ANY` and `ALL` as counts: where DataFusion has no join for them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue, Spans};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Case, Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlanBuilder, Subquery, lit};

/// `EXISTS (…)`: whether there is a row.
pub(super) fn exists(exists: &Exists) -> Result<Expr> {
    let some = number_of_rows(&exists.subquery, None)?;
    Ok(match exists.negated {
        true => some.eq(lit(0_i64)),
        false => some.gt(lit(0_i64)),
    })
}

/// `x IN (…)`: true where a row is equal, else NULL where a comparison was NULL, else false.
pub(super) fn in_subquery(within: &InSubquery, outer: &DFSchema) -> Result<Expr> {
    let is_in = any(&within.expr, datafusion::logical_expr::Operator::Eq, &within.subquery, outer)?;
    Ok(match within.negated {
        true => Expr::Not(Box::new(is_in)),
        false => is_in,
    })
}

/// `x > ANY (…)`, `x > ALL (…)`.
pub(super) fn set_comparison(set: &SetComparison, outer: &DFSchema) -> Result<Expr> {
    match set.quantifier {
        SetQuantifier::Any => any(&set.expr, set.op, &set.subquery, outer),
        // All are, unless one is not.
        SetQuantifier::All => {
            let comparison = comparison(&set.expr, set.op, &set.subquery, outer)?;
            let not = number_of_rows(&set.subquery, Some(comparison.clone().is_false()))?;
            let unknown = number_of_rows(&set.subquery, Some(comparison.is_null()))?;
            Ok(three_valued(not, false, unknown, true))
        }
    }
}

fn any(expr: &Expr, op: datafusion::logical_expr::Operator, subquery: &Subquery, outer: &DFSchema) -> Result<Expr> {
    let comparison = comparison(expr, op, subquery, outer)?;
    let one = number_of_rows(subquery, Some(comparison.clone()))?;
    let unknown = number_of_rows(subquery, Some(comparison.is_null()))?;
    Ok(three_valued(one, true, unknown, false))
}

/// The verdict where a row decides, NULL where a comparison was NULL, else the other verdict.
fn three_valued(deciding: Expr, verdict: bool, unknown: Expr, otherwise: bool) -> Expr {
    let null = Expr::Literal(ScalarValue::Boolean(None), None);
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![
            (Box::new(deciding.gt(lit(0_i64))), Box::new(lit(verdict))),
            (Box::new(unknown.gt(lit(0_i64))), Box::new(null)),
        ],
        else_expr: Some(Box::new(lit(otherwise))),
    })
}

fn comparison(
    expr: &Expr,
    op: datafusion::logical_expr::Operator,
    subquery: &Subquery,
    outer: &DFSchema,
) -> Result<Expr> {
    let left = expr.clone().transform_up(|e| match e {
        Expr::Column(column) => {
            let field = outer.field_from_column(&column)?;
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)))
        }
        e => Ok(Transformed::no(e)),
    })?;
    let right = Expr::Column(Column::from(subquery.subquery.schema().qualified_field(0)));
    Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left.data), op, Box::new(right))))
}

/// A scalar subquery: how many rows there are, of those that a condition is true for.
fn number_of_rows(subquery: &Subquery, condition: Option<Expr>) -> Result<Expr> {
    let mut builder = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    if let Some(condition) = condition {
        builder = builder.filter(condition)?;
    }
    let plan = builder.aggregate(Vec::<Expr>::new(), vec![count(lit(1_i64))])?.build()?;
    let outer_ref_columns = plan.all_out_ref_exprs();
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: Spans::new() }))
}
