//! Snapshots: the immutable answer to "which segments hold which table's rows".
//!
//! A snapshot is made of shared maps, table → partition → segments: the next one shares with it all that a commit leaves as it
//! is, so that a commit costs what it changes.

use std::sync::Arc;

use crate::partition::PartitionKey;
use crate::roles::Roles;
use crate::segment::{ColumnStats, Role, Segment, SegmentId};
use crate::shared_map::{Iter, SharedMap};
use crate::table::{TableDef, TableId};
use crate::tier::Tier;

mod known_columns;
mod segments;

use known_columns::KnownColumns;

pub use segments::{PartitionState, Segments, Totals};

/// Everything that is visible at one epoch. Cloning is cheap: all is shared until it changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Counts commits.
    pub epoch: u64,
    /// Live tables by id.
    pub tables: SharedMap<TableId, Arc<TableState>>,
    /// Who there is, and what they may do.
    pub roles: Arc<Roles>,
}

/// One table at one epoch. Cloning is cheap: all is shared until it changes.
#[derive(Debug, Clone, PartialEq)]
pub struct TableState {
    /// Its definition at this epoch.
    pub def: Arc<TableDef>,
    /// Visible segments (owners and replicas) by [`Tier::index`].
    segments: [Segments; 3],
    /// What is known of columns, by tier.
    columns: [Arc<KnownColumns>; 3],
    /// The same segments by partition.
    partitions: SharedMap<PartitionKey, Arc<PartitionState>>,
    /// Each owner that has a replica, with that replica.
    replicas: SharedMap<(SegmentId, SegmentId), ()>,
    /// Per partition, the newest write-ahead-log sequence number whose rows lie outside hot.
    pub wal_covered: SharedMap<PartitionKey, u64>,
}

impl TableState {
    /// A table without rows.
    pub fn new(def: TableDef) -> Self {
        TableState::empty(Arc::new(def))
    }

    fn empty(def: Arc<TableDef>) -> Self {
        TableState {
            def,
            segments: Default::default(),
            columns: Default::default(),
            partitions: SharedMap::new(),
            replicas: SharedMap::new(),
            wal_covered: SharedMap::new(),
        }
    }

    /// Visible segments of one tier, owners and replicas.
    pub fn tier(&self, tier: Tier) -> &Segments {
        &self.segments[tier.index()]
    }

    /// All visible segments, fastest tier first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.iter().flatten()
    }

    /// All owner segments: together they hold every row of the table exactly once.
    pub fn owners(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.all().filter(|s| s.is_owner())
    }

    /// The partitions that have segments, in the order of their keys.
    pub fn partitions(&self) -> impl Iterator<Item = (&PartitionKey, &Arc<PartitionState>)> {
        self.partitions.iter()
    }

    /// As [`TableState::partitions`], from a key on.
    pub fn partitions_from(&self, first: &PartitionKey) -> Iter<'_, PartitionKey, Arc<PartitionState>> {
        self.partitions.iter_from(first)
    }

    /// One partition; `None` where it has no segments.
    pub fn partition(&self, key: &PartitionKey) -> Option<&Arc<PartitionState>> {
        self.partitions.get(key)
    }

    /// How many partitions have segments.
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// The segment with this id.
    pub fn segment(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        self.segments.iter().find_map(|tier| tier.get(id))
    }

    /// How many segments there are, in all tiers.
    pub fn segment_count(&self) -> usize {
        self.segments.iter().map(Segments::len).sum()
    }

    /// Number of rows, exact.
    pub fn row_count(&self) -> u64 {
        self.segments.iter().map(|tier| tier.totals().owned_rows).sum()
    }

    /// Statistics of a column over all segments of a tier, owners and replicas; `None` where one of them does not know the
    /// column. Gathered once, as long as no segment of the tier comes or goes.
    pub fn column(&self, tier: Tier, name: &str) -> Option<Arc<ColumnStats>> {
        self.columns[tier.index()].of(name, self.tier(tier).iter())
    }

    /// True where some segment is a replica.
    pub fn has_replicas(&self) -> bool {
        self.segments.iter().any(|tier| tier.totals().owners < tier.len())
    }

    /// The replicas of an owner.
    pub fn replicas_of(&self, owner: SegmentId) -> impl Iterator<Item = SegmentId> {
        let pairs = self.replicas.iter_from(&(owner, SegmentId::MIN)).map(|(pair, ())| *pair);
        pairs.take_while(move |(of, _)| *of == owner).map(|(_, replica)| replica)
    }

    /// One set of segments that holds every row exactly once, with replicas standing in for their owners. Only
    /// segments in `tiers` are used; rows owned by, and replicated in, none of them are left out.
    pub fn read_set(&self, tiers: &[Tier]) -> Vec<Arc<Segment>> {
        let segments = || Tier::ALL.into_iter().filter(|tier| tiers.contains(tier)).map(|tier| self.tier(tier));
        let mut chosen = Vec::with_capacity(segments().map(Segments::len).sum());
        let mut replaced: std::collections::BTreeSet<SegmentId> = std::collections::BTreeSet::new();
        for segment in segments().filter(|tier| tier.totals().owners < tier.len()).flatten() {
            if let Role::ReplicaOf(owners) = &segment.role
                && !owners.iter().any(|o| replaced.contains(o))
            {
                replaced.extend(owners.iter().copied());
                chosen.push(Arc::clone(segment));
            }
        }
        chosen.extend(segments().flatten().filter(|s| s.is_owner() && !replaced.contains(&s.id)).map(Arc::clone));
        chosen
    }

    /// Makes a segment visible, in the place of one of the same id. What has to hold for it is checked by
    /// [`Snapshot::apply`]; this is for what a catalog has stored.
    pub fn insert_segment(&mut self, segment: Arc<Segment>) {
        if let Some(former) = self.segment(segment.id).cloned() {
            self.take_out(&former);
        }
        if let Role::ReplicaOf(owners) = &segment.role {
            for owner in owners {
                self.replicas.insert((*owner, segment.id), ());
            }
        }
        match self.partitions.get_mut(&segment.partition) {
            Some(partition) => Arc::make_mut(partition).tier_mut(segment.tier).insert(Arc::clone(&segment)),
            None => {
                let mut partition = PartitionState::default();
                partition.tier_mut(segment.tier).insert(Arc::clone(&segment));
                self.partitions.insert(segment.partition.clone(), Arc::new(partition));
            }
        }
        KnownColumns::forget(&mut self.columns[segment.tier.index()]);
        self.segments[segment.tier.index()].insert(segment);
    }

    /// Removes a segment, and the replicas of it, since they may outlive no owner. What is gone is added to `gone`; false when
    /// the segment is not there.
    pub(crate) fn remove_segment(&mut self, id: SegmentId, gone: &mut Vec<Arc<Segment>>) -> bool {
        let Some(segment) = self.segment(id).cloned() else { return false };
        let before = gone.len();
        gone.extend(self.replicas_of(id).filter_map(|replica| self.segment(replica).cloned()));
        gone.push(segment);
        gone[before..].iter().for_each(|segment| self.take_out(segment));
        true
    }

    fn take_out(&mut self, segment: &Segment) {
        KnownColumns::forget(&mut self.columns[segment.tier.index()]);
        self.segments[segment.tier.index()].remove(segment.id);
        if let Some(partition) = self.partitions.get_mut(&segment.partition) {
            let partition = Arc::make_mut(partition);
            partition.tier_mut(segment.tier).remove(segment.id);
            if partition.is_empty() {
                self.partitions.remove(&segment.partition);
            }
        }
        if let Role::ReplicaOf(owners) = &segment.role {
            for owner in owners {
                self.replicas.remove(&(*owner, segment.id));
            }
        }
    }
}

impl Snapshot {
    /// The live table with this name.
    pub fn table(&self, name: &str) -> Option<&Arc<TableState>> {
        self.tables.values().find(|t| t.def.name == name)
    }

    /// What stands for the schema of this name, which somebody has made.
    pub fn schema(&self, name: &str) -> Option<&Arc<TableState>> {
        self.table(&format!("{name}.")).filter(|state| state.def.is_schema())
    }

    /// What stands for the schema that something of this name is in; `None` where that is `public`.
    pub fn schema_of(&self, name: &str) -> Option<&Arc<TableState>> {
        name.split_once('.').and_then(|(schema, _)| self.schema(schema))
    }

    /// The schema that the relation of this name is in, and its name there; `None` for those outside of schemas that were made.
    pub fn own_schema<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let (schema, within) = name.split_once('.').filter(|(_, within)| !within.is_empty())?;
        self.schema(schema).map(|_| (schema, within))
    }

    /// The live table with this id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Arc<TableState>> {
        self.tables.get(&id)
    }

    /// What a transaction sees that has written these segments, which nobody else knows yet, and taken those away: this snapshot,
    /// of the same epoch, with the ones in it and without the others. Segments of tables that are not here are left out.
    #[must_use]
    pub fn with_private(&self, written: &[Arc<Segment>], gone: &[Arc<Segment>]) -> Snapshot {
        let mut next = self.clone();
        for segment in written {
            if let Some(state) = next.tables.get_mut(&segment.table) {
                Arc::make_mut(state).insert_segment(Arc::clone(segment));
            }
        }
        for segment in gone {
            if let Some(state) = next.tables.get_mut(&segment.table) {
                Arc::make_mut(state).remove_segment(segment.id, &mut Vec::new());
            }
        }
        next
    }

    /// This snapshot, of the same epoch, with no other segments of a table than these.
    #[must_use]
    pub fn with_only(&self, table: TableId, segments: impl IntoIterator<Item = Arc<Segment>>) -> Snapshot {
        let mut next = self.clone();
        if let Some(state) = self.tables.get(&table) {
            let mut only = TableState::empty(Arc::clone(&state.def));
            segments.into_iter().for_each(|segment| only.insert_segment(segment));
            next.tables.insert(table, Arc::new(only));
        }
        next
    }

    /// The rows of this snapshot under the definitions of a newer one, as a transaction reads them that keeps its snapshot:
    /// statements are planned over tables as they are defined now. Tables that came later are there, without rows.
    #[must_use]
    pub fn with_definitions_of(&self, newer: &Snapshot) -> Snapshot {
        let mut next = self.clone();
        for (id, now) in &newer.tables {
            match self.tables.get(id) {
                Some(state) if Arc::ptr_eq(&state.def, &now.def) => {}
                Some(state) => {
                    let state = TableState { def: Arc::clone(&now.def), ..state.as_ref().clone() };
                    next.tables.insert(*id, Arc::new(state));
                }
                None => {
                    next.tables.insert(*id, Arc::new(TableState::empty(Arc::clone(&now.def))));
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests;
