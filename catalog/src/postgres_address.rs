//! The address of a PostgreSQL server, read in one way for the catalog and for warm: URL, `sslmode`, password, timeout.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::passfile::{Login, lookup};

#[cfg(test)]
mod tests;

/// How long one attempt to connect may take, where the URL does not say it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

/// A URL that cannot be used, and why. Its text holds no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

/// Where a server is, and who connects. Its `Debug` shows no password.
#[derive(Clone)]
pub struct PostgresAddress {
    config: Config,
    ssl_mode: SslMode,
    ssl_root: Option<PathBuf>,
    connect_timeout: Duration,
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAddress")
            .field("server", &self.server())
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}

impl PostgresAddress {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`. A missing password is looked for in `PGPASSWORD`, then
    /// in the file named by the parameter `passfile`, by `PGPASSFILE`, or `~/.pgpass`. Other parameters: `sslmode`
    /// (`disable`, `allow`, `prefer`, the default, `require`, `verify-ca`, `verify-full`), `sslrootcert` (a PEM file) and those
    /// that tokio-postgres knows (`connect_timeout`, `application_name`, …). `application` is the name that the server is told
    /// where the URL has none.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(url: &str, application: &str) -> Result<PostgresAddress, AddressError> {
        PostgresAddress::parse_with(url, application, &|name| std::env::var(name).ok())
    }

    /// As [`PostgresAddress::parse`], with an environment given.
    fn parse_with(
        url: &str,
        application: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<PostgresAddress, AddressError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(wrong("it must begin with postgres://"));
        }
        let (mut ssl_mode, mut ssl_root, mut passfile) = (SslMode::Prefer, None, None);
        let mut rest = Vec::new();
        for (pair, key, value) in parameters(url) {
            match key.as_str() {
                "sslmode" => ssl_mode = parse_ssl_mode(&value)?,
                "sslrootcert" => ssl_root = Some(PathBuf::from(value)),
                "passfile" => passfile = Some(PathBuf::from(value)),
                _ => rest.push(pair),
            }
        }
        let base = url.split('?').next().unwrap_or(url);
        let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config = Config::from_str(&plain).map_err(|e| wrong(with_causes(&e)))?;
        let has_stray_at = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(has_stray_at) {
            return Err(wrong("a host cannot hold an @: write %40 for an @ in the password"));
        }
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        if config.get_dbname().is_none() {
            return Err(wrong("it names no database: postgres://user@host:5432/DATABASE"));
        }
        if config.get_user().is_none() {
            let user = env("PGUSER").ok_or_else(|| wrong("it names no user: postgres://USER@host:5432/database"))?;
            config.user(user);
        }
        if config.get_password().is_none() {
            let password = match env("PGPASSWORD") {
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
                return Err(wrong("sslrootcert has an effect only with sslmode=verify-full, verify-ca or require"));
            }
            _ => {}
        }
        config.ssl_mode(match ssl_mode {
            SslMode::Disable | SslMode::Allow => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name(application);
        }
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        config.connect_timeout(connect_timeout);
        Ok(PostgresAddress { config, ssl_mode, ssl_root, connect_timeout })
    }

    /// All that the client library is told. Of `sslmode` it knows only whether to ask for TLS.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How the connection is protected.
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    /// The file of the authorities that are trusted, where one is named.
    pub fn ssl_root(&self) -> Option<&Path> {
        self.ssl_root.as_deref()
    }

    /// How long one attempt to connect may take.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The hosts with their ports, in the order in which they are tried.
    pub fn hosts(&self) -> Vec<(&Host, u16)> {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
        self.config.get_hosts().iter().enumerate().map(|(at, host)| (host, port(at))).collect()
    }

    /// The server as messages name it: without the password.
    pub fn server(&self) -> String {
        let hosts = self.hosts().into_iter().map(|(host, port)| match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(folder) => format!("{}:{port}", folder.display()),
        });
        let hosts: Vec<String> = hosts.collect();
        let (user, database) = (self.config.get_user().unwrap_or(""), self.config.get_dbname().unwrap_or(""));
        format!("postgres://{user}@{}/{database}", hosts.join(","))
    }
}

/// The port of a URL that names none.
const PORT: u16 = 5432;

/// The parameters of a URL: each as it is written, its name and its value.
pub(crate) fn parameters(url: &str) -> impl Iterator<Item = (&str, String, String)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let read = url::form_urlencoded::parse(pair.as_bytes()).next();
        let (key, value) = read.map(|(key, value)| (key.into_owned(), value.into_owned())).unwrap_or_default();
        (pair, key, value)
    })
}

fn password_from_file(
    config: &Config,
    asked: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, AddressError> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name,
        _ => "localhost",
    };
    let port = config.get_ports().first().copied().unwrap_or(PORT);
    let (Some(database), Some(user)) = (config.get_dbname(), config.get_user()) else { return Ok(None) };
    lookup(Login { host, port, database, user }, asked, env).map_err(|error| wrong(error.to_string()))
}

fn parse_ssl_mode(value: &str) -> Result<SslMode, AddressError> {
    Ok(match value {
        "disable" => SslMode::Disable,
        "prefer" => SslMode::Prefer,
        "allow" => SslMode::Allow,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        other => {
            let modes = "disable, allow, prefer, require, verify-ca, verify-full";
            return Err(wrong(format!("sslmode {other:?} is none of {modes}")));
        }
    })
}

fn wrong(reason: impl Into<String>) -> AddressError {
    AddressError(reason.into())
}

/// An error in words, with every cause in turn.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = source.source();
    }
    text
}
