//! Where the catalog's server is, and in which schema the catalog lies.

use std::fmt;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio_postgres::config::Host;

use crate::error::{CatalogError, Result};
use crate::postgres_address::{PostgresAddress, SslMode, parameters};

/// Schema of the catalog's tables when none is named.
const SCHEMA: &str = "zxq_catalog";
/// Longest name of PostgreSQL, bytes.
const LONGEST: usize = 63;
/// Parameters of the URL: the others that an address may have are for the client library of warm.
const PARAMETERS: [&str; 5] = ["sslmode", "sslrootcert", "application_name", "connect_timeout", "passfile"];

/// Everything a PostgreSQL catalog is opened with. Its `Debug` shows no password.
#[derive(Clone)]
pub struct PostgresCatalogOptions {
    address: PostgresAddress,
    pub(super) connect: PgConnectOptions,
    pub(super) schema: String,
}

impl fmt::Debug for PostgresCatalogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCatalogOptions").field("address", &self.address).field("schema", &self.schema).finish()
    }
}

impl PostgresCatalogOptions {
    /// Reads a URL as [`PostgresAddress::parse`] does, of one server and with the parameters `sslmode`, `sslrootcert`,
    /// `application_name`, `connect_timeout` and `passfile`.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] for a URL that cannot be used; its text holds no password.
    pub fn parse(url: &str) -> Result<PostgresCatalogOptions> {
        let address = PostgresAddress::parse(url, "zxq catalog").map_err(|error| refused(&error.to_string()))?;
        if let Some((_, key, _)) = parameters(url).find(|(_, key, _)| !PARAMETERS.contains(&key.as_str())) {
            let known = PARAMETERS.join(", ");
            return Err(refused(&format!("unknown parameter {key:?}: there are {known}")));
        }
        let connect = connect_options(&address)?.disable_statement_logging();
        Ok(PostgresCatalogOptions { address, connect, schema: SCHEMA.to_owned() })
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

    /// How long one attempt to connect may take.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.address.connect_timeout()
    }

    /// The server as messages name it: without the password.
    pub fn server(&self) -> String {
        self.address.server()
    }
}

/// The address as the client library of the catalog has it.
fn connect_options(address: &PostgresAddress) -> Result<PgConnectOptions> {
    let (hosts, config) = (address.hosts(), address.config());
    let [(host, port)] = hosts.as_slice() else {
        return Err(refused("it names several hosts, and the catalog lies on one server"));
    };
    let options = PgConnectOptions::new_without_pgpass().port(*port);
    let mut options = match host {
        Host::Tcp(name) => options.host(name),
        #[cfg(unix)]
        Host::Unix(folder) => options.socket(folder),
    };
    if let Some(user) = config.get_user() {
        options = options.username(user);
    }
    if let Some(password) = config.get_password() {
        options = options.password(&String::from_utf8_lossy(password));
    }
    if let Some(database) = config.get_dbname() {
        options = options.database(database);
    }
    if let Some(name) = config.get_application_name() {
        options = options.application_name(name);
    }
    if let Some(root) = address.ssl_root() {
        options = options.ssl_root_cert(root);
    }
    Ok(options.ssl_mode(match address.ssl_mode() {
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Allow => PgSslMode::Allow,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        SslMode::VerifyFull => PgSslMode::VerifyFull,
    }))
}

fn refused(reason: &str) -> CatalogError {
    CatalogError::Refused { what: "the catalog's URL cannot be used".to_owned(), reason: reason.to_owned() }
}
