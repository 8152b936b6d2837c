//! Where the catalog's server is, and in which schema the catalog lies.

use std::fmt;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::error::{CatalogError, Result};

/// Schema of the catalog's tables when none is named.
const SCHEMA: &str = "zxq_catalog";
/// Longest name of PostgreSQL, bytes.
const LONGEST: usize = 63;
/// Parameters of the URL.
const PARAMETERS: [&str; 3] = ["sslmode", "sslrootcert", "application_name"];

/// Everything a PostgreSQL catalog is opened with. Its `Debug` shows no password.
#[derive(Clone)]
pub struct PostgresCatalogOptions {
    pub(super) connect: PgConnectOptions,
    pub(super) schema: String,
}

impl fmt::Debug for PostgresCatalogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCatalogOptions").field("server", &self.server()).field("schema", &self.schema).finish()
    }
}

impl PostgresCatalogOptions {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`. A missing password is looked for in `PGPASSWORD`,
    /// then in the file named by `PGPASSFILE`, or `~/.pgpass`. Parameters: `sslmode` (`disable`, `prefer`, the default,
    /// `require`, `verify-ca`, `verify-full`), `sslrootcert` (a PEM file), `application_name`.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] for a URL that cannot be used; its text holds no password.
    pub fn parse(url: &str) -> Result<PostgresCatalogOptions> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refused("it must begin with postgres://"));
        }
        let parsed = url::Url::parse(url).map_err(|e| refused(&e.to_string()))?;
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host"));
        }
        if parsed.path().trim_start_matches('/').is_empty() {
            return Err(refused("it names no database: postgres://user@host:5432/DATABASE"));
        }
        if parsed.username().is_empty() && std::env::var_os("PGUSER").is_none() {
            return Err(refused("it names no user: postgres://USER@host:5432/database"));
        }
        // Everything before the last @ would be taken for user and password, which the text of no error may show.
        let authority = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or("");
        if authority.matches('@').count() > 1 {
            return Err(refused("a host cannot hold an @: write %40 for an @ in the password"));
        }
        if let Some((key, _)) = parsed.query_pairs().find(|(key, _)| !PARAMETERS.contains(&key.as_ref())) {
            let known = PARAMETERS.join(", ");
            return Err(refused(&format!("unknown parameter {key:?}: there are {known}")));
        }
        let mut connect = PgConnectOptions::from_str(url).map_err(|e| match e {
            sqlx::Error::Configuration(reason) => refused(&reason.to_string()),
            other => refused(&other.to_string()),
        })?;
        if connect.get_application_name().is_none() {
            connect = connect.application_name("zxq catalog");
        }
        Ok(PostgresCatalogOptions { connect: connect.disable_statement_logging(), schema: SCHEMA.to_owned() })
    }

    /// The same with the catalog in another schema.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] for a name that is none.
    pub fn with_schema(mut self, schema: &str) -> Result<PostgresCatalogOptions> {
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if schema.is_empty() || schema.len() > LONGEST || !schema.chars().all(safe) {
            return Err(CatalogError::Refused {
                what: format!("schema {schema:?} cannot be used"),
                reason: format!("a schema has 1 to {LONGEST} letters, digits and underscores"),
            });
        }
        schema.clone_into(&mut self.schema);
        Ok(self)
    }

    /// The server as messages name it: without the password.
    pub fn server(&self) -> String {
        let connect = &self.connect;
        format!(
            "postgres://{}@{}:{}/{}",
            connect.get_username(),
            connect.get_host(),
            connect.get_port(),
            connect.get_database().unwrap_or_default()
        )
    }
}

fn refused(reason: &str) -> CatalogError {
    CatalogError::Refused { what: "the catalog's URL cannot be used".to_owned(), reason: reason.to_owned() }
}
