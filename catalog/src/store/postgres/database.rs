//! Transactions of the catalog on the server, each of a writer's under its fence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::postgres::PgArguments;
use sqlx::{Executor, Row as _};
use tokio::time::sleep;

use super::super::database::{Param, Row, SqlDatabase, TransactionAccess, execute};
use super::super::sql::meta::{meta, set_meta};
use super::errors::{self, failed};
use super::link::Link;
use super::writer;
use crate::error::{CatalogError, Result};
use crate::table::TableId;

/// How long a statement waits for a server that restarts.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How long a commit whose answer was lost waits for a server that can tell what became of it.
const RESOLVE: Duration = Duration::from_secs(60);
/// Pause between two attempts to find out.
const RESOLVE_PAUSE: Duration = Duration::from_millis(200);

/// The fence this process writes under; 0 for one that does not write.
#[derive(Debug, Default)]
pub(super) struct Fence(AtomicU64);

impl Fence {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn set(&self, fence: u64) {
        self.0.store(fence, Ordering::SeqCst);
    }
}

/// The server as a home of the catalog.
pub(in super::super) struct Postgres {
    link: Link,
    fence: Arc<Fence>,
    /// A transaction was begun and not ended yet.
    open: bool,
    /// Mark of a commit that nobody could say about whether it happened.
    unknown: Option<i64>,
}

impl Postgres {
    pub(super) fn new(link: Link, fence: Arc<Fence>) -> Self {
        Postgres { link, fence, open: false, unknown: None }
    }

    /// Locks the writer's row, which serialises all writing, and checks that it is ours.
    async fn check_fence(&mut self) -> Result<()> {
        let doing = || "checking that this process is still the writer".to_owned();
        let sql = "SELECT fence, host, pid, address FROM writer WHERE id = 1 FOR UPDATE";
        let row = self.link.open()?.fetch_optional(sql).await.map_err(|e| failed(doing(), e))?;
        let Some(row) = row else {
            return Err(CatalogError::Corrupt("the writer table has no row: it was changed from outside".to_owned()));
        };
        let read = |e| failed(doing(), e);
        let current: i64 = row.try_get(0).map_err(read)?;
        let held = self.fence.get();
        if held != 0 && u64::try_from(current) == Ok(held) {
            return Ok(());
        }
        let (host, pid, address): (String, i64, String) =
            (row.try_get(1).map_err(read)?, row.try_get(2).map_err(read)?, row.try_get(3).map_err(read)?);
        let at = if address.is_empty() { String::new() } else { format!(", serving on {address}") };
        Err(CatalogError::NotWriter {
            held,
            current: u64::try_from(current).unwrap_or(0),
            holder: if pid == 0 { "nobody".to_owned() } else { format!("process {pid} on {host}{at}") },
        })
    }

    async fn begin_once(&mut self, access: TransactionAccess) -> Result<(), sqlx::Error> {
        let sql = match access {
            TransactionAccess::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            TransactionAccess::Write => "BEGIN",
        };
        match self.link.open() {
            Ok(connection) => connection.execute(sql).await.map(|_| ()),
            Err(_) => Err(sqlx::Error::WorkerCrashed),
        }
    }

    /// Finds out whether the commit with this mark happened, waiting for a server that is away.
    async fn happened(&mut self, mark: i64) -> Result<bool> {
        let deadline = Instant::now() + RESOLVE;
        loop {
            match self.read_mark().await {
                Ok(found) => return Ok(found == mark),
                Err(error) if matches!(error, CatalogError::Unreachable { .. }) && Instant::now() < deadline => {
                    tracing::warn!(%error, "a commit's answer was lost; asking the server what became of it");
                    sleep(RESOLVE_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The mark of the last commit, read after any commit that is still running on a lost connection has ended.
    async fn read_mark(&mut self) -> Result<i64> {
        self.begin(TransactionAccess::Write).await?;
        let mark = meta(self, LAST_COMMIT).await;
        self.rollback().await;
        mark.map(|mark| mark as i64)
    }

    /// A commit may not follow one that this process does not know to have happened: its snapshot would lack it.
    async fn check_unknown(&mut self) -> Result<()> {
        let Some(mark) = self.unknown else { return Ok(()) };
        if meta(self, LAST_COMMIT).await? as i64 == mark {
            return Err(CatalogError::OutcomeUnknown(
                "an earlier commit was made although its answer was lost: restart this process to read it".to_owned(),
            ));
        }
        self.unknown = None;
        Ok(())
    }
}

/// Meta key: a random number that each commit leaves, so that it can be recognised.
const LAST_COMMIT: &str = "last_commit";

/// A random positive number.
fn new_mark() -> i64 {
    (uuid::Uuid::new_v4().as_u128() as i64 & i64::MAX).max(1)
}

#[async_trait]
impl SqlDatabase for Postgres {
    async fn begin(&mut self, access: TransactionAccess) -> Result<()> {
        if self.open {
            self.rollback().await;
        }
        self.link.get(PATIENCE).await?;
        self.open = true;
        if let Err(error) = self.begin_once(access).await {
            if !errors::is_lost(&error) {
                return Err(failed("beginning a transaction".to_owned(), error));
            }
            // The connection went while nobody used it, as when the server was restarted.
            self.link.drop_connection();
            self.link.get(PATIENCE).await?;
            self.begin_once(access).await.map_err(|e| failed("beginning a transaction".to_owned(), e))?;
        }
        if access == TransactionAccess::Write {
            let mut checked = self.check_fence().await;
            if checked.is_ok() {
                checked = self.check_unknown().await;
            }
            if let Err(error) = checked {
                self.rollback().await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        let done = self.link.open()?.execute("COMMIT").await.map_err(|e| failed("committing".to_owned(), e));
        match done {
            Ok(_) => self.open = false,
            Err(error) => {
                self.rollback().await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn commit_epoch(&mut self) -> Result<()> {
        let mark = new_mark();
        if let Err(error) = set_meta(self, LAST_COMMIT, mark).await {
            self.rollback().await;
            return Err(error);
        }
        let lost = match self.commit().await {
            Err(CatalogError::Unreachable { what, reason }) => CatalogError::Unreachable { what, reason },
            outcome => return outcome,
        };
        match self.happened(mark).await {
            Ok(true) => Ok(()),
            // Not made: the loss of the connection is all there is to tell.
            Ok(false) => Err(lost),
            // Taken over meanwhile: whether ours came first is for the one that is the writer now.
            Err(error) => {
                self.unknown = Some(mark);
                Err(CatalogError::OutcomeUnknown(format!(
                    "the answer to a commit was lost and the server cannot be asked about it ({error}); it may have \
                     been made"
                )))
            }
        }
    }

    async fn note_hot(&mut self, hot: &BTreeMap<TableId, u64>) -> Result<()> {
        let doing = || "noting the rows in the writer's memory".to_owned();
        let hot = writer::hot_text(hot)?;
        // The row is locked by this transaction already, and ours.
        execute(self, "UPDATE writer SET hot = $1 WHERE id = 1", vec![hot.into()], doing).await.map(|_| ())
    }

    async fn rollback(&mut self) {
        self.open = false;
        let Ok(connection) = self.link.open() else { return };
        if let Err(error) = connection.execute("ROLLBACK").await {
            // Its end undoes the transaction as well.
            tracing::debug!(%error, "a connection to the catalog is given up");
            self.link.drop_connection();
        }
    }

    async fn execute(&mut self, sql: &str, params: Vec<Param>) -> Result<u64, sqlx::Error> {
        let Ok(connection) = self.link.open() else { return Err(sqlx::Error::WorkerCrashed) };
        Ok(bound(sql, &params).execute(connection).await?.rows_affected())
    }

    async fn fetch(
        &mut self,
        sql: &str,
        params: Vec<Param>,
        each: &mut (dyn for<'r> FnMut(&'r Row) -> Result<()> + Send),
    ) -> Result<Result<()>, sqlx::Error> {
        let Ok(connection) = self.link.open() else { return Err(sqlx::Error::WorkerCrashed) };
        let mut rows = bound(sql, &params).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            if let Err(error) = each(&Row::Postgres(row)) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn ids_in(parameter: &str) -> String {
        format!("SELECT value::bigint FROM json_array_elements_text({parameter}::json)")
    }

    fn failed(context: String, error: sqlx::Error) -> CatalogError {
        failed(context, error)
    }
}

fn bound<'q>(sql: &'q str, params: &'q [Param]) -> sqlx::query::Query<'q, sqlx::Postgres, PgArguments> {
    params.iter().fold(sqlx::query(sql), |query, param| match param {
        Param::Int(value) => query.bind(*value),
        Param::Text(value) => query.bind(value.as_str()),
    })
}
