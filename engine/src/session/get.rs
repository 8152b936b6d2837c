//! `Engine::get`: the latest row of one key, without SQL.

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use datafusion::prelude::{col, lit};
use datafusion::scalar::ScalarValue;
use zxq_catalog::{Segment, SegmentId, Tier, Value};
use zxq_providers::scalar::from_scalar;

use crate::context;
use crate::error::{EngineError, ErrorKind, Result};
use crate::state::engine::Engine;

impl Engine {
    /// The latest row (by the table's time column) whose first lookup column has this value, as a batch of one row;
    /// `None` when there is none in any tier.
    ///
    /// Where hot holds the key, the answer comes from its index in microseconds, and is right only if no other tier
    /// can hold a later row of it: where one can, the tiers are asked too.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`]; [`ErrorKind::InvalidParameter`] when the table declares no lookup column or no
    /// time column, or the key is not a value of that column.
    pub async fn get(self: &Arc<Self>, table: &str, key: &str) -> Result<Option<RecordBatch>> {
        let pin = self.pin();
        let Some(state) = pin.snapshot().table(table) else {
            return self.table(table).map(|_| None);
        };
        let def = &state.def;
        let need = |what: &str| {
            EngineError::new(
                ErrorKind::InvalidParameter,
                format!("table {table} has no {what}: get() needs one, see CREATE TABLE … WITH ({what} = …)"),
            )
        };
        let lookup = def.lookup.first().ok_or_else(|| need("lookup"))?;
        let time = def.time_column.as_ref().ok_or_else(|| need("time_column"))?;
        let column = def.column(lookup).ok_or_else(|| EngineError::internal(format!("no column {lookup}")))?;
        let value = ScalarValue::try_from_string(key.to_owned(), &column.data_type)
            .ok()
            .and_then(|scalar| from_scalar(&scalar))
            .ok_or_else(|| {
                EngineError::new(ErrorKind::InvalidParameter, format!("{key:?} is no value of {table}.{lookup}"))
            })?;

        let mut candidates: Vec<&Arc<Segment>> =
            state.tier(Tier::Hot).iter().filter(|s| may_hold(s, lookup, time, &value, None)).collect();
        candidates.sort_by_key(|s| std::cmp::Reverse(newest_of(s, time)));
        let best = self.hot.last_row(def, candidates.iter().map(|s| s.id), lookup, &value)?;
        let is_replicated =
            |owner: SegmentId| state.replicas_of(owner).any(|id| state.tier(Tier::Hot).get(id).is_some());
        let newest = best.as_ref().map(|(at, _)| *at);
        let elsewhere = [Tier::Warm, Tier::Cold]
            .into_iter()
            .flat_map(|tier| state.tier(tier))
            .any(|segment| may_hold(segment, lookup, time, &value, newest) && !is_replicated(segment.id));
        if !elsewhere {
            return Ok(best.map(|(_, row)| row));
        }
        self.get_by_query(table, lookup, time, key).await
    }

    async fn get_by_query(
        self: &Arc<Self>,
        table: &str,
        lookup: &str,
        time: &str,
        key: &str,
    ) -> Result<Option<RecordBatch>> {
        let context = context::internal(self);
        let quoted = |name: &str| col(datafusion::common::Column::new_unqualified(name));
        let rows = context
            .table(datafusion::common::TableReference::bare(table))
            .await?
            .filter(quoted(lookup).eq(lit(key)))?
            .sort(vec![quoted(time).sort(false, false)])?
            .limit(0, Some(1))?
            .collect()
            .await?;
        let rows: Vec<RecordBatch> = rows.into_iter().filter(|b| b.num_rows() > 0).collect();
        match rows.first() {
            None => Ok(None),
            Some(first) => Ok(Some(concat_batches(&first.schema(), &rows)?)),
        }
    }
}

/// False when the segment's bounds rule out a row of this key later than `after`.
fn may_hold(segment: &Segment, lookup: &str, time: &str, key: &Value, after: Option<i64>) -> bool {
    if let Some(stats) = segment.stats.get(lookup)
        && stats.has_bounds
        && let (Some(min), Some(max)) = (&stats.min, &stats.max)
    {
        let below = key.compare(min).is_some_and(|o| o.is_lt());
        let above = key.compare(max).is_some_and(|o| o.is_gt());
        if below || above {
            return false;
        }
    }
    match (after, newest_of(segment, time)) {
        (Some(after), Some(newest)) => newest > after,
        _ => true,
    }
}

fn newest_of(segment: &Segment, time: &str) -> Option<i64> {
    segment.stats.get(time).and_then(|s| s.max.as_ref()).and_then(crate::config::ages::value_us)
}
