//! Where the server is, who connects, and how many connections are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;
use zxq_catalog::passfile::{Login, lookup};

use super::NAME;
use crate::error::{ProviderError, Result};

/// How the connection is protected, as libpq's `sslmode` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only where the server does not let us in without; the certificate is not looked at.
    Allow,
    /// TLS where the server offers it, else none; the certificate is not looked at. The default, as in libpq.
    Prefer,
    /// Always TLS; the certificate is not looked at. With `sslrootcert` it is as `verify-ca`, as in libpq.
    Require,
    /// Always TLS, with a certificate that an authority we trust has signed, whatever host it names.
    VerifyCa,
    /// Always TLS, with a certificate that is valid and names the host.
    VerifyFull,
}

/// How many connections are kept and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections kept open for the next use.
    pub pool_size: usize,
    /// Connections that may be opened beyond those when they are all in use; closed after use.
    pub max_overflow: usize,
    /// How long to wait for a connection before giving up.
    pub pool_timeout: Duration,
    /// Connections older than this are closed instead of used again; `None`: never.
    pub pool_recycle: Option<Duration>,
    /// Ask a kept connection for a sign of life before it is used.
    pub pool_pre_ping: bool,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            pool_size: 5,
            max_overflow: 10,
            pool_timeout: Duration::from_secs(30),
            pool_recycle: Some(Duration::from_secs(1800)),
            pool_pre_ping: true,
        }
    }
}

/// Everything a PostgreSQL store is opened with. Its `Debug` shows no password.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) config: Config,
    pub(super) ssl_mode: SslMode,
    pub(super) ssl_root: Option<PathBuf>,
    /// Connections.
    pub pool: PoolOptions,
    /// Whose rows the schema holds: the catalog that lists them. A schema of another owner is refused. `None`: not looked at.
    pub owner: Option<String>,
    /// The schema for the tables that people query; segments lie in a second one with `_segments` added. Two catalogs cannot
    /// share a schema.
    pub schema: String,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("server", &self.server())
            .field("ssl_mode", &self.ssl_mode)
            .field("pool", &self.pool)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`. A missing password is looked for in `PGPASSWORD`, then
    /// in the file named by the parameter `passfile`, by `PGPASSFILE`, or `~/.pgpass`. Other parameters: `sslrootcert` (PEM
    /// file for `sslmode=verify-full`) and those that tokio-postgres knows (`connect_timeout`, `application_name`, …).
    ///
    /// # Errors
    /// [`ProviderError::Refused`] for a URL that cannot be used; its text holds no password.
    pub fn parse(url: &str) -> Result<PostgresOptions> {
        PostgresOptions::parse_with(url, &|name| std::env::var(name).ok())
    }

    /// As [`PostgresOptions::parse`], with an environment given.
    pub(super) fn parse_with(url: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<PostgresOptions> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refused("it must begin with postgres://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut ssl_mode, mut ssl_root, mut passfile) = (SslMode::Prefer, None, None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = url::form_urlencoded::parse(pair.as_bytes())
                .next()
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .unwrap_or_default();
            match key.as_str() {
                "sslmode" => ssl_mode = parse_ssl_mode(&value)?,
                "sslrootcert" => ssl_root = Some(PathBuf::from(value)),
                "passfile" => passfile = Some(PathBuf::from(value)),
                _ => rest.push(pair),
            }
        }
        let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config = Config::from_str(&plain).map_err(|e| refused(&super::errors::text_of(&e)))?;
        let has_stray_at = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(has_stray_at) {
            return Err(refused("a host cannot hold an @: write %40 for an @ in the password"));
        }
        if config.get_hosts().is_empty() {
            return Err(refused("it names no host"));
        }
        if config.get_dbname().is_none() {
            return Err(refused("it names no database: postgres://user@host:5432/DATABASE"));
        }
        if config.get_user().is_none() {
            let user = env("PGUSER").ok_or_else(|| refused("it names no user: postgres://USER@host:5432/database"))?;
            config.user(user);
        }
        if config.get_password().is_none() {
            let password = env("PGPASSWORD");
            let password = match password {
                Some(password) => Some(password),
                None => password_from_file(&config, passfile.as_deref(), env)?,
            };
            if let Some(password) = password {
                config.password(password);
            }
        }
        match ssl_mode {
            SslMode::Require if ssl_root.is_some() => ssl_mode = SslMode::VerifyCa,
            SslMode::Disable | SslMode::Allow | SslMode::Prefer if ssl_root.is_some() => {
                return Err(refused("sslrootcert has an effect only with sslmode=verify-full, verify-ca or require"));
            }
            _ => {}
        }
        config.ssl_mode(match ssl_mode {
            SslMode::Disable | SslMode::Allow => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("zxq");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        Ok(PostgresOptions {
            config,
            ssl_mode,
            ssl_root,
            pool: PoolOptions::default(),
            owner: None,
            schema: "zxq".to_owned(),
        })
    }

    /// The server as messages name it: without the password.
    pub fn server(&self) -> String {
        let config = &self.config;
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(at, host)| {
                let port = config.get_ports().get(at).or(config.get_ports().first()).copied().unwrap_or(5432);
                match host {
                    Host::Tcp(name) => format!("{name}:{port}"),
                    #[cfg(unix)]
                    Host::Unix(folder) => format!("{}:{port}", folder.display()),
                }
            })
            .collect();
        let (user, database) = (config.get_user().unwrap_or(""), config.get_dbname().unwrap_or(""));
        format!("postgres://{user}@{}/{database}", hosts.join(","))
    }
}

fn password_from_file(
    config: &Config,
    asked: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name,
        _ => "localhost",
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let (Some(database), Some(user)) = (config.get_dbname(), config.get_user()) else { return Ok(None) };
    lookup(Login { host, port, database, user }, asked, env).map_err(|error| refused(&error.to_string()))
}

fn parse_ssl_mode(value: &str) -> Result<SslMode> {
    Ok(match value {
        "disable" => SslMode::Disable,
        "prefer" => SslMode::Prefer,
        "allow" => SslMode::Allow,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        other => {
            let modes = "disable, allow, prefer, require, verify-ca, verify-full";
            return Err(refused(&format!("sslmode {other:?} is none of {modes}")));
        }
    })
}

fn refused(reason: &str) -> ProviderError {
    ProviderError::Refused {
        store: NAME,
        what: "the database's URL cannot be used".to_owned(),
        reason: reason.to_owned(),
    }
}
