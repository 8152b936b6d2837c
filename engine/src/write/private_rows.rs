//! Rows of a transaction: in memory and seen by it alone, until COMMIT logs and publishes all of them together.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use zxq_catalog::{JobPhase, Segment, SegmentId, TableDef, TableId};
use zxq_providers::hot::compact;
use zxq_providers::sort;

use crate::error::{EngineError, ErrorKind, Result};
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::values::kept::from_kept;
use crate::write::ingest::{IngestReport, Prepared, SortedRows, similar_run, sort_by_partition};
use crate::write::partition_split::concat;
use crate::write::transaction::{PrivateRows, Transaction, rolled_back};

/// Rows of a statement that its transaction has not taken in yet; dropped before, they are forgotten.
pub(crate) struct Staged<'a> {
    engine: &'a Engine,
    rows: Vec<PrivateRows>,
}

impl<'a> Staged<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Staged { engine, rows: Vec::new() }
    }

    fn bytes(&self) -> u64 {
        self.rows.iter().map(|rows| rows.segment.bytes).sum()
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        self.engine.forget_private(&self.rows);
    }
}

impl Engine {
    /// Drops rows that nobody but a transaction knows. Statements that already read them finish.
    pub(crate) fn forget_private(&self, rows: &[PrivateRows]) {
        let ids: Vec<SegmentId> = rows.iter().map(|rows| rows.segment.id).collect();
        self.hot.forget(&ids);
    }

    /// Puts checked rows of a transaction into hot's memory, where nobody sees them yet.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] when hot stays full, or the transaction takes too much of it.
    pub(crate) async fn stage(
        &self,
        staged: &mut Staged<'_>,
        transaction: &Transaction,
        table: &Arc<TableDef>,
        parts: Vec<SortedRows>,
        control: &JobControl,
    ) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let bytes: u64 = parts.iter().map(SortedRows::bytes).sum();
        self.check_share(transaction.bytes() + staged.bytes() + bytes)?;
        let mut room = control.stoppable(self.make_room(bytes)).await?;
        for part in parts {
            let reservation = room.split(part.bytes());
            let id = self.segment_ids.next().await?;
            let segment = self.insert_hot(table, id, &part, reservation, 0, "transaction")?;
            staged.rows.push(PrivateRows { table: Arc::clone(table), segment: Arc::new(segment) });
        }
        Ok(())
    }

    /// Until it ends nothing of a transaction can be moved out of hot: it must leave room for the others.
    fn check_share(&self, bytes: u64) -> Result<()> {
        let most = self.config.hot.memory_limit_bytes / 2;
        if bytes <= most {
            return Ok(());
        }
        let text = format!(
            "a transaction keeps its rows in memory until COMMIT, at most {most} bytes of them: commit more often, load \
             outside of a transaction, or raise hot.memory_limit"
        );
        Err(EngineError::new(ErrorKind::OutOfMemory, text))
    }

    /// Gives staged rows to their transaction: its next statement sees them.
    ///
    /// # Errors
    /// Where the statement was asked to stop, or the transaction has ended.
    pub(crate) async fn take_in(
        &self,
        mut staged: Staged<'_>,
        transaction: &Transaction,
        control: &JobControl,
    ) -> Result<IngestReport> {
        let _finishing = control.must_finish()?;
        let rows = staged.rows.iter().map(|rows| rows.segment.rows).sum();
        transaction.add(staged.rows.clone())?;
        let added = std::mem::take(&mut staged.rows);
        let mut seen: Vec<&PrivateRows> = Vec::new();
        for rows in &added {
            let same = |other: &&PrivateRows| {
                other.segment.table == rows.segment.table && other.segment.partition == rows.segment.partition
            };
            if seen.iter().any(same) {
                continue;
            }
            seen.push(rows);
            // The rows are in: that they were not merged is for the next statement to mend.
            if let Err(error) = self.merge_private(transaction, rows).await {
                tracing::warn!(%error, "small segments of a transaction could not be merged");
            }
        }
        Ok(IngestReport { rows, rejected: 0 })
    }

    /// Merges small segments of one partition, as [`Engine::merge_small`] does with those that everybody sees.
    async fn merge_private(&self, transaction: &Transaction, like: &PrivateRows) -> Result<()> {
        let known = transaction.since_savepoint(like);
        let segments: Vec<&Arc<Segment>> = known.iter().map(|rows| &rows.segment).collect();
        let Some(chosen) = similar_run(&segments) else { return Ok(()) };
        if !self.has_room_for_copies(&chosen) {
            return Ok(());
        }
        let ids: Vec<SegmentId> = chosen.iter().map(|segment| segment.id).collect();
        let mut batches = Vec::with_capacity(ids.len());
        for id in &ids {
            let Some(data) = self.hot.segment(*id) else { return Ok(()) };
            batches.extend(data.batches().iter().cloned());
        }
        let rows = compact(&sort::merge_sorted(&batches, &like.table.sort_by)?)?;
        let part = SortedRows { partition: like.segment.partition.clone(), rows };
        // The merged rows stand beside their sources until those are forgotten.
        let Some(reservation) = self.room_for_copy(&part, false) else { return Ok(()) };
        let id = self.segment_ids.next().await?;
        let segment = self.insert_hot(&like.table, id, &part, reservation, 0, "transaction")?;
        let merged = PrivateRows { table: Arc::clone(&like.table), segment: Arc::new(segment) };
        if transaction.replace(&ids, merged) {
            self.hot.forget(&ids);
        } else {
            self.hot.forget(&[id]);
        }
        Ok(())
    }

    /// COMMIT: all rows of the transaction, of all tables, in one transaction of the log and one epoch, or, with what it has
    /// corrected, in one commit of the catalog; and the tables that it has made stay. Where it fails, or is stopped in time, nothing is left of either.
    ///
    /// # Errors
    /// [`ErrorKind::FenceLost`] where a table was dropped meanwhile; a row's error where a table was altered so that the row
    /// does not fit it any more; what the log and the catalog say.
    pub(crate) async fn commit_transaction(
        self: &Arc<Self>,
        transaction: &Transaction,
        control: &JobControl,
    ) -> Result<()> {
        let ended = transaction.end();
        if !ended.corrections.done.is_empty() {
            return Box::pin(self.commit_corrections(ended, control)).await;
        }
        let mut rows = ended.rows;
        let committed = self.commit_private(&mut rows, control).await;
        // What is committed is not in the list any more.
        self.forget_private(&rows);
        let Some(mut job) = ended.created else { return committed.map(drop) };
        let noted = match committed {
            Ok(0) => self.keep_created(&job, control).await,
            Ok(rows) => {
                // With rows in the log, its record is all that can fail.
                job.rows = rows;
                self.note_done(&mut job).await;
                return Ok(());
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &noted {
            self.give_up(&job, error).await;
        }
        noted
    }
}

impl Engine {
    /// Logs and publishes the rows, and takes them off the list. Returns how many there were.
    async fn commit_private(self: &Arc<Self>, rows: &mut Vec<PrivateRows>, control: &JobControl) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        loop {
            let mut prepared = rows.iter().map(|rows| self.prepared(rows)).collect::<Result<Vec<_>>>()?;
            let mut tables: Vec<Arc<TableDef>> = Vec::new();
            for rows in rows.iter() {
                if !tables.iter().any(|table| Arc::ptr_eq(table, &rows.table)) {
                    tables.push(Arc::clone(&rows.table));
                }
            }
            match self.log_and_publish(&tables, &mut prepared, control).await {
                Ok(Some(report)) => {
                    rows.clear();
                    return Ok(report.rows);
                }
                // A table was altered since; its rows are checked again.
                Ok(None) => self.check_again(rows)?,
                Err(error) => {
                    if prepared.is_empty() {
                        // They are in the log, and come back at the next start.
                        rows.clear();
                    }
                    return Err(self.or_dropped(&tables, error));
                }
            }
        }
    }

    fn prepared(&self, rows: &PrivateRows) -> Result<Prepared> {
        let segment = rows.segment.as_ref().clone();
        Ok(Prepared { rows: self.rows_of(&rows.segment)?, segment })
    }

    fn rows_of(&self, segment: &Segment) -> Result<RecordBatch> {
        let data = self.hot.segment(segment.id);
        // Its table's memory is given back with a table that is dropped.
        let batches = data.map(|data| data.batches().to_vec()).unwrap_or_default();
        concat(&batches)?.ok_or_else(|| dropped(&format!("with id {}", segment.table)))
    }

    /// The error, or, where one of the tables is gone, that.
    fn or_dropped(&self, tables: &[Arc<TableDef>], error: EngineError) -> EngineError {
        let snapshot = self.snapshot();
        match tables.iter().find(|table| snapshot.table_by_id(table.id).is_none()) {
            Some(table) if error.kind() == ErrorKind::UndefinedTable => dropped(&table.name),
            _ => error,
        }
    }

    /// Checks rows against their tables as they are now: defaults for new columns, generated columns, constraints.
    pub(crate) fn check_again(&self, rows: &mut [PrivateRows]) -> Result<()> {
        // In the order in which the rows came: the first bad one is named.
        let mut numbers: BTreeMap<TableId, u64> = BTreeMap::new();
        for rows in rows {
            let now = Arc::clone(&self.own_table_by_id(rows.table.id).map_err(|_| dropped(&rows.table.name))?.def);
            let first = numbers.entry(now.id).or_insert(1);
            let row = *first;
            *first += rows.segment.rows;
            if Arc::ptr_eq(&now, &rows.table) || *now == *rows.table {
                rows.table = now;
                continue;
            }
            let given = as_given(&rows.table, &self.rows_of(&rows.segment)?)?;
            let checked = self.checkers.of(&now)?.check(&given, row)?;
            let mut parts = sort_by_partition(&now, std::slice::from_ref(&checked))?;
            let (Some(part), true) = (parts.pop(), parts.is_empty()) else {
                let text = format!("rows of table \"{}\" belong elsewhere since it was altered", now.name);
                return Err(EngineError::new(ErrorKind::FenceLost, text));
            };
            let reservation = self.hot.reserve_always(part.bytes());
            // Under the same id, in the place of the rows as they were.
            let segment = self.insert_hot(&now, rows.segment.id, &part, reservation, 0, "transaction")?;
            *rows = PrivateRows { table: now, segment: Arc::new(segment) };
        }
        Ok(())
    }

    /// A transaction without rows: its tables stay once the catalog says so.
    async fn keep_created(self: &Arc<Self>, job: &zxq_catalog::Job, control: &JobControl) -> Result<()> {
        let _finishing = control.must_finish()?;
        self.check_write()?;
        let done = zxq_catalog::Job { phase: JobPhase::Done, ended_us: Some(self.now_us()), ..job.clone() };
        Ok(self.catalog.put_job(&done).await?)
    }

    /// ROLLBACK: forgets the rows and drops the tables that the transaction has made. Returns how many statements took effect
    /// at once, and stay.
    pub(crate) async fn roll_back(self: &Arc<Self>, transaction: &Transaction) -> usize {
        let ended = transaction.end();
        self.forget_private(&ended.rows);
        self.give_up_corrections(&ended.corrections.done, &rolled_back()).await;
        if let Some(job) = ended.created {
            self.give_up(&job, &rolled_back()).await;
        }
        ended.lasting
    }
}

/// Why rows of a transaction cannot be committed whose table is gone.
pub(crate) fn dropped(table: &str) -> EngineError {
    EngineError::new(
        ErrorKind::FenceLost,
        format!("table \"{table}\" was dropped before the transaction that had written to it was committed"),
    )
}

/// Rows that were checked once, as a statement gives them: columns as queries see them, without those that are generated.
pub(crate) fn as_given(table: &TableDef, rows: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(table.columns.len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
    let seen = table.row_schema();
    for (at, column) in table.columns.iter().enumerate().filter(|(_, column)| column.generated.is_none()) {
        fields.push(seen.field(at).clone().with_nullable(true));
        let kept = rows.column(at);
        columns.push(if column.is_converted() { from_kept(kept, &column.row_type())? } else { Arc::clone(kept) });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}
