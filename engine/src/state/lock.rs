//! One process per data directory: the lock file, and how others find the process that holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, ErrorKind, Result};

/// Name of the lock file in the data directory.
pub const LOCK_FILE: &str = "zxq.lock";

/// The process that holds a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its process id.
    pub pid: u32,
    /// Where it serves, once it does.
    pub address: Option<String>,
    /// What a client of that server says to show that it may read this file, and so the data directory itself.
    #[serde(default)]
    pub secret: Option<String>,
}

/// A held lock: released when dropped or when the process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    file: Mutex<File>,
    secret: String,
}

impl DirectoryLock {
    /// Takes the lock of a data directory.
    ///
    /// # Errors
    /// [`ErrorKind::DirectoryInUse`], naming the holder, when another process has it.
    pub fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(LOCK_FILE);
        let file = open_private(&path).map_err(|e| EngineError::io(format!("cannot open {}", path.display()), e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let held_by = read_holder(&file).map_or_else(
                    || "another process".to_owned(),
                    |h| match h.address {
                        Some(address) => format!("process {} (serving on {address})", h.pid),
                        None => format!("process {}", h.pid),
                    },
                );
                return Err(EngineError::new(
                    ErrorKind::DirectoryInUse,
                    format!(
                        "data directory {} is in use by {held_by}: connect to it, stop it, or choose another --data",
                        data_dir.display()
                    ),
                ));
            }
            Err(TryLockError::Error(e)) => {
                return Err(EngineError::io(format!("cannot lock {}", path.display()), e));
            }
        }
        let lock = DirectoryLock { file: Mutex::new(file), secret: uuid::Uuid::new_v4().simple().to_string() };
        lock.write(None)?;
        Ok(lock)
    }

    /// True for what the lock file says, which only those can know who may read it.
    pub(crate) fn has_secret(&self, said: &str) -> bool {
        // All bytes are compared: how long it takes tells nothing.
        let differ = self.secret.bytes().zip(said.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
        self.secret.len() == said.len() && differ == 0
    }

    /// Tells others where this process serves.
    pub fn advertise(&self, address: SocketAddr) -> Result<()> {
        self.write(Some(address.to_string()))
    }

    fn write(&self, address: Option<String>) -> Result<()> {
        let secret = address.is_some().then(|| self.secret.clone());
        let holder = LockHolder { pid: std::process::id(), address, secret };
        let text = serde_json::to_string(&holder).map_err(|e| EngineError::internal(e.to_string()))?;
        let mut file = self.file.lock();
        let put = |file: &mut File| -> std::io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())?;
            file.flush()
        };
        put(&mut file).map_err(|e| EngineError::io("cannot write the lock file", e))
    }
}

/// Opens the lock file, which nobody else may read.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let file = options.mode(0o600).open(path)?;
        // One of an earlier version.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
    #[cfg(not(unix))]
    options.open(path)
}

/// Who holds a data directory; `None` when nobody does (also when the directory does not exist).
pub fn holder(data_dir: &Path) -> Option<LockHolder> {
    let file = OpenOptions::new().read(true).write(true).open(data_dir.join(LOCK_FILE)).ok()?;
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(TryLockError::WouldBlock) => read_holder(&file),
        Err(TryLockError::Error(_)) => None,
    }
}

fn read_holder(mut file: &File) -> Option<LockHolder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
