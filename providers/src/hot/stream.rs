//! Reads the pieces of one output partition, batch by batch.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::Result as DfResult;
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count};
use zxq_catalog::{Segment, TableDef};

use super::bounds::KeyBounds;
use super::layout::Piece;
use super::project::Projector;
use super::segment::HotSegment;
use crate::error::Result;
use crate::pruning;

/// Rows below which handing all of them out is cheaper than asking an index.
const MIN_INDEXED_ROWS: usize = 8192;
/// Batches that a slice of a scan without filters takes the place of.
const PLAIN_BATCHES: usize = 4;

/// An index is used where it leaves less than one row in this many.
const INDEX_SELECTIVITY: usize = 4;

/// What a scan reads, the same for all its output partitions.
#[derive(Debug, Clone)]
pub(crate) struct ReadSpec {
    pub(crate) table: Arc<TableDef>,
    pub(crate) table_schema: SchemaRef,
    pub(crate) projection: Vec<usize>,
    pub(crate) output: SchemaRef,
    /// Over the table's schema, as are the dynamic ones.
    pub(crate) filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Filters that change while the query runs.
    pub(crate) dynamic_filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Most rows an output partition hands out.
    pub(crate) fetch: Option<usize>,
}

/// Hands out the pieces' rows as slices of what is stored.
pub(crate) struct PieceReader {
    spec: ReadSpec,
    pieces: VecDeque<Piece>,
    current: Option<Current>,
    left: Option<usize>,
    batch_size: usize,
    metrics: BaselineMetrics,
    segments_pruned: Count,
}

/// The piece being read.
struct Current {
    segment: Arc<HotSegment>,
    facts: Arc<Segment>,
    projector: Projector,
    rows: Rows,
    /// Generation of the dynamic filters that `rows` was narrowed by.
    generation: u64,
}

enum Rows {
    Ranges(VecDeque<Range<usize>>),
    Single(VecDeque<u32>),
}

impl PieceReader {
    pub(crate) fn new(
        spec: ReadSpec,
        pieces: Vec<Piece>,
        batch_size: usize,
        metrics: BaselineMetrics,
        segments_pruned: Count,
    ) -> Self {
        let (left, batch_size) = (spec.fetch, batch_size.max(1));
        PieceReader { spec, pieces: pieces.into(), current: None, left, batch_size, metrics, segments_pruned }
    }

    fn read_next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let slice = self.slice_rows();
            let wanted = self.left.map_or(slice, |left| left.min(slice));
            if wanted == 0 {
                return Ok(None);
            }
            let mut current = match self.current.take() {
                Some(current) => current,
                None => match self.pieces.pop_front() {
                    Some(piece) => match self.open(piece)? {
                        Some(current) => current,
                        None => continue,
                    },
                    None => return Ok(None),
                },
            };
            if !self.narrow_further(&mut current)? {
                continue;
            }
            if let Some(rows) = current.take(wanted)? {
                let batch = current.projector.apply(&rows)?;
                self.current = Some(current);
                if let Some(left) = &mut self.left {
                    *left -= batch.num_rows();
                }
                return Ok(Some(batch));
            }
        }
    }

    /// Most rows of one slice. Without filters above, larger slices cost nothing and save their handling.
    fn slice_rows(&self) -> usize {
        let plain = self.spec.filters.is_empty() && self.spec.dynamic_filters.is_empty();
        if plain { self.batch_size.saturating_mul(PLAIN_BATCHES) } else { self.batch_size }
    }

    fn generation(&self) -> u64 {
        self.spec.dynamic_filters.iter().fold(0, |sum: u64, filter| sum.wrapping_add(snapshot_generation(filter)))
    }

    /// `None` when the piece cannot hold a row that passes.
    fn open(&mut self, piece: Piece) -> Result<Option<Current>> {
        let generation = self.generation();
        let filters = self.filters_now()?;
        // With the static filters: the dynamic ones alone may say nothing about the first columns of the sort key.
        let bounds = KeyBounds::of(&filters, &self.spec.table_schema);
        let ranges = if self.spec.dynamic_filters.is_empty() {
            vec![piece.rows.clone()]
        } else {
            let ranges = self.passable(&piece.segment, &piece.facts, piece.rows.clone(), &filters, &bounds)?;
            if ranges.is_empty() {
                self.segments_pruned.add(1);
                return Ok(None);
            }
            ranges
        };
        let projector =
            Projector::new(&self.spec.table, &self.spec.projection, &self.spec.output, piece.segment.schema())?;
        let rows = match self.indexed(&piece.segment, &ranges, &bounds) {
            Some(rows) => Rows::Single(rows.into()),
            None => Rows::Ranges(ranges.into()),
        };
        Ok(Some(Current { segment: piece.segment, facts: piece.facts, projector, rows, generation }))
    }

    /// The static filters, then the dynamic ones as they stand.
    fn filters_now(&self) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        let mut now = self.spec.filters.clone();
        for filter in &self.spec.dynamic_filters {
            now.push(snapshot_physical_expr(Arc::clone(filter))?);
        }
        Ok(now)
    }

    /// What the filters leave of `rows`; `bounds` is what they say about single columns.
    fn passable(
        &self,
        segment: &HotSegment,
        facts: &Arc<Segment>,
        rows: Range<usize>,
        filters: &[Arc<dyn PhysicalExpr>],
        bounds: &KeyBounds,
    ) -> Result<Vec<Range<usize>>> {
        // Static filters have pruned whole segments when the scan was laid out.
        let dynamic = conjunction(filters.iter().skip(self.spec.filters.len()).cloned());
        let keep = pruning::prune(&self.spec.table_schema, std::slice::from_ref(facts), &dynamic)?;
        if keep.first() == Some(&false) {
            return Ok(Vec::new());
        }
        Ok(if bounds.is_empty() { vec![rows] } else { segment.narrow(bounds, rows) })
    }

    /// Applies what the dynamic filters have learned since the last batch; false when nothing is left.
    fn narrow_further(&self, current: &mut Current) -> Result<bool> {
        if self.spec.dynamic_filters.is_empty() {
            return Ok(true);
        }
        let generation = self.generation();
        if generation == current.generation {
            return Ok(true);
        }
        current.generation = generation;
        let Rows::Ranges(ranges) = &mut current.rows else { return Ok(true) };
        let filters = self.filters_now()?;
        let bounds = KeyBounds::of(&filters, &self.spec.table_schema);
        let mut narrowed = VecDeque::with_capacity(ranges.len());
        for range in ranges.drain(..) {
            narrowed.extend(self.passable(&current.segment, &current.facts, range, &filters, &bounds)?);
        }
        *ranges = narrowed;
        Ok(!ranges.is_empty())
    }

    /// The rows within `ranges` that an equality on a lookup column leaves, when that is few of them.
    fn indexed(&self, segment: &HotSegment, ranges: &[Range<usize>], bounds: &KeyBounds) -> Option<Vec<u32>> {
        let rows: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        if rows < MIN_INDEXED_ROWS {
            return None;
        }
        let mut best: Option<Vec<u32>> = None;
        for (name, values) in bounds.equalities() {
            let column = segment.schema().index_of(name).ok();
            let Some(column) = column.filter(|column| {
                self.spec.table.lookup.iter().any(|l| l == name) && segment.sort_columns().first() != Some(column)
            }) else {
                continue;
            };
            let Some(mut found) = segment.indexed_rows(column, values) else { continue };
            found.retain(|row| {
                let row = *row as usize;
                let after = ranges.partition_point(|range| range.end <= row);
                ranges.get(after).is_some_and(|range| range.contains(&row))
            });
            if found.len() * INDEX_SELECTIVITY < rows && best.as_ref().is_none_or(|b| found.len() < b.len()) {
                best = Some(found);
            }
        }
        best
    }
}

impl Current {
    /// The next rows, at most `wanted`; `None` at the end.
    fn take(&mut self, wanted: usize) -> Result<Option<RecordBatch>> {
        match &mut self.rows {
            Rows::Ranges(ranges) => {
                while let Some(range) = ranges.front_mut() {
                    if let Some(batch) = self.segment.front(range, wanted) {
                        range.start += batch.num_rows();
                        return Ok(Some(batch));
                    }
                    ranges.pop_front();
                }
                Ok(None)
            }
            Rows::Single(rows) => {
                let chunk: Vec<u32> = rows.drain(..wanted.min(rows.len())).collect();
                if chunk.is_empty() { Ok(None) } else { self.segment.gather(&chunk).map(Some) }
            }
        }
    }
}

impl Iterator for PieceReader {
    type Item = DfResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let timer = self.metrics.elapsed_compute().clone();
        let _timed = timer.timer();
        match self.read_next() {
            Ok(Some(batch)) => {
                self.metrics.record_output(batch.num_rows());
                Some(Ok(batch))
            }
            Ok(None) => None,
            Err(error) => {
                // A failed reader is at its end.
                self.pieces.clear();
                self.current = None;
                Some(Err(error.into()))
            }
        }
    }
}
