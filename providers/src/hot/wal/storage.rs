//! The few file operations the log needs, behind traits so that tests can make them fail.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::error::ProviderError;

/// A log file open for appending.
pub(super) trait LogFile: Send {
    /// Writes all bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// Where log files are.
pub(super) trait LogStorage: Send + Sync + Debug {
    /// Opens a file for appending; `fresh` makes it, empty.
    fn open(&self, path: &Path, fresh: bool) -> io::Result<Box<dyn LogFile>>;
    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, in the place of the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes creations, deletions and names in the folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug)]
pub(super) struct Disk;

impl LogFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

impl LogStorage for Disk {
    fn open(&self, path: &Path, fresh: bool) -> io::Result<Box<dyn LogFile>> {
        if fresh {
            File::create(path)?;
        }
        // In append mode every write goes to the end, also after the file was cut.
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// What the caller can do about a failed file operation.
pub(super) fn io_error(path: &Path, doing: &str, error: io::Error) -> ProviderError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ProviderError::DiskFull { path: path.to_owned() },
        _ => ProviderError::store("wal", format!("{doing} {}", path.display()), error),
    }
}
