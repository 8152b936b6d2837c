//! What the client is told of the session's settings: those that PostgreSQL reports, whenever they have changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::ParameterStatus;

use super::Session;
use crate::pg_catalog::Identity;
use crate::wire::settings::{SessionSettings, all};

/// The values that the client was told, and the state of the settings then.
#[derive(Debug, Default)]
pub(super) struct Reported {
    values: BTreeMap<&'static str, String>,
    version: Option<u64>,
}

impl Session {
    /// The reported settings that have changed since the client was told, as messages. At first these are all.
    pub(crate) fn changed_settings(&mut self) -> Vec<PgWireBackendMessage> {
        let version = Some(self.settings.version());
        if self.reported.version == version {
            return Vec::new();
        }
        self.reported.version = version;
        let mut messages = Vec::new();
        for known in all().filter(|known| known.reported) {
            let value = self.settings.get(known);
            if self.reported.values.get(known.name).is_none_or(|told| told != value) {
                self.reported.values.insert(known.name, value.to_owned());
                let status = ParameterStatus::new(known.name.to_owned(), value.to_owned());
                messages.push(PgWireBackendMessage::ParameterStatus(status));
            }
        }
        messages
    }

    /// What functions such as `current_user` answer, and the catalog says of this session.
    ///
    /// `statement` is who asks: what it does not name is left out.
    pub(crate) fn identity(&self, statement: &str) -> Identity {
        let lower = statement.to_ascii_lowercase();
        let names = |relation: &str| lower.contains(relation);
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let settings = self.settings.changed().map(|(name, value)| owned((name, value)));
        let settings = settings.chain(self.settings.customs().map(owned)).collect();
        let measured = all().filter_map(|known| {
            let (number, _) = self.settings.measured(known)?;
            (self.settings.get(known) != known.default).then(|| (known.name.to_owned(), number.to_string()))
        });
        let named = |name: Option<String>| name.unwrap_or_else(|| self.user.clone());
        Identity {
            user: named(self.engine.current_user()),
            session_user: named(self.engine.session_user()),
            role: self.engine.current_role(),
            superuser: self.engine.is_superuser(),
            sees_all: self.engine.sees_all_tables(),
            database: self.database.clone(),
            pid: self.seat.pid,
            settings,
            numbers: measured.collect(),
            schemas: self.engine.search_path(),
            temporaries: self.engine.temporaries(),
            cursors: if names("pg_cursors") { self.cursors() } else { Vec::new() },
            statements: if names("pg_prepared_statements") { self.prepared_statements() } else { Vec::new() },
            activity: if names("pg_stat_activity") { self.activities() } else { Vec::new() },
        }
    }

    /// Keeps a setting of the client's own as it is, for the end of the block.
    pub(crate) fn note_local_custom(&mut self, name: &str) {
        let name = name.to_lowercase();
        if !self.local_customs.iter().any(|(noted, _)| *noted == name) {
            let value = self.settings.custom(&name).unwrap_or_default().to_owned();
            self.local_customs.push((name, value));
        }
    }

    /// The block ends: its `SET LOCAL` of the client's own settings with it.
    pub(super) fn restore_local_customs(&mut self) {
        for (name, value) in std::mem::take(&mut self.local_customs) {
            // They had room before.
            let _ = self.settings.set_custom(&name, Some(&value));
        }
    }

    /// The client has connected: others see it.
    pub(crate) fn note_connected(&self) {
        let now = self.engine.engine().config().clock.now_us();
        let mut activity = self.seat.activity.lock();
        activity.user.clone_from(&self.user);
        activity.database.clone_from(&self.database);
        activity.connected = now;
        activity.queued = self.engine.queued().clone();
    }

    /// A statement begins: others see it.
    pub(crate) fn note_statement(&self, text: &str) {
        let now = self.engine.engine().config().clock.now_us();
        self.seat.activity.lock().begin(text, now);
    }

    /// The session waits for its client.
    pub(crate) fn note_waiting(&self) {
        let now = self.engine.engine().config().clock.now_us();
        let mut activity = self.seat.activity.lock();
        let application = self.settings.value("application_name");
        if activity.application != application {
            application.clone_into(&mut activity.application);
        }
        activity.wait(self.status, now);
    }

    /// The settings as functions in its queries see them.
    pub(crate) fn shown_settings(&self) -> Arc<RwLock<SessionSettings>> {
        Arc::clone(&self.shown)
    }

    /// Functions in the next query see the settings as they are now.
    pub(crate) fn show_settings(&self) {
        if self.shown.read().version() != self.settings.version() {
            *self.shown.write() = self.settings.clone();
        }
    }
}
