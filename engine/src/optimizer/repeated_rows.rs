//! Drops rows that repeat the one before them, below aggregates to which repetition means nothing: `count(DISTINCT …)`,
//! `min`, `max`, `SELECT DISTINCT`.
//!
//! Segments are sorted, so the same symbol or date comes thousands of times in a row. Comparing neighbours costs far less
//! than looking each of them up in a hash table.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use futures::{Stream, StreamExt};

use crate::optimizer::pass_through::{Pass, PassThroughExec};

#[cfg(test)]
mod tests;

/// Aggregates that give the same for rows with and without their repetitions, besides all with DISTINCT.
const INDIFFERENT: [&str; 6] = ["min", "max", "bool_and", "bool_or", "bit_and", "bit_or"];
/// Batches after which a stream that hardly shrinks is left alone.
const TRIAL_BATCHES: usize = 8;

/// Puts a [`RepeatedRows`] below such aggregates.
#[derive(Debug)]
pub(crate) struct SkipRepeatedRows;

impl PhysicalOptimizerRule for SkipRepeatedRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(input) = node.downcast_ref::<AggregateExec>().filter(|a| is_indifferent(a)).map(|a| a.input())
            else {
                return Ok(Transformed::no(node));
            };
            let without = Arc::new(PassThroughExec::new(RepeatedRows, Arc::clone(input)));
            Ok(Transformed::yes(node.with_new_children(vec![without])?))
        })
        .data()
    }

    fn name(&self) -> &str {
        "zxq_skip_repeated_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// True where the first stage of an aggregation may be spared repeated rows, and hashes something for each.
fn is_indifferent(aggregate: &AggregateExec) -> bool {
    let first_stage =
        matches!(aggregate.mode(), AggregateMode::Partial | AggregateMode::Single | AggregateMode::SinglePartitioned);
    let indifferent = |f: &Arc<AggregateFunctionExpr>| f.is_distinct() || INDIFFERENT.contains(&f.fun().name());
    let functions = aggregate.aggr_expr();
    let hashes = !aggregate.group_expr().is_empty() || functions.iter().any(|f| f.is_distinct());
    let schema = aggregate.input().schema();
    first_stage
        && hashes
        && functions.iter().all(indifferent)
        && !schema.fields().is_empty()
        && schema.fields().iter().all(|field| !field.data_type().is_nested())
}

/// Drops the rows that equal the row before them in every column.
#[derive(Debug, Clone, Copy)]
struct RepeatedRows;

impl Pass for RepeatedRows {
    const NAME: &'static str = "RepeatedRowsExec";
    const KEEPS_ROWS: bool = false;

    fn stream(self, input: SendableRecordBatchStream) -> SendableRecordBatchStream {
        Box::pin(WithoutRepeated { input, batches: 0, rows: 0, kept: 0 })
    }
}

struct WithoutRepeated {
    input: SendableRecordBatchStream,
    batches: usize,
    rows: usize,
    kept: usize,
}

impl WithoutRepeated {
    fn shrink(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.batches >= TRIAL_BATCHES && self.kept * 2 > self.rows {
            return Ok(batch);
        }
        self.batches += 1;
        self.rows += batch.num_rows();
        let without = without_repeated(batch)?;
        self.kept += without.num_rows();
        Ok(without)
    }
}

impl Stream for WithoutRepeated {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.input.poll_next_unpin(cx).map(|next| next.map(|batch| batch.and_then(|batch| self.shrink(batch))))
    }
}

impl RecordBatchStream for WithoutRepeated {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

/// The batch without rows that equal the one before; the first row always stays.
fn without_repeated(batch: RecordBatch) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    if rows < 2 {
        return Ok(batch);
    }
    let mut changes: Option<BooleanBuffer> = None;
    for column in batch.columns() {
        let here = changes_of(column)?;
        changes = Some(match changes {
            None => here,
            Some(before) => &before | &here,
        });
    }
    let Some(changes) = changes else { return Ok(batch) };
    let mut keep = arrow::array::BooleanBufferBuilder::new(rows);
    keep.append(true);
    keep.append_buffer(&changes);
    Ok(filter_record_batch(&batch, &BooleanArray::new(keep.finish(), None))?)
}

/// Whether each row from the second on differs from the one before. May say so of equal rows, never the reverse.
fn changes_of(column: &ArrayRef) -> Result<BooleanBuffer> {
    let pairs = column.len() - 1;
    if *column.data_type() == DataType::Utf8View && column.null_count() == 0 {
        // A short text is its view; long ones that are equal mostly share their bytes too.
        let views = column.as_string_view().views();
        return Ok(BooleanBuffer::collect_bool(pairs, |i| views[i] != views[i + 1]));
    }
    let (before, after) = (column.slice(0, pairs), column.slice(1, pairs));
    let (values, _) = distinct(&before, &after)?.into_parts();
    Ok(values)
}
