//! Which columns of a result are columns of a table, as they are: clients ask for their names, types and whether they may be
//! NULL by the table's identity and the column's number.

use std::sync::Arc;

use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan};
use zxq_catalog::TableId;

use crate::session::current_plan::definition;

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The table that the column of the result is read from.
    pub table: TableId,
    /// The number of the column there, from 1.
    pub column: i16,
}

/// The origins of a plan's columns, in order.
pub(super) fn of(plan: &LogicalPlan) -> Vec<Option<Origin>> {
    (0..plan.schema().fields().len()).map(|at| column(plan, at)).collect()
}

fn column(plan: &LogicalPlan, at: usize) -> Option<Origin> {
    match plan {
        LogicalPlan::Projection(node) => expression(node.expr.get(at)?, &node.input),
        LogicalPlan::Aggregate(node) => match node.group_expr.get(at)? {
            Expr::GroupingSet(_) => None,
            group => expression(group, &node.input),
        },
        LogicalPlan::Filter(node) => column(&node.input, at),
        LogicalPlan::Sort(node) => column(&node.input, at),
        LogicalPlan::Limit(node) => column(&node.input, at),
        LogicalPlan::SubqueryAlias(node) => column(&node.input, at),
        LogicalPlan::Repartition(node) => column(&node.input, at),
        LogicalPlan::Subquery(node) => column(&node.subquery, at),
        LogicalPlan::Window(node) => {
            (at < node.input.schema().fields().len()).then(|| column(&node.input, at)).flatten()
        }
        LogicalPlan::Distinct(Distinct::All(input)) => column(input, at),
        LogicalPlan::Distinct(Distinct::On(node)) => expression(node.select_expr.get(at)?, &node.input),
        LogicalPlan::Join(node) => joined(node, at),
        LogicalPlan::TableScan(scan) => {
            let table = definition(&scan.source)?;
            let column = scan.projection.as_ref().map_or(Some(at), |places| places.get(at).copied())?;
            Some(Origin { table: table.id, column: i16::try_from(column + 1).ok()? })
        }
        _ => None,
    }
}

fn joined(node: &Join, at: usize) -> Option<Origin> {
    let left = node.left.schema().fields().len();
    match node.join_type {
        JoinType::RightSemi | JoinType::RightAnti => column(&node.right, at),
        _ if at < left => column(&node.left, at),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => column(&node.right, at - left),
        _ => None,
    }
}

fn expression(expr: &Expr, input: &Arc<LogicalPlan>) -> Option<Origin> {
    match expr {
        Expr::Alias(alias) => expression(&alias.expr, input),
        Expr::Column(name) => place_of(name, input).and_then(|at| column(input, at)),
        _ => None,
    }
}

fn place_of(name: &Column, input: &LogicalPlan) -> Option<usize> {
    input.schema().index_of_column(name).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::SessionContext;

    use super::*;

    #[tokio::test]
    async fn what_is_computed_comes_from_no_table() {
        let context = SessionContext::new();
        let plan = context.sql("SELECT a + 1, a FROM (VALUES (1)) AS t(a)").await.unwrap().into_unoptimized_plan();
        assert_eq!(of(&plan), [None, None]);
    }
}
