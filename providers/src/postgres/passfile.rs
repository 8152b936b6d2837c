//! Passwords from libpq's password file: `host:port:database:user:password` lines.

use std::path::{Path, PathBuf};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::NAME;
use crate::error::{ProviderError, Result};

/// The password for this connection, if a password file names it. A file that was asked for must be there; the default one
/// need not.
pub(super) fn lookup(
    config: &Config,
    asked: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>> {
    let asked = asked.map(Path::to_owned).or_else(|| env("PGPASSFILE").map(PathBuf::from));
    let Some(path) = asked.clone().or_else(|| env("HOME").map(|home| Path::new(&home).join(".pgpass"))) else {
        return Ok(None);
    };
    if let Some(reason) = too_open(&path) {
        // libpq ignores such a file too; silence would only show as a wrong password later.
        return if asked.is_some() { Err(refused(&path, reason)) } else { Ok(None) };
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(find(&text, config)),
        Err(e) if asked.is_some() => Err(refused(&path, e.to_string())),
        Err(_) => Ok(None),
    }
}

#[cfg(unix)]
fn too_open(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| "others may read it: chmod 600".to_owned())
}

#[cfg(not(unix))]
fn too_open(_path: &Path) -> Option<String> {
    None
}

fn find(text: &str, config: &Config) -> Option<String> {
    let host = match config.get_hosts().first()? {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(_) => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let wanted = [host.as_str(), &port, config.get_dbname()?, config.get_user()?];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let (password, keys) = fields.split_last()?;
        let matches = keys.len() == 4 && keys.iter().zip(wanted).all(|(key, wanted)| key == "*" || key == wanted);
        matches.then(|| password.clone())
    })
}

/// Fields between colons; a backslash takes the next character as it is.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        let literal = match c {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let (Some(field), Some(c)) = (fields.last_mut(), literal) {
            field.push(c);
        }
    }
    fields
}

fn refused(path: &Path, reason: String) -> ProviderError {
    ProviderError::Refused { store: NAME, what: format!("the password file {} cannot be used", path.display()), reason }
}
