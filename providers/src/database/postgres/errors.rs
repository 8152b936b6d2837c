//! What went wrong on the server, by what the caller can do.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use zxq_catalog::postgres_address::with_causes;

use super::NAME;
use crate::error::{ProviderError, Result};

/// Adds what was being done to an error of the client library.
pub(super) trait Context<T> {
    /// As a [`ProviderError`].
    fn context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for std::result::Result<T, Error> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| describe(doing(), &e))
    }
}

/// The error with the place it happened at, sorted by what can be done about it.
pub(super) fn describe(context: String, error: &Error) -> ProviderError {
    let reason = text_of(error);
    let Some(code) = error.code() else {
        return ProviderError::Unreachable { store: NAME, what: context, reason };
    };
    let is = |codes: &[SqlState]| codes.contains(code);
    if is(&[SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME]) {
        return ProviderError::Missing { store: NAME, what: format!("{context}: {reason}: what it names") };
    }
    if is(&[SqlState::UNDEFINED_COLUMN, SqlState::DATATYPE_MISMATCH, SqlState::UNDEFINED_FUNCTION]) {
        return ProviderError::Changed { store: NAME, what: context, reason };
    }
    if is(&[SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED]) {
        return ProviderError::Corrupt { store: NAME, what: context, reason };
    }
    if is(&[SqlState::DISK_FULL, SqlState::OUT_OF_MEMORY]) {
        return ProviderError::store(NAME, format!("{context}: the server has no space left"), reason);
    }
    let refused = is(&[
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ]);
    if refused {
        return ProviderError::Refused { store: NAME, what: context, reason };
    }
    if is(&[SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::TOO_MANY_CONNECTIONS]) {
        return ProviderError::Busy { store: NAME, what: context, reason };
    }
    // Class 57P: the server is shutting down or starting; class 08: the connection broke.
    if code.code().starts_with("57P") || code.code().starts_with("08") {
        return ProviderError::Unreachable { store: NAME, what: context, reason };
    }
    ProviderError::store(NAME, context, reason)
}

/// True for a server that is there and not ready yet.
pub(super) fn is_starting(error: &Error) -> bool {
    error.code() == Some(&SqlState::CANNOT_CONNECT_NOW)
}

/// True where the server, or the way to it, may come back by itself.
pub(super) fn is_passing(error: &Error) -> bool {
    if let Some(code) = error.code() {
        return matches!(*code, SqlState::CANNOT_CONNECT_NOW | SqlState::TOO_MANY_CONNECTIONS)
            || code.code().starts_with("57P");
    }
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(io) = source.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
            // A socket file is missing while its server restarts.
            return matches!(
                io.kind(),
                ConnectionAborted | ConnectionRefused | ConnectionReset | NotFound | UnexpectedEof
            );
        }
        next = source.source();
    }
    error.is_closed()
}

/// The error in words: the server's message with its detail and hint, or every cause in turn.
pub(super) fn text_of(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        let mut text = db.message().to_owned();
        for more in [db.detail(), db.hint()].into_iter().flatten() {
            text.push_str("; ");
            text.push_str(more);
        }
        return format!("{text} (SQLSTATE {})", db.code().code());
    }
    with_causes(error)
}
