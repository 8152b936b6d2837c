//! Everything that is read from the file.

use std::sync::Arc;

use futures::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::schema::meta;
use super::stored::{decode, failed, from_db};
use crate::error::{CatalogError, Result};
use crate::job::{Job, JobId, LineageEntry};
use crate::partition::PartitionKey;
use crate::segment::{Role, Segment};
use crate::snapshot::{Snapshot, TableState};
use crate::store::RetiredSegment;
use crate::table::{TableDef, TableId};
use crate::tier::Tier;

/// Reads one column, naming the row's thing when it has another type.
fn column<'r, T>(row: &'r SqliteRow, index: usize, what: &str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(index).map_err(|e| CatalogError::Corrupt(format!("{what}, column {index}: {e}")))
}

/// The last committed snapshot.
pub(super) async fn snapshot(connection: &mut SqliteConnection) -> Result<Snapshot> {
    let epoch = meta(connection, "epoch").await?;
    let mut snapshot = Snapshot { epoch, ..Snapshot::default() };
    for state in tables(connection).await? {
        snapshot.tables.insert(state.def.id, Arc::new(state));
    }
    add_segments(connection, &mut snapshot).await?;
    add_wal_covered(connection, &mut snapshot).await?;
    check_replicas(&snapshot)?;
    Ok(snapshot)
}

async fn tables(connection: &mut SqliteConnection) -> Result<Vec<TableState>> {
    let mut rows = sqlx::query("SELECT id, body FROM tables ORDER BY id").fetch(connection);
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(|e| failed("reading tables", e))? {
        let id = from_db(column(&row, 0, "a table")?, "a table id")?;
        let def: TableDef = decode(column(&row, 1, "a table")?, || format!("table {id}"))?;
        if def.id != id {
            return Err(CatalogError::Corrupt(format!("table {id} says that it is table {}", def.id)));
        }
        found.push(TableState::new(def));
    }
    Ok(found)
}

async fn add_segments(connection: &mut SqliteConnection, snapshot: &mut Snapshot) -> Result<()> {
    let mut rows = sqlx::query("SELECT id, table_id, body FROM segments ORDER BY id").fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|e| failed("reading segments", e))? {
        let id = from_db(column(&row, 0, "a segment")?, "a segment id")?;
        let table = from_db(column(&row, 1, "a segment")?, "a table id")?;
        let segment: Segment = decode(column(&row, 2, "a segment")?, || format!("segment {id}"))?;
        if segment.id != id || segment.table != table || segment.tier == Tier::Hot {
            return Err(CatalogError::Corrupt(format!(
                "segment {id} of table {table} says that it is {} segment {} of table {}",
                segment.tier, segment.id, segment.table
            )));
        }
        let state = state_mut(snapshot, table, || format!("segment {id}"))?;
        Arc::make_mut(&mut state.segments[segment.tier.index()]).push(Arc::new(segment));
    }
    Ok(())
}

async fn add_wal_covered(connection: &mut SqliteConnection, snapshot: &mut Snapshot) -> Result<()> {
    let mut rows = sqlx::query("SELECT table_id, partition, lsn FROM wal_covered").fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|e| failed("reading the covered log positions", e))? {
        let table = from_db(column(&row, 0, "a covered log position")?, "a table id")?;
        let what = || format!("a covered log position of table {table}");
        let partition: PartitionKey = decode(column(&row, 1, &what())?, what)?;
        let lsn = from_db(column(&row, 2, &what())?, "a log position")?;
        let state = state_mut(snapshot, table, what)?;
        Arc::make_mut(&mut state.wal_covered).insert(partition, lsn);
    }
    Ok(())
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
pub(super) async fn jobs(connection: &mut SqliteConnection, limit: usize) -> Result<Vec<Job>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = sqlx::query("SELECT id, body FROM jobs ORDER BY started_us DESC, seq DESC LIMIT ?").bind(limit);
    let rows = query.fetch_all(connection).await.map_err(|e| failed("reading jobs", e))?;
    rows.iter().map(job_of).collect()
}

/// Jobs that a crash interrupted, oldest first.
pub(super) async fn unfinished_jobs(connection: &mut SqliteConnection) -> Result<Vec<Job>> {
    let query = sqlx::query("SELECT id, body FROM jobs WHERE finished = 0 ORDER BY seq");
    let rows = query.fetch_all(connection).await.map_err(|e| failed("reading unfinished jobs", e))?;
    rows.iter().map(job_of).collect()
}

/// One job.
pub(super) async fn job(connection: &mut SqliteConnection, id: &JobId) -> Result<Option<Job>> {
    let query = sqlx::query("SELECT id, body FROM jobs WHERE id = ?").bind(&id.0);
    let row = query.fetch_optional(connection).await.map_err(|e| failed(format!("reading job {id}"), e))?;
    row.as_ref().map(job_of).transpose()
}

fn job_of(row: &SqliteRow) -> Result<Job> {
    let id: &str = column(row, 0, "a job")?;
    decode(column(row, 1, id)?, || format!("job {id}"))
}

/// Lineage of a table's segments, oldest first.
pub(super) async fn lineage(connection: &mut SqliteConnection, table: TableId) -> Result<Vec<LineageEntry>> {
    let table_id = super::stored::to_db(table, "table id")?;
    let rows = sqlx::query("SELECT segment, body FROM lineage WHERE table_id = ? ORDER BY at_us, segment")
        .bind(table_id)
        .fetch_all(connection)
        .await
        .map_err(|e| failed(format!("reading the lineage of table {table}"), e))?;
    let entry = |row: &SqliteRow| {
        let id: i64 = column(row, 0, "a lineage entry")?;
        decode(column(row, 1, "a lineage entry")?, || format!("the lineage of segment {id}"))
    };
    rows.iter().map(entry).collect()
}

/// Segments whose data waits to be dropped, oldest first.
pub(super) async fn retired(connection: &mut SqliteConnection) -> Result<Vec<RetiredSegment>> {
    let sql = "SELECT id, storage_name, retired_epoch, body FROM retired ORDER BY retired_epoch, id";
    let rows = sqlx::query(sql).fetch_all(connection).await.map_err(|e| failed("reading retired segments", e))?;
    let entry = |row: &SqliteRow| {
        let id: i64 = column(row, 0, "a retired segment")?;
        let what = || format!("retired segment {id}");
        Ok(RetiredSegment {
            storage_name: column(row, 1, &what())?,
            retired_epoch: from_db(column(row, 2, &what())?, "a retirement epoch")?,
            segment: decode(column(row, 3, &what())?, what)?,
        })
    };
    rows.iter().map(entry).collect()
}
