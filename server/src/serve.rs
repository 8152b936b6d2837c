//! Serves an engine to PostgreSQL clients.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zxq_engine::Engine;

use crate::pg_catalog::Introspection;
use crate::wire::auth::Gate;
use crate::wire::auth::throttle::Throttle;
use crate::wire::cancel::Connections;
use crate::wire::connection::Connection;
use crate::wire::starting::{Starting, StartingClient};
use crate::wire::startup::{self, Shared};
use crate::wire::tls::Tls;

pub use crate::wire::auth::rules::{Addresses, Method, Names, Rule};
pub use crate::wire::tls::{TlsError, TlsOptions};

/// Pause after a failed accept, which means that this process is out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A client's machine that is silent for so long is asked whether it is there, and then again and again.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));

/// Places beyond `max_connections` for those who have to put a server right: superusers, and commands on its data directory.
const RESERVED: usize = 3;

/// How long clients may take, where they do not say otherwise themselves (`SET statement_timeout = …`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For a statement; `None` for as long as it takes.
    pub statement: Option<Duration>,
    /// To say something; `None` for ever.
    pub idle_session: Option<Duration>,
    /// To say something while a transaction is open.
    pub idle_in_transaction: Option<Duration>,
}

impl Timeouts {
    /// The settings that they are the defaults of, with their values in milliseconds.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [
            ("statement_timeout", self.statement),
            ("idle_session_timeout", self.idle_session),
            ("idle_in_transaction_session_timeout", self.idle_in_transaction),
        ];
        all.into_iter().filter_map(|(name, time)| Some((name, time?.as_millis().to_string())))
    }
}

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Connections at once; the next one is refused with SQLSTATE 53300. There are three more for superusers.
    pub max_connections: usize,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// Folders whose files clients may load with `CALL zxq.load`.
    pub load_roots: Vec<PathBuf>,
    /// How clients have to show who they are; `None` for the usual rules.
    pub authentication: Option<Vec<Rule>>,
    /// The server's certificate; without it nothing is encrypted.
    pub tls: Option<TlsOptions>,
    /// How long running statements may go on when the server stops.
    pub stop_wait: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            max_connections: 200,
            timeouts: Timeouts::default(),
            load_roots: Vec::new(),
            authentication: None,
            tls: None,
            stop_wait: Duration::from_secs(5),
        }
    }
}

/// Why serving did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Other machines can reach the listener, and what they say could be read on the way.
    #[error("{0} can be reached from other machines, and there is no TLS")]
    NoTls(SocketAddr),
    /// Other machines can reach the listener, and there is nobody who could log in.
    #[error("{0} can be reached from other machines, and there is no user")]
    NoUsers(SocketAddr),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Clients shall log in with certificates that nobody could check.
    #[error("authentication: a rule has method cert, and tls.client_ca names no authorities of clients")]
    NoAuthorities,
    /// The listener does not know its own address.
    #[error("the listener has no address: {0}")]
    NoAddress(#[source] std::io::Error),
}

impl ServerError {
    /// What to do about it, where the message does not say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ServerError::NoTls(_) => Some(
                "name a certificate in storage.yaml (tls: {certificate: FILE, key: FILE}; docs/security.md shows how to \
                 make one), or listen on 127.0.0.1",
            ),
            ServerError::NoUsers(_) => Some("make one with zxq user add NAME, or listen on 127.0.0.1"),
            ServerError::NoAuthorities => Some("name a PEM file of theirs with tls.client_ca"),
            ServerError::Tls(_) | ServerError::NoAddress(_) => None,
        }
    }
}

/// A server that may start.
pub struct Server {
    listener: TcpListener,
    options: ServeOptions,
    shared: Shared,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Serves until `shutdown` completes: [`Server::new`], then [`Server::run`].
///
/// # Errors
/// As [`Server::new`].
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    Server::new(listener, engine, options)?.run(shutdown).await;
    Ok(())
}

impl Server {
    /// A server for a listener, unless strangers could do there what they want.
    ///
    /// # Errors
    /// For a listener that other machines can reach, without TLS or without a user who could log in; for TLS files that
    /// cannot be used.
    pub fn new(listener: TcpListener, engine: Arc<Engine>, options: ServeOptions) -> Result<Server, ServerError> {
        let address = listener.local_addr().map_err(ServerError::NoAddress)?;
        let tls = options.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
        let certificates = tls.as_ref().is_some_and(|tls| tls.knows_clients());
        let rules = options.authentication.iter().flatten();
        if !certificates && rules.clone().any(|rule| rule.method == Method::Certificate) {
            return Err(ServerError::NoAuthorities);
        }
        if !address.ip().is_loopback() {
            if tls.is_none() {
                return Err(ServerError::NoTls(address));
            }
            // A role without a password can show a certificate, where that is asked for.
            if !engine.roles().all().any(|role| role.login && (role.verifier.is_some() || certificates)) {
                return Err(ServerError::NoUsers(address));
            }
        }
        let shared = Shared {
            catalog: Arc::new(Introspection::new(Arc::clone(&engine), address.port())),
            connections: Arc::new(Connections::default()),
            load_roots: options.load_roots.clone().into(),
            places: Arc::new(Semaphore::new(options.max_connections)),
            reserved: Arc::new(Semaphore::new(RESERVED)),
            large_messages: Arc::default(),
            timeouts: options.timeouts,
            gate: Arc::new(Gate {
                rules: options.authentication.clone(),
                needs_users: !address.ip().is_loopback(),
                throttle: Throttle::default(),
            }),
            tls,
            engine,
        };
        Ok(Server { listener, options, shared })
    }

    /// Serves until `shutdown` completes; then no client is accepted, running statements get
    /// [`ServeOptions::stop_wait`], and all connections are closed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Server { listener, options, shared } = self;
        serve_clients(listener, options.stop_wait, shared, shutdown).await;
    }
}

async fn serve_clients(listener: TcpListener, stop_wait: Duration, shared: Shared, shutdown: impl Future<Output = ()>) {
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
        clients.spawn(boxed_client(stream, shared.clone(), starting.enter(), draining.clone(), abort.clone()));
    }
    drop(listener);
    draining.cancel();
    let all_gone = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(stop_wait, all_gone).await.is_err() {
        abort.cancel();
        // Long enough to tell the clients; one that does not listen is cut off.
        let all_gone = async { while clients.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), all_gone).await;
        clients.shutdown().await;
    }
}

/// One client as a future of which programs that embed the server know no more: the compiler computes the size of all that is
/// awaited in one piece, to a depth that this crate allows for and theirs need not.
fn boxed_client(
    stream: TcpStream,
    shared: Shared,
    starting: StartingClient,
    draining: CancellationToken,
    abort: CancellationToken,
) -> BoxFuture<'static, ()> {
    Box::pin(client(stream, shared, starting, draining, abort))
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
