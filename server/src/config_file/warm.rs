//! The section `warm`: a DuckDB file, or a PostgreSQL database by its URL.

use serde::Deserialize;
use zxq_engine::PostgresOptions;
use zxq_engine::sql::options::Age;

use super::units::{ByteSize, Span};

/// What the section may say. It is not shown anywhere, since a URL may hold a password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWarm {
    backend: Option<String>,
    pub(super) memory_limit: Option<ByteSize>,
    pub(super) threads: Option<usize>,
    url: Option<String>,
    schema: Option<String>,
    pool_size: Option<usize>,
    max_overflow: Option<usize>,
    pool_timeout: Option<Span>,
    pool_recycle: Option<Span>,
    pool_pre_ping: Option<bool>,
}

impl std::fmt::Debug for RawWarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawWarm").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// The key that is wrong, and how.
type Wrong = (&'static str, String);

impl RawWarm {
    /// The PostgreSQL database, if one is named.
    pub(super) fn postgres(&self) -> Result<Option<PostgresOptions>, Wrong> {
        match (self.backend.as_deref(), &self.url) {
            (None | Some("postgres"), Some(url)) => self.options(url).map(Some),
            (None | Some("duckdb"), None) => self.nothing_of_postgres().map(|()| None),
            (Some("postgres"), None) => {
                Err(("warm.url", "is missing: backend postgres needs postgres://user@host:5432/database".to_owned()))
            }
            (Some("duckdb"), Some(_)) => {
                Err(("warm.url", "is for backend postgres, and the file says backend duckdb".to_owned()))
            }
            (Some(other), _) => {
                Err(("warm.backend", format!("unknown backend {other:?}: this version has duckdb and postgres")))
            }
        }
    }

    fn nothing_of_postgres(&self) -> Result<(), Wrong> {
        let given = [
            ("warm.schema", self.schema.is_some()),
            ("warm.pool_size", self.pool_size.is_some()),
            ("warm.max_overflow", self.max_overflow.is_some()),
            ("warm.pool_timeout", self.pool_timeout.is_some()),
            ("warm.pool_recycle", self.pool_recycle.is_some()),
            ("warm.pool_pre_ping", self.pool_pre_ping.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err((key, "has an effect only with warm.url".to_owned())),
            None => Ok(()),
        }
    }

    fn options(&self, url: &str) -> Result<PostgresOptions, Wrong> {
        let mut options = PostgresOptions::parse(url).map_err(|e| ("warm.url", e.to_string()))?;
        if let Some(schema) = &self.schema {
            schema.clone_into(&mut options.schema);
        }
        let pool = &mut options.pool;
        pool.pool_size = self.pool_size.unwrap_or(pool.pool_size);
        pool.max_overflow = self.max_overflow.unwrap_or(pool.max_overflow);
        if pool.pool_size == 0 {
            return Err(("warm.pool_size", "must be at least 1".to_owned()));
        }
        match self.pool_timeout {
            Some(Span(Age::After(time))) if !time.is_zero() => pool.pool_timeout = time,
            Some(_) => return Err(("warm.pool_timeout", "must be a time above 0".to_owned())),
            None => {}
        }
        match self.pool_recycle {
            Some(Span(Age::After(time))) => pool.pool_recycle = Some(time),
            Some(Span(Age::Never)) => pool.pool_recycle = None,
            None => {}
        }
        pool.pool_pre_ping = self.pool_pre_ping.unwrap_or(pool.pool_pre_ping);
        Ok(options)
    }
}
