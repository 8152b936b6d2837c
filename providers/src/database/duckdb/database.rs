//! The DuckDB file: opening it, handing out connections, and naming what went wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::duckdb::{Config, Connection};
use parking_lot::Mutex;

use super::dialect::SEGMENTS_GONE;
use super::{DuckDbOptions, NAME};
use crate::error::{ProviderError, Result};

/// Idle connections kept for the next scan; a connection costs little, planning caches make a used one cheaper.
const IDLE_CONNECTIONS: usize = 8;

/// Write-ahead log size at which DuckDB folds the log into its file. Rows of large segments bypass the log, so this is
/// mostly catalog entries and small segments; it bounds the time a restart spends replaying.
const WAL_AUTOCHECKPOINT: &str = "64MiB";
/// Least memory of one column of a table that has not been checkpointed.
const COLUMN_BLOCK_BYTES: u64 = 32 * 1024;
/// Tables without checkpoint may take one part in this many of the memory limit.
const UNWRITTEN_SHARE: u64 = 8;

/// An open DuckDB file.
pub(super) struct DuckDbFile {
    path: PathBuf,
    /// The connection every other one is cloned from; `None` after [`DuckDbFile::close`].
    root: Mutex<Option<Connection>>,
    idle: Mutex<Vec<Connection>>,
    /// Schemas known to exist. Held while one is made, because two transactions that make the same one conflict.
    schemas: Mutex<BTreeSet<String>>,
    /// About how many bytes of memory tables take that no checkpoint has written to the file yet.
    unwritten: AtomicU64,
    /// `unwritten` above which a checkpoint is due.
    unwritten_limit: u64,
}

impl fmt::Debug for DuckDbFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DuckDbFile {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// [`ProviderError::Corrupt`] for a file that is damaged or not DuckDB's, [`ProviderError::Store`] when another
    /// process holds it or the folder cannot be written.
    pub(super) fn open(path: &Path, options: &DuckDbOptions) -> Result<DuckDbFile> {
        for folder in path.parent().into_iter().chain([options.temp_dir.as_path()]) {
            fs::create_dir_all(folder)
                .map_err(|e| ProviderError::store(NAME, format!("making folder {}", folder.display()), e))?;
        }
        let connection =
            connect(path, options).map_err(|e| describe(path, format!("opening {}", path.display()), e))?;
        Ok(DuckDbFile {
            path: path.to_owned(),
            root: Mutex::new(Some(connection)),
            idle: Mutex::default(),
            schemas: Mutex::default(),
            unwritten: AtomicU64::new(0),
            unwritten_limit: options.memory_limit_bytes / UNWRITTEN_SHARE,
        })
    }

    /// Where the file lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection of its own for one task. Give it back with [`DuckDbFile::give_back`] unless something failed on it.
    pub(super) fn connection(&self) -> Result<Connection> {
        if let Some(connection) = self.idle.lock().pop() {
            return Ok(connection);
        }
        match self.root.lock().as_ref() {
            Some(root) => root.try_clone().map_err(|e| self.error("connecting", e)),
            None => Err(ProviderError::store(NAME, format!("connecting to {}", self.path.display()), "it was closed")),
        }
    }

    /// Keeps a connection for later use.
    pub(super) fn give_back(&self, connection: Connection) {
        if self.root.lock().is_none() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
    }

    /// Runs blocking work on a connection, on a thread where blocking is fine.
    pub(super) async fn run<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&DuckDbFile, &Connection) -> Result<T> + Send + 'static,
    {
        let database = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let connection = database.connection()?;
            let result = work(&database, &connection)?;
            database.give_back(connection);
            Ok(result)
        });
        match task.await {
            Ok(result) => result,
            Err(failed) => Err(ProviderError::store(NAME, "a database task ended early", failed)),
        }
    }

    /// Makes the schema unless it is there.
    pub(super) fn ensure_schema(&self, connection: &Connection, schema: &str) -> Result<()> {
        let mut known = self.schemas.lock();
        if !known.contains(schema) {
            let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", crate::database::sql::quote(schema));
            connection.execute_batch(&sql).map_err(|e| self.error(format!("making schema {schema}"), e))?;
            known.insert(schema.to_owned());
        }
        Ok(())
    }

    /// Counts a table that was written, and writes a checkpoint when many wait for one. DuckDB makes one by the size of its
    /// log, but what fills its memory is a block for each column of each table, however few rows it has.
    pub(super) fn table_written(&self, connection: &Connection, columns: usize, bytes: u64) {
        let memory = (columns as u64) * COLUMN_BLOCK_BYTES + bytes;
        if self.unwritten.fetch_add(memory, Ordering::Relaxed) + memory < self.unwritten_limit {
            return;
        }
        match connection.execute_batch("CHECKPOINT") {
            Ok(()) => self.unwritten.store(0, Ordering::Relaxed),
            // Another transaction was under way: the next table tries again.
            Err(error) => tracing::debug!(%error, "no checkpoint now"),
        }
    }

    /// Drops the schema with all it holds, if it is there.
    pub(super) fn drop_schema(&self, connection: &Connection, schema: &str) -> Result<()> {
        let mut known = self.schemas.lock();
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", crate::database::sql::quote(schema));
        connection.execute_batch(&sql).map_err(|e| self.error(format!("dropping schema {schema}"), e))?;
        known.remove(schema);
        Ok(())
    }

    /// Makes the directory entries of the file and its log durable; DuckDB itself syncs only their contents.
    pub(super) fn sync_folder(&self) -> Result<()> {
        let Some(folder) = self.path.parent().filter(|f| !f.as_os_str().is_empty()) else { return Ok(()) };
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| ProviderError::store(NAME, format!("syncing folder {}", folder.display()), e))
    }

    /// Bytes in use: blocks of the file that hold something, and the log.
    pub(super) fn bytes_used(&self, connection: &Connection) -> Result<u64> {
        let sql = "SELECT CAST(sum(block_size * used_blocks) AS BIGINT) FROM pragma_database_size()";
        let blocks: Option<i64> =
            connection.query_row(sql, [], |row| row.get(0)).map_err(|e| self.error("measuring the file", e))?;
        let mut log = self.path.clone().into_os_string();
        log.push(".wal");
        let log = fs::metadata(log).map_or(0, |m| m.len());
        Ok(blocks.and_then(|b| u64::try_from(b).ok()).unwrap_or(0) + log)
    }

    /// Folds the log into the file and lets go of it once the last running scan has ended.
    pub(super) fn close(&self) -> Result<()> {
        self.idle.lock().clear();
        match self.root.lock().take() {
            Some(root) => root.execute_batch("CHECKPOINT").map_err(|e| self.error("writing a checkpoint", e)),
            None => Ok(()),
        }
    }

    /// A DuckDB error, by what the caller can do about it.
    pub(super) fn error(&self, context: impl Into<String>, error: ::duckdb::Error) -> ProviderError {
        describe(&self.path, context.into(), error)
    }
}

fn connect(path: &Path, options: &DuckDbOptions) -> ::duckdb::Result<Connection> {
    let threads = i64::try_from(options.threads.max(1)).unwrap_or(i64::MAX);
    let config = Config::default()
        // Never reach for the network.
        .enable_autoload_extension(false)?
        .max_memory(&format!("{}B", options.memory_limit_bytes.max(64 << 20)))?
        .threads(threads)?
        .with("temp_directory", options.temp_dir.to_string_lossy())?
        .with("wal_autocheckpoint", WAL_AUTOCHECKPOINT)?
        // Rows come in any order unless a statement asks for one: scans then run on all threads.
        .with("preserve_insertion_order", "false")?
        .with("produce_arrow_string_view", "true")?
        // Statements name hundreds of segments.
        .with("max_expression_depth", "100000")?;
    let connection = Connection::open_with_flags(path, config)?;
    // Opening reads little: make a damaged file show itself now rather than in the middle of a query.
    connection.query_row("SELECT count(*) FROM duckdb_tables()", [], |row| row.get::<_, i64>(0))?;
    Ok(connection)
}

fn describe(path: &Path, context: String, error: ::duckdb::Error) -> ProviderError {
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    if has("No space left on device") || has("disk full") || has("Disk quota exceeded") {
        return ProviderError::DiskFull { path: path.to_owned() };
    }
    if has("not a valid DuckDB database file")
        || has("Corrupt database file")
        || has("checksum")
        || has("Failure while replaying WAL")
        || has("Serialization Error")
    {
        return ProviderError::Corrupt { store: NAME, what: path.display().to_string(), reason: text };
    }
    if has("Could not set lock on file") {
        let context =
            format!("{context}: another process has {} open; stop it, or use another data directory", path.display());
        return ProviderError::store(NAME, context, error);
    }
    if has(SEGMENTS_GONE) || (has("Catalog Error") && has("does not exist")) {
        return ProviderError::Missing { store: NAME, what: text };
    }
    if has("Out of Memory Error") {
        let context = format!("{context}: raise the warm tier's memory limit or free space for its temporary files");
        return ProviderError::store(NAME, context, error);
    }
    ProviderError::store(NAME, context, error)
}
