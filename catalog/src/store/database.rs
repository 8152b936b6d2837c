//! What a SQL database has to offer to hold a catalog. Statements and rows are the same for all of them; the few
//! differences are the methods of [`SqlDatabase`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::error::{CatalogError, Result};
use crate::table::TableId;

/// Whether a transaction will change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionAccess {
    /// Reads one state of the database.
    Read,
    /// Writes: no other transaction of this kind runs at the same time.
    Write,
}

/// A parameter of a statement, `$1` and so on.
#[derive(Debug, Clone)]
pub(super) enum Param {
    Int(i64),
    Text(String),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Param::Int(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Param::Text(value.to_owned())
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Param::Text(value)
    }
}

/// A row of a result.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// A number; `what` names the row's thing should the column hold something else.
    pub(super) fn int(&self, index: usize, what: &str) -> Result<i64> {
        let value = match self {
            Row::Sqlite(row) => row.try_get(index),
            Row::Postgres(row) => row.try_get(index),
        };
        value.map_err(|e| CatalogError::Corrupt(format!("{what}, column {index}: {e}")))
    }

    /// A text, as [`Row::int`].
    pub(super) fn text(&self, index: usize, what: &str) -> Result<String> {
        let value = match self {
            Row::Sqlite(row) => row.try_get(index),
            Row::Postgres(row) => row.try_get(index),
        };
        value.map_err(|e| CatalogError::Corrupt(format!("{what}, column {index}: {e}")))
    }
}

/// One database and its connection. Statements run between [`SqlDatabase::begin`] and the end of the transaction.
#[async_trait]
pub(super) trait SqlDatabase: Send + 'static {
    /// Begins a transaction, in place of one that was never ended (its caller went away).
    async fn begin(&mut self, access: TransactionAccess) -> Result<()>;

    /// Makes the transaction durable. Where its answer is lost, an error is returned: it may or may not have happened.
    async fn commit(&mut self) -> Result<()>;

    /// As [`SqlDatabase::commit`] for a commit of the catalog, which must be known to have happened or not.
    ///
    /// # Errors
    /// Any but [`CatalogError::OutcomeUnknown`] says that nothing was changed.
    async fn commit_epoch(&mut self) -> Result<()>;

    /// Notes within the transaction which rows only the writer has, where other processes read the catalog too.
    async fn note_hot(&mut self, hot: &BTreeMap<TableId, u64>) -> Result<()>;

    /// Undoes the transaction.
    async fn rollback(&mut self);

    /// Runs a statement and tells how many rows it changed.
    async fn execute(&mut self, sql: &str, params: Vec<Param>) -> Result<u64, sqlx::Error>;

    /// Runs a query and hands every row to `each`.
    async fn fetch(
        &mut self,
        sql: &str,
        params: Vec<Param>,
        each: &mut (dyn for<'r> FnMut(&'r Row) -> Result<()> + Send),
    ) -> Result<Result<()>, sqlx::Error>;

    /// The ids of a parameter that holds a JSON array of them, as a subquery.
    fn ids_in(parameter: &str) -> String;

    /// Names what was being done when the database failed, and sorts the failure by what can be done about it.
    fn failed(context: String, error: sqlx::Error) -> CatalogError;
}

/// Rows per INSERT: 10 values each stay far below the limits of 32,766 (SQLite) and 65,535 (PostgreSQL) per statement,
/// and long statements gain nothing.
pub(super) const ROWS_PER_INSERT: usize = 256;

/// The places of so many rows of so many parameters, as VALUES takes them: `($1, $2), ($3, $4)`.
pub(super) fn rows_of_places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// All rows of a query, as `read` reads them.
pub(super) async fn query<D: SqlDatabase, T: Send>(
    db: &mut D,
    sql: &str,
    params: Vec<Param>,
    context: impl Fn() -> String,
    mut read: impl FnMut(&Row) -> Result<T> + Send,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    let mut each = |row: &Row| {
        found.push(read(row)?);
        Ok(())
    };
    db.fetch(sql, params, &mut each).await.map_err(|e| D::failed(context(), e))??;
    Ok(found)
}

/// Runs a statement and tells how many rows it changed.
pub(super) async fn execute<D: SqlDatabase>(
    db: &mut D,
    sql: &str,
    params: Vec<Param>,
    context: impl Fn() -> String,
) -> Result<u64> {
    db.execute(sql, params).await.map_err(|e| D::failed(context(), e))
}

/// Ends a transaction as its outcome asks for.
pub(super) async fn end<D: SqlDatabase, T>(db: &mut D, outcome: Result<T>) -> Result<T> {
    match outcome {
        Ok(value) => db.commit().await.map(|()| value),
        Err(error) => {
            db.rollback().await;
            Err(error)
        }
    }
}
