//! How values look inside the database: versioned JSON and 64-bit signed integers.

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
pub(in super::super) fn encode<T: Serialize>(value: &T, what: impl FnOnce() -> String) -> Result<String> {
    serde_json::to_string(&Versioned::V1(value))
        .map_err(|e| CatalogError::Store { context: format!("encoding {}", what()), source: Box::new(e) })
}

/// Decodes a document; anything unexpected is damage.
pub(in super::super) fn decode<T: DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T> {
    match serde_json::from_str(text) {
        Ok(Versioned::V1(value)) => Ok(value),
        Err(e) => Err(CatalogError::Corrupt(format!("{} cannot be read: {e}", what()))),
    }
}

/// An id, count or epoch as the database stores it.
pub(in super::super) fn to_db(value: u64, what: &str) -> Result<i64> {
    i64::try_from(value).map_err(|_| CatalogError::Conflict(format!("{what} {value} is too large for the catalog")))
}

/// The inverse of [`to_db`].
pub(in super::super) fn from_db(value: i64, what: &str) -> Result<u64> {
    u64::try_from(value).map_err(|_| CatalogError::Corrupt(format!("{what} is {value}, which is negative")))
}

/// Ids as a JSON array, for [`SqlDatabase::ids_in`](super::super::database::SqlDatabase::ids_in): one statement for any number
/// of ids.
pub(in super::super) fn id_list(ids: &[i64]) -> String {
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
