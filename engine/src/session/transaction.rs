//! The transaction of a session: begun, marked, ended. What it writes is in `write/transaction.rs`.

use std::sync::Arc;

use crate::error::{EngineError, ErrorKind, Result};
use crate::load::inputs::LoadSource;
use crate::session::EngineSession;
use crate::supervisor::JobHandle;
use crate::write::bulk_load::{LoadReport, LoadRequest};
use crate::write::transaction::Transaction;

impl EngineSession {
    /// The open transaction.
    pub(crate) fn transaction(&self) -> Option<Arc<Transaction>> {
        self.transaction.get()
    }

    /// True while a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.transaction().is_some()
    }

    /// Begins a transaction: what INSERT, COPY and CREATE TABLE do stays with this session until [`EngineSession::commit`].
    /// Where one is open that spans a message only, that becomes it.
    ///
    /// An `implicit` one spans statements that came in one message, without a BEGIN.
    ///
    /// # Errors
    /// [`ErrorKind::ActiveTransaction`] where one is open.
    pub fn begin(&self, implicit: bool) -> Result<()> {
        match self.transaction() {
            None => {
                self.transaction.set(Some(Transaction::begin(&self.engine, implicit)));
                self.names.temporaries.begin();
                Ok(())
            }
            Some(open) if open.is_implicit() && !implicit => {
                open.make_explicit();
                Ok(())
            }
            Some(_) => {
                Err(EngineError::new(ErrorKind::ActiveTransaction, "there is already a transaction in progress"))
            }
        }
    }

    /// Says whether all statements of the transaction read the snapshot of the first (REPEATABLE READ, SERIALIZABLE) or each
    /// one of its own (READ COMMITTED). Once there is one that is kept, it stays.
    pub fn keep_snapshot(&self, keeps: bool) {
        if let Some(transaction) = self.transaction() {
            transaction.keep_snapshot(keeps);
        }
    }

    /// Begins a query that may read no table: where all statements of the transaction read one snapshot, that is now's if it
    /// is the first.
    pub fn take_snapshot(&self) {
        if let Some(transaction) = self.transaction() {
            let _ = transaction.pin();
        }
    }

    /// True where the statements of the transaction read one snapshot, and the first has taken it.
    pub fn has_snapshot(&self) -> bool {
        self.transaction().is_some_and(|transaction| transaction.has_snapshot())
    }

    /// Commits the open transaction, if there is one. When it returns, all it has written survives a crash, and every new
    /// statement sees it; when it fails, none. Dropped before, it ends as a whole in the background.
    ///
    /// # Errors
    /// [`ErrorKind::FenceLost`] where others dropped a table that it has written to; those of [`crate::Engine::ingest`].
    /// [`ErrorKind::Cancelled`] when it was asked to stop in time.
    pub async fn commit(&self) -> Result<()> {
        let Some(transaction) = self.transaction.set(None) else { return Ok(()) };
        if transaction.is_clean() {
            self.names.temporaries.commit();
            return Ok(());
        }
        let engine = Arc::clone(&self.engine);
        let job = self
            .engine
            .supervisor
            .start("COMMIT", move |control| async move { engine.commit_transaction(&transaction, &control).await });
        let _running = self.running.set(job.control());
        let committed = job.await;
        match &committed {
            Ok(_) => self.names.temporaries.commit(),
            Err(_) => self.names.temporaries.roll_back(),
        }
        committed
    }

    /// Rolls the open transaction back, if there is one. Returns how many of its statements took effect at once, and stay.
    pub async fn rollback(&self) -> usize {
        self.names.temporaries.roll_back();
        let Some(transaction) = self.transaction.set(None) else { return 0 };
        if transaction.is_clean() {
            return transaction.end().lasting;
        }
        let engine = Arc::clone(&self.engine);
        // Dropped, it goes on all the same; and where no job starts any more, the next start looks after it.
        let job =
            self.engine.supervisor.start("ROLLBACK", move |_| async move { Ok(engine.roll_back(&transaction).await) });
        job.await.unwrap_or(0)
    }

    /// A transaction that has failed and can only be rolled back gives its memory back at once.
    pub fn abandon_writes(&self) {
        if let Some(transaction) = self.transaction() {
            self.engine.forget_private(&transaction.take_rows_of_failed());
        }
    }

    /// Sets a savepoint in the open transaction.
    pub fn savepoint(&self, name: &str) {
        if let Some(transaction) = self.transaction() {
            transaction.savepoint(name);
            self.names.temporaries.savepoint(name);
        }
    }

    /// Forgets a savepoint and those after it; false where there is none of that name.
    pub fn release(&self, name: &str) -> bool {
        let released = self.transaction().is_some_and(|transaction| transaction.release(name));
        if released {
            self.names.temporaries.release(name);
        }
        released
    }

    /// Goes back to a savepoint. `None` where there is none of that name, else how many statements since took effect at once,
    /// and stay.
    ///
    /// # Errors
    /// Where the catalog does not answer that has to know of tables that go.
    pub async fn rollback_to(&self, name: &str) -> Result<Option<usize>> {
        let Some(transaction) = self.transaction() else { return Ok(None) };
        let (engine, savepoint) = (Arc::clone(&self.engine), name.to_owned());
        let job = self
            .engine
            .supervisor
            .start("ROLLBACK", move |_| async move { engine.roll_back_to(&transaction, &savepoint).await });
        let gone_back = job.await;
        if matches!(gone_back, Ok(Some(_))) {
            self.names.temporaries.roll_back_to(name);
        }
        gone_back
    }

    /// Starts a load that whoever holds the handle can ask to stop: into the session's own table where it has one of that name;
    /// within a transaction, as a part of it.
    pub fn start_load(&self, request: LoadRequest, source: LoadSource) -> JobHandle<LoadReport> {
        if let Some(table) = self.names.temporaries.table(&request.table) {
            return self.start_own_load(table, request, source);
        }
        let Some(transaction) = self.transaction() else { return self.engine.start_load(request, source) };
        let engine = Arc::clone(&self.engine);
        self.engine.supervisor.start("load", move |control| async move {
            engine.load_privately(&transaction, request, source, &control).await
        })
    }

    /// Says of a statement that took effect at once that a ROLLBACK does not undo it.
    pub(crate) fn note_lasting(&self, what: &str) {
        let Some(transaction) = self.transaction() else { return };
        transaction.note_lasting();
        if !transaction.is_implicit() {
            self.notice(format!("{what} takes effect at once: ROLLBACK does not undo it"));
        }
    }

    /// Refuses what no transaction could take back.
    ///
    /// # Errors
    /// [`ErrorKind::ActiveTransaction`].
    pub(crate) fn check_alone(&self, what: &str) -> Result<()> {
        match self.transaction() {
            Some(transaction) if !transaction.is_implicit() || !transaction.is_clean() => {
                let text = format!("{what} cannot run inside a transaction block");
                Err(EngineError::new(ErrorKind::ActiveTransaction, text))
            }
            _ => Ok(()),
        }
    }
}
