//! A look-up: the rows of one key of one table, found in hot at once instead of by a query plan.
//!
//! [`recognise`] says of an optimised logical plan whether it is one. [`KeyLookup::run`] reads it at a snapshot, as everything
//! is read; it declines where rows may lie in warm or cold that belong to the answer, and where more would have to be looked at
//! than a query plan needs to be made. Whoever asks then goes that way. So a look-up keeps neither rows nor segments, and
//! nothing has to be told when a table changes: only its definition must be the one that was planned with.

mod recognise;

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::scalar::ScalarValue;
use zxq_catalog::{Segment, TableDef, TableState, Tier, Value};
use zxq_providers::hot::find::{Comparison, Condition, OrderColumn, Wanted};
use zxq_providers::scalar::{from_scalar, value_at};

use crate::error::Result;
use crate::scan::tier_scan_exec::ScanReport;
use crate::sql::cold_format::ColdFormat;
use crate::state::engine::Engine;
use crate::state::pins::Pin;

pub(crate) use recognise::recognise;

/// Most rows of which it is worth remembering what the last of them is, so that segments with later ones are left out.
const FEW_WANTED: usize = 1_000;

/// How much may be done for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// What takes no longer than handing the work to another thread.
    AtOnce,
    /// What a query plan would not do in less.
    Thorough,
}

impl Effort {
    fn looks(self) -> usize {
        match self {
            Effort::AtOnce => 1_024,
            Effort::Thorough => 8_192,
        }
    }

    /// Most segments of a table.
    fn segments(self) -> usize {
        match self {
            Effort::AtOnce => 2_048,
            Effort::Thorough => usize::MAX,
        }
    }
}

/// `SELECT columns FROM table WHERE key = … [AND …] [ORDER BY …] [LIMIT …]`.
#[derive(Debug)]
pub(crate) struct KeyLookup {
    table: Arc<TableDef>,
    conditions: Vec<Asked>,
    order: Vec<OrderColumn>,
    skip: Option<Count>,
    fetch: Option<Count>,
    /// Rows that are left after sorting.
    sorted: Option<usize>,
    /// Columns that are read, as positions in the table, and their schema.
    projection: Vec<usize>,
    read: SchemaRef,
    /// Each column of the result: its place among those that are read.
    columns: Vec<usize>,
    /// The result's schema.
    schema: SchemaRef,
}

/// A condition whose value may be a parameter.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    column: String,
    comparison: Comparison,
    value: Operand,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Constant(Value),
    /// By its number, from 0.
    Parameter(usize),
}

#[derive(Debug, Clone, Copy)]
enum Count {
    Constant(usize),
    Parameter(usize),
}

/// What a look-up found.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: RecordBatch,
    pub(crate) report: ScanReport,
}

/// Segments that may hold rows, and all there are by tier.
struct Candidates<'a> {
    hot: Vec<&'a Arc<Segment>>,
    elsewhere: Vec<&'a Arc<Segment>>,
    all: [usize; 3],
}

impl KeyLookup {
    /// True while the table is there with the definition that was planned with.
    pub(crate) fn is_current(&self, engine: &Engine) -> bool {
        engine.snapshot().table_by_id(self.table.id).is_some_and(|state| self.is_of(state))
    }

    fn is_of(&self, state: &TableState) -> bool {
        Arc::ptr_eq(&state.def, &self.table) || *state.def == *self.table
    }

    /// True where these parameters, counted from 0, are each compared with a column, or count rows: whatever value of its type
    /// one has, the statement is the same.
    pub(crate) fn takes(&self, parameters: usize) -> bool {
        let compared = self.conditions.iter().filter_map(|asked| match asked.value {
            Operand::Parameter(number) => Some(number),
            Operand::Constant(_) => None,
        });
        let counts = [self.skip, self.fetch].into_iter().flatten().filter_map(|count| match count {
            Count::Parameter(number) => Some(number),
            Count::Constant(_) => None,
        });
        let taken: Vec<usize> = compared.chain(counts).collect();
        (0..parameters).all(|number| taken.contains(&number))
    }

    /// Finds the rows at a snapshot. `params` have the types that were planned with. `None` where a query plan has to.
    ///
    /// # Errors
    /// Where a segment is not there that the snapshot names.
    pub(crate) fn run(
        &self,
        engine: &Engine,
        pin: &Arc<Pin>,
        params: &[ScalarValue],
        effort: Effort,
    ) -> Result<Option<Answer>> {
        let Some(state) = pin.snapshot().table_by_id(self.table.id).filter(|state| self.is_of(state)) else {
            return Ok(None);
        };
        let (Some(conditions), Some((skip, most))) = (self.conditions(params), self.bounds(params)) else {
            return Ok(None);
        };
        if Tier::ALL.iter().map(|tier| state.tier(*tier).len()).sum::<usize>() > effort.segments() {
            return Ok(None);
        }
        let chosen: Vec<Arc<Segment>>;
        let mut candidates = match state.all().all(|segment| segment.is_owner()) {
            true => Candidates::of(state.all(), &conditions),
            false => {
                chosen = state.read_set(&Tier::ALL);
                Candidates::of(chosen.iter(), &conditions)
            }
        };
        if !candidates.elsewhere.is_empty() && most.is_none() {
            return Ok(None);
        }
        let mut search =
            Search { lookup: self, most, parts: Vec::new(), ordered: true, rows: 0, best: Some(Vec::new()) };
        if let Some(first) = self.order.first().filter(|_| most.is_some()) {
            candidates.hot.sort_by(|a, b| {
                let (a, b) = (promise(a, first), promise(b, first));
                // What is not known may be the best.
                match (a, b) {
                    (Some(a), Some(b)) => compare(a, b, first),
                    (a, b) => a.is_some().cmp(&b.is_some()),
                }
            });
        }
        let mut looks = effort.looks();
        let mut kept = Vec::with_capacity(candidates.hot.len());
        for segment in &candidates.hot {
            if !search.wants(segment) {
                continue;
            }
            let wanted = Wanted {
                table: &self.table,
                projection: &self.projection,
                output: &self.read,
                conditions: &conditions,
                order: &self.order,
                most,
                looks,
                builds_index: effort == Effort::Thorough,
            };
            let Some(found) = engine.hot.find(segment.id, &wanted)? else { return Ok(None) };
            looks -= found.looked_at.min(looks);
            search.take(found.rows, found.ordered);
            kept.push(Arc::clone(segment));
        }
        if candidates.elsewhere.iter().any(|segment| search.wants(segment)) {
            return Ok(None);
        }
        let rows = search.finish(skip)?;
        pin.check()?;
        let report = self.report(state, pin, &kept, candidates.all);
        engine.note_access(self.table.id, &kept);
        Ok(Some(Answer { rows, report }))
    }

    /// The conditions with the values of parameters; `None` where one is NULL.
    fn conditions(&self, params: &[ScalarValue]) -> Option<Vec<Condition>> {
        let known = |asked: &Asked| {
            let value = match &asked.value {
                Operand::Constant(value) => value.clone(),
                Operand::Parameter(number) => from_scalar(params.get(*number)?)?,
            };
            Some(Condition { column: asked.column.clone(), comparison: asked.comparison, value })
        };
        self.conditions.iter().map(known).collect()
    }

    /// How many of the first rows are left out, and how many rows there are with them at most. `None` where a count is none.
    fn bounds(&self, params: &[ScalarValue]) -> Option<(usize, Option<usize>)> {
        let known = |count: Count| match count {
            Count::Constant(count) => Some(count),
            Count::Parameter(number) => match params.get(number)? {
                ScalarValue::Int64(Some(count)) => usize::try_from(*count).ok(),
                _ => None,
            },
        };
        let skip = self.skip.map_or(Some(0), known)?;
        let most = match self.fetch {
            Some(fetch) => Some(known(fetch)?.saturating_add(skip)),
            None => None,
        };
        Some((skip, [most, self.sorted].into_iter().flatten().min()))
    }

    fn report(&self, state: &TableState, pin: &Pin, kept: &[Arc<Segment>], all: [usize; 3]) -> ScanReport {
        let hot = Tier::Hot.index();
        ScanReport {
            table: state.def.name.clone(),
            table_id: state.def.id,
            epoch: pin.snapshot().epoch,
            segments: std::array::from_fn(|tier| match tier == hot {
                true => (kept.len(), all[tier] - kept.len()),
                false => (0, all[tier]),
            }),
            rows: std::array::from_fn(
                |tier| if tier == hot { kept.iter().map(|segment| segment.rows).sum() } else { 0 },
            ),
            cold_format: ColdFormat::of(&state.def),
            rows_left_out: 0,
        }
    }
}

impl<'a> Candidates<'a> {
    fn of(segments: impl Iterator<Item = &'a Arc<Segment>>, conditions: &[Condition]) -> Self {
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
struct Search<'a> {
    lookup: &'a KeyLookup,
    most: Option<usize>,
    parts: Vec<RecordBatch>,
    ordered: bool,
    rows: usize,
    /// Values of the first column of the order, best first; `None` where that is not known.
    best: Option<Vec<Value>>,
}

impl Search<'_> {
    /// False where no row of the segment would be among those that are wanted.
    fn wants(&self, segment: &Segment) -> bool {
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

    fn take(&mut self, rows: RecordBatch, ordered: bool) {
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
    fn finish(self, skip: usize) -> Result<RecordBatch> {
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

fn sorted(rows: &RecordBatch, order: &[OrderColumn], most: Option<usize>) -> Result<RecordBatch> {
    let by = order.iter().filter_map(|column| {
        let options = SortOptions { descending: column.descending, nulls_first: column.nulls_first };
        Some(SortColumn { values: Arc::clone(rows.column_by_name(&column.column)?), options: Some(options) })
    });
    let indices = lexsort_to_indices(&by.collect::<Vec<_>>(), most)?;
    Ok(take_record_batch(rows, &indices)?)
}
