//! Where the server is, who connects, and how many connections are kept.

use std::fmt;
use std::time::Duration;

use zxq_catalog::postgres_address::PostgresAddress;

use super::NAME;
use crate::error::{ProviderError, Result};

/// How many connections are kept and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections kept open for the next use.
    pub pool_size: usize,
    /// Connections that may be opened beyond those when they are all in use; closed after use.
    pub max_overflow: usize,
    /// How long to wait for a connection before giving up.
    pub pool_timeout: Duration,
    /// Connections older than this are closed instead of used again; `None`: never.
    pub pool_recycle: Option<Duration>,
    /// Ask a kept connection for a sign of life before it is used.
    pub pool_pre_ping: bool,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            pool_size: 5,
            max_overflow: 10,
            pool_timeout: Duration::from_secs(30),
            pool_recycle: Some(Duration::from_secs(1800)),
            pool_pre_ping: true,
        }
    }
}

/// Everything a PostgreSQL store is opened with. Its `Debug` shows no password.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) address: PostgresAddress,
    /// Connections.
    pub pool: PoolOptions,
    /// Whose rows the schema holds: the catalog that lists them. A schema of another owner is refused. `None`: not looked at.
    pub owner: Option<String>,
    /// The schema for the tables that people query; segments lie in a second one with `_segments` added. Two catalogs cannot
    /// share a schema.
    pub schema: String,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("address", &self.address)
            .field("pool", &self.pool)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// Reads a URL as [`PostgresAddress::parse`] does.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] for a URL that cannot be used; its text holds no password.
    pub fn parse(url: &str) -> Result<PostgresOptions> {
        let address = PostgresAddress::parse(url, "zxq").map_err(|error| ProviderError::Refused {
            store: NAME,
            what: "the database's URL cannot be used".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(PostgresOptions { address, pool: PoolOptions::default(), owner: None, schema: "zxq".to_owned() })
    }

    /// The server as messages name it: without the password.
    pub fn server(&self) -> String {
        self.address.server()
    }
}
