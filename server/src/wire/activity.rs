//! What each connection is doing, for `pg_stat_activity`.

use std::net::SocketAddr;

use pgwire::messages::response::TransactionStatus;
use zxq_engine::QueuedStatements;
use zxq_engine::sql::{quoted_text, without_secrets};

/// Longest text of a statement that is kept, in bytes: PostgreSQL's default.
const LONGEST: usize = 1_024;

/// What one connection is doing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity {
    /// Who.
    pub(crate) user: String,
    /// The database's name as the client gave it.
    pub(crate) database: String,
    /// What the client calls itself.
    pub(crate) application: String,
    /// Where the client is.
    pub(crate) client: Option<SocketAddr>,
    /// When it connected, in microseconds since the Unix epoch, as the times below.
    pub(crate) connected: i64,
    /// When its transaction began.
    pub(crate) transaction: Option<i64>,
    /// When its statement began.
    pub(crate) statement: Option<i64>,
    /// When its state changed.
    pub(crate) changed: i64,
    /// Its state, in PostgreSQL's words.
    pub(crate) state: &'static str,
    /// The statement that runs, or ran last.
    pub(crate) text: String,
    /// Whether it waits until others have read their tables.
    pub(crate) queued: QueuedStatements,
}

impl Activity {
    /// What those see of it who may not: that there is such a connection, and whose.
    pub(crate) fn hidden(&self) -> Activity {
        Activity {
            user: self.user.clone(),
            database: self.database.clone(),
            text: "<insufficient privilege>".to_owned(),
            ..Activity::default()
        }
    }

    /// A statement begins. Passwords in it are nobody's to see.
    pub(crate) fn begin(&mut self, text: &str, now: i64) {
        let text = without_secrets(text);
        let cut = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.text.clear();
        self.text.push_str(&text[..cut]);
        self.state = "active";
        self.statement = Some(now);
        self.transaction.get_or_insert(now);
        self.changed = now;
    }

    /// It waits for the client.
    pub(crate) fn wait(&mut self, status: TransactionStatus, now: i64) {
        self.state = match status {
            TransactionStatus::Idle => "idle",
            TransactionStatus::Transaction => "idle in transaction",
            TransactionStatus::Error => "idle in transaction (aborted)",
        };
        if status == TransactionStatus::Idle {
            self.transaction = None;
        }
        self.changed = now;
    }

    /// As a struct in DuckDB's SQL.
    pub(crate) fn sql(&self, pid: i32) -> String {
        let time = |at: Option<i64>| at.map_or_else(|| "NULL".to_owned(), |at| format!("make_timestamp({at})"));
        let address = self.client.map_or_else(|| "NULL".to_owned(), |client| quoted_text(&client.ip().to_string()));
        let port = self.client.map_or_else(|| "NULL".to_owned(), |client| client.port().to_string());
        format!(
            "{{datname: {}, pid: {pid}, usename: {}, application_name: {}, client_addr: {address}, client_port: {port}, \
             backend_start: {}, xact_start: {}, query_start: {}, state_change: {}, state: {}, query: {}, \
             queued: {}}}",
            quoted_text(&self.database),
            quoted_text(&self.user),
            quoted_text(&self.application),
            time(Some(self.connected).filter(|at| *at != 0)),
            time(self.transaction),
            time(self.statement),
            time(Some(self.changed).filter(|at| *at != 0)),
            if self.state.is_empty() { "NULL".to_owned() } else { quoted_text(self.state) },
            quoted_text(&self.text),
            self.queued.any(),
        )
    }
}
