//! Everything that is read, each inside the caller's transaction.

use std::sync::Arc;

use super::super::database::{Row, SqlDatabase, query};
use super::commit::key_text;
use super::meta::meta;
use super::roles;
use super::stored::{decode, from_db, to_db};
use crate::error::{CatalogError, Result};
use crate::job::{Job, JobId, LineageEntry};
use crate::partition::PartitionKey;
use crate::segment::{Role, Segment};
use crate::snapshot::{Snapshot, TableState};
use crate::store::{DroppedTable, RetiredSegment};
use crate::table::{TableDef, TableId};
use crate::tier::Tier;

/// The last committed snapshot.
pub(super) async fn snapshot<D: SqlDatabase>(db: &mut D) -> Result<Snapshot> {
    let epoch = meta(db, "epoch").await?;
    let mut snapshot = Snapshot { epoch, ..Snapshot::default() };
    for state in tables(db).await? {
        snapshot.tables.insert(state.def.id, Arc::new(state));
    }
    add_segments(db, &mut snapshot).await?;
    add_wal_covered(db, &mut snapshot).await?;
    check_replicas(&snapshot)?;
    snapshot.roles = Arc::new(roles::read(db).await?);
    Ok(snapshot)
}

async fn tables<D: SqlDatabase>(db: &mut D) -> Result<Vec<TableState>> {
    let read = |row: &Row| {
        let id = from_db(row.int(0, "a table")?, "a table id")?;
        let def: TableDef = decode(&row.text(1, "a table")?, || format!("table {id}"))?;
        if def.id != id {
            return Err(CatalogError::Corrupt(format!("table {id} says that it is table {}", def.id)));
        }
        Ok(TableState::new(def))
    };
    query(db, "SELECT id, body FROM tables ORDER BY id", Vec::new(), || "reading tables".to_owned(), read).await
}

async fn add_segments<D: SqlDatabase>(db: &mut D, snapshot: &mut Snapshot) -> Result<()> {
    let read = |row: &Row| {
        let id = from_db(row.int(0, "a segment")?, "a segment id")?;
        let table = from_db(row.int(1, "a segment")?, "a table id")?;
        let segment: Segment = decode(&row.text(2, "a segment")?, || format!("segment {id}"))?;
        if segment.id != id || segment.table != table || segment.tier == Tier::Hot {
            return Err(CatalogError::Corrupt(format!(
                "segment {id} of table {table} says that it is {} segment {} of table {}",
                segment.tier, segment.id, segment.table
            )));
        }
        let state = state_mut(snapshot, table, || format!("segment {id}"))?;
        state.insert_segment(Arc::new(segment));
        Ok(())
    };
    let sql = "SELECT id, table_id, body FROM segments ORDER BY id";
    query(db, sql, Vec::new(), || "reading segments".to_owned(), read).await.map(|_| ())
}

async fn add_wal_covered<D: SqlDatabase>(db: &mut D, snapshot: &mut Snapshot) -> Result<()> {
    let read = |row: &Row| {
        let table = from_db(row.int(0, "a covered log position")?, "a table id")?;
        let what = || format!("a covered log position of table {table}");
        let partition: PartitionKey = decode(&row.text(1, &what())?, what)?;
        let lsn = from_db(row.int(2, &what())?, "a log position")?;
        let state = state_mut(snapshot, table, what)?;
        state.wal_covered.insert(partition, lsn);
        Ok(())
    };
    let sql = "SELECT table_id, partition, lsn FROM wal_covered";
    query(db, sql, Vec::new(), || "reading the covered log positions".to_owned(), read).await.map(|_| ())
}

fn state_mut(snapshot: &mut Snapshot, table: TableId, what: impl FnOnce() -> String) -> Result<&mut TableState> {
    snapshot
        .tables
        .get_mut(&table)
        .map(Arc::make_mut)
        .ok_or_else(|| CatalogError::Corrupt(format!("{} belongs to table {table}, which is not there", what())))
}

/// A replica without its owner would give rows that nobody owns.
fn check_replicas(snapshot: &Snapshot) -> Result<()> {
    for state in snapshot.tables.values() {
        let owners: std::collections::HashSet<_> = state.owners().map(|s| s.id).collect();
        for segment in state.all() {
            if let Role::ReplicaOf(of) = &segment.role
                && let Some(missing) = of.iter().find(|id| !owners.contains(id))
            {
                return Err(CatalogError::Corrupt(format!(
                    "segment {} of table \"{}\" is a replica of {missing}, which is not there",
                    segment.id, state.def.name
                )));
            }
        }
    }
    Ok(())
}

/// The newest jobs, newest first.
pub(super) async fn jobs<D: SqlDatabase>(db: &mut D, limit: usize) -> Result<Vec<Job>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "SELECT id, body FROM jobs ORDER BY started_us DESC, seq DESC LIMIT $1";
    query(db, sql, vec![limit.into()], || "reading jobs".to_owned(), job_of).await
}

/// Jobs that a crash interrupted, oldest first.
pub(super) async fn unfinished_jobs<D: SqlDatabase>(db: &mut D) -> Result<Vec<Job>> {
    let sql = "SELECT id, body FROM jobs WHERE finished = 0 ORDER BY seq";
    query(db, sql, Vec::new(), || "reading unfinished jobs".to_owned(), job_of).await
}

/// One job.
pub(super) async fn job<D: SqlDatabase>(db: &mut D, id: &JobId) -> Result<Option<Job>> {
    let sql = "SELECT id, body FROM jobs WHERE id = $1";
    let found = query(db, sql, vec![id.0.as_str().into()], || format!("reading job {id}"), job_of);
    Ok(found.await?.pop())
}

fn job_of(row: &Row) -> Result<Job> {
    let id = row.text(0, "a job")?;
    decode(&row.text(1, &id)?, || format!("job {id}"))
}

/// Lineage of a table's segments, oldest first.
pub(super) async fn lineage<D: SqlDatabase>(db: &mut D, table: TableId) -> Result<Vec<LineageEntry>> {
    let read = |row: &Row| {
        let id = row.int(0, "a lineage entry")?;
        decode(&row.text(1, "a lineage entry")?, || format!("the lineage of segment {id}"))
    };
    let sql = "SELECT segment, body FROM lineage WHERE table_id = $1 ORDER BY at_us, segment";
    let params = vec![to_db(table, "table id")?.into()];
    query(db, sql, params, || format!("reading the lineage of table {table}"), read).await
}

/// Segments whose data waits to be dropped, oldest first.
pub(super) async fn retired<D: SqlDatabase>(db: &mut D) -> Result<Vec<RetiredSegment>> {
    let read = |row: &Row| {
        let id = row.int(0, "a retired segment")?;
        let what = || format!("retired segment {id}");
        Ok(RetiredSegment {
            storage_name: row.text(1, &what())?,
            retired_epoch: from_db(row.int(2, &what())?, "a retirement epoch")?,
            segment: decode(&row.text(3, &what())?, what)?,
        })
    };
    let sql = "SELECT id, storage_name, retired_epoch, body FROM retired ORDER BY retired_epoch, id";
    query(db, sql, Vec::new(), || "reading retired segments".to_owned(), read).await
}

/// Tables whose storage waits to be dropped, oldest first.
pub(super) async fn dropped_tables<D: SqlDatabase>(db: &mut D) -> Result<Vec<DroppedTable>> {
    let read = |row: &Row| {
        let table = from_db(row.int(0, "a dropped table")?, "the id of a dropped table")?;
        let what = || format!("dropped table {table}");
        Ok(DroppedTable {
            table,
            storage_name: row.text(1, &what())?,
            dropped_epoch: from_db(row.int(2, &what())?, "the epoch of a drop")?,
        })
    };
    let sql = "SELECT table_id, storage_name, dropped_epoch FROM dropped_tables ORDER BY dropped_epoch, table_id";
    query(db, sql, Vec::new(), || "reading dropped tables".to_owned(), read).await
}

/// The fence in force on a partition. Without a lease it is 0: nobody ever took one, or the table was dropped and its
/// leases with it.
pub(super) async fn fence<D: SqlDatabase>(db: &mut D, table: TableId, partition: &PartitionKey) -> Result<u64> {
    let sql = "SELECT fence FROM leases WHERE table_id = $1 AND partition = $2";
    let params = vec![to_db(table, "table id")?.into(), key_text(partition)?.into()];
    let context = || format!("checking the lease on partition {partition} of table {table}");
    let found = query(db, sql, params, context, |row| from_db(row.int(0, "a lease")?, "a fence"));
    Ok(found.await?.first().copied().unwrap_or(0))
}
