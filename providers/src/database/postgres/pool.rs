//! Connections: kept, checked before use, opened again after a restart of the server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;
use zxq_catalog::postgres_address::SslMode;

use super::errors::{Context, describe, is_passing, is_starting};
use super::options::PostgresOptions;
use super::{NAME, tls};
use crate::error::{ProviderError, Result};

/// First and longest pause between two attempts to connect.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long a kept connection may take to show that it lives.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// What every connection is told first: whatever the server's defaults, statements mean the same.
const SESSION: &str = "SET standard_conforming_strings = on; SET statement_timeout = 0; SET lock_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0; SET search_path = ''; SET timezone = 'UTC'; SET datestyle = 'ISO'; \
     SET synchronous_commit = on; SET client_min_messages = warning; SET jit = off";

struct Idle {
    client: Client,
    born: Instant,
}

/// The store's connections to its server.
pub(super) struct Pool {
    options: PostgresOptions,
    tls: MakeRustlsConnect,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    closed: AtomicBool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool without connections yet.
    pub(super) fn new(options: PostgresOptions) -> Result<Pool> {
        let tls = tls::connector(&options.address)?;
        let permits = Arc::new(Semaphore::new(capacity(&options)));
        Ok(Pool { options, tls, permits, idle: Mutex::default(), closed: AtomicBool::new(false) })
    }

    /// What it was opened with.
    pub(super) fn options(&self) -> &PostgresOptions {
        &self.options
    }

    /// Connections that one statement may use at once: never all, so that two statements do not wait for each other.
    pub(super) fn fair_share(&self) -> usize {
        (capacity(&self.options) / 2).max(1)
    }

    /// One connection.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Connection> {
        let mut connections = self.get_many(1).await?;
        connections.pop().ok_or_else(|| ProviderError::store(NAME, "connecting", "no connection was made"))
    }

    /// So many connections at once: whoever needs several must not hold some while it waits for the others.
    pub(super) async fn get_many(self: &Arc<Self>, count: usize) -> Result<Vec<Connection>> {
        let wait = self.options.pool.pool_timeout;
        let deadline = Instant::now() + wait;
        let wanted = u32::try_from(count.min(capacity(&self.options))).unwrap_or(u32::MAX);
        let acquired = timeout(wait, Arc::clone(&self.permits).acquire_many_owned(wanted)).await;
        let Ok(acquired) = acquired else {
            return Err(ProviderError::Busy {
                store: NAME,
                what: format!("no connection to {} came free in {wait:?}", self.options.server()),
                reason: format!(
                    "all {} are in use: raise pool_size ({}) or max_overflow ({})",
                    capacity(&self.options),
                    self.options.pool.pool_size,
                    self.options.pool.max_overflow
                ),
            });
        };
        let mut permits =
            acquired.map_err(|_| ProviderError::store(NAME, "connecting", "the store has been closed"))?;
        let mut connections = Vec::with_capacity(count);
        for _ in 0..wanted {
            let Some(permit) = permits.split(1) else { break };
            connections.push(self.open(permit, deadline, true).await?);
        }
        Ok(connections)
    }

    async fn open(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        deadline: Instant,
        patient: bool,
    ) -> Result<Connection> {
        loop {
            let kept = self.idle.lock().pop();
            let Some(Idle { client, born }) = kept else { break };
            let stale = self.options.pool.pool_recycle.is_some_and(|most| born.elapsed() >= most);
            if stale || client.is_closed() || (self.options.pool.pool_pre_ping && !answers(&client).await) {
                continue;
            }
            return Ok(Connection { client: Some(client), born, pool: Arc::clone(self), _permit: permit });
        }
        let client = self.connect(deadline, patient).await?;
        Ok(Connection { client: Some(client), born: Instant::now(), pool: Arc::clone(self), _permit: permit })
    }

    /// Opens a connection. A server that says it is starting is tried again until the deadline; one that does not answer at
    /// all only by the patient.
    async fn connect(&self, deadline: Instant, patient: bool) -> Result<Client> {
        let doing = || format!("connecting to {}", self.options.server());
        let (mut pause, longest) = BACKOFF;
        loop {
            match self.connect_once().await {
                Ok(client) => {
                    client.batch_execute(SESSION).await.context(doing)?;
                    return Ok(client);
                }
                Err(error)
                    if (is_starting(&error) || patient && is_passing(&error)) && Instant::now() + pause < deadline =>
                {
                    tracing::debug!(error = %super::errors::text_of(&error), ?pause, "connecting again soon");
                    sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                Err(error) => return Err(describe(doing(), &error)),
            }
        }
    }

    /// One attempt; with `sslmode=allow` a second one with TLS where the server wants that.
    async fn connect_once(&self) -> std::result::Result<Client, tokio_postgres::Error> {
        let mut outcome = self.options.address.config().connect(self.tls.clone()).await;
        if self.options.address.ssl_mode() == SslMode::Allow
            && outcome.as_ref().is_err_and(|error| error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION))
        {
            let mut encrypted = self.options.address.config().clone();
            encrypted.ssl_mode(tokio_postgres::config::SslMode::Require);
            outcome = encrypted.connect(self.tls.clone()).await;
        }
        let (client, connection) = outcome?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %super::errors::text_of(&error), "a connection ended");
            }
        });
        Ok(client)
    }

    /// The first connection, for opening: a wrong address should not take the whole of `pool_timeout` to show.
    pub(super) async fn first(self: &Arc<Self>) -> Result<Connection> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| ProviderError::store(NAME, "connecting", "the store has been closed"))?;
        self.open(permit, Instant::now() + self.options.pool.pool_timeout, false).await
    }

    /// Closes kept connections; those in use close when they are given back.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.permits.close();
        self.idle.lock().clear();
    }
}

fn capacity(options: &PostgresOptions) -> usize {
    (options.pool.pool_size + options.pool.max_overflow).clamp(1, Semaphore::MAX_PERMITS)
}

async fn answers(client: &Client) -> bool {
    matches!(timeout(PING_TIMEOUT, client.simple_query("")).await, Ok(Ok(_)))
}

/// A connection in use. Closed when dropped, unless it is given back: only its user knows that it is in order.
pub(super) struct Connection {
    client: Option<Client>,
    born: Instant,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// The client, while the connection lives.
    pub(super) fn client(&self) -> Result<&Client> {
        self.client.as_ref().ok_or_else(|| ProviderError::store(NAME, "using a connection", "it was given back"))
    }

    /// The client, for transactions.
    pub(super) fn client_mut(&mut self) -> Result<&mut Client> {
        self.client.as_mut().ok_or_else(|| ProviderError::store(NAME, "using a connection", "it was given back"))
    }

    /// Keeps it for the next user. Nothing may be running or open on it.
    pub(super) fn give_back(mut self) {
        let Some(client) = self.client.take() else { return };
        if self.pool.closed.load(Ordering::SeqCst) || client.is_closed() {
            return;
        }
        let mut idle = self.pool.idle.lock();
        if idle.len() < self.pool.options.pool.pool_size {
            idle.push(Idle { client, born: self.born });
        }
    }

    /// Stops what runs on it, then closes it: the signal may come late, and must not hit somebody else's statement.
    pub(super) fn cancel(mut self) {
        let Some(client) = self.client.take() else { return };
        // A runtime that is ending runs nothing more, and ends its connections anyway.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if client.is_closed() {
            return;
        }
        let tls = self.pool.tls.clone();
        runtime.spawn(async move {
            if let Err(error) = client.cancel_token().cancel_query(tls).await {
                tracing::debug!(error = %super::errors::text_of(&error), "a statement could not be stopped");
            }
            drop(client);
            drop(self);
        });
    }
}
