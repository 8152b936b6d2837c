//! How blocks end, savepoints, and the transaction that the statements of one message are, or those before one Sync.

use pgwire::messages::response::TransactionStatus;
use zxq_engine::counted;

use super::error::WireError;
use super::plan::Planned;
use super::session::{ISOLATION, READ_ONLY, Session};
use super::utility::Modes;
use crate::sqlstate;

/// What a chained transaction goes on with.
const LEVELS: [&str; 4] = ["read committed", "repeatable read", "serializable", "read uncommitted"];

impl Session {
    /// A statement of the engine is about to run: where it must be undone should a later one of its message fail, a
    /// transaction begins.
    ///
    /// # Errors
    /// None but bugs.
    pub(crate) fn prepare_transaction(&mut self, planned: &Planned) -> Result<(), WireError> {
        if self.in_block() {
            let isolation = self.settings.value(ISOLATION);
            self.engine.keep_snapshot(matches!(isolation, "repeatable read" | "serializable"));
        } else if self.more_follows && planned.changes() && !self.engine.in_transaction() {
            self.engine.begin(true)?;
        }
        Ok(())
    }

    /// True where statements of one message have written together and nobody has written BEGIN.
    pub(crate) fn in_message_transaction(&self) -> bool {
        !self.in_block() && self.engine.in_transaction()
    }

    /// Commits what the statements of a message have written together.
    ///
    /// # Errors
    /// Where it cannot be committed: then nothing of it is there.
    pub(crate) async fn end_message(&mut self) -> Result<(), WireError> {
        if self.in_message_transaction() {
            self.engine.commit().await?;
        }
        Ok(())
    }

    /// Ends the block and returns the tag: `COMMIT`, or `ROLLBACK` where the block was rolled back or had failed.
    ///
    /// # Errors
    /// Where it cannot be committed: then it is rolled back.
    pub(crate) async fn end(&mut self, commit: bool, chain: bool) -> Result<&'static str, WireError> {
        let in_block = self.in_block();
        if !in_block {
            self.notice(WireError::warning(sqlstate::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"));
        }
        let tag = if commit && self.status != TransactionStatus::Error { "COMMIT" } else { "ROLLBACK" };
        let commit = tag == "COMMIT";
        let isolation = LEVELS.into_iter().find(|level| *level == self.settings.value(ISOLATION));
        let modes = Modes { read_only: Some(self.settings.is_on(READ_ONLY)), isolation };
        // The block is over from here on, whatever becomes of its rows.
        self.status = TransactionStatus::Idle;
        if in_block {
            self.end_block_portals(commit);
        }
        let ended = if commit {
            self.engine.commit().await
        } else {
            let lasting = self.engine.rollback().await;
            self.warn_about_lasting(lasting);
            Ok(())
        };
        if in_block {
            self.restore_settings(commit && ended.is_ok());
        }
        ended?;
        if in_block && chain {
            self.begin(modes)?;
        }
        Ok(tag)
    }

    fn warn_about_lasting(&mut self, lasting: usize) {
        if lasting == 0 {
            return;
        }
        let statements = counted(lasting as u64, "statement");
        self.notice(
            WireError::warning(sqlstate::WARNING, format!("{statements} of this transaction stay committed"))
                .detail("DROP TABLE, ALTER TABLE and what concerns tables of others take effect at once; ROLLBACK does not undo them."),
        );
    }

    /// A savepoint begins.
    ///
    /// # Errors
    /// 25P01 outside a block, 54000 for too many.
    pub(crate) fn savepoint(&mut self, name: &str) -> Result<(), WireError> {
        self.require_block("SAVEPOINT")?;
        self.mark_settings(name)?;
        self.engine.savepoint(name);
        Ok(())
    }

    /// A savepoint ends (`RELEASE`), or the block goes back to it (`ROLLBACK TO`, which ends failure).
    ///
    /// # Errors
    /// 25P01 outside a block, 3B001 for an unknown savepoint.
    pub(crate) async fn end_savepoint(&mut self, name: &str, rollback: bool) -> Result<(), WireError> {
        self.require_block(if rollback { "ROLLBACK TO SAVEPOINT" } else { "RELEASE SAVEPOINT" })?;
        let found = if rollback {
            let lasting = self.engine.rollback_to(name).await?;
            if let Some(lasting) = lasting {
                self.warn_about_lasting(lasting);
                self.settings_go_back_to(name);
                self.status = TransactionStatus::Transaction;
            }
            lasting.is_some()
        } else {
            let released = self.engine.release(name);
            if released {
                self.release_settings(name);
            }
            released
        };
        if found {
            return Ok(());
        }
        Err(WireError::new(sqlstate::INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist")))
    }

    fn require_block(&self, what: &str) -> Result<(), WireError> {
        if self.in_block() {
            return Ok(());
        }
        let message = format!("{what} can only be used in transaction blocks");
        Err(WireError::new(sqlstate::NO_ACTIVE_SQL_TRANSACTION, message))
    }

    /// A statement failed: a block it was in fails with it, and what its message had written before is undone.
    pub(crate) async fn note_failure(&mut self) {
        match self.status {
            TransactionStatus::Transaction => {
                self.status = TransactionStatus::Error;
                self.engine.abandon_writes();
            }
            TransactionStatus::Idle => {
                let lasting = self.engine.rollback().await;
                self.warn_about_lasting(lasting);
                // A COMMIT that was not waited for to its end.
                self.restore_settings(false);
            }
            TransactionStatus::Error => {}
        }
    }
}
