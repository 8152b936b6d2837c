//! Conditions on the rows that a lateral subquery is for. Asked before it, as PostgreSQL asks them: a subquery that fails for
//! other rows does not fail for these.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, JoinType, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan};

use super::{is_subquery, lateral};

/// Moves what a filter above a lateral join asks of its left rows alone to them.
pub(super) fn ask_early(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Filter(filter) = &plan else { return Ok(Transformed::no(plan)) };
    let LogicalPlan::Join(join) = filter.input.as_ref() else { return Ok(Transformed::no(plan)) };
    if lateral(&join.right).is_none() || !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Ok(Transformed::no(plan));
    }
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for condition in split_conjunction(&filter.predicate) {
        let list = if is_of(condition, join.left.schema())? { &mut early } else { &mut late };
        list.push(condition.clone());
    }
    let Some(early) = conjunction(early) else { return Ok(Transformed::no(plan)) };
    let left = LogicalPlan::Filter(Filter::try_new(early, Arc::clone(&join.left))?);
    let joined = Arc::new(LogicalPlan::Join(Join { left: Arc::new(left), ..join.clone() }));
    Ok(Transformed::yes(match conjunction(late) {
        Some(late) => LogicalPlan::Filter(Filter::try_new(late, joined)?),
        None => Arc::unwrap_or_clone(joined),
    }))
}

/// True for a condition on columns of these rows and nothing else.
fn is_of(condition: &Expr, rows: &DFSchema) -> Result<bool> {
    let other = condition.exists(|e| Ok(is_subquery(e) || matches!(e, Expr::OuterReferenceColumn(..))))?;
    let columns = condition.column_refs();
    Ok(!other
        && !condition.is_volatile()
        && !columns.is_empty()
        && columns.iter().all(|column| rows.has_column(column)))
}
