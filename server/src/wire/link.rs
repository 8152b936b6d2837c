//! The socket: messages in, messages out, and work that stops when the client, a timeout or the server says so.

use std::collections::VecDeque;
use std::future::Future;
use std::io;

use bytes::BytesMut;
use futures::{SinkExt, StreamExt};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec};
use tokio::time::Instant;
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use super::error::{Stop, WireError};
use crate::sqlstate;

/// Bytes gathered before they are sent, so that small messages share a packet and large results stream.
pub(crate) const SEND_BYTES: usize = 64 * 1024;

/// Messages read ahead while a statement runs. Reading on is how a client that has gone is noticed.
const READ_AHEAD: usize = 16;

/// The framed socket of one connection.
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

/// What a client is told when the server ends.
pub(crate) fn shutting_down() -> WireError {
    WireError::new(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command").fatal()
}

/// One connection's socket.
pub(crate) struct Link {
    socket: Socket,
    /// Messages read while a statement ran.
    ahead: VecDeque<PgWireFrontendMessage>,
}

impl Link {
    /// A link over a socket that has got through the startup.
    pub(crate) fn new(socket: Socket) -> Self {
        Link { socket, ahead: VecDeque::new() }
    }

    /// The next message; `None` when the client has closed the connection.
    ///
    /// # Errors
    /// For bytes that are no message.
    pub(crate) async fn next(&mut self) -> Result<Option<PgWireFrontendMessage>, Stop> {
        if let Some(message) = self.ahead.pop_front() {
            return Ok(Some(message));
        }
        Ok(self.socket.next().await.transpose()?)
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
        let mut work = std::pin::pin!(work);
        let mut stopped = std::pin::pin!(guard.stopped());
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done.map_err(Into::into),
                reason = &mut stopped => return Err(reason.into()),
                message = self.socket.next(), if self.ahead.len() < READ_AHEAD => match message {
                    Some(Ok(PgWireFrontendMessage::Terminate(_))) | None => return Err(Stop::Gone(gone())),
                    Some(Ok(message)) => self.ahead.push_back(message),
                    Some(Err(error)) => return Err(error.into()),
                },
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the client closed it while a statement ran")
}

fn to_io(error: io::Error) -> Stop {
    Stop::Gone(error)
}
