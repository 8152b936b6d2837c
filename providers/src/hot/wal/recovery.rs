//! Reading the log back: checking all of it at start, then replaying what was committed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use zxq_catalog::{PartitionKey, TableId};

use super::compaction::{MERGED, UNFINISHED};
use super::entry::{Key, RowsHead, parse_commit, parse_schema};
use super::files::FileInfo;
use super::frame::{FRAME_HEADER_LEN, FrameHeader, FrameKind, HEADER_LEN, parse_file_header};
use super::storage::io_error;
use crate::error::{ProviderError, Result};

/// What opening the log found, and the way to replay it.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Log files found.
    pub files: usize,
    /// Row entries that were committed.
    pub entries: u64,
    /// Row entries of transactions that never committed; replay leaves them out.
    pub uncommitted_entries: u64,
    /// Bytes of an unfinished write that were cut off the end of the last file.
    pub truncated_bytes: u64,
    /// The file they were cut off, if any were.
    pub truncated_file: Option<PathBuf>,
    /// True when the log had been closed in order.
    pub clean: bool,
    /// Tables of the committed rows in the files.
    tables: BTreeSet<TableId>,
    sources: Vec<(PathBuf, u64)>,
    commits: HashMap<u64, (u64, HashMap<Key, u32>)>,
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Entries handed to the visitor.
    pub entries: u64,
    /// Rows in these entries.
    pub rows: u64,
    /// Committed entries that were covered, and so left out.
    pub covered: u64,
}

/// Everything about the log that opening it needs.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) recovery: Recovery,
    pub(super) files: Vec<FileInfo>,
    pub(super) next_lsn: u64,
    pub(super) max_txn: u64,
    /// Files at the end without frames, to be removed.
    pub(super) empty_files: Vec<PathBuf>,
    /// Files whose rows are in an earlier one, and unfinished ones, to be removed.
    pub(super) leftovers: Vec<PathBuf>,
}

pub(super) fn corrupt(path: &Path, offset: u64, reason: impl std::fmt::Display) -> ProviderError {
    ProviderError::Corrupt {
        store: "wal",
        what: format!("{} at byte {offset}", path.display()),
        reason: format!("{reason}; restore the file from a backup, or move it away to give its rows up"),
    }
}

/// Reads every frame of every file, checks it, and cuts a torn tail off the last file.
pub(super) fn scan(dir: &Path) -> Result<Scan> {
    let mut paths = log_files(dir)?;
    let mut scan = Scan { next_lsn: 1, leftovers: unfinished(dir)?, ..Scan::default() };
    set_empty_aside(&mut paths, &mut scan)?;
    let count = paths.len();
    // By transaction the files that its rows are in.
    let mut txns: HashMap<u64, HashSet<usize>> = HashMap::new();
    let mut txn_frames: HashMap<u64, u64> = HashMap::new();
    // Up to here, the rows of several files were written into an earlier one.
    let mut merged_until = 0;
    for (number, (path, named_lsn)) in paths.into_iter().enumerate() {
        let is_last = number + 1 == count;
        let mut file = FileInfo::new(dir, named_lsn, 0);
        scan.next_lsn = scan.next_lsn.max(named_lsn);
        if named_lsn <= merged_until {
            scan.leftovers.push(path);
            continue;
        }
        scan.recovery.clean = false;
        // Its place among those that are kept.
        let place = scan.files.len();
        let mut frames = FrameReader::open(&path, named_lsn)?;
        loop {
            let offset = frames.offset;
            match frames.next()? {
                Next::End => break,
                Next::Bad(reason) => {
                    let bad = frames.rest(offset)?;
                    if !is_last || bad.says_durable {
                        return Err(corrupt(&path, offset, reason));
                    }
                    cut(&path, offset)?;
                    scan.recovery.truncated_bytes += bad.bytes;
                    scan.recovery.truncated_file = Some(path.clone());
                    break;
                }
                Next::Frame(header) => {
                    scan.next_lsn = scan.next_lsn.max(header.lsn + 1);
                    let payload = frames.payload.as_slice();
                    scan.recovery.clean = header.kind == FrameKind::Close && payload.is_empty();
                    let damaged = || corrupt(&path, offset, "its frame cannot be read though its checksum is right");
                    match header.kind {
                        FrameKind::Schema => {}
                        FrameKind::Close if payload == MERGED => merged_until = header.lsn,
                        FrameKind::Close => {}
                        FrameKind::Rows => {
                            let head = RowsHead::parse(payload).ok_or_else(damaged)?;
                            file.add_bytes(&head.key, (FRAME_HEADER_LEN + payload.len()) as u64);
                            scan.max_txn = scan.max_txn.max(head.txn);
                            *txn_frames.entry(head.txn).or_default() += 1;
                            txns.entry(head.txn).or_default().insert(place);
                        }
                        FrameKind::CommittedRows => {
                            let head = RowsHead::parse(payload).ok_or_else(damaged)?;
                            scan.max_txn = scan.max_txn.max(head.txn);
                            scan.recovery.entries += 1;
                            file.add_bytes(&head.key, (FRAME_HEADER_LEN + payload.len()) as u64);
                            file.raise(&head.key, header.lsn);
                        }
                        FrameKind::Commit => {
                            let (txn, frames) = parse_commit(payload).ok_or_else(damaged)?;
                            scan.max_txn = scan.max_txn.max(txn);
                            frames.keys().for_each(|key| file.raise(key, header.lsn));
                            scan.recovery.commits.insert(txn, (header.lsn, frames));
                        }
                    }
                }
            }
        }
        file.bytes = frames.offset;
        if is_last && file.bytes <= HEADER_LEN as u64 {
            // Nothing is left of it but its name.
            scan.empty_files.push(path);
        } else {
            scan.recovery.sources.push((path, file.bytes));
            scan.files.push(file);
        }
    }
    for (txn, places) in txns {
        let frames = txn_frames.get(&txn).copied().unwrap_or(0);
        match scan.recovery.commits.get(&txn) {
            Some((lsn, keys)) => {
                scan.recovery.entries += frames;
                for place in places {
                    if let Some(file) = scan.files.get_mut(place) {
                        keys.keys().for_each(|key| file.raise(key, *lsn));
                    }
                }
            }
            None => scan.recovery.uncommitted_entries += frames,
        }
    }
    scan.recovery.tables = scan.files.iter().flat_map(|file| file.max_lsn.keys().map(|(table, _)| *table)).collect();
    scan.recovery.files = count;
    Ok(scan)
}

/// The log files of a folder with the lsn in their name, in order.
fn log_files(dir: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| io_error(dir, "list", e))? {
        let path = entry.map_err(|e| io_error(dir, "list", e))?.path();
        if path.extension().is_some_and(|e| e == "log") {
            let lsn = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
            let lsn = lsn.ok_or_else(|| corrupt(&path, 0, "its name is not a number, so it is not a log file"))?;
            paths.push((path, lsn));
        }
    }
    paths.sort_by_key(|(_, lsn)| *lsn);
    Ok(paths)
}

/// Files whose writing a crash cut short: the log goes without them.
fn unfinished(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| io_error(dir, "list", e))? {
        let path = entry.map_err(|e| io_error(dir, "list", e))?.path();
        if path.extension().is_some_and(|e| e == UNFINISHED) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Takes the files at the end off the list that hold no frames: a file that was just begun, or whose making a crash cut
/// short. Their names still count: they say how far lsns had come.
fn set_empty_aside(paths: &mut Vec<(PathBuf, u64)>, scan: &mut Scan) -> Result<()> {
    while let Some((path, lsn)) = paths.pop() {
        let len = std::fs::metadata(&path).map_err(|e| io_error(&path, "read", e))?.len();
        if len > HEADER_LEN as u64 {
            paths.push((path, lsn));
            break;
        }
        scan.next_lsn = scan.next_lsn.max(lsn);
        scan.empty_files.push(path);
    }
    Ok(())
}

fn cut(path: &Path, len: u64) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path).map_err(|e| io_error(path, "open", e))?;
    file.set_len(len).and_then(|()| file.sync_all()).map_err(|e| io_error(path, "cut the torn tail off", e))
}

impl Recovery {
    /// The tables that the log holds committed rows of, covered or not.
    pub fn tables(&self) -> &BTreeSet<TableId> {
        &self.tables
    }

    /// Hands every committed row entry that is not covered to `visit`, in the order of the files: its lsn, table,
    /// partition and rows. The lsn is that of the transaction's commit, the one that `append` or `commit` returned. To be
    /// called before [`super::Wal::truncate`]. Streams: one entry is in memory at a time.
    ///
    /// # Errors
    /// [`ProviderError::Corrupt`] naming file and offset; whatever `visit` returns.
    pub fn replay<E: From<ProviderError>>(
        &self,
        is_covered: impl Fn(TableId, &PartitionKey, u64) -> bool,
        mut visit: impl FnMut(u64, TableId, PartitionKey, RecordBatch) -> Result<(), E>,
    ) -> Result<Replayed, E> {
        let mut replayed = Replayed::default();
        let mut seen: HashMap<u64, HashMap<Key, u32>> = HashMap::new();
        for (path, good_len) in &self.sources {
            let mut schemas: HashMap<u64, SchemaRef> = HashMap::new();
            let mut frames = FrameReader::open(path, 0)?;
            while frames.offset < *good_len {
                let offset = frames.offset;
                let header = match frames.next()? {
                    Next::Frame(header) => header,
                    Next::End => return Err(corrupt(path, offset, "it became shorter since it was opened").into()),
                    Next::Bad(reason) => return Err(corrupt(path, offset, reason).into()),
                };
                let payload = frames.payload.as_slice();
                match header.kind {
                    FrameKind::Schema => {
                        let (id, schema) = parse_schema(payload).map_err(|e| corrupt(path, offset, e))?;
                        schemas.insert(id, schema);
                    }
                    FrameKind::Rows | FrameKind::CommittedRows => {
                        let unreadable = || corrupt(path, offset, "its frame cannot be read");
                        let head = RowsHead::parse(payload).ok_or_else(unreadable)?;
                        let lsn = if header.kind == FrameKind::CommittedRows {
                            header.lsn
                        } else {
                            let Some((lsn, _)) = self.commits.get(&head.txn) else { continue };
                            *seen.entry(head.txn).or_default().entry(head.key.clone()).or_default() += 1;
                            *lsn
                        };
                        if is_covered(head.key.0, &head.key.1, lsn) {
                            replayed.covered += 1;
                            continue;
                        }
                        let rows = head.decode(payload, &schemas).map_err(|e| corrupt(path, offset, e))?;
                        replayed.entries += 1;
                        replayed.rows += rows.num_rows() as u64;
                        visit(lsn, head.key.0, head.key.1, rows)?;
                    }
                    FrameKind::Commit | FrameKind::Close => {}
                }
            }
        }
        self.check_complete(&seen, is_covered)?;
        Ok(replayed)
    }

    /// A committed transaction whose rows are not all there, and not covered, has lost a file.
    fn check_complete(
        &self,
        seen: &HashMap<u64, HashMap<Key, u32>>,
        is_covered: impl Fn(TableId, &PartitionKey, u64) -> bool,
    ) -> Result<()> {
        for (txn, (lsn, frames)) in &self.commits {
            for (key, expected) in frames {
                let found = seen.get(txn).and_then(|f| f.get(key)).copied().unwrap_or(0);
                if found != *expected && !is_covered(key.0, &key.1, *lsn) {
                    return Err(ProviderError::Missing {
                        store: "wal",
                        what: format!(
                            "a log file: of the {expected} entries that transaction {lsn} wrote to table {} partition {}, {found} are here, and the rest",
                            key.0, key.1
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}

pub(super) enum Next {
    Frame(FrameHeader),
    Bad(String),
    End,
}

/// What follows a bad frame.
struct Rest {
    bytes: u64,
    /// A good frame behind it was made when the bad one's place was durable already: the bad one was once good.
    says_durable: bool,
}

/// Reads frames one after another.
pub(super) struct FrameReader {
    path: PathBuf,
    file: BufReader<File>,
    len: u64,
    pub(super) offset: u64,
    pub(super) payload: Vec<u8>,
}

impl FrameReader {
    /// `named_lsn` is what the file's name says; 0 to not compare.
    pub(super) fn open(path: &Path, named_lsn: u64) -> Result<Self> {
        let file = File::open(path).map_err(|e| io_error(path, "open", e))?;
        let len = file.metadata().map_err(|e| io_error(path, "open", e))?.len();
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut header = [0; HEADER_LEN];
        let got = read_up_to(&mut file, &mut header).map_err(|e| io_error(path, "read", e))?;
        let first_lsn =
            parse_file_header(header.get(..got).unwrap_or_default()).map_err(|reason| corrupt(path, 0, reason))?;
        if named_lsn != 0 && first_lsn != named_lsn {
            return Err(corrupt(path, 0, format!("it was renamed: its header says {first_lsn:020}.log")));
        }
        Ok(FrameReader { path: path.to_owned(), file, len, offset: HEADER_LEN as u64, payload: Vec::new() })
    }

    /// Reads the next frame's payload into `payload`. After a bad frame there is no next.
    pub(super) fn next(&mut self) -> Result<Next> {
        let left = self.len - self.offset;
        if left == 0 {
            return Ok(Next::End);
        }
        let mut bytes = [0; FRAME_HEADER_LEN];
        let path = &self.path;
        let got = read_up_to(&mut self.file, &mut bytes).map_err(|e| io_error(path, "read", e))?;
        if got < FRAME_HEADER_LEN {
            return Ok(Next::Bad("its last frame is short".to_owned()));
        }
        let Some(header) = FrameHeader::parse(&bytes) else {
            return Ok(Next::Bad("its frame is of an unknown kind".to_owned()));
        };
        if u64::from(header.len) > left - FRAME_HEADER_LEN as u64 {
            return Ok(Next::Bad("its frame reaches past the end of the file".to_owned()));
        }
        self.payload.resize(header.len as usize, 0);
        let got = read_up_to(&mut self.file, &mut self.payload).map_err(|e| io_error(path, "read", e))?;
        if got < self.payload.len() {
            return Ok(Next::Bad("its last frame is short".to_owned()));
        }
        if header.checksum(crc32c::crc32c(&self.payload)) != header.crc {
            return Ok(Next::Bad("the checksum of its frame does not match".to_owned()));
        }
        self.offset += (FRAME_HEADER_LEN + self.payload.len()) as u64;
        Ok(Next::Frame(header))
    }

    /// Looks, byte by byte, for good frames behind the bad one at `bad`.
    fn rest(&self, bad: u64) -> Result<Rest> {
        use std::io::{Seek, SeekFrom};
        let path = &self.path;
        let mut file = File::open(path).map_err(|e| io_error(path, "open", e))?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(bad))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(|e| io_error(path, "read", e))?;
        let says_durable = (1..bytes.len()).any(|at| {
            let Some(tail) = bytes.get(at..) else { return false };
            let Some(header) = FrameHeader::parse(tail) else { return false };
            // The cheap conditions first: they leave almost no place to compute a checksum for.
            header.durable > bad
                && header.durable <= bad + at as u64
                && tail
                    .get(FRAME_HEADER_LEN..FRAME_HEADER_LEN + header.len as usize)
                    .is_some_and(|payload| header.checksum(crc32c::crc32c(payload)) == header.crc)
        });
        Ok(Rest { bytes: bytes.len() as u64, says_durable })
    }
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|r| !r.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}
