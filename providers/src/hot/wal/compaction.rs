//! Files that hold back little are written anew without what is covered, several into one: rows that stay in hot for long hold no
//! log files of others' rows back.
//!
//! The new file takes the first one's place by being renamed to its name, and the others are deleted then. A crash in between
//! leaves files whose rows are in an earlier one, too: that one ends with a mark that says up to where, and the next start
//! leaves such files out and deletes them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use zxq_catalog::{PartitionKey, TableId};

use super::Wal;
use super::entry::{Key, RowsHead, parse_commit, schema_id};
use super::files::{FileInfo, Files};
use super::frame::{FRAME_HEADER_LEN, FrameHeader, FrameKind, file_header};
use super::recovery::{FrameReader, Next, corrupt};
use super::storage::{LogFile, LogStorage, io_error};
use crate::error::{ProviderError, Result};

/// How the names of files end that are being written.
pub(super) const UNFINISHED: &str = "rewrite";
/// The payload of a closing mark that ends a file which several were written into. The mark's lsn says up to where.
pub(super) const MERGED: [u8; 1] = [1];
/// When files are written anew.
pub(super) const WORTH: Worth = Worth { least_gain: 64 << 10, most_small_files: 16 };
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// What makes it worth to write files anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worth {
    /// Bytes that have to be given back.
    pub(super) least_gain: u64,
    /// So many small files are written into one, whatever that gives back. A file is small up to this part of an ended file's
    /// size.
    pub(super) most_small_files: usize,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Files that are not there any more, or were written anew.
    pub files: usize,
    /// Bytes given back.
    pub bytes: u64,
}

/// Files that are to be written anew, chosen by [`Wal::begin_compaction`]. Until it has ended no files are deleted.
#[derive(Debug)]
pub struct Compaction {
    groups: Vec<Vec<Source>>,
    dir: PathBuf,
    storage: Arc<dyn LogStorage>,
    files: Arc<Mutex<Files>>,
    _alone: OwnedMutexGuard<()>,
}

/// A file, and the partitions of which nothing in it is needed.
#[derive(Debug, Clone)]
struct Source {
    file: FileInfo,
    gone: HashSet<Key>,
}

impl Wal {
    /// Chooses ended files that are worth writing anew without what is covered. `None` where there are none, or files are being
    /// deleted or written anew just now.
    ///
    /// `covered` is asked as by [`Wal::truncate`]. What it relies on must be durable before [`Compaction::run`].
    pub fn begin_compaction(&self, covered: impl Fn(TableId, &PartitionKey, u64) -> bool) -> Option<Compaction> {
        self.begin_compaction_if(covered, WORTH)
    }

    pub(super) fn begin_compaction_if(
        &self,
        covered: impl Fn(TableId, &PartitionKey, u64) -> bool,
        worth: Worth,
    ) -> Option<Compaction> {
        let alone = Arc::clone(&self.shrinking).try_lock_owned().ok()?;
        let groups = {
            let files = self.files.lock();
            let ended = files.all.len().saturating_sub(1);
            groups(files.all.iter().take(ended), &covered, self.segment_bytes, worth)
        };
        (!groups.is_empty()).then(|| Compaction {
            groups,
            dir: self.dir.clone(),
            storage: Arc::clone(&self.storage),
            files: Arc::clone(&self.files),
            _alone: alone,
        })
    }
}

impl Compaction {
    /// Writes the files anew. At every moment the log holds what it held, but for what was covered.
    ///
    /// # Errors
    /// File errors, and damage that is found in a file; those not done then stay as they are.
    pub async fn run(self) -> Result<Compacted> {
        let work = move || -> Result<Compacted> {
            let mut done = Compacted::default();
            for group in &self.groups {
                let before: u64 = group.iter().map(|source| source.file.bytes).sum();
                let after = self.rewrite(group)?;
                done.files += group.len();
                done.bytes += before.saturating_sub(after);
            }
            Ok(done)
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| ProviderError::store("wal", "compact", e))?
    }

    /// Writes consecutive files into one, which takes the place of the first, and returns its bytes.
    fn rewrite(&self, group: &[Source]) -> Result<u64> {
        let Some((first, others)) = group.split_first() else { return Ok(0) };
        let unfinished = first.file.path.with_extension(UNFINISHED);
        let written = self.write(&unfinished, &first.file, group).and_then(|merged| {
            match self.storage.rename(&unfinished, &merged.path) {
                // Where the name is gone it was given, whatever was answered.
                Err(error) if unfinished.exists() => Err(io_error(&merged.path, "replace", error)),
                _ => Ok(merged),
            }
        });
        let merged = match written {
            Ok(merged) => merged,
            Err(error) => {
                if let Err(left) = self.storage.remove(&unfinished) {
                    tracing::warn!(path = %unfinished.display(), error = %left, "an unfinished log file stays for now");
                }
                return Err(error);
            }
        };
        let bytes = merged.bytes;
        // From here on the others' rows are in the first: they count no more, whatever becomes of their files.
        {
            let mut files = self.files.lock();
            let is_other = |file: &FileInfo| others.iter().any(|other| other.file.first_lsn == file.first_lsn);
            files.all.retain(|file| !is_other(file));
            if let Some(place) = files.by_first_lsn(merged.first_lsn) {
                *place = merged;
            }
        }
        // Before it is durable that the first holds their rows, none of the others may go.
        self.storage.sync_dir(&self.dir).map_err(|e| io_error(&self.dir, "make durable", e))?;
        for other in others {
            let path = &other.file.path;
            self.storage.remove(path).map_err(|e| io_error(path, "remove", e))?;
        }
        if !others.is_empty() {
            self.storage.sync_dir(&self.dir).map_err(|e| io_error(&self.dir, "make durable", e))?;
        }
        Ok(bytes)
    }

    /// Writes what is needed of the files, durably, under a name that the log does not look at.
    fn write(&self, path: &Path, first: &FileInfo, group: &[Source]) -> Result<FileInfo> {
        let file = self.storage.open(path, true).map_err(|e| io_error(path, "create", e))?;
        let mut out = Output { file, path: path.to_owned(), len: 0, buffer: Vec::new() };
        out.write(&file_header(first.first_lsn))?;
        let mut merged = FileInfo::new(&self.dir, first.first_lsn, 0);
        let mut schemas_there = HashSet::new();
        let mut newest = first.first_lsn;
        for source in group {
            newest = newest.max(source.file.first_lsn);
            copy(source, &mut out, &mut merged, &mut schemas_there, &mut newest)?;
        }
        out.put(FrameKind::Close, newest, &MERGED)?;
        merged.bytes = out.finish()?;
        Ok(merged)
    }
}

/// Copies what is needed of a file.
fn copy(
    source: &Source,
    out: &mut Output,
    merged: &mut FileInfo,
    schemas_there: &mut HashSet<u64>,
    newest: &mut u64,
) -> Result<()> {
    let path = &source.file.path;
    let mut schemas: HashMap<u64, (u64, Vec<u8>)> = HashMap::new();
    let mut frames = FrameReader::open(path, source.file.first_lsn)?;
    loop {
        let offset = frames.offset;
        let header = match frames.next()? {
            Next::End => break,
            Next::Bad(reason) => return Err(corrupt(path, offset, reason)),
            Next::Frame(header) => header,
        };
        *newest = header.lsn.max(*newest);
        let payload = frames.payload.as_slice();
        let damaged = || corrupt(path, offset, "its frame cannot be read though its checksum is right");
        match header.kind {
            FrameKind::Schema => {
                let id = schema_id(payload).ok_or_else(damaged)?;
                schemas.insert(id, (header.lsn, payload.to_vec()));
            }
            FrameKind::Rows | FrameKind::CommittedRows => {
                let head = RowsHead::parse(payload).ok_or_else(damaged)?;
                if source.gone.contains(&head.key) {
                    continue;
                }
                if schemas_there.insert(head.schema) {
                    let (lsn, schema) = schemas.get(&head.schema).ok_or_else(damaged)?;
                    out.put(FrameKind::Schema, *lsn, schema)?;
                }
                out.put(header.kind, header.lsn, payload)?;
                merged.add_bytes(&head.key, (FRAME_HEADER_LEN + payload.len()) as u64);
            }
            FrameKind::Commit => {
                let (_, keys) = parse_commit(payload).ok_or_else(damaged)?;
                // Those of it that are gone are covered, and not missed.
                if !keys.keys().all(|key| source.gone.contains(key)) {
                    out.put(FrameKind::Commit, header.lsn, payload)?;
                }
            }
            FrameKind::Close => {}
        }
    }
    for (key, lsn) in source.file.max_lsn.iter().filter(|(key, _)| !source.gone.contains(*key)) {
        merged.raise(key, *lsn);
    }
    Ok(())
}

/// The runs of files that are worth writing anew, each into one of at most about `most_bytes`.
fn groups<'a>(
    ended: impl Iterator<Item = &'a FileInfo>,
    covered: &impl Fn(TableId, &PartitionKey, u64) -> bool,
    most_bytes: u64,
    worth: Worth,
) -> Vec<Vec<Source>> {
    let mut groups = Vec::new();
    let mut group = Group::default();
    for file in ended {
        let gone = file.gone(covered);
        let needed = file.bytes_but(&gone);
        let is_wasteful = file.bytes.saturating_sub(needed) >= needed;
        let is_small = needed <= most_bytes / worth.most_small_files.max(1) as u64;
        if !file.open_txns.is_empty() || !(is_wasteful || is_small) {
            groups.extend(std::mem::take(&mut group).if_worth(worth));
            continue;
        }
        if group.needed + needed > most_bytes {
            groups.extend(std::mem::take(&mut group).if_worth(worth));
        }
        group.needed += needed;
        group.bytes += file.bytes;
        group.sources.push(Source { file: file.clone(), gone });
    }
    groups.extend(group.if_worth(worth));
    groups
}

/// Consecutive files.
#[derive(Debug, Default)]
struct Group {
    sources: Vec<Source>,
    bytes: u64,
    /// Bytes that are needed.
    needed: u64,
}

impl Group {
    /// The files, where enough is given back for what has to be written.
    fn if_worth(self, worth: Worth) -> Option<Vec<Source>> {
        let gain = self.bytes.saturating_sub(self.needed);
        let is_worth = gain >= self.needed.max(worth.least_gain) || self.sources.len() >= worth.most_small_files;
        is_worth.then_some(self.sources)
    }
}

/// A log file being written.
struct Output {
    file: Box<dyn LogFile>,
    path: PathBuf,
    /// With what is still in the buffer.
    len: u64,
    buffer: Vec<u8>,
}

impl Output {
    /// Adds a frame. All before it is durable once the file is there: a frame that is damaged later is no torn end.
    fn put(&mut self, kind: FrameKind, lsn: u64, payload: &[u8]) -> Result<()> {
        let len = u32::try_from(payload.len())
            .map_err(|e| ProviderError::store("wal", format!("write {}", self.path.display()), e))?;
        let header = FrameHeader::new(len, crc32c::crc32c(payload), lsn, self.len, kind);
        self.write(&header.to_bytes())?;
        self.write(payload)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.len += bytes.len() as u64;
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(&self.buffer).map_err(|e| io_error(&self.path, "append to", e))?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes it durable, and returns its length.
    fn finish(mut self) -> Result<u64> {
        self.flush()?;
        self.file.sync().map_err(|e| io_error(&self.path, "make durable", e))?;
        Ok(self.len)
    }
}
