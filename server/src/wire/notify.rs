//! `LISTEN` and `NOTIFY`: texts from one connection to all that listen.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::NotificationResponse;
use tokio::sync::mpsc;

use super::error::WireError;
use super::session::Session;
use crate::sqlstate;

/// Notifications that wait for one connection.
const MOST_WAITING: usize = 65_536;
/// Longest payload, in bytes, as in PostgreSQL.
const LONGEST_PAYLOAD: usize = 7_999;
/// Longest name of a channel, likewise.
const LONGEST_CHANNEL: usize = 63;

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    /// Process id of who sent it.
    pub(crate) pid: i32,
    /// Where to.
    pub(crate) channel: String,
    /// The text.
    pub(crate) payload: String,
}

impl Notification {
    fn message(self) -> PgWireBackendMessage {
        let response = NotificationResponse::new(self.pid, self.channel, self.payload);
        PgWireBackendMessage::NotificationResponse(response)
    }
}

type Ears = HashMap<i32, mpsc::Sender<Arc<Notification>>>;

/// Who listens where.
#[derive(Debug, Default)]
pub(crate) struct Channels(Mutex<HashMap<String, Ears>>);

impl Channels {
    fn listen(&self, channel: &str, pid: i32, ear: mpsc::Sender<Arc<Notification>>) {
        self.0.lock().entry(channel.to_owned()).or_default().insert(pid, ear);
    }

    fn unlisten(&self, channel: &str, pid: i32) {
        let mut channels = self.0.lock();
        if let Some(ears) = channels.get_mut(channel) {
            ears.remove(&pid);
            if ears.is_empty() {
                channels.remove(channel);
            }
        }
    }

    /// Hands a notification to all who listen. A connection that takes none loses those that it has no room for.
    fn notify(&self, notification: Notification) {
        let channels = self.0.lock();
        let Some(ears) = channels.get(&notification.channel) else { return };
        let notification = Arc::new(notification);
        for (pid, ear) in ears {
            if ear.try_send(Arc::clone(&notification)).is_err() {
                tracing::warn!(pid, channel = notification.channel, "a connection does not take its notifications");
            }
        }
    }
}

/// What one connection listens to, and what it has to send.
#[derive(Debug)]
pub(crate) struct Ear {
    channels: BTreeSet<String>,
    sender: mpsc::Sender<Arc<Notification>>,
    waiting: mpsc::Receiver<Arc<Notification>>,
    /// Sent when the transaction is committed.
    pending: Vec<Notification>,
}

impl Default for Ear {
    fn default() -> Self {
        let (sender, waiting) = mpsc::channel(MOST_WAITING);
        Ear { channels: BTreeSet::new(), sender, waiting, pending: Vec::new() }
    }
}

impl Ear {
    /// The next notification, whenever it comes.
    pub(crate) async fn next(&mut self) -> PgWireBackendMessage {
        match self.waiting.recv().await {
            Some(notification) => Notification::clone(&notification).message(),
            // It holds a sender itself.
            None => std::future::pending().await,
        }
    }
}

impl Session {
    /// `LISTEN channel`.
    pub(crate) fn listen(&mut self, channel: &str) {
        if self.ear.channels.insert(channel.to_owned()) {
            let sender = self.ear.sender.clone();
            self.seat.connections().channels().listen(channel, self.seat.pid, sender);
        }
    }

    /// `UNLISTEN channel`; `None` is all.
    pub(crate) fn unlisten(&mut self, channel: Option<&str>) {
        let channels: Vec<String> = match channel {
            Some(channel) => self.ear.channels.take(channel).into_iter().collect(),
            None => std::mem::take(&mut self.ear.channels).into_iter().collect(),
        };
        for channel in channels {
            self.seat.connections().channels().unlisten(&channel, self.seat.pid);
        }
    }

    /// `NOTIFY channel, 'payload'`: at once, or when the transaction is committed.
    ///
    /// # Errors
    /// 22023 for names and payloads that are too long.
    pub(crate) fn notify(&mut self, channel: &str, payload: &str) -> Result<(), WireError> {
        let invalid = |message: &str| WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message);
        if channel.is_empty() {
            return Err(invalid("channel name cannot be empty"));
        }
        if channel.len() > LONGEST_CHANNEL {
            return Err(invalid("channel name too long"));
        }
        if payload.len() > LONGEST_PAYLOAD {
            return Err(invalid("payload string too long"));
        }
        let notification =
            Notification { pid: self.seat.pid, channel: channel.to_owned(), payload: payload.to_owned() };
        if self.in_block() {
            if !self.ear.pending.contains(&notification) {
                self.ear.pending.push(notification);
            }
        } else {
            self.seat.connections().channels().notify(notification);
        }
        Ok(())
    }

    /// The transaction ends: what it had to send is sent, or forgotten.
    pub(crate) fn end_notifications(&mut self, commit: bool) {
        for notification in std::mem::take(&mut self.ear.pending) {
            if commit {
                self.seat.connections().channels().notify(notification);
            }
        }
    }

    /// The notifications that have come, as messages; none within a transaction.
    pub(crate) fn take_notifications(&mut self) -> Vec<PgWireBackendMessage> {
        let mut messages = Vec::new();
        if !self.in_block() {
            while let Ok(notification) = self.ear.waiting.try_recv() {
                messages.push(Notification::clone(&notification).message());
            }
        }
        messages
    }
}
