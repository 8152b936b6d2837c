//! The catalog in a PostgreSQL server, shared by several processes: one writes, others read.
//!
//! Statements are those of the SQLite catalog. What is more: every writing transaction locks the writer's row and checks
//! that it still carries this process's fence ([`writer`]), so that a process that stalled and was replaced can change
//! nothing; readers say which snapshots they hold ([`readers`]); and the answer of a commit that was lost with its
//! connection is found out before anything else happens.
//!
//! Reading order: `options`, `link` (connections), `errors`, `schema`, `database` (transactions), [`writer`], [`readers`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, Row};
use tokio::sync::{Mutex, MutexGuard};

use super::sql::{SqlBacked, SqlStore};
use crate::error::Result;

mod database;
mod errors;
mod link;
mod options;
pub mod readers;
mod schema;
pub mod writer;

#[cfg(test)]
mod tests;

pub use options::PostgresCatalogOptions;

use database::{Fence, PATIENCE, Postgres};
use errors::failed;
use link::Link;

/// How long opening waits for a server that does not answer: a wrong address should show soon.
const OPEN_PATIENCE: Duration = Duration::from_secs(1);

/// [`crate::CatalogStore`] in a PostgreSQL server.
pub struct PostgresCatalog {
    sql: SqlStore<Postgres>,
    /// For the heartbeat, which must not wait for a commit's connection.
    side: Mutex<Link>,
    fence: Arc<Fence>,
    /// Names this process among the writers and readers.
    process: String,
    options: PostgresCatalogOptions,
    catalog: String,
}

impl fmt::Debug for PostgresCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCatalog").field("options", &self.options).finish_non_exhaustive()
    }
}

impl SqlBacked for PostgresCatalog {
    type Db = Postgres;

    fn sql(&self) -> &SqlStore<Postgres> {
        &self.sql
    }

    fn own_identity(&self) -> &str {
        &self.catalog
    }
}

impl PostgresCatalog {
    /// Connects, checks the server and the catalog's tables, and (where `may_write`) makes the tables or brings them up to
    /// date. Nothing can be written until [`PostgresCatalog::claim`] has succeeded.
    ///
    /// # Errors
    /// [`crate::CatalogError::Unreachable`] when no server answers, [`crate::CatalogError::Refused`] when it does not let us in, has no
    /// such database or the role may not do what it must, [`crate::CatalogError::NewerSchema`], and [`crate::CatalogError::Corrupt`] for
    /// tables that were changed by somebody else. No text holds the password.
    pub async fn open(options: PostgresCatalogOptions, may_write: bool) -> Result<PostgresCatalog> {
        let mut link = Link::new(options.clone());
        schema::prepare(link.get(OPEN_PATIENCE).await?, &options, may_write).await?;
        let catalog: String = sqlx::query_scalar("SELECT catalog FROM writer WHERE id = 1")
            .fetch_one(link.open()?)
            .await
            .map_err(|e| failed("reading the catalog's identity".to_owned(), e))?;
        let fence = Arc::new(Fence::default());
        Ok(PostgresCatalog {
            sql: SqlStore::new(options.server(), Postgres::new(link, Arc::clone(&fence))),
            side: Mutex::new(Link::new(options.clone())),
            fence,
            process: uuid::Uuid::new_v4().simple().to_string(),
            options,
            catalog,
        })
    }

    /// The server and schema, without the password.
    pub fn place(&self) -> String {
        format!("schema {} of {}", self.options.schema, self.options.server())
    }

    /// The epoch of the last commit and who writes.
    ///
    /// # Errors
    /// [`crate::CatalogError::Unreachable`] when the server is away.
    pub async fn state(&self) -> Result<SharedState> {
        let mut side = self.side().await?;
        let sql = format!(
            "SELECT (SELECT value FROM meta WHERE key = 'epoch'), {} FROM writer WHERE id = 1",
            writer::COLUMNS
        );
        let doing = || "asking for the newest epoch".to_owned();
        let row = side.run(doing, async |connection| sqlx::query(&sql).fetch_one(connection).await).await?;
        let epoch: i64 = row.try_get(0).map_err(|e| failed(doing(), e))?;
        let writer = writer::read(&row, 1).map_err(|e| failed(doing(), e))??;
        Ok(SharedState { epoch: u64::try_from(epoch).unwrap_or(0), writer })
    }

    async fn side(&self) -> Result<Side<'_>> {
        let mut link = self.side.lock().await;
        link.get(PATIENCE).await?;
        Ok(Side { link })
    }
}

/// What a reader follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedState {
    /// The epoch of the last commit.
    pub epoch: u64,
    /// Who writes, or wrote last.
    pub writer: writer::Writer,
}

/// The second connection, in use.
struct Side<'a> {
    link: MutexGuard<'a, Link>,
}

impl Side<'_> {
    /// Runs a statement; after a failure the next one gets another connection.
    async fn run<T>(
        &mut self,
        doing: impl Fn() -> String,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T> {
        match work(self.link.open()?).await {
            Ok(value) => Ok(value),
            Err(error) => {
                // It may be gone, or inside a transaction that holds others up.
                self.link.drop_connection();
                Err(failed(doing(), error))
            }
        }
    }
}
