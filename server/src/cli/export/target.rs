//! A file that appears under its name when it is whole.

use std::fs::{File, Permissions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;
use zxq_engine::ObjectUpload;
use zxq_engine::error::EngineError;

use super::place::Place;
use crate::cli::{CliError, Result};

/// What others may do with the file, less what the process takes away (umask).
const MODE: u32 = 0o666;
/// Bytes gathered before they are written.
const GATHERED: usize = 256 * 1024;

/// A file that is being written. Dropping it leaves nothing under its name.
pub(super) struct Target<'a> {
    place: &'a Place,
    overwrite: bool,
    to: To,
}

enum To {
    /// Beside where it will be, under another name.
    File(BufWriter<NamedTempFile>),
    /// In parts that make no object yet.
    Object(Box<ObjectUpload>),
}

impl<'a> Target<'a> {
    /// Makes ready to write.
    ///
    /// # Errors
    /// Where something is there that is not to be replaced, or nothing can be written.
    pub(super) async fn open(place: &'a Place, overwrite: bool) -> Result<Target<'a>> {
        let to = match place {
            Place::File(path) => To::File(open_beside(path, overwrite)?),
            Place::Object { options, name } => {
                let upload = ObjectUpload::open(options, name).await.map_err(EngineError::from)?;
                if !overwrite && upload.exists().await.map_err(EngineError::from)? {
                    return Err(is_there(place));
                }
                To::Object(Box::new(upload))
            }
        };
        Ok(Target { place, overwrite, to })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.to {
            To::File(file) => {
                file.write_all(bytes).map_err(|e| CliError::io(format!("cannot write {}", self.place), e))
            }
            To::Object(upload) => Ok(upload.write(bytes).await.map_err(EngineError::from)?),
        }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written, or something has come to be there meanwhile.
    pub(super) async fn finish(self) -> Result<()> {
        let Target { place, overwrite, to } = self;
        match (to, place) {
            (To::File(file), Place::File(path)) => named(file, path, overwrite, place),
            (To::Object(upload), _) => match upload.finish(overwrite).await.map_err(EngineError::from)? {
                true => Ok(()),
                false => Err(is_there(place)),
            },
            (To::File(_), Place::Object { .. }) => Ok(()),
        }
    }

    /// Takes back what was written.
    pub(super) async fn give_up(self) {
        if let To::Object(mut upload) = self.to
            && let Err(error) = upload.give_up().await
        {
            eprintln!("note: {error}; the bucket's rule about incomplete uploads removes the rest");
        }
    }
}

fn open_beside(path: &Path, overwrite: bool) -> Result<BufWriter<NamedTempFile>> {
    let shown = path.display();
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() || !(found.is_file() || found.is_symlink()) => {
            return Err(CliError::failed(format!("{shown} is no file"), "name another one"));
        }
        Ok(_) if !overwrite => return Err(is_there(&shown)),
        _ => {}
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(CliError::failed(format!("there is no folder {}", folder.display()), "make it first: mkdir -p"));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".incomplete")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(|e| CliError::io(format!("cannot write {shown}"), e))?;
    Ok(BufWriter::with_capacity(GATHERED, file))
}

/// The bytes are on the disk before the name is, and the name before anybody is told.
fn named(file: BufWriter<NamedTempFile>, path: &Path, overwrite: bool, place: &Place) -> Result<()> {
    let failed = |e: std::io::Error| CliError::io(format!("cannot write {place}"), e);
    let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    let named = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    match named {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Err(is_there(place)),
        Err(error) => return Err(failed(error.error)),
    }
    File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn is_there(place: &dyn std::fmt::Display) -> CliError {
    CliError::failed(format!("{place} is there already"), "--overwrite replaces it")
}
