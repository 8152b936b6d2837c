//! Everything that is written to the file, each in one transaction.

use sqlx::{Connection, Row, SqliteConnection};

use super::changes::ChangeWriter;
use super::ids::{NEXT_FENCE, advance};
use super::schema::{meta, set_meta};
use super::stored::{encode, failed, from_db, id_list, to_db};
use crate::error::{CatalogError, Result};
use crate::job::{Job, JobPhase};
use crate::partition::PartitionKey;
use crate::segment::SegmentId;
use crate::store::Commit;
use crate::table::TableId;

/// Makes a commit durable, all or nothing.
pub(super) async fn run(connection: &mut SqliteConnection, commit: &Commit) -> Result<()> {
    let context = || format!("committing epoch {}", commit.epoch);
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failed(context(), e))?;
    check_epoch(&mut tx, commit).await?;
    check_fences(&mut tx, commit).await?;
    let mut writer = ChangeWriter::new(&mut tx, commit).await?;
    for change in &commit.changes {
        writer.write(change).await?;
    }
    writer.finish(&commit.lineage).await?;
    for job in &commit.jobs {
        put_job(&mut tx, job).await?;
    }
    set_meta(&mut tx, "epoch", to_db(commit.epoch, "epoch")?).await?;
    tx.commit().await.map_err(|e| failed(context(), e))
}

async fn check_epoch(connection: &mut SqliteConnection, commit: &Commit) -> Result<()> {
    if commit.epoch <= commit.base_epoch {
        return Err(CatalogError::Conflict(format!(
            "epoch {} does not follow its base epoch {}",
            commit.epoch, commit.base_epoch
        )));
    }
    let durable = meta(connection, "epoch").await?;
    if durable > commit.base_epoch {
        return Err(CatalogError::Conflict(format!(
            "computed against epoch {}, but the catalog is at {durable}",
            commit.base_epoch
        )));
    }
    Ok(())
}

async fn check_fences(connection: &mut SqliteConnection, commit: &Commit) -> Result<()> {
    for (table, partition, held) in &commit.fences {
        let context = || format!("checking the lease on partition {partition} of table {table}");
        let row = sqlx::query("SELECT fence FROM leases WHERE table_id = ? AND partition = ?")
            .bind(to_db(*table, "table id")?)
            .bind(key_text(partition)?)
            .fetch_optional(&mut *connection)
            .await
            .map_err(|e| failed(context(), e))?;
        let current = match row {
            Some(row) => from_db(row.try_get(0).map_err(|e| failed(context(), e))?, "a fence")?,
            // The table was dropped, and its leases with it.
            None => 0,
        };
        if current != *held {
            let job = commit
                .jobs
                .iter()
                .find(|j| j.table == *table && j.partition.as_ref().is_none_or(|p| p == partition))
                .map_or_else(|| format!("on partition {partition} of table {table}"), |j| j.id.to_string());
            return Err(CatalogError::Fenced { job, held: *held, current });
        }
    }
    Ok(())
}

/// Takes the lease on a partition over.
pub(super) async fn lease(connection: &mut SqliteConnection, table: TableId, partition: &PartitionKey) -> Result<u64> {
    let context = || format!("leasing partition {partition} of table {table}");
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failed(context(), e))?;
    // One counter for all partitions: a fence stays newer than every earlier one whatever becomes of the lease's row.
    let fence = advance(&mut tx, NEXT_FENCE, 1).await?;
    let done = sqlx::query(
        "INSERT INTO leases (table_id, partition, fence) VALUES (?, ?, ?)
         ON CONFLICT (table_id, partition) DO UPDATE SET fence = excluded.fence",
    )
    .bind(to_db(table, "table id")?)
    .bind(key_text(partition)?)
    .bind(to_db(fence, "fence")?)
    .execute(&mut *tx)
    .await;
    match done {
        Ok(_) => tx.commit().await.map_err(|e| failed(context(), e))?,
        Err(e) if e.as_database_error().is_some_and(|d| d.is_foreign_key_violation()) => {
            return Err(CatalogError::Conflict(format!("no table with id {table} to lease a partition of")));
        }
        Err(e) => return Err(failed(context(), e)),
    }
    Ok(fence)
}

/// Inserts or replaces a job record.
pub(super) async fn put_job(connection: &mut SqliteConnection, job: &Job) -> Result<()> {
    let finished = matches!(job.phase, JobPhase::Done | JobPhase::Failed);
    sqlx::query(
        "INSERT INTO jobs (id, table_id, finished, started_us, body) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET table_id = excluded.table_id, finished = excluded.finished,
             started_us = excluded.started_us, body = excluded.body",
    )
    .bind(&job.id.0)
    .bind(to_db(job.table, "table id")?)
    .bind(finished)
    .bind(job.started_us)
    .bind(encode(job, || format!("job {}", job.id))?)
    .execute(connection)
    .await
    .map_err(|e| failed(format!("recording job {}", job.id), e))?;
    Ok(())
}

/// Forgets retired segments.
pub(super) async fn forget_retired(connection: &mut SqliteConnection, segments: &[SegmentId]) -> Result<()> {
    let ids = segments.iter().map(|id| to_db(*id, "segment id")).collect::<Result<Vec<_>>>()?;
    sqlx::query("DELETE FROM retired WHERE id IN (SELECT value FROM json_each(?))")
        .bind(id_list(&ids))
        .execute(connection)
        .await
        .map_err(|e| failed("forgetting retired segments", e))?;
    Ok(())
}

/// A partition key as part of a primary key: the same key always gives the same text.
pub(super) fn key_text(partition: &PartitionKey) -> Result<String> {
    encode(partition, || format!("partition {partition}"))
}
