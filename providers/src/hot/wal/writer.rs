//! The one thread that writes the log: it takes what waits, writes all of it, and makes it durable with one sync.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::entry::{EncodedRows, Key, encode_commit};
use super::files::{FileInfo, Files};
use super::frame::{FRAME_HEADER_LEN, FrameHeader, FrameKind, HEADER_LEN, file_header};
use super::storage::{LogFile, LogStorage, io_error};
use crate::error::{ProviderError, Result};

/// Requests are taken together up to this many bytes.
const GROUP_BYTES: usize = 16 << 20;

/// Parts of a frame up to this size are copied together into one write.
const SMALL_PART: usize = 256 << 10;

pub(super) type Reply = oneshot::Sender<Result<u64>>;

/// What callers ask of the writer. Every answer is an lsn.
#[derive(Debug)]
pub(super) enum Request {
    /// A whole transaction: answered with its lsn once durable.
    Append { txn: u64, rows: Vec<EncodedRows>, reply: Reply },
    /// Part of a transaction: answered once written, not yet durable.
    AppendTo { txn: u64, rows: Vec<EncodedRows>, reply: Reply },
    /// Ends a transaction: answered with its lsn once durable.
    Commit { txn: u64, reply: Reply },
    /// Forgets a transaction.
    Abort { txn: u64, reply: Reply },
    /// Starts a new file if the active one holds anything.
    Rotate { reply: Reply },
    /// Lsns from now on are at least this.
    RaiseLsn { at_least: u64, reply: Reply },
    /// Writes what is left and the closing mark.
    Close { reply: Reply },
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Request::Append { rows, .. } | Request::AppendTo { rows, .. } => rows.iter().map(EncodedRows::len).sum(),
            _ => 0,
        }
    }
}

/// A transaction that has not ended.
#[derive(Debug, Default)]
struct OpenTxn {
    frames: HashMap<Key, u32>,
    /// First lsns of the files that hold its rows.
    files: HashSet<u64>,
    /// The last of its rows in the active file end here.
    end: (u64, u64),
    lost: bool,
}

/// A durable request whose sync is still to come.
struct Waiting {
    reply: Reply,
    lsn: u64,
    keys: Vec<Key>,
    txn: Option<u64>,
}

pub(super) struct Writer {
    pub(super) storage: Arc<dyn LogStorage>,
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) sync: bool,
    pub(super) files: Arc<Mutex<Files>>,
    pub(super) next_lsn: u64,
    active: Active,
    open: HashMap<u64, OpenTxn>,
    waiting: Vec<Waiting>,
    buffer: Vec<u8>,
    /// Why nothing more can be written.
    broken: Option<String>,
}

struct Active {
    file: Box<dyn LogFile>,
    path: PathBuf,
    first_lsn: u64,
    /// Length of good frames.
    len: u64,
    /// Length known to be on disk.
    durable: u64,
    schemas: HashSet<u64>,
}

impl Writer {
    /// Starts a new file after those in `files`.
    pub(super) fn start(
        storage: Arc<dyn LogStorage>,
        dir: PathBuf,
        segment_bytes: u64,
        sync: bool,
        files: Arc<Mutex<Files>>,
        next_lsn: u64,
    ) -> Result<Self> {
        let active = create(storage.as_ref(), &dir, next_lsn)?;
        {
            let mut files = files.lock();
            files.all.push(FileInfo::new(&dir, next_lsn, active.len));
            files.next_lsn = next_lsn;
        }
        Ok(Writer {
            storage,
            dir,
            segment_bytes,
            sync,
            files,
            next_lsn,
            active,
            open: HashMap::new(),
            waiting: Vec::new(),
            buffer: Vec::new(),
            broken: None,
        })
    }

    /// Serves requests until all senders are gone or the log is closed.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut bytes = first.bytes();
            let mut closed = self.serve(first);
            while !closed && bytes < GROUP_BYTES {
                let Ok(next) = requests.try_recv() else { break };
                bytes += next.bytes();
                closed = self.serve(next);
            }
            self.finish_group();
            if closed {
                return;
            }
        }
    }

    /// True when the log is closed.
    fn serve(&mut self, request: Request) -> bool {
        match request {
            Request::Append { txn, rows, reply } => match self.append(txn, &rows) {
                Ok(lsn) => {
                    let keys = rows.into_iter().map(|r| r.key).collect();
                    self.waiting.push(Waiting { reply, lsn, keys, txn: None });
                }
                Err(error) => answer(reply, Err(error)),
            },
            Request::AppendTo { txn, rows, reply } => {
                let result = self.append_to(txn, &rows);
                answer(reply, result);
            }
            Request::Commit { txn, reply } => match self.commit(txn) {
                Ok((lsn, keys)) => self.waiting.push(Waiting { reply, lsn, keys, txn: Some(txn) }),
                Err(error) => answer(reply, Err(error)),
            },
            Request::Abort { txn, reply } => {
                self.forget(txn);
                answer(reply, Ok(self.next_lsn));
            }
            Request::Rotate { reply } => {
                let result = if self.active.len > HEADER_LEN as u64 { self.rotate() } else { Ok(()) };
                answer(reply, result.map(|()| self.next_lsn));
            }
            Request::RaiseLsn { at_least, reply } => {
                self.next_lsn = self.next_lsn.max(at_least);
                self.files.lock().next_lsn = self.next_lsn;
                answer(reply, Ok(self.next_lsn));
            }
            Request::Close { reply } => {
                let result = self.close();
                answer(reply, result);
                return true;
            }
        }
        false
    }

    fn refuse_if_broken(&self) -> Result<()> {
        match &self.broken {
            None => Ok(()),
            Some(reason) => Err(ProviderError::store(
                "wal",
                format!("{} takes no more writes; restart to recover from it", self.dir.display()),
                reason.clone(),
            )),
        }
    }

    /// Makes room for a request; a request's frames are never split over files.
    fn prepare(&mut self) -> Result<()> {
        self.refuse_if_broken()?;
        if self.active.len >= self.segment_bytes { self.rotate() } else { Ok(()) }
    }

    fn append(&mut self, txn: u64, rows: &[EncodedRows]) -> Result<u64> {
        self.prepare()?;
        self.all_or_nothing("append to", |writer| {
            if let [only] = rows {
                return writer.put_rows(only, FrameKind::CommittedRows);
            }
            let mut frames: HashMap<Key, u32> = HashMap::new();
            for part in rows {
                writer.put_rows(part, FrameKind::Rows)?;
                *frames.entry(part.key.clone()).or_default() += 1;
            }
            let commit = encode_commit(txn, &frames);
            writer.put(FrameKind::Commit, crc32c::crc32c(&commit), &[&commit])
        })
    }

    fn append_to(&mut self, txn: u64, rows: &[EncodedRows]) -> Result<u64> {
        self.prepare()?;
        let lsn = self.all_or_nothing("append to", |writer| {
            let mut lsn = writer.next_lsn;
            for part in rows {
                lsn = writer.put_rows(part, FrameKind::Rows)?;
            }
            Ok(lsn)
        })?;
        let open = self.open.entry(txn).or_default();
        for part in rows {
            *open.frames.entry(part.key.clone()).or_default() += 1;
        }
        open.files.insert(self.active.first_lsn);
        open.end = (self.active.first_lsn, self.active.len);
        if let Some(active) = self.files.lock().active() {
            active.open_txns.insert(txn);
        }
        Ok(lsn)
    }

    fn commit(&mut self, txn: u64) -> Result<(u64, Vec<Key>)> {
        self.prepare()?;
        let open = self.open.get(&txn);
        if open.is_some_and(|open| open.lost) {
            self.forget(txn);
            return Err(ProviderError::store(
                "wal",
                format!("commit of transaction {txn}"),
                "its rows were lost when the log could not be made durable; load them again",
            ));
        }
        let frames = open.map(|open| open.frames.clone()).unwrap_or_default();
        let payload = encode_commit(txn, &frames);
        let lsn = self.all_or_nothing("append to", |writer| {
            writer.put(FrameKind::Commit, crc32c::crc32c(&payload), &[&payload])
        })?;
        Ok((lsn, frames.into_keys().collect()))
    }

    fn close(&mut self) -> Result<u64> {
        self.finish_group();
        self.refuse_if_broken()?;
        self.sync_active()?;
        let lsn = self.all_or_nothing("close", |writer| writer.put(FrameKind::Close, crc32c::crc32c(&[]), &[]))?;
        self.sync_active()?;
        Ok(lsn)
    }

    fn forget(&mut self, txn: u64) {
        self.open.remove(&txn);
        for file in &mut self.files.lock().all {
            file.open_txns.remove(&txn);
        }
    }

    /// Runs `write`; when it fails, takes back what it wrote.
    fn all_or_nothing(&mut self, doing: &str, write: impl FnOnce(&mut Self) -> std::io::Result<u64>) -> Result<u64> {
        let (len, schemas) = (self.active.len, self.active.schemas.clone());
        let result = write(self).and_then(|lsn| self.flush().map(|()| lsn));
        match result {
            Ok(lsn) => {
                let mut files = self.files.lock();
                files.next_lsn = self.next_lsn;
                if let Some(active) = files.active() {
                    active.bytes = self.active.len;
                }
                Ok(lsn)
            }
            Err(error) => {
                self.buffer.clear();
                self.active.schemas = schemas;
                self.active.len = len;
                self.cut_to(len);
                Err(io_error(&self.active.path, doing, error))
            }
        }
    }

    /// Cuts the active file; if that fails, nothing may be written behind the debris.
    fn cut_to(&mut self, len: u64) {
        if let Err(error) = self.active.file.truncate(len) {
            self.broken = Some(format!("{} could not be cut back to {len} bytes: {error}", self.active.path.display()));
        }
    }

    fn put_rows(&mut self, rows: &EncodedRows, kind: FrameKind) -> std::io::Result<u64> {
        if self.active.schemas.insert(rows.schema.id) {
            let schema = Arc::clone(&rows.schema);
            self.put(FrameKind::Schema, crc32c::crc32c(&schema.payload), &[&schema.payload])?;
        }
        let lsn = self.put(kind, rows.crc, &[&rows.head, &rows.body])?;
        if let Some(active) = self.files.lock().active() {
            active.add_bytes(&rows.key, (FRAME_HEADER_LEN + rows.len()) as u64);
        }
        Ok(lsn)
    }

    /// Adds a frame and returns its lsn.
    fn put(&mut self, kind: FrameKind, payload_crc: u32, parts: &[&[u8]]) -> std::io::Result<u64> {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        let len32 = u32::try_from(len).map_err(|_| std::io::Error::other("a frame would be larger than 4 GiB"))?;
        let lsn = self.next_lsn;
        self.next_lsn += 1;
        let header = FrameHeader::new(len32, payload_crc, lsn, self.active.durable, kind).to_bytes();
        self.buffer.extend_from_slice(&header);
        for part in parts {
            if part.len() > SMALL_PART {
                self.flush()?;
                self.active.file.append(part)?;
            } else {
                self.buffer.extend_from_slice(part);
            }
        }
        if self.buffer.len() > 4 * SMALL_PART {
            self.flush()?;
        }
        self.active.len += (header.len() + len) as u64;
        Ok(lsn)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.active.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn sync_active(&mut self) -> Result<()> {
        match self.active.file.sync() {
            Ok(()) => {
                self.active.durable = self.active.len;
                Ok(())
            }
            Err(error) => {
                let error = io_error(&self.active.path, "make durable", error);
                self.take_back_unsynced();
                Err(error)
            }
        }
    }

    /// After a failed sync nobody knows what of the newest frames is on disk, and a second sync might claim success
    /// without writing them. So they are cut off; and unless that is durable, the log takes no more writes.
    fn take_back_unsynced(&mut self) {
        let (durable, first_lsn) = (self.active.durable, self.active.first_lsn);
        self.active.len = durable;
        // Schemas among the frames cut off would be missed: write them again.
        self.active.schemas.clear();
        self.cut_to(durable);
        if self.broken.is_none()
            && let Err(error) = self.active.file.sync()
        {
            self.broken = Some(format!("{} could not be made durable: {error}", self.active.path.display()));
        }
        for open in self.open.values_mut() {
            open.lost |= open.end.0 == first_lsn && open.end.1 > durable;
        }
        if let Some(active) = self.files.lock().active() {
            active.bytes = durable;
        }
    }

    /// Makes durable what waits for it, and answers.
    fn finish_group(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let result = if self.sync { self.sync_active() } else { Ok(()) };
        let waiting = std::mem::take(&mut self.waiting);
        match result {
            Ok(()) => {
                for done in waiting {
                    self.record(&done);
                    answer(done.reply, Ok(done.lsn));
                }
            }
            Err(error) => {
                let text = error.to_string();
                let mut first = Some(error);
                for failed in waiting {
                    if let Some(txn) = failed.txn {
                        self.forget(txn);
                    }
                    let error = first.take().unwrap_or_else(|| again(&text, &self.active.path));
                    answer(failed.reply, Err(error));
                }
            }
        }
    }

    /// Notes which partitions' rows the files now hold, for truncation.
    fn record(&mut self, done: &Waiting) {
        let mut files = self.files.lock();
        let active = self.active.first_lsn;
        let older = done.txn.and_then(|txn| self.open.remove(&txn)).map(|open| open.files).unwrap_or_default();
        for first_lsn in older.into_iter().chain([active]) {
            if let Some(file) = files.by_first_lsn(first_lsn) {
                done.keys.iter().for_each(|key| file.raise(key, done.lsn));
                if let Some(txn) = &done.txn {
                    file.open_txns.remove(txn);
                }
            }
        }
    }

    /// Ends the active file, durably, and starts the next.
    fn rotate(&mut self) -> Result<()> {
        self.finish_group();
        self.refuse_if_broken()?;
        self.sync_active()?;
        let next = create(self.storage.as_ref(), &self.dir, self.next_lsn)?;
        self.files.lock().all.push(FileInfo::new(&self.dir, self.next_lsn, next.len));
        self.active = next;
        Ok(())
    }
}

fn again(text: &str, path: &std::path::Path) -> ProviderError {
    ProviderError::store("wal", format!("make durable {}", path.display()), text.to_owned())
}

fn answer(reply: Reply, result: Result<u64>) {
    // A caller that is gone (a cancelled statement) wants no answer.
    drop(reply.send(result));
}

/// Makes a log file with its header, durably.
fn create(storage: &dyn LogStorage, dir: &std::path::Path, first_lsn: u64) -> Result<Active> {
    let path = FileInfo::new(dir, first_lsn, 0).path;
    let made = storage.open(&path, true).and_then(|mut file| {
        file.append(&file_header(first_lsn))?;
        file.sync()?;
        storage.sync_dir(dir)?;
        Ok(file)
    });
    match made {
        Ok(file) => {
            let len = HEADER_LEN as u64;
            Ok(Active { file, path, first_lsn, len, durable: len, schemas: HashSet::new() })
        }
        Err(error) => {
            let error = io_error(&path, "create", error);
            // An empty file is harmless: the next attempt, or the next start, makes it anew.
            if let Err(left) = storage.remove(&path) {
                tracing::warn!(path = %path.display(), error = %left, "could not remove a log file that failed to start");
            }
            Err(error)
        }
    }
}
