//! The socket: messages in, messages out, and work that stops when the client, a timeout or the server says so.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::{FutureExt, SinkExt, StreamExt};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec};
use tokio::time::Instant;
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;
use zxq_engine::RunningJob;

use super::error::{Stop, WireError};
use super::message_limit::{LargeMessages, LimitedCodec, counted};
use crate::sqlstate;

/// Bytes gathered before they are sent, so that small messages share a packet and large results stream.
pub(crate) const SEND_BYTES: usize = 64 * 1024;

/// Largest empty buffer that is kept for the next message.
const KEPT_BYTES: usize = 1 << 20;

/// Messages read ahead while a statement runs, and bytes of them. Reading on is how a client that has gone is noticed.
const READ_AHEAD: usize = 16;
const READ_AHEAD_BYTES: usize = 1 << 20;

/// How long a client waits for a job that was stopped to sweep what it had written.
pub(crate) const SWEEPING: Duration = Duration::from_secs(5);

/// The framed socket of a connection that starts.
pub(crate) type Socket = Framed<MaybeTls, PgWireMessageServerCodec<()>>;

/// What can stop a statement.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// The client asked, on another connection.
    pub(crate) cancel: CancellationToken,
    /// `statement_timeout` has passed.
    pub(crate) deadline: Option<Instant>,
    /// The server ends and waits no longer.
    pub(crate) abort: CancellationToken,
}

impl Guard {
    /// Completes when the statement has to stop, with the reason.
    pub(crate) async fn stopped(&self) -> WireError {
        let timeout = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.abort.cancelled() => shutting_down(),
            () = self.cancel.cancelled() => {
                WireError::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request")
            }
            () = timeout => WireError::new(sqlstate::QUERY_CANCELED, "canceling statement due to statement timeout"),
        }
    }
}

impl Guard {
    /// A guard for the rest of a statement whose work is done and cannot be taken back: it is too late to say that it was
    /// cancelled.
    pub(crate) fn of_done_work(&self) -> Guard {
        Guard { cancel: CancellationToken::new(), deadline: None, abort: self.abort.clone() }
    }
}

/// What a client is told when the server ends.
pub(crate) fn shutting_down() -> WireError {
    WireError::new(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command").fatal()
}

/// One connection's socket.
pub(crate) struct Link {
    socket: Framed<MaybeTls, LimitedCodec>,
    /// Messages read while a statement ran, with their bytes.
    ahead: VecDeque<(PgWireFrontendMessage, usize)>,
    /// Bytes of all of them.
    ahead_bytes: usize,
}

impl Link {
    /// A link over a socket that has got through the startup.
    pub(crate) fn new(socket: Socket, large: &Arc<LargeMessages>) -> Self {
        let socket = socket.map_codec(|codec| LimitedCodec::new(codec, Arc::clone(large)));
        Link { socket, ahead: VecDeque::new(), ahead_bytes: 0 }
    }

    /// The next message; `None` when the client has closed the connection.
    ///
    /// # Errors
    /// For bytes that are no message.
    pub(crate) async fn next(&mut self) -> Result<Option<PgWireFrontendMessage>, Stop> {
        if let Some(message) = self.take_ahead() {
            return Ok(Some(message));
        }
        self.give_back();
        let message = self.socket.next().await.transpose()?;
        self.deal_with(self.socket.codec().last_bytes);
        Ok(message)
    }

    /// From here on the connection deals with a message of so many bytes, and no longer with those before it.
    fn deal_with(&mut self, bytes: usize) {
        let ahead: usize = self.ahead.iter().map(|(_, bytes)| counted(*bytes)).sum();
        self.socket.codec_mut().keep_counted(counted(bytes) + ahead);
    }

    /// Gives back what a large message has made of the buffers: a client that is idle holds little.
    fn give_back(&mut self) {
        self.deal_with(0);
        let small = |buffer: &mut BytesMut| {
            if buffer.is_empty() && buffer.capacity() > KEPT_BYTES {
                *buffer = BytesMut::new();
            }
        };
        small(self.socket.read_buffer_mut());
        small(self.socket.write_buffer_mut());
    }

    /// The first of the messages that were read while a statement ran.
    fn take_ahead(&mut self) -> Option<PgWireFrontendMessage> {
        let (message, bytes) = self.ahead.pop_front()?;
        self.ahead_bytes -= bytes;
        self.deal_with(bytes);
        Some(message)
    }

    /// The next message where it has come already, together with the one before.
    ///
    /// # Errors
    /// As [`Link::next`].
    pub(crate) fn at_hand(&mut self) -> Result<Option<PgWireFrontendMessage>, Stop> {
        if let Some(message) = self.take_ahead() {
            return Ok(Some(message));
        }
        if self.socket.read_buffer().is_empty() {
            return Ok(None);
        }
        match self.socket.next().now_or_never() {
            // That the client is gone is seen again where messages are waited for.
            Some(None) | None => Ok(None),
            Some(Some(message)) => {
                let message = message?;
                self.deal_with(self.socket.codec().last_bytes);
                Ok(Some(message))
            }
        }
    }

    /// True where the next message has come already and is a Sync.
    pub(crate) fn sync_follows(&mut self) -> bool {
        matches!(self.next_that_came(), Some(PgWireFrontendMessage::Sync(_)))
    }

    /// True where the next message has come already and is no Sync.
    pub(crate) fn other_than_sync_follows(&mut self) -> bool {
        self.next_that_came().is_some_and(|message| !matches!(message, PgWireFrontendMessage::Sync(_)))
    }

    fn next_that_came(&mut self) -> Option<&PgWireFrontendMessage> {
        if self.ahead.is_empty()
            && let Some(Some(Ok(message))) = self.socket.next().now_or_never()
        {
            let bytes = self.socket.codec().last_bytes;
            self.ahead_bytes += bytes;
            self.ahead.push_back((message, bytes));
        }
        self.ahead.front().map(|(message, _)| message)
    }

    /// Puts a message into the buffer; it goes out with the next flush.
    ///
    /// # Errors
    /// For a message larger than the protocol allows.
    pub(crate) fn put(&mut self, message: &PgWireBackendMessage) -> Result<(), Stop> {
        Ok(message.encode(self.socket.write_buffer_mut())?)
    }

    /// The buffer itself, for rows.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        self.socket.write_buffer_mut()
    }

    /// Sends what is buffered.
    ///
    /// # Errors
    /// When the client is gone.
    pub(crate) async fn flush(&mut self) -> Result<(), Stop> {
        SinkExt::<PgWireBackendMessage>::flush(&mut self.socket).await.map_err(to_io)
    }

    /// Sends what is buffered, unless the guard stops it: a client that does not read can still be cancelled.
    ///
    /// # Errors
    /// The guard's reason, or that the client is gone.
    pub(crate) async fn flush_guarded(&mut self, guard: &Guard) -> Result<(), Stop> {
        tokio::select! {
            biased;
            flushed = SinkExt::<PgWireBackendMessage>::flush(&mut self.socket) => Ok(flushed.map_err(to_io)?),
            reason = guard.stopped() => Err(reason.into()),
        }
    }

    /// Sends what is buffered where that is much: a client that asks on and on without a Sync gathers nothing here.
    ///
    /// # Errors
    /// As [`Link::flush_guarded`].
    pub(crate) async fn flush_if_full(&mut self, guard: &Guard) -> Result<(), Stop> {
        match self.socket.write_buffer().len() < SEND_BYTES {
            true => Ok(()),
            false => self.flush_guarded(guard).await,
        }
    }

    /// Sends a chunk after what is buffered, without copying it.
    ///
    /// # Errors
    /// As [`Link::flush_guarded`].
    pub(crate) async fn send_chunk(&mut self, chunk: BytesMut, guard: &Guard) -> Result<(), Stop> {
        if self.socket.write_buffer().len() + chunk.len() < SEND_BYTES / 4 {
            self.socket.write_buffer_mut().extend_from_slice(&chunk);
            return Ok(());
        }
        self.flush_guarded(guard).await?;
        *self.socket.write_buffer_mut() = chunk;
        self.flush_guarded(guard).await
    }

    /// Runs work until it is done, the guard stops it, or the client goes away. Stopping drops the work.
    ///
    /// # Errors
    /// The work's own, the guard's reason, or that the client is gone.
    pub(crate) async fn run<T, E: Into<Stop>>(
        &mut self,
        guard: &Guard,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Stop> {
        match self.race(std::pin::pin!(work), guard.stopped()).await? {
            Raced::Done(done) => done.map_err(Into::into),
            Raced::Stopped(reason) => Err(reason.into()),
        }
    }

    /// As [`Link::run`], for work that may be a job: that is asked to stop, and waited for, since only it knows whether it
    /// was in time. A client is told that a statement was cancelled only where nothing of it becomes visible.
    ///
    /// # Errors
    /// As [`Link::run`].
    pub(crate) async fn run_job<T, E: Into<Stop>>(
        &mut self,
        guard: &Guard,
        job: &RunningJob,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        let reason = match self.race(work.as_mut(), guard.stopped()).await? {
            Raced::Done(done) => return done.map_err(Into::into),
            Raced::Stopped(reason) => reason,
        };
        if !job.ask_to_stop() {
            return Err(reason.into());
        }
        loop {
            match self.race(work.as_mut(), tokio::time::sleep(SWEEPING)).await? {
                Raced::Done(done) => {
                    return done.map_err(|error| match error.into() {
                        Stop::Failed(error) if error.code == sqlstate::QUERY_CANCELED => reason.into(),
                        other => other,
                    });
                }
                // It goes on sweeping what it had written; nobody has to wait for that.
                Raced::Stopped(()) if job.is_stopped() => return Err(reason.into()),
                Raced::Stopped(()) => {}
            }
        }
    }

    /// Waits for the work or for what stops it, reading on from the client.
    async fn race<T, R>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
        stopped: impl Future<Output = R>,
    ) -> Result<Raced<T, R>, Stop> {
        let mut stopped = std::pin::pin!(stopped);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(Raced::Done(done)),
                reason = &mut stopped => return Ok(Raced::Stopped(reason)),
                message = self.socket.next(),
                    if self.ahead.len() < READ_AHEAD && self.ahead_bytes < READ_AHEAD_BYTES => match message {
                    Some(Ok(PgWireFrontendMessage::Terminate(_))) | None => return Err(Stop::Gone(gone())),
                    Some(Ok(message)) => {
                        let bytes = self.socket.codec().last_bytes;
                        self.ahead_bytes += bytes;
                        self.ahead.push_back((message, bytes));
                    }
                    Some(Err(error)) => return Err(error.into()),
                },
            }
        }
    }
}

/// What came first.
enum Raced<T, R> {
    Done(T),
    Stopped(R),
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the client closed it while a statement ran")
}

fn to_io(error: io::Error) -> Stop {
    Stop::Gone(error)
}
