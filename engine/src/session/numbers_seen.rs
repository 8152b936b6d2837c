//! The numbers that an INSERT gave its rows by itself: what `lastval` and `currval` then say.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::logical_expr::{DmlStatement, Expr, LogicalPlan};
use parking_lot::Mutex;
use zxq_catalog::TableDef;

use crate::error::Result;
use crate::session::EngineSession;
use crate::session::current_plan::definition;
use crate::session::sequences::{self, Given};
use crate::write::insert_sink::Onlooker;

/// The onlooker of an INSERT, and, where it numbers rows, one that notes the numbers before.
pub(super) fn with(
    session: &EngineSession,
    dml: &DmlStatement,
    onlooker: Option<Arc<dyn Onlooker>>,
) -> Option<Arc<dyn Onlooker>> {
    let columns: Vec<(usize, String)> = match (definition(&dml.target), dml.input.as_ref()) {
        (Some(def), LogicalPlan::Projection(rows)) => {
            let left_out = |at: usize| rows.expr.get(at).is_some_and(is_null);
            sequences::of_columns(&def).into_iter().filter(|(at, _)| left_out(*at)).collect()
        }
        _ => Vec::new(),
    };
    if columns.is_empty() {
        return onlooker;
    }
    Some(Arc::new(NumbersSeen { columns, given: Arc::clone(&session.given), onlooker }))
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_null(&alias.expr),
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::Literal(value, _) => value.is_null(),
        _ => false,
    }
}

/// Notes the last number of each column.
struct NumbersSeen {
    /// The columns, by place, with their sequences.
    columns: Vec<(usize, String)>,
    given: Arc<Mutex<Given>>,
    onlooker: Option<Arc<dyn Onlooker>>,
}

impl fmt::Debug for NumbersSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumbersSeen").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[async_trait]
impl Onlooker for NumbersSeen {
    async fn see(&self, table: &Arc<TableDef>, rows: &[RecordBatch]) -> Result<()> {
        if let Some(last) = rows.iter().rev().find(|batch| batch.num_rows() > 0) {
            for (at, sequence) in &self.columns {
                let numbers = cast(last.column(*at), &DataType::Int64)?;
                let numbers = numbers.as_primitive::<Int64Type>();
                if numbers.is_valid(numbers.len() - 1) {
                    self.given.lock().note(sequence, numbers.value(numbers.len() - 1));
                }
            }
        }
        match &self.onlooker {
            Some(onlooker) => onlooker.see(table, rows).await,
            None => Ok(()),
        }
    }

    fn takes_parts(&self) -> bool {
        self.onlooker.as_ref().is_none_or(|onlooker| onlooker.takes_parts())
    }
}
