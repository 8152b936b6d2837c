//! Snapshots: the immutable answer to "which segments hold which table's rows".

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::partition::PartitionKey;
use crate::roles::Roles;
use crate::segment::{Role, Segment, SegmentId};
use crate::table::{TableDef, TableId};
use crate::tier::Tier;

/// Everything that is visible at one epoch. Cloning is cheap: tables are shared until one changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Counts commits.
    pub epoch: u64,
    /// Live tables by id.
    pub tables: BTreeMap<TableId, Arc<TableState>>,
    /// Who there is, and what they may do.
    pub roles: Arc<Roles>,
}

/// One table at one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct TableState {
    /// Its definition at this epoch.
    pub def: Arc<TableDef>,
    /// Visible segments (owners and replicas) by [`Tier::index`].
    pub segments: [Arc<Vec<Arc<Segment>>>; 3],
    /// Per partition, the newest write-ahead-log sequence number whose rows lie outside hot.
    pub wal_covered: Arc<BTreeMap<PartitionKey, u64>>,
}

impl TableState {
    /// A table without rows.
    pub fn new(def: TableDef) -> Self {
        TableState { def: Arc::new(def), segments: Default::default(), wal_covered: Arc::default() }
    }

    /// Visible segments of one tier, owners and replicas.
    pub fn tier(&self, tier: Tier) -> &[Arc<Segment>] {
        &self.segments[tier.index()]
    }

    /// All visible segments, fastest tier first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.iter().flat_map(|tier| tier.iter())
    }

    /// All owner segments: together they hold every row of the table exactly once.
    pub fn owners(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.all().filter(|s| s.is_owner())
    }

    /// The segment with this id.
    pub fn segment(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        self.all().find(|s| s.id == id)
    }

    /// Number of rows, exact.
    pub fn row_count(&self) -> u64 {
        self.owners().map(|s| s.rows).sum()
    }

    /// One set of segments that holds every row exactly once, with replicas standing in for their owners. Only
    /// segments in `tiers` are used; rows owned by, and replicated in, none of them are left out.
    pub fn read_set(&self, tiers: &[Tier]) -> Vec<Arc<Segment>> {
        let mut replaced: std::collections::BTreeSet<SegmentId> = std::collections::BTreeSet::new();
        let mut chosen = Vec::new();
        for segment in self.all().filter(|s| tiers.contains(&s.tier)) {
            if let Role::ReplicaOf(owners) = &segment.role
                && !owners.iter().any(|o| replaced.contains(o))
            {
                replaced.extend(owners.iter().copied());
                chosen.push(Arc::clone(segment));
            }
        }
        chosen.extend(
            self.all().filter(|s| tiers.contains(&s.tier) && s.is_owner() && !replaced.contains(&s.id)).map(Arc::clone),
        );
        chosen
    }

    /// Removes a segment; false when it is not there. Replicas of it go with it, since they may outlive no owner.
    pub(crate) fn remove_segment(&mut self, id: SegmentId) -> bool {
        let mut found = false;
        for tier in &mut self.segments {
            let gone =
                |s: &Arc<Segment>| s.id == id || matches!(&s.role, Role::ReplicaOf(owners) if owners.contains(&id));
            if tier.iter().any(gone) {
                found |= tier.iter().any(|s| s.id == id);
                Arc::make_mut(tier).retain(|s| !gone(s));
            }
        }
        found
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

    /// What a transaction sees that has written these segments, which nobody else knows yet: this snapshot, of the same epoch,
    /// with them in it. Segments of tables that are not here are left out.
    #[must_use]
    pub fn with_private(&self, segments: &[Arc<Segment>]) -> Snapshot {
        let mut next = self.clone();
        for segment in segments {
            if let Some(state) = next.tables.get_mut(&segment.table) {
                Arc::make_mut(&mut Arc::make_mut(state).segments[segment.tier.index()]).push(Arc::clone(segment));
            }
        }
        next
    }

    /// The rows of this snapshot under the definitions of a newer one, as a transaction reads them that keeps its snapshot:
    /// statements are planned over tables as they are defined now. Tables that came later are there, without rows.
    #[must_use]
    pub fn with_definitions_of(&self, newer: &Snapshot) -> Snapshot {
        let mut next = self.clone();
        for (id, now) in &newer.tables {
            match next.tables.get_mut(id) {
                Some(state) if Arc::ptr_eq(&state.def, &now.def) => {}
                Some(state) => Arc::make_mut(state).def = Arc::clone(&now.def),
                None => {
                    let empty = TableState {
                        def: Arc::clone(&now.def),
                        segments: Default::default(),
                        wal_covered: Arc::default(),
                    };
                    next.tables.insert(*id, Arc::new(empty));
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests;
