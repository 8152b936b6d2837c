//! The write-ahead log: what makes hot rows durable.
//!
//! Appends of many callers share one sync (group commit): one thread writes all that waits, syncs once, and answers all.
//! A transaction is durable as a whole or not at all. Its **lsn** (log sequence number) is that of its commit: rows are
//! *covered* by `CoverWal` up to an lsn once they are durable elsewhere, so whoever covers a partition up to an lsn must
//! have seen every transaction of that partition with that or a smaller lsn.
//!
//! Reading order: `frame` (bytes of a file), `entry` (payloads), `writer` (appending), `recovery` (reading back), `files`
//! (which files can go), `compaction` (files that can nearly go).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use zxq_catalog::{PartitionKey, TableId};

mod compaction;
mod entry;
mod files;
mod frame;
mod recovery;
mod storage;
mod writer;

pub use compaction::{Compacted, Compaction};
pub use entry::WalEntry;
pub use files::Truncated;
pub use recovery::{Recovery, Replayed};

use crate::error::{ProviderError, Result};
use entry::Encoder;
use files::Files;
use frame::HEADER_LEN;
use storage::{Disk, LogStorage, io_error};
use writer::{Reply, Request, Writer};

/// Requests that may wait for the writer before callers are held up.
const QUEUE_LEN: usize = 256;

/// How a [`Wal`] is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalOptions {
    /// A file that has reached this size is ended and the next one started, bytes.
    pub segment_bytes: u64,
    /// Whether a commit waits for the disk. Without it, a crash of the operating system can lose committed rows; a crash
    /// of the process cannot.
    pub sync: bool,
}

/// A transaction whose rows are logged piece by piece. Dropped without a commit, it never happened.
#[derive(Debug)]
pub struct WalTxn {
    id: u64,
    requests: mpsc::Sender<Request>,
    ended: bool,
}

impl Drop for WalTxn {
    fn drop(&mut self) {
        if !self.ended {
            // Its rows are ignored at replay in any case; this only lets their files go sooner.
            let (reply, _) = oneshot::channel();
            if self.requests.try_send(Request::Abort { txn: self.id, reply }).is_err() {
                tracing::debug!(txn = self.id, "log files of an abandoned transaction stay until the next start");
            }
        }
    }
}

/// The write-ahead log in one folder.
#[derive(Debug)]
pub struct Wal {
    dir: PathBuf,
    storage: Arc<dyn LogStorage>,
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    files: Arc<Mutex<Files>>,
    encoder: Encoder,
    next_txn: AtomicU64,
    segment_bytes: u64,
    /// Held while ended files are deleted or written anew.
    shrinking: Arc<tokio::sync::Mutex<()>>,
}

impl Wal {
    /// Opens the log in `dir` (made if missing), checks all of it, and cuts off what an unfinished write left at its end.
    /// Blocks while it reads.
    ///
    /// # Errors
    /// [`ProviderError::Corrupt`] naming file and byte for damage to rows that had been made durable: they are never
    /// skipped silently. [`ProviderError::DiskFull`] and [`ProviderError::Store`] for file errors.
    pub fn open(dir: &Path, options: WalOptions) -> Result<(Wal, Recovery)> {
        Wal::open_on(Arc::new(Disk), dir, options)
    }

    fn open_on(storage: Arc<dyn LogStorage>, dir: &Path, options: WalOptions) -> Result<(Wal, Recovery)> {
        std::fs::create_dir_all(dir).map_err(|e| io_error(dir, "create", e))?;
        if let Some(parent) = dir.parent() {
            storage.sync_dir(parent).map_err(|e| io_error(parent, "make durable", e))?;
        }
        let scan = recovery::scan(dir)?;
        let files = Arc::new(Mutex::new(Files { all: scan.files, next_lsn: scan.next_lsn }));
        let segment_bytes = options.segment_bytes.max(HEADER_LEN as u64 + 1);
        let writer = Writer::start(
            Arc::clone(&storage),
            dir.to_owned(),
            segment_bytes,
            options.sync,
            Arc::clone(&files),
            scan.next_lsn,
        )?;
        // Only now: the name of an empty file may be all that remembers how far lsns had come.
        let active = files.lock().active().map(|f| f.path.clone());
        for path in scan.empty_files.iter().filter(|path| Some(*path) != active.as_ref()) {
            storage.remove(path).map_err(|e| io_error(path, "remove", e))?;
        }
        if !scan.leftovers.is_empty() {
            // First of all, that their rows are in another file.
            storage.sync_dir(dir).map_err(|e| io_error(dir, "make durable", e))?;
        }
        for path in &scan.leftovers {
            storage.remove(path).map_err(|e| io_error(path, "remove", e))?;
        }
        if !scan.leftovers.is_empty() {
            storage.sync_dir(dir).map_err(|e| io_error(dir, "make durable", e))?;
        }
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        let thread = std::thread::Builder::new()
            .name("zxq-wal".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(|e| ProviderError::store("wal", "start the writer thread", e))?;
        let wal = Wal {
            dir: dir.to_owned(),
            storage,
            requests: Some(sender),
            thread: Some(thread),
            files,
            encoder: Encoder::default(),
            next_txn: AtomicU64::new(scan.max_txn + 1),
            segment_bytes,
            shrinking: Arc::default(),
        };
        Ok((wal, scan.recovery))
    }

    /// Logs the entries as one transaction and waits until it is durable. Returns the lsn of each entry, which is the
    /// transaction's. An entry without rows logs nothing.
    ///
    /// A caller that stops waiting does not take the transaction back: it may be durable.
    ///
    /// # Errors
    /// [`ProviderError::DiskFull`] and [`ProviderError::Store`] when it could not be made durable: then it is not in the
    /// log, and later appends may succeed unless the error says that the log takes no more writes.
    pub async fn append(&self, entries: Vec<WalEntry>) -> Result<Vec<u64>> {
        let txn = self.next_txn.fetch_add(1, Ordering::Relaxed);
        let rows = self.encode(txn, &entries)?;
        let lsn = if rows.is_empty() {
            self.next_lsn().saturating_sub(1)
        } else {
            self.ask(|reply| Request::Append { txn, rows, reply }).await?
        };
        Ok(vec![lsn; entries.len()])
    }

    /// Starts a transaction too large for one [`Wal::append`].
    ///
    /// # Errors
    /// When the log is closed.
    pub fn begin(&self) -> Result<WalTxn> {
        let id = self.next_txn.fetch_add(1, Ordering::Relaxed);
        Ok(WalTxn { id, requests: self.sender()?.clone(), ended: false })
    }

    /// Logs entries of a transaction that has begun. They are written when this returns, not yet durable.
    ///
    /// # Errors
    /// As [`Wal::append`]; the transaction goes on without these entries.
    pub async fn append_to(&self, txn: &WalTxn, entries: Vec<WalEntry>) -> Result<()> {
        let rows = self.encode(txn.id, &entries)?;
        if !rows.is_empty() {
            self.ask(|reply| Request::AppendTo { txn: txn.id, rows, reply }).await?;
        }
        Ok(())
    }

    /// Ends a transaction, waits until it is durable, and returns its lsn.
    ///
    /// # Errors
    /// As [`Wal::append`]; the transaction is then not in the log.
    pub async fn commit(&self, mut txn: WalTxn) -> Result<u64> {
        let lsn = self.ask(|reply| Request::Commit { txn: txn.id, reply }).await?;
        txn.ended = true;
        Ok(lsn)
    }

    /// Gives a transaction up.
    ///
    /// # Errors
    /// When the log is closed.
    pub async fn abort(&self, mut txn: WalTxn) -> Result<()> {
        txn.ended = true;
        self.ask(|reply| Request::Abort { txn: txn.id, reply }).await.map(|_| ())
    }

    /// Deletes the files in which everything is covered: for which `covered(table, partition, newest lsn)` is true of every
    /// partition in them. The active file is ended first when that holds for it, so that an idle log shrinks to nothing.
    /// `before` is called when something is about to be deleted.
    ///
    /// # Errors
    /// File errors, and those of `before`; files not deleted then stay for the next call.
    pub async fn truncate<E: From<ProviderError>>(
        &self,
        covered: impl Fn(TableId, &PartitionKey, u64) -> bool,
        before: impl FnOnce() -> Result<(), E>,
    ) -> Result<Truncated, E> {
        let rotate = {
            let mut files = self.files.lock();
            files.active().is_some_and(|file| file.bytes > HEADER_LEN as u64 && file.is_covered(&covered))
        };
        if rotate {
            self.ask(|reply| Request::Rotate { reply }).await?;
        }
        let alone = Arc::clone(&self.shrinking).lock_owned().await;
        let gone: Vec<files::FileInfo> = {
            let files = self.files.lock();
            let closed = files.all.len().saturating_sub(1);
            files.all.iter().take(closed).filter(|file| file.is_covered(&covered)).cloned().collect()
        };
        if gone.is_empty() {
            return Ok(Truncated::default());
        }
        before()?;
        let (storage, files, dir) = (Arc::clone(&self.storage), Arc::clone(&self.files), self.dir.clone());
        let delete = move || -> Result<Truncated> {
            // Until its end, also where nobody waits for it any more.
            let _alone = alone;
            let mut done = Truncated::default();
            for file in gone {
                storage.remove(&file.path).map_err(|e| io_error(&file.path, "remove", e))?;
                files.lock().all.retain(|f| f.first_lsn != file.first_lsn);
                done.files += 1;
                done.bytes += file.bytes;
            }
            storage.sync_dir(&dir).map_err(|e| io_error(&dir, "make durable", e))?;
            Ok(done)
        };
        let deleted =
            tokio::task::spawn_blocking(delete).await.map_err(|e| ProviderError::store("wal", "truncate", e))?;
        Ok(deleted?)
    }

    /// Makes sure that every lsn from now on is greater than `lsn`: for a log that was lost while the catalog, which
    /// remembers covered lsns, was not.
    ///
    /// # Errors
    /// When the log is closed.
    pub async fn raise_lsn_above(&self, lsn: u64) -> Result<()> {
        self.ask(|reply| Request::RaiseLsn { at_least: lsn.saturating_add(1), reply }).await.map(|_| ())
    }

    /// The lsn after the newest one written.
    pub fn next_lsn(&self) -> u64 {
        self.files.lock().next_lsn
    }

    /// Bytes of all log files.
    pub fn bytes(&self) -> u64 {
        self.files.lock().bytes()
    }

    /// Number of log files.
    pub fn file_count(&self) -> usize {
        self.files.lock().all.len()
    }

    /// Writes what waits and a mark that the log was closed in order. Whatever is asked afterwards is refused.
    ///
    /// # Errors
    /// File errors; the log is then as after a crash, which the next open copes with.
    pub async fn close(&self) -> Result<()> {
        self.ask(|reply| Request::Close { reply }).await.map(|_| ())
    }

    fn encode(&self, txn: u64, entries: &[WalEntry]) -> Result<Vec<entry::EncodedRows>> {
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            rows.extend(self.encoder.encode(txn, entry)?);
        }
        Ok(rows)
    }

    fn sender(&self) -> Result<&mpsc::Sender<Request>> {
        self.requests.as_ref().ok_or_else(closed)
    }

    async fn ask(&self, request: impl FnOnce(Reply) -> Request) -> Result<u64> {
        let (reply, answer) = oneshot::channel();
        self.sender()?.send(request(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> ProviderError {
    ProviderError::store("wal", "write", "the log is closed")
}

impl Drop for Wal {
    fn drop(&mut self) {
        // Without senders the writer ends after what waits. It is waited for, so that whoever opens the log again does not
        // read files that are still written to: requests of callers that stopped waiting may be in the queue. Open
        // transactions hold senders too; while there are any the writer goes on, and waiting for it might never end.
        let last = self.requests.take().is_some_and(|requests| requests.strong_count() == 1);
        if let Some(thread) = self.thread.take()
            && (last || thread.is_finished())
            && thread.join().is_err()
        {
            tracing::error!("the write-ahead log's writer ended in a panic");
        }
    }
}

#[cfg(test)]
mod tests;
