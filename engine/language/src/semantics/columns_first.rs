//! `a + 1 = b` becomes `b = a + 1`, where rows are filtered by it.
//!
//! Of what a filter makes equal, DataFusion puts the first in place of the others wherever it compares orders. `(- id) = id`
//! then makes `- id` of an `id`, and of that `- (- id)`, which no order is known of: a plan whose rows are in the order of
//! `id` is refused as unordered. A column has no parts that anything could be put in place of.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Operator};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// Turns such equalities round, after other rules have moved them.
#[derive(Debug)]
pub struct ColumnsFirst;

impl OptimizerRule for ColumnsFirst {
    fn name(&self) -> &str {
        "columns_first"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(Filter { predicate, input, .. }) = plan else { return Ok(Transformed::no(plan)) };
        let changes = split_conjunction(&predicate).into_iter().any(is_column_last);
        let turned = match changes {
            true => conjunction(split_conjunction_owned(predicate.clone()).into_iter().map(turned)),
            false => None,
        };
        let filter = Filter::try_new(turned.unwrap_or(predicate), input)?;
        Ok(Transformed::new_transformed(LogicalPlan::Filter(filter), changes))
    }
}

fn is_column_last(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            matches!(**right, Expr::Column(_)) && !matches!(**left, Expr::Column(_) | Expr::Literal(_, _))
        }
        _ => false,
    }
}

fn turned(condition: Expr) -> Expr {
    let turns = is_column_last(&condition);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if turns => {
            Expr::BinaryExpr(BinaryExpr { left: right, op, right: left })
        }
        other => other,
    }
}
