//! One connection to the server: made when needed, made again when it was lost.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{sleep, timeout};

use super::errors::{failed, is_lost};
use super::options::PostgresCatalogOptions;
use crate::error::{CatalogError, Result};
use crate::quoting::quoted;

/// First and longest pause between two attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What every connection is told first: whatever the server's defaults, statements mean the same, and what is committed
/// is on disk.
const SESSION: &str = "SET synchronous_commit = on; SET statement_timeout = 0; SET lock_timeout = 0; \
     SET idle_in_transaction_session_timeout = '5s'; SET standard_conforming_strings = on; SET timezone = 'UTC'; \
     SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'";

/// A connection that may be missing.
pub(super) struct Link {
    options: PostgresCatalogOptions,
    connection: Option<PgConnection>,
}

impl Link {
    pub(super) fn new(options: PostgresCatalogOptions) -> Link {
        Link { options, connection: None }
    }

    /// The connection, made now if there is none. A server that does not answer is tried again for `patience`.
    ///
    /// # Errors
    /// [`CatalogError::Unreachable`] when no server answers, [`CatalogError::Refused`] when it does not let us in.
    pub(super) async fn get(&mut self, patience: Duration) -> Result<&mut PgConnection> {
        if self.connection.is_none() {
            self.connection = Some(self.connect(patience).await?);
        }
        self.open()
    }

    /// The connection that there is.
    pub(super) fn open(&mut self) -> Result<&mut PgConnection> {
        let server = self.options.server();
        self.connection.as_mut().ok_or_else(|| CatalogError::Unreachable {
            what: format!("connecting to {server}"),
            reason: "the connection was lost".to_owned(),
        })
    }

    /// Gives the connection up: the next use makes another.
    pub(super) fn drop_connection(&mut self) {
        self.connection = None;
    }

    async fn connect(&self, patience: Duration) -> Result<PgConnection> {
        let doing = || format!("connecting to {}", self.options.server());
        let (deadline, longest_wait) = (Instant::now() + patience, self.options.connect_timeout());
        let (mut pause, longest) = BACKOFF;
        loop {
            let error = match timeout(longest_wait, self.connect_once()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) if is_lost(&error) => failed(doing(), error),
                Ok(Err(error)) => return Err(failed(doing(), error)),
                Err(_) => {
                    CatalogError::Unreachable { what: doing(), reason: format!("no answer within {longest_wait:?}") }
                }
            };
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, ?pause, "connecting again soon");
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn connect_once(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.options.connect).await?;
        connection.execute(SESSION).await?;
        connection.execute(format!("SET search_path = {}", quoted(&self.options.schema)).as_str()).await?;
        Ok(connection)
    }
}
