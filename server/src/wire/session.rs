//! One connection's state: its engine session, settings, statements, portals and transaction block.

mod marks;
mod named;
mod reported;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use zxq_engine::EngineSession;

use marks::Mark;
use reported::Reported;

use super::cancel::Seat;
use super::error::{Severity, WireError};
use super::kept_plans::KeptPlans;
use super::notify::Ear;
use super::plan::Planned;
use super::portal::Portal;
use super::settings::{SessionSettings, known};
use super::types::Column;
use super::utility::{Modes, ROLE, SESSION_AUTHORIZATION};
use crate::pg_catalog::Introspection;
use crate::sqlstate;

/// Prepared statements one connection may keep.
const MOST_STATEMENTS: usize = 10_000;
/// Bytes of their texts: a plan takes some ten times as much.
const MOST_STATEMENT_BYTES: usize = 16 << 20;
/// Portals one connection may keep open.
const MOST_PORTALS: usize = 1_000;
/// Bytes of their names, parameters and statements.
const MOST_PORTAL_BYTES: usize = 64 << 20;

/// The setting that says whether the transaction only reads, and the one for those to come.
pub(super) const READ_ONLY: &str = "transaction_read_only";
pub(super) const BY_DEFAULT_READ_ONLY: &str = "default_transaction_read_only";
/// The setting that says which snapshots the statements of the transaction read.
pub(super) const ISOLATION: &str = "transaction_isolation";

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
    /// Plans of texts, which may come again.
    pub(super) kept_plans: KeptPlans,
    /// Portals and cursors by name; the unnamed one is "".
    portals: HashMap<String, Portal>,
    /// Idle, in a block, or in a failed block.
    pub(crate) status: TransactionStatus,
    /// Settings as they were when the block began.
    settings_before: Option<SessionSettings>,
    /// Settings that `SET LOCAL` changed in this block.
    pub(crate) local_settings: Vec<&'static str>,
    /// Statements may follow that stand or fall with this one: in the same message, or before the next Sync.
    pub(crate) more_follows: bool,
    /// `zxq.tiers` the client connected with.
    pub(crate) initial_tiers: Option<String>,
    /// Settings of the client's own that `SET LOCAL` changed in this block, as they were.
    local_customs: Vec<(String, String)>,
    /// Settings as they were at the savepoints of this block.
    marks: Vec<Mark>,
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
        let mut session = Session {
            engine,
            catalog,
            settings: SessionSettings::default(),
            seat,
            user,
            database,
            statements: HashMap::new(),
            statement_bytes: 0,
            kept_plans: KeptPlans::default(),
            portals: HashMap::new(),
            status: TransactionStatus::Idle,
            settings_before: None,
            local_settings: Vec::new(),
            more_follows: false,
            initial_tiers: None,
            local_customs: Vec::new(),
            marks: Vec::new(),
            outbox: Vec::new(),
            reported: Reported::default(),
            ear: Ear::default(),
            shown: Arc::default(),
        };
        session.note_login();
        session
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
        let bytes = self.statement_bytes + bytes_of(&name, &planned);
        if bytes > MOST_STATEMENT_BYTES && !self.statements.is_empty() {
            let most = MOST_STATEMENT_BYTES >> 20;
            return Err(WireError::too_many(format!("a connection keeps prepared statements of at most {most} MiB"))
                .hint("DEALLOCATE those that are not needed"));
        }
        self.forget_statement(&name);
        self.statement_bytes += bytes_of(&name, &planned);
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
        self.statement_bytes -= forgotten.as_ref().map_or(0, |planned| bytes_of(name, planned));
        forgotten.is_some()
    }

    /// Forgets all prepared statements.
    pub(crate) fn forget_statements(&mut self) {
        self.statements.clear();
        self.statement_bytes = 0;
        self.kept_plans.clear();
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
        let others = self.portals.iter().filter(|(other, _)| **other != name).map(|(_, portal)| portal.bytes);
        let others: usize = others.sum();
        if others > 0 && others + portal.bytes > MOST_PORTAL_BYTES {
            let most = MOST_PORTAL_BYTES >> 20;
            return Err(WireError::too_many(format!(
                "a connection keeps cursors and parameters of at most {most} MiB"
            ))
            .hint("CLOSE those that are not needed"));
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

    /// Closes the portals that end with the block: all, or all but cursors WITH HOLD.
    pub(super) fn end_block_portals(&mut self, commit: bool) {
        self.portals.retain(|_, portal| portal.hold && commit);
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
        self.engine.begin(false)?;
        self.status = TransactionStatus::Transaction;
        self.settings_before = Some(self.settings.clone());
        let by_default = self.settings.is_on(BY_DEFAULT_READ_ONLY);
        self.set_locally(READ_ONLY, on_or_off(modes.read_only.unwrap_or(by_default)))?;
        let by_default = self.settings.value("default_transaction_isolation").to_owned();
        self.set_locally(ISOLATION, modes.isolation.unwrap_or(&by_default))
    }

    /// `SET TRANSACTION …`, and for all transactions of the session.
    ///
    /// # Errors
    /// 25001 where a block that only reads were to write, or one that keeps its snapshot has taken it.
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
            if self.engine.has_snapshot() && self.settings.value(ISOLATION) != isolation {
                let message = "SET TRANSACTION ISOLATION LEVEL must be called before any query";
                return Err(WireError::new(sqlstate::ACTIVE_SQL_TRANSACTION, message));
            }
            self.set_locally(ISOLATION, isolation)?;
        }
        Ok(())
    }

    fn set_locally(&mut self, name: &str, value: &str) -> Result<(), WireError> {
        let changed = self.settings.set(name, Some(value))?;
        self.local_settings.retain(|name| *name != changed.name);
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

    pub(super) fn restore_settings(&mut self, commit: bool) {
        self.end_notifications(commit);
        self.marks.clear();
        self.seat.connections().advisory().end_transaction(self.seat.pid);
        let Some(before) = self.settings_before.take() else { return };
        let local = std::mem::take(&mut self.local_settings);
        if !commit {
            self.settings.go_back_to(before);
            self.local_customs.clear();
            for name in ["TimeZone", "search_path", SESSION_AUTHORIZATION] {
                self.report(name);
            }
            return;
        }
        self.restore_local_customs();
        for name in local {
            if let Some(known) = known(name) {
                let value = before.get(known).to_owned();
                self.settings.keep(name, &value);
                self.report(if name == ROLE { SESSION_AUTHORIZATION } else { name });
            }
        }
    }
}

/// What a prepared statement is counted for: what it is called, its text, and the types of its parameters.
fn bytes_of(name: &str, planned: &Planned) -> usize {
    name.len() + planned.text.len() + size_of_val(planned.parameters.as_slice())
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
