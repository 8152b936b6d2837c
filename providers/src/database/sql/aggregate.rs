//! Partial aggregates computed inside a database.
//!
//! The result has to be what DataFusion's own partial stage would have handed to its final stage: the same columns, the
//! same states, mergeable with the partial states of the other tiers. What is not proven to be the same is left alone.
//! One liberty is taken: sums of floats are added in another order, so their last bits may differ, as they do between
//! two runs of DataFusion with different numbers of threads.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::functions_aggregate::count::Count;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, PhysicalExpr};

use super::arithmetic::term;
use super::buckets::bucket;
use super::dialect::quote;
use super::facts::Facts;
use super::types::is_float;

/// What is selected, and the columns it reads.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The group keys, then the states, as SQL.
    pub(crate) expressions: Vec<String>,
    /// Positions in the table of the columns that they read.
    pub(crate) columns: BTreeSet<usize>,
    /// How many of the expressions are group keys.
    pub(crate) keys: usize,
}

impl Selection {
    /// `GROUP BY …`, or nothing.
    pub(crate) fn group_by(&self) -> String {
        let positions: Vec<String> = (1..=self.keys).map(|position| position.to_string()).collect();
        if self.keys == 0 { String::new() } else { format!("GROUP BY {}", positions.join(", ")) }
    }
}

/// What gives the states that `aggregate` would compute from a scan's rows, which have this schema and lie in the segments
/// that `facts` speaks of; `None` where that is not proven.
pub(crate) fn selection(aggregate: &AggregateExec, scanned: &SchemaRef, facts: &Facts) -> Option<Selection> {
    let groups = aggregate.group_expr();
    let plain = *aggregate.mode() == AggregateMode::Partial
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && !groups.has_grouping_set()
        && (groups.is_single() || groups.is_empty())
        && aggregate.filter_expr().iter().all(Option::is_none)
        && aggregate.input_schema() == *scanned;
    if !plain {
        return None;
    }
    let mut selection = Selection::default();
    for (expr, _) in groups.expr() {
        group_key(expr, scanned, facts, &mut selection)?;
    }
    selection.keys = selection.expressions.len();
    for function in aggregate.aggr_expr() {
        states(function, scanned, facts, &mut selection)?;
    }
    let schema = aggregate.schema();
    // Sums of more than 38 digits are no type of the databases'.
    let wide = schema.fields().iter().any(|field| matches!(field.data_type(), DataType::Decimal256(_, _)));
    (!wide && selection.expressions.len() == schema.fields().len()).then_some(selection)
}

fn group_key(
    expr: &Arc<dyn PhysicalExpr>,
    scanned: &SchemaRef,
    facts: &Facts,
    selection: &mut Selection,
) -> Option<()> {
    let (sql, position) = match expr.downcast_ref::<Column>() {
        Some(column) => {
            // Databases put the two zeros into one group, DataFusion into two.
            let (position, _) = facts.column(column.name()).filter(|(_, t)| !is_float(t))?;
            (quote(column.name()), position)
        }
        None => bucket(expr, scanned, facts)?,
    };
    selection.expressions.push(sql);
    selection.columns.insert(position);
    Some(())
}

fn states(
    function: &AggregateFunctionExpr,
    scanned: &SchemaRef,
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
    // The engine has a `min`, a `max`, a `sum` and an `avg` of its own for some types, with the states of DataFusion's.
    let name = function.fun().name();
    let least = name == "min";
    if least || name == "max" {
        let column = argument.downcast_ref::<Column>()?;
        let (position, data_type) = facts.column(column.name())?;
        selection.expressions.push(facts.dialect.extreme(least, column.name(), data_type, facts)?);
        selection.columns.insert(position);
        return Some(());
    }
    let average = name == "avg";
    if !average && name != "sum" {
        return None;
    }
    let term = term(argument, scanned, facts).filter(|term| term.sum_is_safe(facts.rows()))?;
    if !matches!(term.data_type, DataType::Float64 | DataType::Decimal128(_, _) | DataType::Int64) {
        return None;
    }
    selection.columns.extend(&term.columns);
    if average {
        // Within a group, DataFusion's count is NULL where nothing was counted; a 0 would be taken for a value seen.
        let count = format!("count({})", term.sql);
        selection.expressions.push(if selection.keys > 0 { format!("nullif({count}, 0)") } else { count });
    }
    selection.expressions.push(format!("sum({})", term.sql));
    Some(())
}
