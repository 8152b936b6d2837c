//! Segments by their ids, with totals that are kept as segments come and go.

use std::sync::Arc;

use crate::segment::{Segment, SegmentId};
use crate::shared_map::SharedMap;
use crate::tier::Tier;

/// Segments of one tier, of a table or of one partition of it, in the order of their ids. Copies share what is the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Segments {
    by_id: SharedMap<SegmentId, Arc<Segment>>,
    totals: Totals,
}

/// Sums over segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many are owners.
    pub owners: usize,
    /// Rows of owners.
    pub owned_rows: u64,
    /// Rows of replicas.
    pub replica_rows: u64,
    /// Bytes of all.
    pub bytes: u64,
}

impl Segments {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The segment with this id.
    pub fn get(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        self.by_id.get(&id)
    }

    /// All of them, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Segment>> + Clone {
        self.by_id.values()
    }

    /// Those that are owners.
    pub fn owners(&self) -> impl Iterator<Item = &Arc<Segment>> + Clone {
        self.iter().filter(|segment| segment.is_owner())
    }

    /// All of them as a list.
    pub fn to_vec(&self) -> Vec<Arc<Segment>> {
        self.iter().cloned().collect()
    }

    /// Sums over them, known without looking at them.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// True when the two share everything.
    pub fn ptr_eq(&self, other: &Segments) -> bool {
        self.by_id.ptr_eq(&other.by_id)
    }

    /// How many nodes of the map behind it are not those of another one.
    #[cfg(test)]
    pub(super) fn made_since(&self, before: &Segments) -> usize {
        crate::shared_map::tests::made(&before.by_id, &self.by_id)
    }

    pub(super) fn insert(&mut self, segment: Arc<Segment>) {
        self.totals.count(&segment, true);
        if let Some(former) = self.by_id.insert(segment.id, segment) {
            self.totals.count(&former, false);
        }
    }

    pub(super) fn remove(&mut self, id: SegmentId) {
        if let Some(removed) = self.by_id.remove(&id) {
            self.totals.count(&removed, false);
        }
    }
}

impl Totals {
    fn count(&mut self, segment: &Segment, comes: bool) {
        let change =
            |total: &mut u64, by: u64| *total = if comes { total.wrapping_add(by) } else { total.wrapping_sub(by) };
        change(&mut self.bytes, segment.bytes);
        if !segment.is_owner() {
            change(&mut self.replica_rows, segment.rows);
            return;
        }
        change(&mut self.owned_rows, segment.rows);
        self.owners = if comes { self.owners + 1 } else { self.owners - 1 };
    }
}

impl<'a> IntoIterator for &'a Segments {
    type Item = &'a Arc<Segment>;
    type IntoIter = std::iter::Map<
        crate::shared_map::Iter<'a, SegmentId, Arc<Segment>>,
        fn((&'a SegmentId, &'a Arc<Segment>)) -> &'a Arc<Segment>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        fn segment<'a>((_, segment): (&'a SegmentId, &'a Arc<Segment>)) -> &'a Arc<Segment> {
            segment
        }
        self.by_id.iter().map(segment as fn(_) -> _)
    }
}

/// One partition of a table at one epoch: its segments (owners and replicas). There are none without segments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PartitionState {
    tiers: [Segments; 3],
}

impl PartitionState {
    /// Its segments in one tier.
    pub fn tier(&self, tier: Tier) -> &Segments {
        &self.tiers[tier.index()]
    }

    /// Its segments, fastest tier first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.tiers.iter().flatten()
    }

    /// How many there are, in all tiers.
    pub fn segment_count(&self) -> usize {
        self.tiers.iter().map(Segments::len).sum()
    }

    /// True without segments.
    pub fn is_empty(&self) -> bool {
        self.tiers.iter().all(Segments::is_empty)
    }

    pub(super) fn tier_mut(&mut self, tier: Tier) -> &mut Segments {
        &mut self.tiers[tier.index()]
    }
}
