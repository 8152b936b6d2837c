//! `EXCEPT ALL` and `INTERSECT ALL` count equal rows; conditions of FILTER that are NULL leave a row out.
//!
//! DataFusion plans both operations as joins that look for one equal row. Numbered among its equals, the second of two equal
//! rows meets the second of the other side. Of aggregates with a FILTER some take a row whose condition is NULL.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue};
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, ExprSchemable, Join, LogicalPlan, Operator, Projection, Window, lit,
};
use datafusion::optimizer::AnalyzerRule;

/// The two repairs, see the module.
#[derive(Debug, Default)]
pub(super) struct CountedRows;

impl AnalyzerRule for CountedRows {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let repaired = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) if counts_rows(&join) => numbered(&join).map(Transformed::yes),
            LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) => true_filters(node),
            node => Ok(Transformed::no(node)),
        })?;
        Ok(repaired.data)
    }

    fn name(&self) -> &str {
        "zxq_counted_rows"
    }
}

/// Names of the numbers of rows on the two sides.
const LEFT: &str = "__row_of_left";
const RIGHT: &str = "__row_of_right";

/// True for the joins that stand for `EXCEPT ALL` and `INTERSECT ALL`. Without ALL the left side is distinct.
fn counts_rows(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && !join.on.is_empty()
        // A plan may be analysed twice.
        && !join.on.iter().any(|(left, _)| matches!(left, Expr::Column(column) if column.name == LEFT))
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)))
}

fn numbered(join: &Join) -> Result<LogicalPlan> {
    let side = |plan: &Arc<LogicalPlan>, keys: Vec<Expr>, name: &str| -> Result<Arc<LogicalPlan>> {
        let mut number = row_number();
        if let Expr::WindowFunction(function) = &mut number {
            function.params.partition_by = keys;
        }
        Ok(Arc::new(LogicalPlan::Window(Window::try_new(vec![number.alias(name)], Arc::clone(plan))?)))
    };
    let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
    let mut on = join.on.clone();
    on.push((Expr::Column(Column::from_name(LEFT)), Expr::Column(Column::from_name(RIGHT))));
    let joined = Join::try_new(
        side(&join.left, left_keys, LEFT)?,
        side(&join.right, right_keys, RIGHT)?,
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let columns = join.schema.iter().map(|field| Expr::Column(Column::from(field))).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(LogicalPlan::Join(joined)))?))
}

/// Conditions of FILTER as ones that are never NULL.
fn true_filters(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = match plan.inputs().as_slice() {
        [input] => Arc::clone(input.schema()),
        _ => return Ok(Transformed::no(plan)),
    };
    let preserver = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = preserver.save(&expr);
        let rewritten = expr.transform_up(|mut e| {
            let filter = match &mut e {
                Expr::AggregateFunction(function) => function.params.filter.as_mut(),
                Expr::WindowFunction(function) => function.params.filter.as_mut(),
                _ => None,
            };
            let Some(filter) = filter else { return Ok(Transformed::no(e)) };
            let constant = matches!(filter.as_ref(), Expr::Literal(ScalarValue::Null | ScalarValue::Boolean(None), _));
            if constant {
                **filter = lit(false);
            } else if !is_known(filter) && filter.nullable(schema.as_ref())? {
                // Not IS TRUE: logical and physical plans do not agree on whether that may be NULL.
                let condition = std::mem::replace(filter.as_mut(), lit(false));
                **filter = condition.clone().and(condition.is_not_null());
            } else {
                return Ok(Transformed::no(e));
            }
            Ok(Transformed::yes(e))
        })?;
        Ok(rewritten.update_data(|e| name.restore(e)))
    })
}

/// True for what [`true_filters`] makes of a condition.
fn is_known(filter: &Expr) -> bool {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            matches!(right.as_ref(), Expr::IsNotNull(known) if known == left)
        }
        _ => false,
    }
}
