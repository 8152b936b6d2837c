//! The catalog in one SQLite file.
//!
//! One connection behind one lock: commits are serialised by construction, and readers of the catalog (system views,
//! recovery) are rare and short. Queries never come here: they read the in-memory [`Snapshot`].
//!
//! The file is in write-ahead-log mode with `synchronous = FULL`, so a commit that returned survives a power cut, and
//! the `sqlite3` shell can look at a live catalog.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;

use crate::error::Result;
use crate::job::{Job, JobId, LineageEntry};
use crate::partition::PartitionKey;
use crate::segment::SegmentId;
use crate::snapshot::Snapshot;
use crate::store::{CatalogStore, Commit, RetiredSegment};
use crate::table::TableId;

mod changes;
mod commit;
mod iceberg;
mod ids;
mod read;
mod schema;
mod stored;

#[cfg(test)]
mod tests;

use ids::SegmentIdBlock;
use stored::failed;

/// How long a commit waits for another process (a shell, a backup) that holds the file's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// [`CatalogStore`] in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    connection: SqliteConnection,
    segment_ids: SegmentIdBlock,
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
        let mut connection = options.connect().await.map_err(|e| failed(format!("{}: opening", path.display()), e))?;
        schema::migrate(&mut connection, path).await?;
        Ok(SqliteStore {
            path: path.to_owned(),
            inner: Mutex::new(Inner { connection, segment_ids: SegmentIdBlock::default() }),
        })
    }

    /// Folds SQLite's log back into the file and closes it. Dropping the store without this loses nothing.
    ///
    /// # Errors
    /// [`crate::CatalogError::Store`] when SQLite cannot finish.
    pub async fn close(self) -> Result<()> {
        self.inner
            .into_inner()
            .connection
            .close()
            .await
            .map_err(|e| failed(format!("{}: closing", self.path.display()), e))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl CatalogStore for SqliteStore {
    async fn load(&self) -> Result<Snapshot> {
        read::snapshot(&mut self.inner.lock().await.connection).await
    }

    async fn commit(&self, commit: &Commit) -> Result<()> {
        commit::run(&mut self.inner.lock().await.connection, commit).await
    }

    async fn reserve_segment_ids(&self, count: u64) -> Result<SegmentId> {
        let inner = &mut *self.inner.lock().await;
        inner.segment_ids.take(&mut inner.connection, count).await
    }

    async fn reserve_table_id(&self) -> Result<TableId> {
        ids::reserve(&mut self.inner.lock().await.connection, ids::NEXT_TABLE_ID, 1).await
    }

    async fn lease(&self, table: TableId, partition: &PartitionKey) -> Result<u64> {
        commit::lease(&mut self.inner.lock().await.connection, table, partition).await
    }

    async fn put_job(&self, job: &Job) -> Result<()> {
        commit::put_job(&mut self.inner.lock().await.connection, job).await
    }

    async fn jobs(&self, limit: usize) -> Result<Vec<Job>> {
        read::jobs(&mut self.inner.lock().await.connection, limit).await
    }

    async fn unfinished_jobs(&self) -> Result<Vec<Job>> {
        read::unfinished_jobs(&mut self.inner.lock().await.connection).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>> {
        read::job(&mut self.inner.lock().await.connection, id).await
    }

    async fn lineage(&self, table: TableId) -> Result<Vec<LineageEntry>> {
        read::lineage(&mut self.inner.lock().await.connection, table).await
    }

    async fn retired(&self) -> Result<Vec<RetiredSegment>> {
        read::retired(&mut self.inner.lock().await.connection).await
    }

    async fn forget_retired(&self, segments: &[SegmentId]) -> Result<()> {
        commit::forget_retired(&mut self.inner.lock().await.connection, segments).await
    }
}
