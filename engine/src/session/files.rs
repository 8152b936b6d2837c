//! Which files of this machine a session's statements may touch.

use std::path::{Component, Path, PathBuf};

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;

const OWN_MACHINE: &str = "zxq load and zxq sql may, on the server's machine and with its data directory; clients may where the \
                           configuration names the folder in load_roots";

impl EngineSession {
    /// # Errors
    /// [`ErrorKind::InsufficientPrivilege`] where the session must not make tables of any files.
    pub(super) fn check_makes_tables_of_files(&self) -> Result<()> {
        match &self.folders {
            Some(folders) if folders.is_empty() => {
                Err(refused("CREATE EXTERNAL TABLE is refused: load_roots names no folder that clients may read"))
            }
            _ => Ok(()),
        }
    }

    /// What a table of files may be made over: its location, and the folder that all its files must lie in, `None` for anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::InsufficientPrivilege`] for a place that the session must not read, whether or not anything is there.
    pub(super) fn table_place(&self, location: &str) -> Result<(String, Option<PathBuf>)> {
        self.rights()?.check_files()?;
        self.check_makes_tables_of_files()?;
        let Some(folders) = &self.folders else { return Ok((absolute(location)?, None)) };
        if location.contains("://") {
            return Err(refused(&format!(
                "a table over {location} is refused: clients make them over the folders of load_roots, named by paths"
            )));
        }
        let named = PathBuf::from(absolute(location)?);
        let (place, folder) = match named.canonicalize() {
            Ok(real) => {
                let folder = folders.iter().find(|folder| lies_in(&real, folder));
                (real, folder)
            }
            // That there is nothing may be said of what may be read.
            Err(_) => {
                let folder = folders.iter().find(|folder| is_named_in(&named, folder));
                (named, folder)
            }
        };
        let Some(folder) = folder else {
            return Err(refused(&format!(
                "a table over {location} is refused: it is in none of the folders of load_roots"
            )));
        };
        let folder = folder
            .canonicalize()
            .map_err(|e| EngineError::io(format!("cannot use the folder {} of load_roots", folder.display()), e))?;
        Ok((with_slash_of(location, &place), Some(folder)))
    }

    /// # Errors
    /// [`ErrorKind::InsufficientPrivilege`] where the session must not write files.
    pub(super) fn check_writes_files(&self) -> Result<()> {
        self.rights()?.check_files()?;
        match self.folders {
            Some(_) => Err(refused("COPY TO a file is refused: clients must not name files of the server")
                .with_hint("COPY … TO STDOUT sends the rows to the client")),
            None => Ok(()),
        }
    }

    /// The files under the names by which they may be opened.
    ///
    /// # Errors
    /// [`ErrorKind::InsufficientPrivilege`] naming the first that the session must not read, whether or not it is there.
    pub(super) fn readable(&self, files: &[PathBuf]) -> Result<Vec<PathBuf>> {
        self.rights()?.check_files()?;
        let Some(folders) = &self.folders else { return Ok(files.to_vec()) };
        files
            .iter()
            .map(|file| match file.canonicalize() {
                Ok(real) if folders.iter().any(|folder| lies_in(&real, folder)) => Ok(real),
                // That there is none may be said of what may be read.
                Err(_) if folders.iter().any(|folder| is_named_in(file, folder)) => Ok(file.clone()),
                _ => {
                    let file = file.display();
                    Err(refused(&format!("reading {file} is refused: it is in none of the folders of load_roots")))
                }
            })
            .collect()
    }
}

/// The location independent of the folder that this process happens to be in.
fn absolute(location: &str) -> Result<String> {
    if location.contains("://") {
        return Ok(location.to_owned());
    }
    let path = std::path::absolute(location).map_err(|e| EngineError::io(format!("cannot use {location:?}"), e))?;
    Ok(with_slash_of(location, &path))
}

/// The path, with a slash at its end where the location has one.
fn with_slash_of(location: &str, path: &Path) -> String {
    let path = path.display().to_string();
    let path = path.trim_end_matches('/');
    let slash = if location.ends_with('/') || path.is_empty() { "/" } else { "" };
    format!("{path}{slash}")
}

fn is_named_in(file: &Path, folder: &Path) -> bool {
    file.starts_with(folder) && !file.components().any(|part| part == Component::ParentDir)
}

/// Links followed on both sides.
fn lies_in(real: &Path, folder: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| real.starts_with(folder))
}

fn refused(what: &str) -> EngineError {
    EngineError::new(ErrorKind::InsufficientPrivilege, what).with_hint(OWN_MACHINE)
}
