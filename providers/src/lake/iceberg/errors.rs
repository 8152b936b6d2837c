//! Turns errors of the Iceberg library into ones that name the table.

use crate::error::{Cause, ProviderError};
use crate::lake::iceberg::STORE;

/// An error met while doing something to the table in `folder`.
pub(crate) fn failed(folder: &str, doing: &str, source: impl Into<Cause>) -> ProviderError {
    ProviderError::store(STORE, format!("{doing} of table {folder}"), source)
}

/// Something in the table's metadata that zxq did not put there and cannot work with.
pub(crate) fn changed(folder: &str, reason: impl Into<String>) -> ProviderError {
    ProviderError::Changed { store: STORE, what: format!("Iceberg table {folder}"), reason: reason.into() }
}
