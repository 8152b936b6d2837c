//! Passwords from libpq's password file: `host:port:database:user:password` lines
//! (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::path::{Path, PathBuf};

/// A password file that was asked for and cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the password file {} cannot be used: {reason}", path.display())]
pub struct PassfileError {
    /// The password file that cannot be used.
    pub path: PathBuf,
    /// Why, and what to do.
    pub reason: String,
}

/// The connection that a password is for.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// Host name; `localhost` for a socket.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: &'a str,
    /// User.
    pub user: &'a str,
}

/// The password for this connection, if a password file names it: `asked`, else the one that `PGPASSFILE` names in `env`,
/// else `~/.pgpass`. A file that was asked for must be there; the default one need not.
///
/// # Errors
/// A file that was asked for and cannot be read, or that others may read.
pub fn lookup(
    login: Login<'_>,
    asked: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, PassfileError> {
    let asked = asked.map(Path::to_owned).or_else(|| env("PGPASSFILE").map(PathBuf::from));
    let Some(path) = asked.clone().or_else(|| env("HOME").map(|home| Path::new(&home).join(".pgpass"))) else {
        return Ok(None);
    };
    let refused = |reason: String| Err(PassfileError { path: path.clone(), reason });
    if let Some(reason) = too_open(&path) {
        // libpq ignores such a file too; silence would only show as a wrong password later.
        return if asked.is_some() { refused(reason) } else { Ok(None) };
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(find(&text, login)),
        Err(e) if asked.is_some() => refused(e.to_string()),
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

fn find(text: &str, login: Login<'_>) -> Option<String> {
    let wanted = [login.host, &login.port.to_string(), login.database, login.user];
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
