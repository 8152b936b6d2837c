//! The changes a commit is made of, and the pure function that applies them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{CatalogError, Result};
use crate::partition::PartitionKey;
use crate::roles::{Grant, Role, RoleId, SCHEMA};
use crate::segment::{Role as SegmentRole, Segment, SegmentId};
use crate::snapshot::{Snapshot, TableState};
use crate::table::{TableDef, TableId};

/// One step of a commit. A commit is a list of these, applied all or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A new table; its id must be fresh.
    CreateTable(Box<TableDef>),
    /// A table and all its segments go away.
    DropTable(TableId),
    /// The definition changes (a column was added, an option set); segments stay.
    AlterTable(Box<TableDef>),
    /// A segment becomes visible.
    AddSegment(Box<Segment>),
    /// A segment stops being visible.
    RetireSegment {
        /// The table that the segment belongs to.
        table: TableId,
        /// The segment that changes.
        segment: SegmentId,
    },
    /// All write-ahead-log records of this partition up to this log sequence number are durable outside hot (or were
    /// deleted): replay skips them.
    CoverWal {
        /// Whose rows they are.
        table: TableId,
        /// The partition that they belong to.
        partition: PartitionKey,
        /// The newest covered log sequence number.
        lsn: u64,
    },
    /// A role comes, or is another one from now on.
    PutRole(Box<Role>),
    /// A role goes; it owns nothing, has no members, and is in no grant.
    DropRole(RoleId),
    /// What is granted on a table, or on [`SCHEMA`], from now on.
    SetGrants {
        /// The table, or [`SCHEMA`].
        on: TableId,
        /// All grants on it.
        grants: Vec<Grant>,
    },
}

/// What changes make of a snapshot.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The next snapshot.
    pub snapshot: Snapshot,
    /// Segments that were visible before, or for a moment between two of the changes, and are not any more.
    pub gone: Vec<Arc<Segment>>,
}

impl Snapshot {
    /// The snapshot of epoch `self.epoch + 1`: this one with all `changes` applied in order.
    ///
    /// Pure: `self` is untouched, and nothing is read or written.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when a change does not fit (unknown table, segment id in use, segment not there),
    /// [`CatalogError::TableExists`] for a taken name.
    pub fn apply(&self, changes: &[Change]) -> Result<Snapshot> {
        self.apply_all(changes).map(|applied| applied.snapshot)
    }

    /// As [`Snapshot::apply`], and which segments went.
    ///
    /// # Errors
    /// As [`Snapshot::apply`].
    pub fn apply_all(&self, changes: &[Change]) -> Result<Applied> {
        let mut next = self.clone();
        next.epoch = self.epoch + 1;
        let mut gone = Vec::new();
        for change in changes {
            next.apply_one(change, &mut gone)?;
        }
        // One that came back is not gone.
        gone.retain(|segment| next.table_by_id(segment.table).is_none_or(|table| table.segment(segment.id).is_none()));
        Ok(Applied { snapshot: next, gone })
    }

    fn apply_one(&mut self, change: &Change, gone: &mut Vec<Arc<Segment>>) -> Result<()> {
        match change {
            Change::CreateTable(def) => {
                if self.table(&def.name).is_some() {
                    return Err(CatalogError::TableExists(def.name.clone()));
                }
                if def.id == 0 || self.tables.contains_key(&def.id) {
                    return Err(CatalogError::Conflict(format!("table id {} is not fresh", def.id)));
                }
                self.need_owner(def)?;
                self.tables.insert(def.id, Arc::new(TableState::new(def.as_ref().clone())));
            }
            Change::DropTable(id) => {
                match self.tables.remove(id) {
                    Some(state) => gone.extend(state.all().map(Arc::clone)),
                    None => return Err(CatalogError::Conflict(format!("no table with id {id} to drop"))),
                }
                if !self.roles.grants(*id).is_empty() {
                    Arc::make_mut(&mut self.roles).forget(*id);
                }
            }
            Change::AlterTable(def) => {
                if self.tables.values().any(|t| t.def.name == def.name && t.def.id != def.id) {
                    return Err(CatalogError::TableExists(def.name.clone()));
                }
                self.need_owner(def)?;
                let state = self.state_mut(def.id)?;
                state.def = Arc::new(def.as_ref().clone());
            }
            Change::AddSegment(segment) => {
                let mut segment = segment.as_ref().clone();
                segment.created_epoch = self.epoch;
                let state = self.state_mut(segment.table)?;
                if state.segment(segment.id).is_some() {
                    return Err(CatalogError::Conflict(format!("segment {} exists already", segment.id)));
                }
                if let SegmentRole::ReplicaOf(owners) = &segment.role
                    && let Some(missing) = owners.iter().find(|o| !state.segment(**o).is_some_and(|s| s.is_owner()))
                {
                    return Err(CatalogError::Conflict(format!(
                        "replica {} names owner {missing}, which is not there",
                        segment.id
                    )));
                }
                state.insert_segment(Arc::new(segment));
            }
            Change::RetireSegment { table, segment } => {
                let state = self.state_mut(*table)?;
                if !state.remove_segment(*segment, gone) {
                    return Err(CatalogError::Conflict(format!("segment {segment} is not there to retire")));
                }
            }
            Change::CoverWal { table, partition, lsn } => {
                let state = self.state_mut(*table)?;
                if state.wal_covered.get(partition).is_none_or(|covered| covered < lsn) {
                    state.wal_covered.insert(partition.clone(), *lsn);
                }
            }
            Change::PutRole(role) => Arc::make_mut(&mut self.roles).put(role)?,
            Change::DropRole(id) => {
                if let Some(table) = self.tables.values().find(|table| table.def.owner == Some(*id)) {
                    return Err(CatalogError::Conflict(format!("role {id} owns table \"{}\"", table.def.name)));
                }
                Arc::make_mut(&mut self.roles).remove(*id)?;
            }
            Change::SetGrants { on, grants } => {
                if *on != SCHEMA {
                    self.state_mut(*on)?;
                }
                Arc::make_mut(&mut self.roles).set_grants(*on, grants)?;
            }
        }
        Ok(())
    }

    fn need_owner(&self, def: &TableDef) -> Result<()> {
        match def.owner {
            Some(owner) if self.roles.by_id(owner).is_none() => Err(CatalogError::Conflict(format!(
                "the role that was to own table \"{}\" was dropped meanwhile",
                def.name
            ))),
            _ => Ok(()),
        }
    }

    fn state_mut(&mut self, id: TableId) -> Result<&mut TableState> {
        self.tables
            .get_mut(&id)
            .map(Arc::make_mut)
            .ok_or_else(|| CatalogError::Conflict(format!("no table with id {id}")))
    }
}

#[cfg(test)]
mod tests;
