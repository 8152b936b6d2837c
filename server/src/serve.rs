//! Serves an engine to PostgreSQL clients.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zxq_engine::Engine;

use crate::pg_catalog::Introspection;
use crate::wire::cancel::Connections;
use crate::wire::connection::Connection;
use crate::wire::starting::{Starting, StartingClient};
use crate::wire::startup::{self, Shared};

/// Pause after a failed accept, which means that this process is out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A client's machine that is silent for so long is asked whether it is there, and then again and again.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Connections at once; the next one is refused with SQLSTATE 53300.
    pub max_connections: usize,
    /// Folders whose files clients may load with `CALL zxq.load`.
    pub load_roots: Vec<PathBuf>,
    /// Serve other machines too, although there is neither a password nor encryption.
    pub allow_remote: bool,
    /// How long running statements may go on when the server stops.
    pub stop_wait: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            max_connections: 200,
            load_roots: Vec::new(),
            allow_remote: false,
            stop_wait: Duration::from_secs(5),
        }
    }
}

/// Why serving did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The listener is open to other machines.
    #[error(
        "{0} can be reached from other machines, and zxq has neither passwords nor encryption yet: \
         listen on 127.0.0.1, or allow it explicitly"
    )]
    NotLoopback(SocketAddr),
    /// The listener does not know its own address.
    #[error("the listener has no address: {0}")]
    NoAddress(#[source] std::io::Error),
}

/// Serves until `shutdown` completes; then no client is accepted, running statements get
/// [`ServeOptions::stop_wait`], and all connections are closed.
///
/// # Errors
/// [`ServerError::NotLoopback`] for a listener that other machines can reach, unless
/// [`ServeOptions::allow_remote`] is set.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let address = listener.local_addr().map_err(ServerError::NoAddress)?;
    if !address.ip().is_loopback() && !options.allow_remote {
        return Err(ServerError::NotLoopback(address));
    }
    let shared = Shared {
        catalog: Arc::new(Introspection::new(Arc::clone(&engine), address.port())),
        connections: Arc::new(Connections::default()),
        load_roots: options.load_roots.clone().into(),
        places: Arc::new(Semaphore::new(options.max_connections)),
        engine,
    };
    let starting = Arc::new(Starting::default());
    let draining = CancellationToken::new();
    let abort = CancellationToken::new();
    let mut clients = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = clients.join_next(), if !clients.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a client could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE) {
            tracing::debug!(%error, "a client's socket takes no keepalive");
        }
        clients.spawn(client(stream, shared.clone(), starting.enter(), draining.clone(), abort.clone()));
    }
    drop(listener);
    draining.cancel();
    let all_gone = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(options.stop_wait, all_gone).await.is_err() {
        abort.cancel();
        // Long enough to tell the clients; one that does not listen is cut off.
        let all_gone = async { while clients.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), all_gone).await;
        clients.shutdown().await;
    }
    Ok(())
}

/// One client, from its first byte to its last.
async fn client(
    stream: TcpStream,
    shared: Shared,
    starting: StartingClient,
    draining: CancellationToken,
    abort: CancellationToken,
) {
    let accepted = tokio::select! {
        accepted = startup::accept(stream, &shared) => accepted,
        () = draining.cancelled() => return,
        () = starting.gone.cancelled() => return,
    };
    drop(starting);
    match accepted {
        Ok(Some((link, session))) => Connection::new(link, session, draining, abort).run().await,
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a client went away during its startup"),
    }
}
