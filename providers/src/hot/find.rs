//! The rows of one key, found at once: without a query plan, where few rows have to be looked at.
//!
//! Whoever asks says how much may be done for it. A segment that would need more declines, and the rows are read by a scan.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use zxq_catalog::{TableDef, Value};

use super::index::ColumnIndex;
use super::key::{Bound, compare_at, search};
use super::project::Projector;
use super::segment::HotSegment;
use crate::error::Result;

#[cfg(test)]
mod tests;

/// Rows of a range that are looked at one by one rather than by an index.
const FEW_ROWS: usize = 64;

/// How a value has to compare with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// True where a value that compares so with the constant passes.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// `column comparison value`. NULL never passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The column's name.
    pub column: String,
    /// How it compares.
    pub comparison: Comparison,
    /// With what: a value of exactly the column's type, and no float.
    pub value: Value,
}

/// One column that rows are wanted in the order of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderColumn {
    /// The column's name.
    pub column: String,
    /// Largest first.
    pub descending: bool,
    /// NULLs before all values.
    pub nulls_first: bool,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The definition that the statement was planned with.
    pub table: &'a TableDef,
    /// Columns, as positions in it.
    pub projection: &'a [usize],
    /// The schema of these columns, as the rows that are found have it.
    pub output: &'a SchemaRef,
    /// What rows have to pass: all of them.
    pub conditions: &'a [Condition],
    /// In which order they are wanted.
    pub order: &'a [OrderColumn],
    /// How many are wanted, in that order.
    pub most: Option<usize>,
    /// How many rows may be looked at.
    pub looks: usize,
    /// An index may be built, which reads a whole column.
    pub builds_index: bool,
}

/// Rows that were found.
#[derive(Debug)]
pub struct Found {
    /// The wanted columns of those that pass, or of the first of them in the wanted order.
    pub rows: RecordBatch,
    /// They are in the wanted order.
    pub ordered: bool,
    /// How many rows were looked at.
    pub looked_at: usize,
}

/// A condition on a column of the segment.
#[derive(Clone, Copy)]
struct Located<'a> {
    column: usize,
    comparison: Comparison,
    value: &'a Value,
}

/// Numbers of rows that pass, in the order that they are handed out in.
struct Passing {
    rows: Vec<u32>,
    looked_at: usize,
}

impl HotSegment {
    /// The rows that pass. `None` where that takes more work than is allowed, or cannot be told from what is stored: a column was
    /// added later.
    ///
    /// # Errors
    /// Where stored columns are not of the table's types.
    pub(crate) fn find(&self, wanted: &Wanted<'_>) -> Result<Option<Found>> {
        let Some(conditions) = self.located(wanted.conditions) else { return Ok(None) };
        let Some((range, equal)) = self.key_range(&conditions) else { return Ok(None) };
        let ordered = self.is_in_order(wanted.order, equal);
        let backwards = ordered && wanted.order.first().is_some_and(|first| first.descending);
        // In another order than they are stored in, the first of them are known when all are.
        let most = wanted.most.filter(|_| ordered || wanted.order.is_empty()).unwrap_or(usize::MAX);
        let indexed = match range.len() > FEW_ROWS {
            true => self.index_for(wanted, &conditions, equal),
            false => None,
        };
        let passing = match indexed {
            Some((index, condition)) => {
                let rows = index.candidates(condition.value);
                match backwards {
                    true => self.passing(rows.rev(), &conditions, most, wanted.looks),
                    false => self.passing(rows, &conditions, most, wanted.looks),
                }
            }
            None => {
                // What the range is cut by need not be looked at again.
                let cut_by = self.sort_columns().get(..equal).unwrap_or_default();
                let left: Vec<Located<'_>> = conditions.into_iter().filter(|c| !cut_by.contains(&c.column)).collect();
                match backwards {
                    true => self.passing(range.rev(), &left, most, wanted.looks),
                    false => self.passing(range, &left, most, wanted.looks),
                }
            }
        };
        let Some(passing) = passing else { return Ok(None) };
        let rows = self.project_rows(&passing.rows, wanted)?;
        Ok(Some(Found { rows, ordered: ordered || wanted.order.is_empty(), looked_at: passing.looked_at }))
    }

    fn located<'a>(&self, conditions: &'a [Condition]) -> Option<Vec<Located<'a>>> {
        let located = |condition: &'a Condition| {
            let column = self.schema().index_of(&condition.column).ok()?;
            Some(Located { column, comparison: condition.comparison, value: &condition.value })
        };
        conditions.iter().map(located).collect()
    }

    /// The rows that conditions on the first columns of the sort key leave, and on how many of these each has one value only.
    /// `None` where values cannot be compared.
    fn key_range(&self, conditions: &[Located<'_>]) -> Option<(Range<usize>, usize)> {
        let mut rows = 0..self.num_rows();
        for (at, column) in self.sort_columns().iter().enumerate() {
            let mut equal = false;
            for condition in conditions.iter().filter(|condition| condition.column == *column) {
                let bound = |inclusive| Some(Bound { value: condition.value.clone(), inclusive });
                let (lower, upper) = match condition.comparison {
                    Comparison::Equal => (bound(true), bound(true)),
                    Comparison::Less => (None, bound(false)),
                    Comparison::LessOrEqual => (None, bound(true)),
                    Comparison::Greater => (bound(false), None),
                    Comparison::GreaterOrEqual => (bound(true), None),
                };
                let compare = |row: usize, value: &Value| self.compare(*column, row, value);
                rows = search(rows, lower.as_ref(), upper.as_ref(), compare)?;
                equal |= condition.comparison == Comparison::Equal;
            }
            if !equal {
                return Some((rows, at));
            }
        }
        Some((rows, self.sort_columns().len()))
    }

    /// True where rows that share the first `equal` columns of the sort key are stored in this order, or the other way round.
    fn is_in_order(&self, order: &[OrderColumn], equal: usize) -> bool {
        let Some(descending) = order.first().map(|first| first.descending) else { return false };
        let stored = self.sort_columns().get(equal..).unwrap_or_default();
        order.len() <= stored.len()
            && order.iter().zip(stored).all(|(wanted, column)| {
                wanted.descending == descending
                    && self.schema().fields().get(*column).is_some_and(|field| *field.name() == wanted.column)
                    // Where NULLs belong is another question.
                    && self.batches().iter().all(|batch| batch.column(*column).null_count() == 0)
            })
    }

    /// The index of a lookup column whose value is known, where the range is not cut by that.
    fn index_for<'a>(
        &self,
        wanted: &Wanted<'_>,
        conditions: &[Located<'a>],
        equal: usize,
    ) -> Option<(Arc<ColumnIndex>, Located<'a>)> {
        let cut_by = self.sort_columns().get(..equal).unwrap_or_default();
        let known = conditions.iter().filter(|condition| condition.comparison == Comparison::Equal);
        known.filter(|condition| !cut_by.contains(&condition.column)).find_map(|condition| {
            let name = self.schema().field(condition.column).name();
            if !wanted.table.lookup.contains(name) {
                return None;
            }
            let index = match wanted.builds_index {
                true => self.index(condition.column),
                false => self.ready_index(condition.column),
            };
            Some((index?, *condition))
        })
    }

    /// The first rows that pass; `None` where more would have to be looked at, or values cannot be compared.
    fn passing(
        &self,
        rows: impl Iterator<Item = usize>,
        conditions: &[Located<'_>],
        most: usize,
        looks: usize,
    ) -> Option<Passing> {
        let mut passing = Passing { rows: Vec::new(), looked_at: 0 };
        if most == 0 {
            return Some(passing);
        }
        for row in rows {
            if passing.looked_at == looks {
                return None;
            }
            passing.looked_at += 1;
            if self.passes(row, conditions)? {
                passing.rows.push(u32::try_from(row).ok()?);
                if passing.rows.len() == most {
                    break;
                }
            }
        }
        Some(passing)
    }

    /// Whether a row passes; `None` where values cannot be compared.
    fn passes(&self, row: usize, conditions: &[Located<'_>]) -> Option<bool> {
        for condition in conditions {
            let (array, at) = self.array_at(condition.column, row)?;
            if array.is_null(at) || !condition.comparison.holds(compare_at(array, at, condition.value)?) {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The wanted columns of single rows, in the order given.
    fn project_rows(&self, rows: &[u32], wanted: &Wanted<'_>) -> Result<RecordBatch> {
        let names = wanted.projection.iter().filter_map(|at| wanted.table.columns.get(*at)).map(|column| &column.name);
        let mut stored: Vec<usize> = names.filter_map(|name| self.schema().index_of(name).ok()).collect();
        if stored.is_empty() {
            // All were added later: their number of rows is another column's.
            stored.push(0);
        }
        let schema = Arc::new(self.schema().project(&stored)?);
        let projector = Projector::new(wanted.table, wanted.projection, wanted.output, &schema)?;
        let picked = match self.in_one_piece(rows) {
            _ if rows.is_empty() => RecordBatch::new_empty(schema),
            Some((batch, at)) => batch.project(&stored)?.slice(at, rows.len()),
            None => {
                let batches = self.batches().iter().map(|batch| batch.project(&stored));
                let batches = batches.collect::<Result<Vec<_>, _>>()?;
                match batches.as_slice() {
                    [only] => compute::take_record_batch(only, &UInt32Array::from(rows.to_vec()))?,
                    several => {
                        let several: Vec<&RecordBatch> = several.iter().collect();
                        compute::interleave_record_batch(&several, &self.places(rows))?
                    }
                }
            }
        };
        projector.apply(&picked)
    }

    /// The batch that consecutive rows lie in, and where they begin there.
    fn in_one_piece(&self, rows: &[u32]) -> Option<(&RecordBatch, usize)> {
        let first = *rows.first()? as usize;
        let consecutive = rows.iter().enumerate().all(|(at, row)| *row as usize == first + at);
        self.locate(first).filter(|(batch, at)| consecutive && at + rows.len() <= batch.num_rows())
    }
}
