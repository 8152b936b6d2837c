//! Who is connected, and how one connection cancels another's statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pgwire::messages::ProtocolVersion;
use pgwire::messages::startup::SecretKey;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use zxq_engine::roles::Role;

use super::activity::Activity;
use super::advisory::AdvisoryLocks;
use super::error::WireError;
use super::notify::Channels;
use crate::sqlstate;

/// All connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    inner: Mutex<Inner>,
    channels: Channels,
    advisory: AdvisoryLocks,
}

#[derive(Debug, Default)]
struct Inner {
    last_pid: i32,
    entries: BTreeMap<i32, Entry>,
}

#[derive(Debug)]
struct Entry {
    secret: SecretKey,
    /// Cancelled to stop the running statement; replaced for each.
    statement: CancellationToken,
    /// Cancelled to end the connection.
    connection: CancellationToken,
    /// Whose it is; `None` where there are no users, and for the owner of the data directory.
    role: Option<String>,
    /// What it is doing.
    activity: Arc<Mutex<Activity>>,
}

/// One connection's place among them; leaving is dropping it.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Arc<Connections>,
    /// Process id the client was told.
    pub(crate) pid: i32,
    /// Secret the client was told; with it a statement can be cancelled.
    pub(crate) secret: SecretKey,
    /// Cancelled when another session terminates this one.
    pub(crate) terminated: CancellationToken,
    /// What it is doing, for others to see.
    pub(crate) activity: Arc<Mutex<Activity>>,
    _place: OwnedSemaphorePermit,
}

impl Connections {
    /// Takes a seat.
    ///
    /// # Errors
    /// When the role has as many as it may. Superusers always get in.
    pub(crate) fn enter(
        self: &Arc<Self>,
        version: ProtocolVersion,
        place: OwnedSemaphorePermit,
        role: Option<&Role>,
    ) -> Result<Seat, WireError> {
        let secret = match version {
            ProtocolVersion::PROTOCOL3_0 => SecretKey::I32(rand::random()),
            _ => SecretKey::Bytes(rand::random::<[u8; 32]>().to_vec().into()),
        };
        let terminated = CancellationToken::new();
        let mut inner = self.inner.lock();
        if let Some(role) = role
            && let Some(limit) = role.connection_limit.filter(|_| !role.superuser)
        {
            let its = inner.entries.values().filter(|entry| entry.role.as_ref() == Some(&role.name)).count();
            if its >= limit as usize {
                let message = format!("too many connections for role \"{}\"", role.name);
                return Err(WireError::new(sqlstate::TOO_MANY_CONNECTIONS, message));
            }
        }
        inner.last_pid = inner.last_pid.checked_add(1).unwrap_or(1);
        let pid = inner.last_pid;
        let activity: Arc<Mutex<Activity>> = Arc::default();
        let entry = Entry {
            secret: secret.clone(),
            statement: CancellationToken::new(),
            connection: terminated.clone(),
            role: role.map(|role| role.name.clone()),
            activity: Arc::clone(&activity),
        };
        inner.entries.insert(pid, entry);
        Ok(Seat { connections: Arc::clone(self), pid, secret, terminated, activity, _place: place })
    }

    /// Cancels the statement of the connection with this process id, if the secret is right.
    pub(crate) fn cancel_with_secret(&self, pid: i32, secret: &SecretKey) {
        if let Some(entry) = self.inner.lock().entries.get(&pid)
            && entry.secret.eq_value(secret)
        {
            entry.statement.cancel();
        }
    }

    /// Whose the connection with this process id is, `Some(None)` for one of nobody in particular; `None` where there is none.
    pub(crate) fn role_of(&self, pid: i32) -> Option<Option<String>> {
        self.inner.lock().entries.get(&pid).map(|entry| entry.role.clone())
    }

    /// Cancels the statement of the connection with this process id; false when there is none.
    pub(crate) fn cancel(&self, pid: i32) -> bool {
        self.inner.lock().entries.get(&pid).map(|entry| entry.statement.cancel()).is_some()
    }

    /// Who listens where.
    pub(crate) fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Who holds which advisory lock.
    pub(crate) fn advisory(&self) -> &AdvisoryLocks {
        &self.advisory
    }

    /// What all connections are doing, by their process ids; what those of others do is hidden from who may not see it, which
    /// is asked with the connection's role.
    pub(crate) fn activities(&self, may_see: impl Fn(Option<&str>) -> bool) -> Vec<(i32, Activity)> {
        let shown = |entry: &Entry| {
            let activity = entry.activity.lock();
            if may_see(entry.role.as_deref()) { activity.clone() } else { activity.hidden() }
        };
        self.inner.lock().entries.iter().map(|(pid, entry)| (*pid, shown(entry))).collect()
    }

    /// Ends the connection with this process id; false when there is none.
    pub(crate) fn terminate(&self, pid: i32) -> bool {
        let inner = self.inner.lock();
        let Some(entry) = inner.entries.get(&pid) else { return false };
        entry.statement.cancel();
        entry.connection.cancel();
        true
    }
}

impl Seat {
    /// The token of a statement that starts now: cancels of earlier ones do not touch it.
    pub(crate) fn start_statement(&self) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(entry) = self.connections.inner.lock().entries.get_mut(&self.pid) {
            entry.statement = token.clone();
        }
        token
    }

    /// The server's connections.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.inner.lock().entries.remove(&self.pid);
    }
}
