//! Everything that is written, each inside the caller's transaction.

use std::collections::BTreeSet;

use super::super::database::{ROWS_PER_INSERT, SqlDatabase, execute, query, rows_of_places};
use super::changes::ChangeWriter;
use super::ids::{NEXT_FENCE, advance};
use super::meta::{meta, set_meta};
use super::read;
use super::stored::{encode, id_list, to_db};
use crate::error::{CatalogError, Result};
use crate::job::{Job, JobPhase};
use crate::partition::PartitionKey;
use crate::segment::SegmentId;
use crate::store::Commit;
use crate::table::TableId;

/// Writes a commit.
pub(super) async fn run<D: SqlDatabase>(db: &mut D, commit: &Commit) -> Result<()> {
    check_epoch(db, commit).await?;
    check_fences(db, commit).await?;
    let mut writer = ChangeWriter::new(db, commit).await?;
    for change in &commit.changes {
        writer.write(change).await?;
    }
    writer.finish(&commit.lineage).await?;
    for job in &commit.jobs {
        put_job(db, job).await?;
    }
    if let Some(hot) = &commit.hot {
        db.note_hot(hot).await?;
    }
    set_meta(db, "epoch", to_db(commit.epoch, "epoch")?).await
}

async fn check_epoch<D: SqlDatabase>(db: &mut D, commit: &Commit) -> Result<()> {
    if commit.epoch <= commit.base_epoch {
        return Err(CatalogError::Conflict(format!(
            "epoch {} does not follow its base epoch {}",
            commit.epoch, commit.base_epoch
        )));
    }
    let durable = meta(db, "epoch").await?;
    if durable > commit.base_epoch {
        return Err(CatalogError::Conflict(format!(
            "computed against epoch {}, but the catalog is at {durable}",
            commit.base_epoch
        )));
    }
    Ok(())
}

async fn check_fences<D: SqlDatabase>(db: &mut D, commit: &Commit) -> Result<()> {
    for (table, partition, held) in &commit.fences {
        let current = read::fence(db, *table, partition).await?;
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

/// Takes the leases on partitions over, under one fence.
pub(super) async fn lease_all<D: SqlDatabase>(db: &mut D, table: TableId, partitions: &[PartitionKey]) -> Result<u64> {
    let context = || match partitions {
        [partition] => format!("leasing partition {partition} of table {table}"),
        many => format!("leasing {} partitions of table {table}", many.len()),
    };
    // One counter for all partitions: a fence stays newer than every earlier one whatever becomes of the lease's row.
    let fence = advance(db, NEXT_FENCE, 1).await?;
    let (table_id, held) = (to_db(table, "table id")?, to_db(fence, "fence")?);
    // A statement that inserts a row twice is refused by PostgreSQL.
    let keys: BTreeSet<String> = partitions.iter().map(key_text).collect::<Result<_>>()?;
    for keys in keys.into_iter().collect::<Vec<_>>().chunks(ROWS_PER_INSERT) {
        let params = keys.iter().flat_map(|key| [table_id.into(), key.as_str().into(), held.into()]).collect();
        let sql = format!(
            "INSERT INTO leases (table_id, partition, fence) VALUES {}
             ON CONFLICT (table_id, partition) DO UPDATE SET fence = excluded.fence",
            rows_of_places(keys.len(), 3)
        );
        match db.execute(&sql, params).await {
            Ok(_) => {}
            Err(e) if e.as_database_error().is_some_and(|d| d.is_foreign_key_violation()) => {
                return Err(CatalogError::Conflict(format!("no table with id {table} to lease a partition of")));
            }
            Err(e) => return Err(D::failed(context(), e)),
        }
    }
    Ok(fence)
}

/// Inserts or replaces a job record, unless the job has ended: what is final must not be undone by one who did not see
/// the end, as a caller whose answer was lost.
pub(super) async fn put_job<D: SqlDatabase>(db: &mut D, job: &Job) -> Result<()> {
    let finished = matches!(job.phase, JobPhase::Done | JobPhase::Failed);
    let body = encode(job, || format!("job {}", job.id))?;
    let sql = "INSERT INTO jobs (id, table_id, finished, started_us, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET table_id = excluded.table_id, finished = excluded.finished,
             started_us = excluded.started_us, body = excluded.body WHERE jobs.finished = 0";
    let params = vec![
        job.id.0.as_str().into(),
        to_db(job.table, "table id")?.into(),
        i64::from(finished).into(),
        job.started_us.into(),
        body.as_str().into(),
    ];
    let context = || format!("recording job {}", job.id);
    if execute(db, sql, params, context).await? > 0 {
        return Ok(());
    }
    let sql = "SELECT body FROM jobs WHERE id = $1";
    let stored = query(db, sql, vec![job.id.0.as_str().into()], context, |row| row.text(0, "a job"));
    // Equal records give equal texts.
    if stored.await?.first() == Some(&body) {
        return Ok(());
    }
    Err(CatalogError::Conflict(format!("job {} has ended already: its record is final", job.id)))
}

/// Forgets retired segments.
pub(super) async fn forget_retired<D: SqlDatabase>(db: &mut D, segments: &[SegmentId]) -> Result<()> {
    let ids = segments.iter().map(|id| to_db(*id, "segment id")).collect::<Result<Vec<_>>>()?;
    let sql = format!("DELETE FROM retired WHERE id IN ({})", D::ids_in("$1"));
    execute(db, &sql, vec![id_list(&ids).into()], || "forgetting retired segments".to_owned()).await.map(|_| ())
}

/// Forgets dropped tables.
pub(super) async fn forget_dropped<D: SqlDatabase>(db: &mut D, tables: &[TableId]) -> Result<()> {
    let ids = tables.iter().map(|id| to_db(*id, "table id")).collect::<Result<Vec<_>>>()?;
    let sql = format!("DELETE FROM dropped_tables WHERE table_id IN ({})", D::ids_in("$1"));
    execute(db, &sql, vec![id_list(&ids).into()], || "forgetting dropped tables".to_owned()).await.map(|_| ())
}

/// A partition key as part of a primary key: the same key always gives the same text.
pub(super) fn key_text(partition: &PartitionKey) -> Result<String> {
    encode(partition, || format!("partition {partition}"))
}
