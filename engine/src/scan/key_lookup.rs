//! A look-up: the rows of one key of one table, found in hot at once instead of by a query plan.
//!
//! [`recognise`] says of an optimised logical plan whether it is one. [`KeyLookup::start`] looks at a snapshot, as everything
//! is read, first in hot ([`search`]); where warm or cold may hold rows of the answer, few segments of theirs are scanned
//! ([`elsewhere`]). It declines where more would have to be looked at than a query plan needs to be made; whoever asks then
//! goes that way. So a look-up keeps neither rows nor segments, and nothing has to be told when a table changes: only its
//! definition must be the one that was planned with.

mod elsewhere;
mod recognise;
mod search;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::scalar::ScalarValue;
use zxq_catalog::{Segment, TableDef, TableState, Tier, Value};
use zxq_providers::hot::find::{Comparison, Condition, OrderColumn, Wanted};
use zxq_providers::scalar::from_scalar;

use search::{Candidates, Search};

use crate::error::Result;
use crate::scan::day_range::DayRange;
use crate::scan::tier_scan_exec::ScanReport;
use crate::sql::cold_format::ColdFormat;
use crate::state::engine::Engine;
use crate::state::pins::Pin;

pub(crate) use recognise::recognise;

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

    /// Most scans of segments of other tiers.
    fn scans(self) -> usize {
        match self {
            Effort::AtOnce => 0,
            Effort::Thorough => 3,
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

    /// Looks the key up at a snapshot, in hot. `params` have the types that were planned with. `None` where a query plan has to.
    ///
    /// # Errors
    /// Where a segment is not there that the snapshot names.
    pub(crate) fn start<'a>(
        &'a self,
        engine: &'a Engine,
        pin: Arc<Pin>,
        params: &[ScalarValue],
        effort: Effort,
    ) -> Result<Option<Started<'a>>> {
        let snapshot = Arc::clone(pin.snapshot());
        let Some(state) = snapshot.table_by_id(self.table.id).filter(|state| self.is_of(state)) else {
            return Ok(None);
        };
        let (Some(conditions), Some((skip, most))) = (self.conditions(params), self.bounds(params)) else {
            return Ok(None);
        };
        let days = DayRange::of_conditions(&self.table, &conditions);
        let by_partition = days.is_bounded() && !state.has_replicas();
        let too_many = match by_partition {
            true => !are_few(days.partitions(state).map(|(_, partition)| partition.segment_count()), effort.segments()),
            false => state.segment_count() > effort.segments(),
        };
        if too_many {
            return Ok(None);
        }
        let chosen: Vec<Arc<Segment>>;
        let mut candidates = if by_partition {
            let within = days.partitions(state).flat_map(|(_, partition)| partition.all());
            Candidates::of(within, &conditions).among(state)
        } else if state.has_replicas() {
            chosen = state.read_set(&Tier::ALL);
            Candidates::of(chosen.iter(), &conditions)
        } else {
            Candidates::of(state.all(), &conditions)
        };
        if most.is_none() && candidates.elsewhere.len() > effort.scans() {
            return Ok(None);
        }
        let mut search = Search::new(self, most);
        if let Some(first) = self.order.first().filter(|_| most.is_some()) {
            candidates.sort_by(first);
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
        let wanted = candidates.elsewhere.iter().copied().filter(|segment| search.wants(segment));
        let elsewhere: Vec<Arc<Segment>> = wanted.map(Arc::clone).collect();
        if !elsewhere.is_empty() && effort.scans() == 0 {
            return Ok(None);
        }
        let all = candidates.all;
        Ok(Some(Started { engine, pin, conditions, skip, search, kept, elsewhere, all }))
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
}

/// True where the numbers add up to no more than `most`; adds no further than that.
fn are_few(mut numbers: impl Iterator<Item = usize>, most: usize) -> bool {
    numbers.try_fold(most, usize::checked_sub).is_some()
}

/// A look-up whose rows in hot are found.
pub(crate) struct Started<'a> {
    engine: &'a Engine,
    pin: Arc<Pin>,
    conditions: Vec<Condition>,
    skip: usize,
    search: Search<'a>,
    /// Segments that were read.
    kept: Vec<Arc<Segment>>,
    /// Segments of other tiers that may hold rows of the answer, in the order that they are best read in.
    elsewhere: Vec<Arc<Segment>>,
    /// How many segments there are, by tier.
    all: [usize; 3],
}

impl Started<'_> {
    /// True where no other tier can hold rows of the answer.
    pub(crate) fn is_complete(&self) -> bool {
        self.elsewhere.is_empty()
    }

    /// The answer, of what was found.
    ///
    /// # Errors
    /// Where what the snapshot names may have been dropped by another process.
    pub(crate) fn finish(self) -> Result<Answer> {
        let table = &self.search.lookup.table;
        let of = |tier: usize| self.kept.iter().filter(move |segment| segment.tier.index() == tier);
        let report = ScanReport {
            table: table.name.clone(),
            table_id: table.id,
            epoch: self.pin.snapshot().epoch,
            segments: std::array::from_fn(|tier| (of(tier).count(), self.all[tier] - of(tier).count())),
            rows: std::array::from_fn(|tier| of(tier).map(|segment| segment.rows).sum()),
            cold_format: ColdFormat::of(table),
            rows_left_out: 0,
        };
        let rows = self.search.finish(self.skip)?;
        self.pin.check()?;
        self.engine.note_access(report.table_id, &self.kept);
        Ok(Answer { rows, report })
    }
}
