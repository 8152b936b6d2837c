//! How values look inside the file: versioned JSON, 64-bit signed integers, and the file's errors.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{CatalogError, Result};

/// Every JSON document names its version, so that a later program can read what an earlier one wrote.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Versioned<T> {
    V1(T),
}

/// Encodes a document. `what` names it in the error: `table 7`.
pub(super) fn encode<T: Serialize>(value: &T, what: impl FnOnce() -> String) -> Result<String> {
    serde_json::to_string(&Versioned::V1(value))
        .map_err(|e| CatalogError::Store { context: format!("encoding {}", what()), source: Box::new(e) })
}

/// Decodes a document; anything unexpected is damage.
pub(super) fn decode<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T> {
    match serde_json::from_str(text) {
        Ok(Versioned::V1(value)) => Ok(value),
        Err(e) => Err(CatalogError::Corrupt(format!("{} cannot be read: {e}", what()))),
    }
}

/// An id, count or epoch as SQLite stores it.
pub(super) fn to_db(value: u64, what: &str) -> Result<i64> {
    i64::try_from(value).map_err(|_| CatalogError::Conflict(format!("{what} {value} is too large for the catalog")))
}

/// The inverse of [`to_db`].
pub(super) fn from_db(value: i64, what: &str) -> Result<u64> {
    u64::try_from(value).map_err(|_| CatalogError::Corrupt(format!("{what} is {value}, which is negative")))
}

/// Ids as a JSON array, for `IN (SELECT value FROM json_each(?))`: one statement for any number of ids.
pub(super) fn id_list(ids: &[i64]) -> String {
    let mut text = String::with_capacity(ids.len() * 8 + 2);
    text.push('[');
    for (i, id) in ids.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&id.to_string());
    }
    text.push(']');
    text
}

/// SQLite's primary result codes that mean something to the user.
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;

/// Names what was being done when SQLite failed, and tells a damaged file from a failing disk.
pub(super) fn failed(context: impl Into<String>, error: sqlx::Error) -> CatalogError {
    let context = context.into();
    // The primary code is the low byte of the extended one.
    let code = error
        .as_database_error()
        .and_then(|e| e.code())
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => CatalogError::Corrupt(format!("{context}: {error}")),
        Some(SQLITE_FULL) => CatalogError::Store {
            context: format!("{context}: no space left on the device; nothing was changed, free some space and retry"),
            source: Box::new(error),
        },
        _ => CatalogError::Store { context, source: Box::new(error) },
    }
}
