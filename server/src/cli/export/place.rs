//! Where an export goes.

use std::fmt;
use std::path::{Path, PathBuf};

use zxq_engine::S3Options;
use zxq_engine::error::EngineError;

use crate::cli::{CliError, Result};
use crate::config_file::Settings;

/// The server of buckets where no configuration names one.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// A file, or an object of a bucket.
#[derive(Debug)]
pub(super) enum Place {
    /// A file of this machine.
    File(PathBuf),
    /// An object: its name in the folder that the options are for.
    Object { options: Box<S3Options>, name: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Object { options, name } => write!(f, "{}{name}", options.url()),
        }
    }
}

impl Place {
    /// The place that `to` names; in a folder the file gets the name of the table, if it is one that is exported.
    ///
    /// # Errors
    /// For a folder and a query, and for addresses that cannot be used.
    pub(super) fn of(to: &str, what: &str, ending: &str, settings: &Settings) -> Result<Place> {
        let in_folder = || match last_name(what) {
            Some(name) => Ok(format!("{name}.{ending}")),
            None => Err(CliError::Usage(format!(
                "a query has no name for its file in the folder {to}: name the file, {}/NAME.{ending}",
                to.trim_end_matches('/')
            ))),
        };
        if to.contains("://") && !to.starts_with("s3://") {
            return Err(CliError::Usage(format!("{to} cannot be written: name a file, a folder or s3://BUCKET/NAME")));
        }
        if !to.starts_with("s3://") {
            let is_folder = to.ends_with('/') || Path::new(to).is_dir();
            let path = if is_folder { Path::new(to).join(in_folder()?) } else { PathBuf::from(to) };
            return Ok(Place::File(path));
        }
        let (folder, name) = to.rsplit_once('/').unwrap_or((to, ""));
        if folder == "s3:/" {
            return Err(CliError::Usage(format!("{to} names a bucket and no object: s3://BUCKET/NAME")));
        }
        let name = if name.is_empty() { in_folder()? } else { name.to_owned() };
        let options = bucket(&format!("{folder}/"), settings)?;
        Ok(Place::Object { options: Box::new(options), name })
    }
}

/// As the configuration says where it has a bucket; else as the environment does.
fn bucket(url: &str, settings: &Settings) -> Result<S3Options> {
    if let Some(known) = &settings.engine.cold.s3 {
        return Ok(known.at(url).map_err(EngineError::from)?);
    }
    let mut options = S3Options::parse(url).map_err(EngineError::from)?;
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        let endpoint = endpoint.parse();
        options.endpoint = Some(
            endpoint.map_err(|_| CliError::failed(format!("{ENDPOINT} is no address"), "write https://HOST:PORT"))?,
        );
    }
    Ok(options)
}

/// True for the name of a table: words, or texts in double quotes, with points between them.
pub(super) fn is_name(text: &str) -> bool {
    parts(text).is_some()
}

/// What the table is called, without its schema.
fn last_name(text: &str) -> Option<String> {
    parts(text.trim())?.pop().filter(|name| !name.contains(['/', '\0']))
}

/// The parts of a name, quotes undone.
fn parts(text: &str) -> Option<Vec<String>> {
    let mut rest = text;
    let mut parts = Vec::new();
    loop {
        let mut part = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let (before, after) = rest.split_once('"')?;
                part.push_str(before);
                rest = after;
                match rest.strip_prefix('"') {
                    Some(after) => {
                        part.push('"');
                        rest = after;
                    }
                    None => break,
                }
            }
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            part.push_str(&rest[..end].to_lowercase());
            rest = &rest[end..];
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None => return rest.is_empty().then_some(parts),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_told_from_queries() {
        for name in ["trades", "cold.Trades_1", "\"My table\"", "a.\"b\"\"c\""] {
            assert!(is_name(name), "{name}");
        }
        for query in ["SELECT 1", "TABLE t", "VALUES(1)", "", "a.", "\"open", "a..b", "t;"] {
            assert!(!is_name(query), "{query}");
        }
        assert_eq!(last_name("cold.Trades"), Some("trades".to_owned()));
        assert_eq!(last_name("\"a/b\""), None);
    }

    #[test]
    fn places_are_files_folders_and_objects() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, inside) = (Settings::defaults(folder.path()), folder.path().to_str().unwrap());
        let place = |to: &str, what: &str| Place::of(to, what, "csv", &settings).map(|place| place.to_string());
        assert_eq!(place("a/b.csv", "SELECT 1").unwrap(), "a/b.csv");
        assert_eq!(place(inside, "t").unwrap(), format!("{inside}/t.csv"));
        assert_eq!(place("new/", "cold.t").unwrap(), "new/t.csv");
        assert_eq!(place("s3://bucket/a/b.csv", "SELECT 1").unwrap(), "s3://bucket/a/b.csv");
        assert_eq!(place("s3://bucket/a/", "t").unwrap(), "s3://bucket/a/t.csv");
        for (to, what) in [(inside, "SELECT 1"), ("s3://bucket/", "SELECT 1"), ("s3://bucket", "t"), ("ftp://a/b", "t")]
        {
            assert!(place(to, what).is_err(), "{to}");
        }
    }
}
