//! A transaction: what it has written over the snapshot that it reads, and what has to be undone should it come to nothing.
//!
//! Its rows are hot segments that no snapshot names: its own statements read a snapshot with them in it ([`Transaction::over`]),
//! COMMIT logs and publishes all of them together, ROLLBACK forgets them. A savepoint is a mark in the list.

use std::sync::Arc;

use parking_lot::Mutex;
use zxq_catalog::{Job, JobKind, Segment, SegmentId, TableDef, TableId, Tier};

use crate::error::{EngineError, ErrorKind, Result};
use crate::state::engine::Engine;
use crate::state::pins::Pin;

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
    created: usize,
    lasting: usize,
}

/// What a transaction leaves when it ends, for whoever ends it.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) rows: Vec<PrivateRows>,
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
        state.rows.is_empty() && state.created.is_none()
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
        let (segments, kept) = {
            let state = self.state.lock();
            let segments: Vec<_> = state.rows.iter().map(|rows| Arc::clone(&rows.segment)).collect();
            (segments, state.kept.is_some())
        };
        // One that was taken earlier may be of tables that are defined otherwise by now.
        let now = self.engine.snapshot();
        if kept && now.epoch != base.snapshot().epoch {
            return base.over(base.snapshot().with_definitions_of(&now).with_private(&segments));
        }
        if segments.is_empty() {
            return Arc::clone(base);
        }
        base.over(base.snapshot().with_private(&segments))
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

    /// The rows since the last savepoint, of one partition and one version of its table.
    pub(crate) fn since_savepoint(&self, like: &PrivateRows) -> Vec<PrivateRows> {
        let state = self.state.lock();
        let from = state.savepoints.last().map_or(0, |savepoint| savepoint.rows);
        let same = |rows: &&PrivateRows| {
            Arc::ptr_eq(&rows.table, &like.table) && rows.segment.partition == like.segment.partition
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
        let created = state.created.as_ref().map_or(0, |job| job.created.len());
        state.savepoints.push(Savepoint { name: name.to_owned(), rows, created, lasting });
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
        let (rows, created, lasting) = {
            let mark = &state.savepoints[at];
            (mark.rows, mark.created, mark.lasting)
        };
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
        Some((Ended { rows, created: since, lasting }, stays))
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
        Ended { rows: std::mem::take(&mut state.rows), created: state.created.take(), lasting: state.lasting }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let ended = self.end();
        self.engine.forget_private(&ended.rows);
        let Some(job) = ended.created.filter(|_| !self.engine.is_closed()) else { return };
        // Where the engine has been closed, or nothing runs any more, the next start drops the tables.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let engine = Arc::clone(&self.engine);
            runtime.spawn(async move { engine.give_up(&job, &rolled_back()).await });
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
