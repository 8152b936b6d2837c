//! Segments: immutable, sorted sets of rows of one partition in one tier.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::job::JobId;
use crate::partition::PartitionKey;
use crate::table::TableId;
use crate::tier::Tier;
use crate::value::Value;

/// Identifies a segment for ever, in every tier.
pub type SegmentId = u64;

/// Whether a segment is the home of its rows or a copy of rows that live elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The one home of its rows.
    Owner,
    /// A droppable copy, in a faster tier, of the rows of the listed owner segments (all rows of all of them).
    ReplicaOf(Vec<SegmentId>),
}

/// Order-insensitive hash of a set of rows: the wrapping sum of one 64-bit hash per row.
///
/// Rows can be split, merged and reordered without changing it, and a doubled or lost row changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowHash(pub u64);

impl RowHash {
    /// The hash of the union of two row-disjoint sets.
    #[must_use]
    pub fn combine(self, other: RowHash) -> RowHash {
        RowHash(self.0.wrapping_add(other.0))
    }
}

impl fmt::Display for RowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Exact statistics of one column over one segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnStats {
    /// Smallest non-NULL value; `None` if there is none (all NULL), or if it is not known (NaN was seen, or the type
    /// has no order). `has_bounds` tells the two apart.
    pub min: Option<Value>,
    /// Largest non-NULL value, as `min`.
    pub max: Option<Value>,
    /// Number of NULLs.
    pub null_count: u64,
    /// True when `min` and `max` are exact: the true extremes, or both `None` because every value is NULL.
    pub has_bounds: bool,
}

impl ColumnStats {
    /// Statistics of a column over all rows of some segments; `None` where one of them does not know the column.
    pub fn over<'a>(name: &str, segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> Option<ColumnStats> {
        let mut total = ColumnStats { has_bounds: true, ..ColumnStats::default() };
        for segment in segments {
            total.widen(segment.stats.get(name)?);
        }
        Some(total)
    }

    /// Widens these statistics by those of further, disjoint rows of the same column.
    pub fn widen(&mut self, next: &ColumnStats) {
        self.null_count += next.null_count;
        self.has_bounds = self.has_bounds
            && next.has_bounds
            && widen(&mut self.min, next.min.as_ref(), Ordering::Less)
            && widen(&mut self.max, next.max.as_ref(), Ordering::Greater);
        if !self.has_bounds {
            (self.min, self.max) = (None, None);
        }
    }
}

/// Takes the other value over where it is `wanted` beside the known one. False where they cannot be compared.
fn widen(known: &mut Option<Value>, next: Option<&Value>, wanted: Ordering) -> bool {
    let Some(next) = next else { return true };
    let is_better = match known {
        Some(known) => match next.compare(known) {
            Some(order) => order == wanted,
            None => return false,
        },
        None => true,
    };
    if is_better {
        *known = Some(next.clone());
    }
    true
}

/// One immutable segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Identity.
    pub id: SegmentId,
    /// Table it belongs to.
    pub table: TableId,
    /// Partition whose rows it holds.
    pub partition: PartitionKey,
    /// Tier it lies in.
    pub tier: Tier,
    /// Owner or replica.
    pub role: Role,
    /// Where its store finds it: a path relative to the store's root, a table name. Meaning belongs to the store.
    pub location: String,
    /// Number of rows, at least 1.
    pub rows: u64,
    /// Size in its tier: bytes of memory, of database storage (an estimate), or of the file.
    pub bytes: u64,
    /// Row hash over all columns that existed when it was written.
    pub hash: RowHash,
    /// Statistics by column name. A column missing here was added to the table later: all its values are NULL (or the
    /// default that `ALTER TABLE ADD COLUMN` recorded).
    pub stats: BTreeMap<String, ColumnStats>,
    /// True when rows are sorted by the table's sort key, ascending, NULLs first.
    pub sorted: bool,
    /// The load or move that made it.
    pub job: JobId,
    /// Epoch of the commit that made it visible.
    pub created_epoch: u64,
}

impl Segment {
    /// True for the home of its rows.
    pub fn is_owner(&self) -> bool {
        self.role == Role::Owner
    }
}
