//! A transaction: what it has written over the snapshot that it reads, and what has to be undone should it come to nothing.
//!
//! Its rows are hot segments that no snapshot names: its own statements read a snapshot with them in it ([`Transaction::over`]),
//! COMMIT logs and publishes all of them together, ROLLBACK forgets them. A savepoint is a mark in the list. What it changes and
//! deletes is in `corrections.rs`.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use zxq_catalog::{Job, JobKind, PartitionKey, Segment, SegmentId, TableDef, TableId, Tier};

use crate::error::{EngineError, ErrorKind, Result};
use crate::state::engine::Engine;
use crate::state::pins::Pin;
use crate::write::corrections::{Correction, Corrections, Held};
use crate::write::ingest::Seals;

/// Rows of one partition of one table that only their transaction knows; the rows themselves lie in the hot store.
#[derive(Debug, Clone)]
pub(crate) struct PrivateRows {
    /// The table as the rows were checked against it.
    pub(crate) table: Arc<TableDef>,
    pub(crate) segment: Arc<Segment>,
}

/// One transaction of one session. Dropped before it has ended, it is rolled back.
pub(crate) struct Transaction {
    engine: Arc<Engine>,
    state: Mutex<TransactionState>,
}

#[derive(Debug, Default)]
struct TransactionState {
    /// It spans the statements of one message, and nobody has written BEGIN.
    implicit: bool,
    ended: bool,
    /// Whether all statements read one snapshot, and that one.
    keeps: bool,
    kept: Option<Arc<Pin>>,
    rows: Vec<PrivateRows>,
    corrections: Corrections,
    /// Names the tables that it has made, which go with it; `None` where there are none.
    created: Option<Job>,
    /// Statements that took effect at once.
    lasting: usize,
    savepoints: Vec<Savepoint>,
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    rows: usize,
    corrections: usize,
    created: usize,
    lasting: usize,
}

/// What a transaction leaves when it ends, for whoever ends it.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) rows: Vec<PrivateRows>,
    pub(crate) corrections: Corrections,
    pub(crate) created: Option<Job>,
    pub(crate) lasting: usize,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Transaction {
    pub(crate) fn begin(engine: &Arc<Engine>, implicit: bool) -> Arc<Self> {
        let state = Mutex::new(TransactionState { implicit, ..TransactionState::default() });
        Arc::new(Transaction { engine: Arc::clone(engine), state })
    }

    /// True where nobody has written BEGIN.
    pub(crate) fn is_implicit(&self) -> bool {
        self.state.lock().implicit
    }

    /// BEGIN within a message: what came before belongs to the block.
    pub(crate) fn make_explicit(&self) {
        self.state.lock().implicit = false;
    }

    /// Whether all statements from the first read one snapshot. Once there is one, it stays.
    pub(crate) fn keep_snapshot(&self, keeps: bool) {
        let mut state = self.state.lock();
        if state.kept.is_none() {
            state.keeps = keeps;
        }
    }

    /// True once its snapshot cannot be another one any more.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.state.lock().kept.is_some()
    }

    /// True where nothing was written: how it ends makes no difference.
    pub(crate) fn is_clean(&self) -> bool {
        let state = self.state.lock();
        state.rows.is_empty() && state.created.is_none() && state.corrections.held.is_empty()
    }

    /// The snapshot under a statement that begins, without what the transaction has written.
    pub(crate) fn pin(&self) -> Arc<Pin> {
        let mut state = self.state.lock();
        if let Some(kept) = &state.kept {
            return Arc::clone(kept);
        }
        let pin = self.engine.pin();
        if state.keeps {
            state.kept = Some(Arc::clone(&pin));
        }
        pin
    }

    /// That snapshot with what the transaction has written.
    pub(crate) fn over(&self, base: &Arc<Pin>) -> Arc<Pin> {
        let (written, gone, kept) = {
            let state = self.state.lock();
            let mut written: Vec<_> = state.rows.iter().map(|rows| Arc::clone(&rows.segment)).collect();
            written.extend(state.corrections.written().map(Arc::clone));
            (written, state.corrections.gone(), state.kept.is_some())
        };
        // One that was taken earlier may be of tables that are defined otherwise by now.
        let now = self.engine.snapshot();
        if kept && now.epoch != base.snapshot().epoch {
            return base.over(base.snapshot().with_definitions_of(&now).with_private(&written, &gone));
        }
        if written.is_empty() && gone.is_empty() {
            return Arc::clone(base);
        }
        base.over(base.snapshot().with_private(&written, &gone))
    }

    /// Bytes of its rows.
    pub(crate) fn bytes(&self) -> u64 {
        self.state.lock().rows.iter().map(|rows| rows.segment.bytes).sum()
    }

    /// Takes rows in.
    ///
    /// # Errors
    /// Where it has ended meanwhile.
    pub(crate) fn add(&self, rows: Vec<PrivateRows>) -> Result<()> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(ended());
        }
        state.rows.extend(rows);
        Ok(())
    }

    /// True for a table that it corrects.
    pub(crate) fn holds(&self, table: TableId) -> bool {
        self.state.lock().corrections.hold(table)
    }

    /// True where it corrects some table.
    pub(crate) fn holds_some(&self) -> bool {
        !self.state.lock().corrections.held.is_empty()
    }

    /// Keeps a table until it ends.
    ///
    /// # Errors
    /// Where it has ended meanwhile.
    pub(crate) fn hold(&self, held: Held) -> Result<()> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(ended());
        }
        state.corrections.held.push(held);
        Ok(())
    }

    /// True for a partition whose hot segments stay as they are until it ends.
    pub(crate) fn seals(&self, table: TableId, partition: &PartitionKey) -> bool {
        self.state.lock().corrections.seal(table, partition)
    }

    /// A statement has done with a table that it has held: it is kept until the transaction ends if the statement `writes` rows that
    /// others may insert too, or has corrected some; else it is given back.
    pub(crate) fn give_back(&self, table: TableId, writes: bool) {
        self.state.lock().corrections.give_back(table, writes);
    }

    /// The segments of rows that it has inserted, which only it knows.
    pub(crate) fn own_segments(&self) -> HashSet<SegmentId> {
        self.state.lock().rows.iter().map(|rows| rows.segment.id).collect()
    }

    /// Takes a correction in, with the seals of the hot segments that it takes away: the next statement sees it.
    ///
    /// # Errors
    /// Where it has ended meanwhile; then the correction's job is to be given up.
    pub(crate) fn correct(&self, correction: Correction, seals: Vec<Seals>) -> Result<()> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(ended());
        }
        state.corrections.keep_seals(correction.job.table, seals);
        state.corrections.done.push(correction);
        Ok(())
    }

    /// The rows since the last savepoint, of one partition and one version of its table.
    pub(crate) fn since_savepoint(&self, like: &PrivateRows) -> Vec<PrivateRows> {
        let state = self.state.lock();
        let from = state.savepoints.last().map_or(0, |savepoint| savepoint.rows);
        let gone = state.corrections.gone_ids();
        let same = |rows: &&PrivateRows| {
            Arc::ptr_eq(&rows.table, &like.table)
                && rows.segment.partition == like.segment.partition
                && !gone.contains(&rows.segment.id)
        };
        state.rows.iter().skip(from).filter(same).cloned().collect()
    }

    /// Puts merged rows in the place of those that they were merged of. False where not all of those are there any more.
    pub(crate) fn replace(&self, merged: &[SegmentId], by: PrivateRows) -> bool {
        let mut state = self.state.lock();
        let from = state.savepoints.last().map_or(0, |savepoint| savepoint.rows);
        let is_merged = |rows: &PrivateRows| merged.contains(&rows.segment.id);
        if state.ended || state.rows.iter().skip(from).filter(|rows| is_merged(rows)).count() != merged.len() {
            return false;
        }
        state.rows.retain(|rows| !is_merged(rows));
        state.rows.push(by);
        true
    }

    /// Notes a table that it is about to make, in the job that drops it should the transaction come to nothing.
    ///
    /// # Errors
    /// Where it has ended meanwhile.
    pub(crate) fn note_created(&self, table: &TableDef) -> Result<Job> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(ended());
        }
        let now = self.engine.now_us();
        let job = state.created.get_or_insert_with(|| Job::begin(JobKind::Load, table.id, Tier::Hot, now));
        job.created.push(table.clone());
        Ok(job.clone())
    }

    /// True for a table that it has made.
    pub(crate) fn has_created(&self, table: TableId) -> bool {
        let state = self.state.lock();
        state.created.as_ref().is_some_and(|job| job.created.iter().any(|def| def.id == table))
    }

    /// A table was dropped: what was written to it has gone with it. Gives those rows, and the job that had made the table,
    /// where this transaction had.
    pub(crate) fn note_dropped(&self, table: TableId) -> (Vec<PrivateRows>, Option<Job>) {
        let mut state = self.state.lock();
        let mut gone = Vec::new();
        let all = std::mem::take(&mut state.rows);
        for (at, rows) in all.into_iter().enumerate() {
            if rows.segment.table != table {
                state.rows.push(rows);
                continue;
            }
            // Counted from where they were: marks move as rows before them go.
            let at = at - gone.len();
            state.savepoints.iter_mut().filter(|mark| mark.rows > at).for_each(|mark| mark.rows -= 1);
            gone.push(rows);
        }
        let place = state.created.as_ref().and_then(|job| job.created.iter().position(|def| def.id == table));
        let Some(place) = place else { return (gone, None) };
        state.savepoints.iter_mut().filter(|mark| mark.created > place).for_each(|mark| mark.created -= 1);
        let job = state.created.as_mut().map(|job| {
            job.created.remove(place);
            job.clone()
        });
        if job.as_ref().is_some_and(|job| job.created.is_empty()) {
            state.created = None;
        }
        (gone, job)
    }

    /// Counts a statement that took effect at once and stays.
    pub(crate) fn note_lasting(&self) {
        self.state.lock().lasting += 1;
    }

    /// A mark in the list.
    pub(crate) fn savepoint(&self, name: &str) {
        let mut state = self.state.lock();
        let (rows, lasting) = (state.rows.len(), state.lasting);
        let corrections = state.corrections.done.len();
        let created = state.created.as_ref().map_or(0, |job| job.created.len());
        state.savepoints.push(Savepoint { name: name.to_owned(), rows, corrections, created, lasting });
    }

    /// Forgets a savepoint and those after it; false where there is none of that name.
    pub(crate) fn release(&self, name: &str) -> bool {
        let mut state = self.state.lock();
        let Some(at) = state.savepoints.iter().rposition(|savepoint| savepoint.name == name) else { return false };
        state.savepoints.truncate(at);
        true
    }

    /// Takes out what was written since a savepoint, which stays; `None` where there is none of that name. Of the tables made
    /// since, the job names those alone, and the second one those that stay.
    pub(crate) fn take_since(&self, name: &str) -> Option<(Ended, Option<Job>)> {
        let mut state = self.state.lock();
        let at = state.savepoints.iter().rposition(|savepoint| savepoint.name == name)?;
        state.savepoints.truncate(at + 1);
        let (rows, corrections, created, lasting) = {
            let mark = &state.savepoints[at];
            (mark.rows, mark.corrections, mark.created, mark.lasting)
        };
        let corrections = corrections.min(state.corrections.done.len());
        // Their tables are held until the transaction ends.
        let corrections = Corrections { done: state.corrections.done.split_off(corrections), ..Corrections::default() };
        let rows = rows.min(state.rows.len());
        let rows = state.rows.split_off(rows);
        let lasting = state.lasting - lasting;
        state.lasting -= lasting;
        let now = self.engine.now_us();
        let mut stays = None;
        let since = state.created.as_mut().and_then(|job| {
            let since = job.created.split_off(created.min(job.created.len()));
            let first = since.first()?.id;
            stays = Some(job.clone());
            Some(Job { created: since, ..Job::begin(JobKind::Load, first, Tier::Hot, now) })
        });
        if state.created.as_ref().is_some_and(|job| job.created.is_empty()) {
            state.created = None;
        }
        Some((Ended { rows, corrections, created: since, lasting }, stays))
    }

    /// Takes out the rows of a transaction that cannot be committed any more, unless it may go back to a savepoint.
    pub(crate) fn take_rows_of_failed(&self) -> Vec<PrivateRows> {
        let mut state = self.state.lock();
        if state.savepoints.is_empty() {
            state.kept = None;
            std::mem::take(&mut state.rows)
        } else {
            Vec::new()
        }
    }

    /// Ends it: nothing more is taken in. What it has written is whoever's who ends it.
    pub(crate) fn end(&self) -> Ended {
        let mut state = self.state.lock();
        state.ended = true;
        state.kept = None;
        state.savepoints.clear();
        Ended {
            rows: std::mem::take(&mut state.rows),
            corrections: std::mem::take(&mut state.corrections),
            created: state.created.take(),
            lasting: state.lasting,
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Ended { rows, corrections, created, .. } = self.end();
        self.engine.forget_private(&rows);
        if (created.is_none() && corrections.done.is_empty()) || self.engine.is_closed() {
            return;
        }
        // Where the engine has been closed, or nothing runs any more, the next start drops the tables and sweeps what was written.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let engine = Arc::clone(&self.engine);
            runtime.spawn(async move {
                engine.give_up_corrections(&corrections.done, &rolled_back()).await;
                if let Some(job) = created {
                    engine.give_up(&job, &rolled_back()).await;
                }
            });
        }
    }
}

/// Why what a transaction has made goes away.
pub(crate) fn rolled_back() -> EngineError {
    EngineError::new(ErrorKind::Cancelled, "the transaction was rolled back")
}

fn ended() -> EngineError {
    EngineError::new(
        ErrorKind::Cancelled,
        "the transaction has ended meanwhile; nothing of the statement became visible",
    )
}

/// Where the transaction of a session is found by whatever plans its statements, reads for them or writes for them: in the
/// configuration of its context.
#[derive(Debug, Default)]
pub(crate) struct CurrentTransaction(Mutex<Option<Arc<Transaction>>>);

impl CurrentTransaction {
    /// The open one.
    pub(crate) fn get(&self) -> Option<Arc<Transaction>> {
        self.0.lock().clone()
    }

    /// Makes another one the open one, or none.
    pub(crate) fn set(&self, transaction: Option<Arc<Transaction>>) -> Option<Arc<Transaction>> {
        std::mem::replace(&mut self.0.lock(), transaction)
    }
}
