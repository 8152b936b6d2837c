//! One connection's state: its engine session, settings, statements, portals and transaction block.

mod named;
mod reported;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use zxq_engine::{EngineSession, TemporariesMark};

use reported::Reported;

use super::cancel::Seat;
use super::error::{Severity, WireError};
use super::notify::Ear;
use super::plan::Planned;
use super::portal::Portal;
use super::settings::{SessionSettings, known};
use super::types::Column;
use super::utility::Modes;
use crate::pg_catalog::Introspection;
use crate::sqlstate;

/// Prepared statements one connection may keep.
const MOST_STATEMENTS: usize = 10_000;
/// Bytes of their texts: a plan takes some ten times as much.
const MOST_STATEMENT_BYTES: usize = 16 << 20;
/// Portals one connection may keep open.
const MOST_PORTALS: usize = 1_000;

/// The setting that says whether the transaction only reads, and the one for those to come.
const READ_ONLY: &str = "transaction_read_only";
const BY_DEFAULT_READ_ONLY: &str = "default_transaction_read_only";

/// One connection's state.
pub(crate) struct Session {
    /// The engine's side of it.
    pub(crate) engine: EngineSession,
    /// The introspection tables, shared by all connections.
    pub(crate) catalog: Arc<Introspection>,
    /// Settings.
    pub(crate) settings: SessionSettings,
    /// Place among the connections.
    pub(crate) seat: Seat,
    /// User name the client gave.
    pub(crate) user: String,
    /// Database name the client gave.
    pub(crate) database: String,
    /// Statements by name; the unnamed one is "".
    statements: HashMap<String, Arc<Planned>>,
    /// Bytes of their texts.
    statement_bytes: usize,
    /// Portals and cursors by name; the unnamed one is "".
    portals: HashMap<String, Portal>,
    /// Idle, in a block, or in a failed block.
    pub(crate) status: TransactionStatus,
    /// Settings as they were when the block began.
    settings_before: Option<SessionSettings>,
    /// Temporary tables as they were when the block began.
    temporaries_before: Option<TemporariesMark>,
    /// Settings that `SET LOCAL` changed in this block.
    pub(crate) local_settings: Vec<&'static str>,
    /// Statements in this block that changed data, each committed by itself.
    writes: usize,
    /// Savepoints of this block, with the writes before each.
    savepoints: Vec<(String, usize)>,
    /// `zxq.tiers` the client connected with.
    pub(crate) initial_tiers: Option<String>,
    /// Settings of the client's own that `SET LOCAL` changed in this block, as they were.
    local_customs: Vec<(String, String)>,
    /// Notices for the client, not sent yet.
    outbox: Vec<WireError>,
    /// What the client knows of its settings.
    reported: Reported,
    /// What it listens to.
    pub(crate) ear: Ear,
    /// The settings as functions in its queries see them.
    shown: Arc<RwLock<SessionSettings>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.unlisten(None);
        self.seat.connections().advisory().release_all(self.seat.pid);
    }
}

impl Session {
    /// The state of a connection that begins.
    pub(crate) fn new(
        engine: EngineSession,
        catalog: Arc<Introspection>,
        seat: Seat,
        user: String,
        database: String,
    ) -> Self {
        Session {
            engine,
            catalog,
            settings: SessionSettings::default(),
            seat,
            user,
            database,
            statements: HashMap::new(),
            statement_bytes: 0,
            portals: HashMap::new(),
            status: TransactionStatus::Idle,
            settings_before: None,
            temporaries_before: None,
            local_settings: Vec::new(),
            writes: 0,
            savepoints: Vec::new(),
            initial_tiers: None,
            local_customs: Vec::new(),
            outbox: Vec::new(),
            reported: Reported::default(),
            ear: Ear::default(),
            shown: Arc::default(),
        }
    }

    /// Keeps a notice for the client.
    pub(crate) fn notice(&mut self, notice: WireError) {
        self.outbox.push(notice);
    }

    /// The notices that the client has to be told now, as messages.
    pub(crate) fn take_outgoing(&mut self) -> Vec<PgWireBackendMessage> {
        self.outbox.extend(self.engine.take_notices().into_iter().map(WireError::notice));
        let outbox = std::mem::take(&mut self.outbox);
        let wanted = outbox.into_iter().filter(|notice| match notice.severity {
            Severity::Notice => self.settings.wants_notices(),
            _ => self.settings.wants_warnings(),
        });
        wanted.map(|notice| notice.message("")).collect()
    }

    /// Keeps a prepared statement.
    ///
    /// # Errors
    /// 42P05 when the name is taken, 54000 when there are too many.
    pub(crate) fn keep_statement(&mut self, name: String, planned: Arc<Planned>) -> Result<(), WireError> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(WireError::new(sqlstate::DUPLICATE_PREPARED_STATEMENT, message));
        }
        if self.statements.len() >= MOST_STATEMENTS {
            return Err(WireError::too_many(format!(
                "a connection keeps at most {MOST_STATEMENTS} prepared statements"
            ))
            .hint("DEALLOCATE those that are not needed"));
        }
        let bytes = self.statement_bytes + planned.text.len();
        if bytes > MOST_STATEMENT_BYTES && !self.statements.is_empty() {
            let most = MOST_STATEMENT_BYTES >> 20;
            return Err(WireError::too_many(format!("a connection keeps prepared statements of at most {most} MiB"))
                .hint("DEALLOCATE those that are not needed"));
        }
        self.forget_statement(&name);
        self.statement_bytes += planned.text.len();
        self.statements.insert(name, planned);
        Ok(())
    }

    /// The prepared statement of that name.
    ///
    /// # Errors
    /// 26000 when there is none.
    pub(crate) fn statement(&self, name: &str) -> Result<Arc<Planned>, WireError> {
        self.statements.get(name).cloned().ok_or_else(|| {
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            WireError::new(sqlstate::INVALID_SQL_STATEMENT_NAME, message)
        })
    }

    /// Forgets a prepared statement; true when there was one.
    pub(crate) fn forget_statement(&mut self, name: &str) -> bool {
        let forgotten = self.statements.remove(name);
        self.statement_bytes -= forgotten.as_ref().map_or(0, |planned| planned.text.len());
        forgotten.is_some()
    }

    /// Forgets all prepared statements.
    pub(crate) fn forget_statements(&mut self) {
        self.statements.clear();
        self.statement_bytes = 0;
    }

    /// The columns of a prepared statement.
    pub(crate) fn statement_columns(&self, name: &str) -> Option<Vec<Column>> {
        self.statements.get(name).and_then(|planned| planned.columns.clone())
    }

    /// Keeps a portal. An unnamed one replaces the last.
    ///
    /// # Errors
    /// 42P03 when the name is taken, 54000 when there are too many.
    pub(crate) fn keep_portal(&mut self, name: String, portal: Portal) -> Result<(), WireError> {
        self.check_cursor_name(&name)?;
        if self.portals.len() >= MOST_PORTALS {
            return Err(WireError::too_many(format!("a connection keeps at most {MOST_PORTALS} cursors open")));
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    /// The portal of that name.
    ///
    /// # Errors
    /// 34000 when there is none.
    pub(crate) fn portal(&mut self, name: &str) -> Result<&mut Portal, WireError> {
        self.portals.get_mut(name).ok_or_else(|| no_portal(name))
    }

    /// Takes a portal out, to run it.
    ///
    /// # Errors
    /// 34000 when there is none.
    pub(crate) fn take_portal(&mut self, name: &str) -> Result<Portal, WireError> {
        self.portals.remove(name).ok_or_else(|| no_portal(name))
    }

    /// Puts a portal back after it ran.
    pub(crate) fn put_portal_back(&mut self, name: String, portal: Portal) {
        self.portals.insert(name, portal);
    }

    /// Closes a portal; true when there was one.
    pub(crate) fn close_portal(&mut self, name: &str) -> bool {
        self.portals.remove(name).is_some()
    }

    /// Closes all portals.
    pub(crate) fn close_portals(&mut self) {
        self.portals.clear();
    }

    /// Closes the portals that end with the statement, outside a block: all but cursors WITH HOLD.
    pub(crate) fn end_portals(&mut self) {
        self.portals.retain(|_, portal| portal.hold);
    }

    /// The columns of a cursor.
    pub(crate) fn cursor_columns(&self, name: &str) -> Option<Vec<Column>> {
        self.portals.get(name).and_then(|portal| portal.statement.columns.clone())
    }

    /// True inside a transaction block.
    pub(crate) fn in_block(&self) -> bool {
        self.status != TransactionStatus::Idle
    }

    /// Begins a block; what its modes leave open is as `default_transaction_…` says.
    ///
    /// # Errors
    /// None but bugs.
    pub(crate) fn begin(&mut self, modes: Modes) -> Result<(), WireError> {
        if self.in_block() {
            self.notice(WireError::warning(
                sqlstate::ACTIVE_SQL_TRANSACTION,
                "there is already a transaction in progress",
            ));
            return Ok(());
        }
        self.status = TransactionStatus::Transaction;
        self.settings_before = Some(self.settings.clone());
        self.temporaries_before = Some(self.engine.mark_temporaries());
        let by_default = self.settings.is_on(BY_DEFAULT_READ_ONLY);
        self.set_locally(READ_ONLY, on_or_off(modes.read_only.unwrap_or(by_default)))?;
        let by_default = self.settings.value("default_transaction_isolation").to_owned();
        self.set_locally("transaction_isolation", modes.isolation.unwrap_or(&by_default))
    }

    /// `SET TRANSACTION …`, and for all transactions of the session.
    ///
    /// # Errors
    /// 25001 where a block that only reads were to write.
    pub(crate) fn set_modes(&mut self, modes: Modes, session: bool) -> Result<(), WireError> {
        if session {
            if let Some(read_only) = modes.read_only {
                let changed = self.settings.set(BY_DEFAULT_READ_ONLY, Some(on_or_off(read_only)))?;
                self.report(changed.name);
            }
            if let Some(isolation) = modes.isolation {
                self.settings.set("default_transaction_isolation", Some(isolation))?;
            }
            return Ok(());
        }
        if !self.in_block() {
            self.notice(WireError::warning(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION can only be used in transaction blocks",
            ));
            return Ok(());
        }
        if modes.read_only == Some(false) && self.settings.is_on(READ_ONLY) {
            let message = "transaction read-write mode must be set before any query";
            return Err(WireError::new(sqlstate::ACTIVE_SQL_TRANSACTION, message));
        }
        if let Some(read_only) = modes.read_only {
            self.set_locally(READ_ONLY, on_or_off(read_only))?;
        }
        if let Some(isolation) = modes.isolation {
            self.set_locally("transaction_isolation", isolation)?;
        }
        Ok(())
    }

    fn set_locally(&mut self, name: &str, value: &str) -> Result<(), WireError> {
        let changed = self.settings.set(name, Some(value))?;
        self.local_settings.push(changed.name);
        Ok(())
    }

    /// Refuses a statement that changes something in a transaction that only reads.
    ///
    /// # Errors
    /// 25006.
    pub(crate) fn check_may_change(&self, what: &str) -> Result<(), WireError> {
        let setting = if self.in_block() { READ_ONLY } else { BY_DEFAULT_READ_ONLY };
        if self.settings.is_on(setting) {
            let message = format!("cannot execute {what} in a read-only transaction");
            return Err(WireError::new(sqlstate::READ_ONLY_SQL_TRANSACTION, message));
        }
        Ok(())
    }

    /// Ends the block and returns the tag: `COMMIT`, or `ROLLBACK` where the block was rolled back or had failed.
    pub(crate) fn end(&mut self, commit: bool, chain: bool) -> &'static str {
        if !self.in_block() {
            self.notice(WireError::warning(sqlstate::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"));
            return if commit { "COMMIT" } else { "ROLLBACK" };
        }
        let commit = commit && self.status == TransactionStatus::Transaction;
        if !commit && self.writes > 0 {
            self.warn_about_writes(self.writes);
        }
        let modes = Modes { read_only: Some(self.settings.is_on(READ_ONLY)), isolation: None };
        self.restore_settings(commit);
        self.status = TransactionStatus::Idle;
        self.writes = 0;
        self.savepoints.clear();
        self.portals.retain(|_, portal| portal.hold && commit);
        if chain {
            // It cannot fail: these are values that the settings can have.
            let _ = self.begin(modes);
        }
        if commit { "COMMIT" } else { "ROLLBACK" }
    }

    fn restore_settings(&mut self, commit: bool) {
        self.end_notifications(commit);
        self.seat.connections().advisory().end_transaction(self.seat.pid);
        match self.temporaries_before.take() {
            Some(before) if !commit => self.engine.restore_temporaries(before),
            _ => self.engine.commit_temporaries(),
        }
        let Some(before) = self.settings_before.take() else { return };
        let local = std::mem::take(&mut self.local_settings);
        if !commit {
            self.settings.go_back_to(before);
            self.local_customs.clear();
            for name in ["TimeZone", "search_path"] {
                self.report(name);
            }
            return;
        }
        self.restore_local_customs();
        for name in local {
            if let Some(known) = known(name) {
                let value = before.get(known).to_owned();
                // It was in force before, so it is a value the setting can have.
                let _ = self.settings.set(name, Some(&value));
                self.report(name);
            }
        }
    }

    fn warn_about_writes(&mut self, writes: usize) {
        let statements = if writes == 1 { "1 statement".to_owned() } else { format!("{writes} statements") };
        self.notice(
            WireError::warning(sqlstate::WARNING, format!("{statements} of this transaction stay committed"))
                .detail("zxq commits each statement by itself: ROLLBACK does not undo what INSERT, COPY or DDL did."),
        );
    }

    /// Notes that a statement changed data.
    pub(crate) fn note_write(&mut self) {
        if self.in_block() {
            self.writes += 1;
        }
    }

    /// A savepoint begins.
    ///
    /// # Errors
    /// 25P01 outside a block.
    pub(crate) fn savepoint(&mut self, name: String) -> Result<(), WireError> {
        self.require_block("SAVEPOINT")?;
        self.savepoints.push((name, self.writes));
        Ok(())
    }

    /// A savepoint ends (`RELEASE`), or the block goes back to it (`ROLLBACK TO`, which ends failure).
    ///
    /// # Errors
    /// 25P01 outside a block, 3B001 for an unknown savepoint.
    pub(crate) fn end_savepoint(&mut self, name: &str, rollback: bool) -> Result<(), WireError> {
        self.require_block(if rollback { "ROLLBACK TO SAVEPOINT" } else { "RELEASE SAVEPOINT" })?;
        let Some(at) = self.savepoints.iter().rposition(|(savepoint, _)| savepoint == name) else {
            let message = format!("savepoint \"{name}\" does not exist");
            return Err(WireError::new(sqlstate::INVALID_SAVEPOINT, message));
        };
        if rollback {
            let since = self.writes - self.savepoints[at].1;
            if since > 0 {
                self.warn_about_writes(since);
            }
            self.savepoints.truncate(at + 1);
            self.status = TransactionStatus::Transaction;
        } else {
            self.savepoints.truncate(at);
        }
        Ok(())
    }

    fn require_block(&self, what: &str) -> Result<(), WireError> {
        if self.in_block() {
            return Ok(());
        }
        let message = format!("{what} can only be used in transaction blocks");
        Err(WireError::new(sqlstate::NO_ACTIVE_SQL_TRANSACTION, message))
    }

    /// A statement failed: a block it was in fails with it.
    pub(crate) fn note_failure(&mut self) {
        if self.status == TransactionStatus::Transaction {
            self.status = TransactionStatus::Error;
        }
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn no_portal(name: &str) -> WireError {
    let message = if name.is_empty() {
        "unnamed portal does not exist".to_owned()
    } else {
        format!("cursor \"{name}\" does not exist")
    };
    WireError::new(sqlstate::INVALID_CURSOR_NAME, message)
}
