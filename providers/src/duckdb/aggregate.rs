//! Partial aggregates computed inside DuckDB.
//!
//! The result has to be what DataFusion's own partial stage would have handed to its final stage: the same columns, the
//! same states, mergeable with the partial states of the other tiers. What is not proven to be the same is left alone.
//! One liberty is taken: sums of floats are added in another order, so their last bits may differ, as they do between
//! two runs of DataFusion with different numbers of threads.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::average::Avg;
use datafusion::functions_aggregate::count::Count;
use datafusion::functions_aggregate::min_max::{Max, Min};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, PhysicalExpr};

use super::aggregate_exec::DuckDbAggregateExec;
use super::arithmetic::term;
use super::buckets::bucket;
use super::facts::Facts;
use super::names::quote;
use super::scan_exec::DuckDbScanExec;
use super::types::is_float;

/// What is selected, and the columns it reads.
#[derive(Debug, Default)]
struct Selection {
    expressions: Vec<String>,
    columns: BTreeSet<usize>,
}

/// A plan with the states that `aggregate` would compute from the rows of `scan`; `None` where that is not proven.
pub(super) fn partial(aggregate: &AggregateExec, scan: &DuckDbScanExec) -> Option<Arc<dyn ExecutionPlan>> {
    let groups = aggregate.group_expr();
    let plain = *aggregate.mode() == AggregateMode::Partial
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && !groups.has_grouping_set()
        && (groups.is_single() || groups.is_empty())
        && aggregate.filter_expr().iter().all(Option::is_none)
        && aggregate.input_schema() == scan.schema()
        && scan.fetch.is_none();
    if !plain {
        return None;
    }
    let segments = scan.segments();
    let facts = Facts::new(&scan.table, &segments);
    let mut selection = Selection::default();
    for (expr, _) in groups.expr() {
        group_key(expr, scan, &facts, &mut selection)?;
    }
    let keys = selection.expressions.len();
    for function in aggregate.aggr_expr() {
        states(function, keys > 0, scan, &facts, &mut selection)?;
    }
    if selection.expressions.len() != aggregate.schema().fields().len() {
        return None;
    }
    Some(Arc::new(DuckDbAggregateExec::new(scan, aggregate, selection.expressions, selection.columns, keys)))
}

fn group_key(
    expr: &Arc<dyn PhysicalExpr>,
    scan: &DuckDbScanExec,
    facts: &Facts,
    selection: &mut Selection,
) -> Option<()> {
    let (sql, position) = match expr.downcast_ref::<Column>() {
        Some(column) => {
            // DuckDB puts the two zeros into one group, DataFusion into two.
            let (position, _) = facts.column(column.name()).filter(|(_, t)| !is_float(t))?;
            (quote(column.name()), position)
        }
        None => bucket(expr, &scan.schema(), facts)?,
    };
    selection.expressions.push(sql);
    selection.columns.insert(position);
    Some(())
}

fn states(
    function: &AggregateFunctionExpr,
    grouped: bool,
    scan: &DuckDbScanExec,
    facts: &Facts,
    selection: &mut Selection,
) -> Option<()> {
    if function.is_distinct() || !function.order_bys().is_empty() {
        return None;
    }
    let arguments = function.expressions();
    let [argument] = arguments.as_slice() else { return None };
    let implementation = function.fun().inner();
    if implementation.is::<Count>() {
        if let Some(constant) = argument.downcast_ref::<Literal>() {
            let counted = if constant.value().is_null() { "CAST(0 AS BIGINT)" } else { "count(*)" };
            selection.expressions.push(counted.to_owned());
        } else {
            let column = argument.downcast_ref::<Column>()?;
            let (position, _) = facts.column(column.name())?;
            selection.columns.insert(position);
            selection.expressions.push(format!("count({})", quote(column.name())));
        }
        return Some(());
    }
    let least = implementation.is::<Min>();
    if least || implementation.is::<Max>() {
        let column = argument.downcast_ref::<Column>()?;
        let (position, data_type) = facts.column(column.name())?;
        if is_float(data_type) && !facts.no_nan(column.name()) {
            return None;
        }
        let name = if least { "min" } else { "max" };
        selection.columns.insert(position);
        selection.expressions.push(format!("{name}({})", quote(column.name())));
        return Some(());
    }
    let average = implementation.is::<Avg>();
    if !average && !implementation.is::<Sum>() {
        return None;
    }
    let term = term(argument, &scan.schema(), facts).filter(|term| term.sum_is_safe(facts.rows()))?;
    let summable = match term.data_type {
        DataType::Float64 | DataType::Decimal128(_, _) => true,
        DataType::Int64 => !average,
        _ => false,
    };
    if !summable {
        return None;
    }
    selection.columns.extend(&term.columns);
    if average {
        // Within a group, DataFusion's count is NULL where nothing was counted; a 0 would be taken for a value seen.
        let count = format!("count({})", term.sql);
        selection.expressions.push(if grouped { format!("nullif({count}, 0)") } else { count });
    }
    selection.expressions.push(format!("sum({})", term.sql));
    Some(())
}
