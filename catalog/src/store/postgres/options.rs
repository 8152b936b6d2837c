//! Where the catalog's server is, and in which schema the catalog lies.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::error::{CatalogError, Result};
use crate::passfile::{self, Login};

/// Schema of the catalog's tables when none is named.
const SCHEMA: &str = "zxq_catalog";
/// Longest name of PostgreSQL, bytes.
const LONGEST: usize = 63;
/// Parameters of the URL.
const PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "application_name", PASSFILE];
/// The one of them that the client library does not know.
const PASSFILE: &str = "passfile";

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
    /// then in the file named by the parameter `passfile`, by `PGPASSFILE`, or `~/.pgpass`. Other parameters: `sslmode`
    /// (`disable`, `allow`, `prefer`, the default, `require`, `verify-ca`, `verify-full`), `sslrootcert` (a PEM file),
    /// `application_name`.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] for a URL that cannot be used; its text holds no password.
    pub fn parse(url: &str) -> Result<PostgresCatalogOptions> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refused("it must begin with postgres://"));
        }
        let mut parsed = url::Url::parse(url).map_err(|e| refused(&e.to_string()))?;
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
        let passfile = parsed.query_pairs().find(|(key, _)| key == PASSFILE).map(|(_, path)| PathBuf::from(&*path));
        let rest: Vec<_> = parsed.query_pairs().into_owned().filter(|(key, _)| key != PASSFILE).collect();
        parsed.set_query(None);
        if !rest.is_empty() {
            parsed.query_pairs_mut().extend_pairs(rest);
        }
        let mut connect = PgConnectOptions::from_str(parsed.as_str()).map_err(|e| match e {
            sqlx::Error::Configuration(reason) => refused(&reason.to_string()),
            other => refused(&other.to_string()),
        })?;
        if let Some(file) = passfile
            && parsed.password().is_none()
            && std::env::var_os("PGPASSWORD").is_none()
        {
            let login = Login {
                host: connect.get_host(),
                port: connect.get_port(),
                database: connect.get_database().unwrap_or_default(),
                user: connect.get_username(),
            };
            let found = passfile::lookup(login, Some(&file), &|_| None).map_err(|e| refused(&e.to_string()))?;
            if let Some(password) = found {
                connect = connect.password(&password);
            }
        }
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

    /// The schema that the catalog's tables lie in.
    pub fn schema(&self) -> &str {
        &self.schema
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
