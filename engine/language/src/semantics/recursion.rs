//! `WITH RECURSIVE`: DataFusion leaves out columns that nothing reads, also those that the recursion itself needs.

use std::sync::Arc;

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, RecursiveQuery};

/// What the rows that a recursion begins with are called: with a subquery in it DataFusion leaves a recursion alone.
const FIRST_ROWS: &str = "first rows of the recursion";

/// The plan such that a recursion keeps all columns.
pub(super) fn with_all_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::RecursiveQuery(query) = plan else { return Ok(plan) };
    if is_named(&query.static_term) {
        return Ok(LogicalPlan::RecursiveQuery(query));
    }
    let first = LogicalPlanBuilder::from(query.static_term.as_ref().clone()).alias(FIRST_ROWS)?.build()?;
    // Called as before, for what reads them.
    let columns = first.schema().iter().zip(query.static_term.schema().iter()).map(|((named, field), (own, _))| {
        let column = Expr::Column(Column::new(named.cloned(), field.name()));
        column.alias_qualified(own.cloned(), field.name())
    });
    let columns: Vec<Expr> = columns.collect();
    let first = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(first))?);
    Ok(LogicalPlan::RecursiveQuery(RecursiveQuery { static_term: Arc::new(first), ..query }))
}

fn is_named(static_term: &LogicalPlan) -> bool {
    let LogicalPlan::Projection(projection) = static_term else { return false };
    matches!(projection.input.as_ref(), LogicalPlan::SubqueryAlias(alias) if alias.alias.table() == FIRST_ROWS)
}
