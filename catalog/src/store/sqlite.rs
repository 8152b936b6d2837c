//! The catalog in one SQLite file.
//!
//! The file is in write-ahead-log mode with `synchronous = FULL`, so a commit that returned survives a power cut, and
//! the `sqlite3` shell can look at a live catalog.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};

use super::database::{Param, Row, SqlDatabase, TransactionAccess};
use super::sql::meta::meta;
use super::sql::{SqlBacked, SqlStore};
use crate::error::{CatalogError, Result};
use crate::table::TableId;

mod schema;

#[cfg(test)]
mod tests;

/// How long a commit waits for another process (a shell, a backup) that holds the file's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// [`crate::CatalogStore`] in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(super) sql: SqlStore<Sqlite>,
    identity: String,
}

impl SqliteStore {
    /// Opens the catalog file, creating it (but not its folder) where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`crate::CatalogError::Corrupt`] when the file is not a catalog, [`crate::CatalogError::NewerSchema`] when a
    /// newer program wrote it, [`crate::CatalogError::Store`] when it cannot be opened.
    pub async fn open(path: &Path) -> Result<SqliteStore> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let file = path.display().to_string();
        let connection = options.connect().await.map_err(|e| Sqlite::failed(format!("{file}: opening"), e))?;
        let mut db = Sqlite { connection, open: false };
        schema::migrate(&mut db, &file).await?;
        let identity = format!("{:016x}", meta(&mut db, "identity").await?);
        Ok(SqliteStore { sql: SqlStore::new(file, db), identity })
    }

    /// Folds SQLite's log back into the file and closes it. Dropping the store without this loses nothing.
    ///
    /// # Errors
    /// [`crate::CatalogError::Store`] when SQLite cannot finish.
    pub async fn close(self) -> Result<()> {
        let context = format!("{}: closing", self.sql.name);
        self.sql.db.into_inner().connection.close().await.map_err(|e| Sqlite::failed(context, e))
    }
}

impl SqlBacked for SqliteStore {
    type Db = Sqlite;

    fn sql(&self) -> &SqlStore<Sqlite> {
        &self.sql
    }

    fn own_identity(&self) -> &str {
        &self.identity
    }
}

/// The connection to the file.
pub(super) struct Sqlite {
    pub(super) connection: SqliteConnection,
    /// A transaction was begun and not ended yet.
    open: bool,
}

#[async_trait]
impl SqlDatabase for Sqlite {
    async fn begin(&mut self, access: TransactionAccess) -> Result<()> {
        if self.open {
            self.rollback().await;
        }
        let sql = if access == TransactionAccess::Write { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.open = true;
        self.connection.execute(sql).await.map_err(|e| Sqlite::failed("beginning a transaction".to_owned(), e))?;
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        self.connection.execute("COMMIT").await.map_err(|e| Sqlite::failed("committing".to_owned(), e))?;
        self.open = false;
        Ok(())
    }

    async fn commit_epoch(&mut self) -> Result<()> {
        self.commit().await
    }

    async fn note_hot(&mut self, _hot: &BTreeMap<TableId, u64>) -> Result<()> {
        // No other process reads the catalog.
        Ok(())
    }

    async fn rollback(&mut self) {
        // It fails where SQLite has rolled back already, or had not begun.
        if let Err(error) = self.connection.execute("ROLLBACK").await {
            tracing::debug!(%error, "nothing to roll back");
        }
        self.open = false;
    }

    async fn execute(&mut self, sql: &str, params: Vec<Param>) -> Result<u64, sqlx::Error> {
        Ok(bound(sql, &params).execute(&mut self.connection).await?.rows_affected())
    }

    async fn fetch(
        &mut self,
        sql: &str,
        params: Vec<Param>,
        each: &mut (dyn for<'r> FnMut(&'r Row) -> Result<()> + Send),
    ) -> Result<Result<()>, sqlx::Error> {
        let mut rows = bound(sql, &params).fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await? {
            if let Err(error) = each(&Row::Sqlite(row)) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn ids_in(parameter: &str) -> String {
        format!("SELECT value FROM json_each({parameter})")
    }

    fn failed(context: String, error: sqlx::Error) -> CatalogError {
        failed(context, error)
    }
}

fn bound<'q>(sql: &'q str, params: &'q [Param]) -> sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments<'q>> {
    params.iter().fold(sqlx::query(sql), |query, param| match param {
        Param::Int(value) => query.bind(*value),
        Param::Text(value) => query.bind(value.as_str()),
    })
}

/// SQLite's primary result codes that mean something to the user.
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;

/// Names what was being done when SQLite failed, and tells a damaged file from a failing disk.
fn failed(context: String, error: sqlx::Error) -> CatalogError {
    // The primary code is the low byte of the extended one.
    let code = error
        .as_database_error()
        .and_then(|e| e.code())
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => CatalogError::Corrupt(format!("{context}: {error}")),
        Some(SQLITE_FULL) => CatalogError::Store {
            context: format!("{context}: no space left on the device; nothing was changed, free some space and retry"),
            source: Box::new(error),
        },
        _ => CatalogError::Store { context, source: Box::new(error) },
    }
}
