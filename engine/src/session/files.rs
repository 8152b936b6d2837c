//! Which files of this machine a session's statements may touch.

use std::path::{Component, Path, PathBuf};

use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;

const OWN_MACHINE: &str = "zxq load and zxq sql may, on the server's machine and with its data directory";

impl EngineSession {
    /// # Errors
    /// [`ErrorKind::InsufficientPrivilege`] where the session must not make tables of files.
    pub(super) fn check_makes_tables_of_files(&self) -> Result<()> {
        match self.folders {
            Some(_) => Err(refused("CREATE EXTERNAL TABLE is refused: clients must not name files of the server")),
            None => Ok(()),
        }
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
