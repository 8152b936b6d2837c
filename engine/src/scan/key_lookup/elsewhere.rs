//! The rest of a look-up, where warm or cold may hold rows of the answer: few of their segments, read by the stores' own scans.

use std::sync::Arc;

use arrow::array::{BooleanArray, Datum};
use arrow::compute::kernels::cmp;
use arrow::compute::{and, concat_batches, filter_record_batch};
use arrow::record_batch::RecordBatch;
use datafusion::common::Column;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use zxq_catalog::{Segment, Tier};
use zxq_providers::ScanRequest;
use zxq_providers::hot::find::{Comparison, Condition};
use zxq_providers::scalar::to_scalar;

use super::search::{FEW_WANTED, sorted};
use super::{Answer, Effort, Started};
use crate::error::Result;

impl Started<'_> {
    /// Reads the other tiers, too: one segment after the other, the best first, where few rows are wanted, and else all of them.
    /// `None` where more has to be read than that is good for.
    ///
    /// # Errors
    /// What the stores say.
    pub(crate) async fn read_elsewhere(
        mut self,
        session: &SessionState,
        task: &Arc<TaskContext>,
    ) -> Result<Option<Answer>> {
        for _ in 0..Effort::Thorough.scans() {
            let next: Vec<Arc<Segment>> = match self.search.most {
                None => std::mem::take(&mut self.elsewhere),
                Some(_) if self.elsewhere.is_empty() => Vec::new(),
                Some(_) => vec![self.elsewhere.remove(0)],
            };
            for tier in [Tier::Warm, Tier::Cold] {
                let segments: Vec<Arc<Segment>> = next.iter().filter(|s| s.tier == tier).map(Arc::clone).collect();
                if segments.is_empty() {
                    continue;
                }
                let Some(rows) = self.scan(tier, segments, session, task).await? else { return Ok(None) };
                self.search.take(rows, false);
            }
            self.kept.extend(next);
            let search = &self.search;
            self.elsewhere.retain(|segment| search.wants(segment));
            if self.elsewhere.is_empty() {
                return self.finish().map(Some);
            }
        }
        Ok(None)
    }

    /// The rows of these segments that pass, or the first of them; `None` where they are too many.
    async fn scan(
        &self,
        tier: Tier,
        segments: Vec<Arc<Segment>>,
        session: &SessionState,
        task: &Arc<TaskContext>,
    ) -> Result<Option<RecordBatch>> {
        let (lookup, most) = (self.search.lookup, self.search.most);
        let mut projection = lookup.projection.clone();
        let mut filters = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            let Some(at) = lookup.table.column_index(&condition.column) else { return Ok(None) };
            let Some(filter) = filter(condition, &lookup.table.columns[at].data_type) else { return Ok(None) };
            if !projection.contains(&at) {
                projection.push(at);
            }
            filters.push(filter);
        }
        let request = ScanRequest {
            state: session,
            table: Arc::clone(&lookup.table),
            segments,
            projection,
            filters,
            limit: None,
        };
        let plan = self.engine.store(tier).scan(request).await?;
        let mut stream = execute_stream(plan, Arc::clone(task))?;
        let read: Vec<usize> = (0..lookup.projection.len()).collect();
        let few = most.filter(|most| *most <= FEW_WANTED);
        let (mut parts, mut count) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let Some(rows) = passing(&batch?, &self.conditions)? else { return Ok(None) };
            if rows.num_rows() == 0 {
                continue;
            }
            count += rows.num_rows();
            parts.push(rows.project(&read)?);
            if lookup.order.is_empty() && most.is_some_and(|most| count >= most) {
                break;
            }
            if count > Effort::Thorough.looks() {
                let Some(few) = few.filter(|_| !lookup.order.is_empty()) else { return Ok(None) };
                let best = sorted(&concat_batches(&lookup.read, &parts)?, &lookup.order, Some(few))?;
                count = best.num_rows();
                parts = vec![best];
            }
        }
        Ok(Some(concat_batches(&lookup.read, &parts)?))
    }
}

fn filter(condition: &Condition, data_type: &arrow::datatypes::DataType) -> Option<Expr> {
    let op = match condition.comparison {
        Comparison::Equal => Operator::Eq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
    };
    let column = Expr::Column(Column::new_unqualified(&condition.column));
    let value = Expr::Literal(to_scalar(&condition.value, data_type)?, None);
    Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(column), op, Box::new(value))))
}

/// The rows that pass; `None` where a column is not as it should be.
fn passing(batch: &RecordBatch, conditions: &[Condition]) -> Result<Option<RecordBatch>> {
    let mut mask: Option<BooleanArray> = None;
    for condition in conditions {
        let Some(column) = batch.column_by_name(&condition.column) else { return Ok(None) };
        let Some(value) = to_scalar(&condition.value, column.data_type()) else { return Ok(None) };
        let (left, right): (&dyn Datum, _) = (column, value.to_scalar()?);
        let holds = match condition.comparison {
            Comparison::Equal => cmp::eq(left, &right),
            Comparison::Less => cmp::lt(left, &right),
            Comparison::LessOrEqual => cmp::lt_eq(left, &right),
            Comparison::Greater => cmp::gt(left, &right),
            Comparison::GreaterOrEqual => cmp::gt_eq(left, &right),
        }?;
        mask = Some(match mask {
            Some(mask) => and(&mask, &holds)?,
            None => holds,
        });
    }
    Ok(match mask {
        Some(mask) => Some(filter_record_batch(batch, &mask)?),
        None => Some(batch.clone()),
    })
}
