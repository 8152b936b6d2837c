//! What a look-up has found, and which segments can still add to it.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use zxq_catalog::{Segment, TableState, Tier, Value};
use zxq_providers::hot::find::{Comparison, Condition, OrderColumn};
use zxq_providers::scalar::value_at;

use super::KeyLookup;
use crate::error::Result;

/// Most rows of which it is worth remembering what the last of them is, so that segments with later ones are left out.
pub(super) const FEW_WANTED: usize = 1_000;

/// Segments that may hold rows, and how many there are by tier.
pub(super) struct Candidates<'a> {
    pub(super) hot: Vec<&'a Arc<Segment>>,
    pub(super) elsewhere: Vec<&'a Arc<Segment>>,
    pub(super) all: [usize; 3],
}

impl<'a> Candidates<'a> {
    pub(super) fn of(segments: impl Iterator<Item = &'a Arc<Segment>>, conditions: &[Condition]) -> Self {
        let mut candidates = Candidates { hot: Vec::new(), elsewhere: Vec::new(), all: [0; 3] };
        for segment in segments {
            candidates.all[segment.tier.index()] += 1;
            if !may_hold(segment, conditions) {
                continue;
            }
            match segment.tier {
                Tier::Hot => candidates.hot.push(segment),
                _ => candidates.elsewhere.push(segment),
            }
        }
        candidates
    }
}

impl Candidates<'_> {
    /// The same, of segments that came by partition: in the order of all segments, among all that the table has.
    pub(super) fn among(mut self, state: &TableState) -> Self {
        for segments in [&mut self.hot, &mut self.elsewhere] {
            segments.sort_unstable_by_key(|segment| (segment.tier, segment.id));
        }
        self.all = Tier::ALL.map(|tier| state.tier(tier).len());
        self
    }

    /// Those first that promise most.
    pub(super) fn sort_by(&mut self, order: &OrderColumn) {
        for segments in [&mut self.hot, &mut self.elsewhere] {
            // What is not known may be the best.
            segments.sort_by(|a, b| match (promise(a, order), promise(b, order)) {
                (Some(a), Some(b)) => compare(a, b, order),
                (a, b) => a.is_some().cmp(&b.is_some()),
            });
        }
    }
}

/// False where the segment's bounds rule out a row that passes.
fn may_hold(segment: &Segment, conditions: &[Condition]) -> bool {
    conditions.iter().all(|condition| {
        let Some(stats) = segment.stats.get(&condition.column).filter(|stats| stats.has_bounds) else { return true };
        let (Some(min), Some(max)) = (&stats.min, &stats.max) else { return true };
        let (Some(min), Some(max)) = (min.compare(&condition.value), max.compare(&condition.value)) else {
            return true;
        };
        match condition.comparison {
            Comparison::Equal => min.is_le() && max.is_ge(),
            least @ (Comparison::Less | Comparison::LessOrEqual) => least.holds(min),
            greatest @ (Comparison::Greater | Comparison::GreaterOrEqual) => greatest.holds(max),
        }
    })
}

/// The value of the first row that a segment may have in this order; `None` where it is not known, or NULL may be.
fn promise<'a>(segment: &'a Segment, order: &OrderColumn) -> Option<&'a Value> {
    let stats = segment.stats.get(&order.column).filter(|stats| stats.has_bounds && stats.null_count == 0)?;
    if order.descending { stats.max.as_ref() } else { stats.min.as_ref() }
}

fn compare(a: &Value, b: &Value, order: &OrderColumn) -> Ordering {
    let ascending = a.compare(b).unwrap_or(Ordering::Equal);
    if order.descending { ascending.reverse() } else { ascending }
}

/// What has been found so far.
pub(super) struct Search<'a> {
    pub(super) lookup: &'a KeyLookup,
    /// How many are wanted.
    pub(super) most: Option<usize>,
    parts: Vec<RecordBatch>,
    ordered: bool,
    rows: usize,
    /// Values of the first column of the order, best first; `None` where that is not known.
    best: Option<Vec<Value>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(lookup: &'a KeyLookup, most: Option<usize>) -> Self {
        Search { lookup, most, parts: Vec::new(), ordered: true, rows: 0, best: Some(Vec::new()) }
    }

    /// False where no row of the segment would be among those that are wanted.
    pub(super) fn wants(&self, segment: &Segment) -> bool {
        let Some(most) = self.most.filter(|most| self.rows >= *most) else { return true };
        let Some(first) = self.lookup.order.first() else { return false };
        let (Some(best), Some(promise)) = (&self.best, promise(segment, first)) else { return true };
        let Some(last) = most.checked_sub(1).map(|at| best.get(at)) else { return false };
        last.is_none_or(|last| match compare(promise, last, first) {
            Ordering::Less => true,
            // Which of equal rows comes first is open, unless there is more to order by.
            Ordering::Equal => self.lookup.order.len() > 1,
            Ordering::Greater => false,
        })
    }

    /// Takes rows of one segment in, in the wanted order or not.
    pub(super) fn take(&mut self, rows: RecordBatch, ordered: bool) {
        if rows.num_rows() == 0 {
            return;
        }
        self.rows += rows.num_rows();
        self.ordered = ordered && self.parts.is_empty();
        self.note_best(&rows);
        self.parts.push(rows);
    }

    fn note_best(&mut self, rows: &RecordBatch) {
        let (Some(first), Some(_)) = (self.lookup.order.first(), self.most.filter(|most| *most <= FEW_WANTED)) else {
            self.best = None;
            return;
        };
        let Some(mut best) = self.best.take() else { return };
        let Some(column) = rows.column_by_name(&first.column) else { return };
        for row in 0..rows.num_rows() {
            let Some(value) = value_at(column.as_ref(), row) else { return };
            best.push(value);
        }
        best.sort_by(|a, b| compare(a, b, first));
        self.best = Some(best);
    }

    /// The rows of the answer.
    pub(super) fn finish(self, skip: usize) -> Result<RecordBatch> {
        let Search { lookup, most, mut parts, ordered, .. } = self;
        let rows = match parts.len() {
            0 => RecordBatch::new_empty(Arc::clone(&lookup.read)),
            1 => parts.swap_remove(0),
            _ => concat_batches(&lookup.read, &parts)?,
        };
        let rows = if ordered || lookup.order.is_empty() { rows } else { sorted(&rows, &lookup.order, most)? };
        let until = most.map_or(rows.num_rows(), |most| most.min(rows.num_rows()));
        let from = skip.min(until);
        let rows = rows.slice(from, until - from);
        let columns = lookup.columns.iter().map(|at| Arc::clone(rows.column(*at))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&lookup.schema), columns, &options)?)
    }
}

/// The first rows in this order.
pub(super) fn sorted(rows: &RecordBatch, order: &[OrderColumn], most: Option<usize>) -> Result<RecordBatch> {
    let by = order.iter().filter_map(|column| {
        let options = SortOptions { descending: column.descending, nulls_first: column.nulls_first };
        Some(SortColumn { values: Arc::clone(rows.column_by_name(&column.column)?), options: Some(options) })
    });
    let indices = lexsort_to_indices(&by.collect::<Vec<_>>(), most)?;
    Ok(take_record_batch(rows, &indices)?)
}
