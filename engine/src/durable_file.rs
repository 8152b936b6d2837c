//! Small files of the data directory, replaced as a whole.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{EngineError, Result};

/// Writes the file anew: after a crash it holds the former text or this one, and this one once the call has returned.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let put = || -> std::io::Result<()> {
        let mut out = File::create(&new)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&new, file)?;
        file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    put().map_err(|e| EngineError::io(format!("cannot write {}", file.display()), e))
}
