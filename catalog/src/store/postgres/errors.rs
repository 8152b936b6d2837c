//! What went wrong on the server, by what the caller can do.

use crate::error::CatalogError;

/// The error with what was being done, sorted by what can be done about it.
pub(super) fn failed(context: String, error: sqlx::Error) -> CatalogError {
    let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
    let reason = text_of(&error);
    match code.as_deref() {
        // Password, role, database, grants, read-only transactions.
        Some("28000" | "28P01" | "3D000" | "42501" | "25006") => CatalogError::Refused { what: context, reason },
        Some("3F000" | "42P01" | "42703" | "42804" | "42883") => CatalogError::Corrupt(format!(
            "{context}: its tables are not as zxq made them, and were changed from outside: {reason}"
        )),
        Some("XX001" | "XX002") => CatalogError::Corrupt(format!("{context}: {reason}")),
        Some("53100" | "53200") => CatalogError::Store {
            context: format!("{context}: the server has no space left; nothing was changed"),
            source: Box::new(error),
        },
        _ if is_lost(&error) => CatalogError::Unreachable { what: context, reason },
        _ => CatalogError::Store { context, source: Box::new(error) },
    }
}

/// True where the connection is gone, or was not made: another one may be.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // The server ends, or starts; the connection broke, or was idle in a transaction; all are taken.
        sqlx::Error::Database(e) => e.code().is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("08") || code == "53300" || code == "25P03"
        }),
        _ => false,
    }
}

/// The error in words: the server's message with its SQLSTATE, or the client library's.
pub(super) fn text_of(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(e) => match e.code() {
            Some(code) => format!("{} (SQLSTATE {code})", e.message()),
            None => e.message().to_owned(),
        },
        sqlx::Error::Io(e) => e.to_string(),
        other => other.to_string(),
    }
}
