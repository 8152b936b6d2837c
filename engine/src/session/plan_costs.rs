//! What the steps of a plan are thought to cost, in PostgreSQL's terms: programs that choose between plans, as postgres_fdw does, read
//! it from `EXPLAIN`.
//!
//! Rows are those of the plan's statistics. The units are PostgreSQL's: reading a page of 8 KiB costs 1, a row 0.01, comparing two
//! rows 0.0025. They say which of two plans has more to do, not how long that takes.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::scalar::ScalarValue;

use crate::error::Result;
use crate::session::EngineSession;
use crate::session::parameters::with_values;

/// Rows of what says nothing about them.
const UNKNOWN_ROWS: f64 = 1000.0;
const PAGE_BYTES: f64 = 8192.0;
const OF_PAGE: f64 = 1.0;
const OF_ROW: f64 = 0.01;
const OF_COMPARISON: f64 = 0.0025;

/// What one step costs, with all below it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// Until the first row.
    pub(super) startup: f64,
    /// Until the last one.
    pub(super) total: f64,
    pub(super) rows: f64,
    /// Bytes of a row.
    pub(super) width: usize,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { startup, total, rows, width } = self;
        write!(f, "(cost={startup:.2}..{total:.2} rows={rows:.0} width={width})")
    }
}

/// The costs of the plan that an EXPLAIN explains, in the order of its lines.
///
/// # Errors
/// What planning finds.
pub(super) async fn of_explained(
    session: &EngineSession,
    plan: &LogicalPlan,
    parameters: &[ScalarValue],
) -> Result<Vec<Cost>> {
    let explained = match plan {
        LogicalPlan::Explain(explain) => &explain.plan,
        LogicalPlan::Analyze(analyze) => &analyze.input,
        _ => return Ok(Vec::new()),
    };
    let explained = with_values(explained.as_ref().clone(), parameters)?;
    let physical = session.context().state().create_physical_plan(&explained).await?;
    let mut costs = Vec::new();
    add(&physical, &mut costs);
    Ok(costs)
}

/// Adds the cost of a step and of those below it, and gives its own.
fn add(plan: &Arc<dyn ExecutionPlan>, costs: &mut Vec<Cost>) -> Cost {
    let place = costs.len();
    costs.push(Cost { startup: 0.0, total: 0.0, rows: 0.0, width: 0 });
    let inputs: Vec<Cost> = plan.children().into_iter().map(|child| add(child, costs)).collect();
    let cost = cost(plan, &inputs);
    costs[place] = cost;
    cost
}

fn cost(plan: &Arc<dyn ExecutionPlan>, inputs: &[Cost]) -> Cost {
    let width = width(&plan.schema());
    let read: f64 = inputs.iter().map(|input| input.rows).sum();
    let below: f64 = inputs.iter().map(|input| input.total).sum();
    let statistics = plan.partition_statistics(None).ok();
    let known = statistics.and_then(|statistics| statistics.num_rows.get_value().copied()).map(|rows| rows as f64);
    let most = inputs.iter().map(|input| input.rows).reduce(f64::max).unwrap_or(UNKNOWN_ROWS);
    let fetch = plan.fetch().map_or(f64::INFINITY, |fetch| fetch as f64);
    // PostgreSQL expects a row at least.
    let rows = known.unwrap_or(most).min(fetch).max(1.0);
    if inputs.is_empty() {
        let pages = (rows * width as f64 / PAGE_BYTES).ceil();
        return Cost { startup: 0.0, total: pages * OF_PAGE + rows * OF_ROW, rows, width };
    }
    let own = read * OF_ROW;
    if plan.properties().emission_type == EmissionType::Final {
        let startup = below + own + read * (read + 2.0).log2() * OF_COMPARISON;
        return Cost { startup, total: startup + rows * OF_ROW, rows, width };
    }
    let startup: f64 = inputs.iter().map(|input| input.startup).sum();
    // Who stops early reads a part of what is below.
    let part = if fetch < read { fetch / read } else { 1.0 };
    Cost { startup, total: startup + (below - startup + own) * part, rows, width }
}

/// Bytes of a row, as PostgreSQL guesses them: of texts and lists it expects 32.
fn width(schema: &Schema) -> usize {
    let of = |data_type: &DataType| match data_type {
        DataType::Null => 0,
        DataType::Boolean => 1,
        other => other.primitive_width().unwrap_or(32),
    };
    schema.fields().iter().map(|field| of(field.data_type())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_written_as_postgres_does() {
        let cost = Cost { startup: 0.0, total: 12.25, rows: 7.0, width: 36 };
        assert_eq!(cost.to_string(), "(cost=0.00..12.25 rows=7 width=36)");
    }

    #[test]
    fn rows_are_as_wide_as_their_columns() {
        let field = |data_type| arrow::datatypes::Field::new("a", data_type, true);
        let schema = Schema::new(vec![field(DataType::Int64), field(DataType::Utf8View), field(DataType::Boolean)]);
        assert_eq!(width(&schema), 41);
    }
}
