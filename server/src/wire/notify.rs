//! `LISTEN` and `NOTIFY`: texts from one connection to all that listen.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::NotificationResponse;
use tokio::sync::mpsc;

use super::error::WireError;
use super::session::Session;
use crate::sqlstate;

/// Notifications that wait for one connection, and bytes of their texts.
const MOST_WAITING: usize = 65_536;
const MOST_WAITING_BYTES: usize = 4 << 20;
/// Notifications that one transaction sends, and bytes of their texts.
const MOST_PENDING: usize = 65_536;
const MOST_PENDING_BYTES: usize = 4 << 20;
/// Channels that one connection listens to.
const MOST_CHANNELS: usize = 10_000;
/// Longest payload, in bytes, as in PostgreSQL.
const LONGEST_PAYLOAD: usize = 7_999;
/// Longest name of a channel, likewise.
const LONGEST_CHANNEL: usize = 63;

/// What `NOTIFY` sends to those who listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Notification {
    /// Process id of who sent it.
    pub(crate) pid: i32,
    /// Where to.
    pub(crate) channel: String,
    /// The text that goes with it; empty where none does.
    pub(crate) payload: String,
}

impl Notification {
    fn bytes(&self) -> usize {
        self.channel.len() + self.payload.len()
    }

    fn message(self) -> PgWireBackendMessage {
        let response = NotificationResponse::new(self.pid, self.channel, self.payload);
        PgWireBackendMessage::NotificationResponse(response)
    }
}

/// The way to one connection that listens.
#[derive(Debug, Clone)]
struct Way {
    sender: mpsc::Sender<Arc<Notification>>,
    queue: Arc<Queue>,
}

/// How much waits for one connection.
#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    /// It had no room for one, and has taken none since.
    is_full: AtomicBool,
}

impl Way {
    /// Puts a notification into the queue; false where there is no room for it.
    fn send(&self, notification: &Arc<Notification>) -> bool {
        let bytes = notification.bytes();
        let before = self.queue.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= MOST_WAITING_BYTES && self.sender.try_send(Arc::clone(notification)).is_ok() {
            return true;
        }
        self.queue.bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }
}

type Ears = HashMap<i32, Way>;

/// Who listens where.
#[derive(Debug, Default)]
pub(crate) struct Channels(Mutex<HashMap<String, Ears>>);

impl Channels {
    fn listen(&self, channel: &str, pid: i32, way: Way) {
        self.0.lock().entry(channel.to_owned()).or_default().insert(pid, way);
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
        for (pid, way) in ears {
            // Said once, however many follow.
            if !way.send(&notification) && !way.queue.is_full.swap(true, Ordering::Relaxed) {
                tracing::warn!(pid, channel = notification.channel, "a connection does not take its notifications");
            }
        }
    }
}

/// What one connection listens to, and what it has to send.
#[derive(Debug)]
pub(crate) struct Ear {
    channels: BTreeSet<String>,
    way: Way,
    waiting: mpsc::Receiver<Arc<Notification>>,
    /// Sent when the transaction is committed, each once, in their order.
    pending: HashMap<Notification, usize>,
    /// Bytes of their texts.
    pending_bytes: usize,
}

impl Default for Ear {
    fn default() -> Self {
        let (sender, waiting) = mpsc::channel(MOST_WAITING);
        let way = Way { sender, queue: Arc::default() };
        Ear { channels: BTreeSet::new(), way, waiting, pending: HashMap::new(), pending_bytes: 0 }
    }
}

impl Ear {
    /// The next notification, whenever it comes.
    pub(crate) async fn next(&mut self) -> PgWireBackendMessage {
        match self.waiting.recv().await {
            Some(notification) => self.taken(&notification),
            // It holds a sender itself.
            None => std::future::pending().await,
        }
    }

    fn taken(&self, notification: &Notification) -> PgWireBackendMessage {
        self.way.queue.bytes.fetch_sub(notification.bytes(), Ordering::Relaxed);
        self.way.queue.is_full.store(false, Ordering::Relaxed);
        notification.clone().message()
    }
}

impl Session {
    /// `LISTEN channel`.
    ///
    /// # Errors
    /// 54000 for too many.
    pub(crate) fn listen(&mut self, channel: &str) -> Result<(), WireError> {
        if self.ear.channels.contains(channel) {
            return Ok(());
        }
        if self.ear.channels.len() >= MOST_CHANNELS {
            return Err(WireError::too_many(format!("a connection listens to at most {MOST_CHANNELS} channels")));
        }
        self.ear.channels.insert(channel.to_owned());
        self.seat.connections().channels().listen(channel, self.seat.pid, self.ear.way.clone());
        Ok(())
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
    /// 22023 for names and payloads that are too long, 54000 for more than a transaction may send.
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
            let (at, bytes) = (self.ear.pending.len(), self.ear.pending_bytes + notification.bytes());
            if self.ear.pending.contains_key(&notification) {
                return Ok(());
            }
            if at >= MOST_PENDING || bytes > MOST_PENDING_BYTES {
                return Err(WireError::too_many("too many notifications in the NOTIFY queue"));
            }
            self.ear.pending.insert(notification, at);
            self.ear.pending_bytes = bytes;
        } else {
            self.seat.connections().channels().notify(notification);
        }
        Ok(())
    }

    /// The transaction ends: what it had to send is sent, or forgotten.
    pub(crate) fn end_notifications(&mut self, commit: bool) {
        self.ear.pending_bytes = 0;
        let mut pending: Vec<_> = std::mem::take(&mut self.ear.pending).into_iter().collect();
        pending.sort_unstable_by_key(|(_, at)| *at);
        for (notification, _) in pending.into_iter().filter(|_| commit) {
            self.seat.connections().channels().notify(notification);
        }
    }

    /// The notifications that have come, as messages; none within a transaction.
    pub(crate) fn take_notifications(&mut self) -> Vec<PgWireBackendMessage> {
        let mut messages = Vec::new();
        if !self.in_block() {
            while let Ok(notification) = self.ear.waiting.try_recv() {
                messages.push(self.ear.taken(&notification));
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn notification(payload: &str) -> Notification {
        Notification { pid: 1, channel: "c".to_owned(), payload: payload.to_owned() }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_what_is_taken_makes_room() {
        let (channels, mut ear) = (Channels::default(), Ear::default());
        channels.listen("c", 1, ear.way.clone());
        let long = "x".repeat(LONGEST_PAYLOAD);
        for _ in 0..2 * MOST_WAITING_BYTES / LONGEST_PAYLOAD {
            channels.notify(notification(&long));
        }
        let waiting = MOST_WAITING_BYTES / (LONGEST_PAYLOAD + 1);
        assert_eq!(ear.waiting.len(), waiting);
        assert!(ear.way.queue.is_full.load(Ordering::Relaxed));
        for _ in 0..waiting {
            ear.next().await;
        }
        assert_eq!(ear.way.queue.bytes.load(Ordering::Relaxed), 0);
        for _ in 0..2 * MOST_WAITING {
            channels.notify(notification("x"));
        }
        assert_eq!(ear.waiting.len(), MOST_WAITING);
    }
}
