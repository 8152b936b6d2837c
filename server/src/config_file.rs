//! `storage.yaml`: read strictly, then checked, then the engine's own configuration.
//!
//! Two phases: `RawConfig` is what the file may say, with every key optional and none unknown; [`Settings`] is what
//! the program runs with, with nothing optional by accident. `storage.example.yaml` lists every key.

mod authentication;
mod catalog;
mod cold;
mod iceberg;
mod tls;
mod units;
mod warm;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zxq_engine::EngineConfig;
use zxq_engine::sql::options::Age;

use crate::serve::{Rule, Timeouts, TlsOptions};
use authentication::RawRule;
use catalog::RawCatalog;
use cold::RawCold;
use tls::RawTls;
use units::{ByteSize, Span};
use warm::RawWarm;

/// What the program runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The engine's configuration.
    pub engine: EngineConfig,
    /// Address to serve on, `host:port`, when the file names one.
    pub listen: Option<String>,
    /// Connections at once; the next one is refused.
    pub max_connections: usize,
    /// How long clients may take, where they do not say otherwise.
    pub timeouts: Timeouts,
    /// Folders whose files clients may load.
    pub load_roots: Vec<PathBuf>,
    /// How clients have to show who they are; `None` for the usual rules.
    pub authentication: Option<Vec<Rule>>,
    /// The server's certificate, when there is one.
    pub tls: Option<TlsOptions>,
}

/// Connections at once unless the file says otherwise.
const MAX_CONNECTIONS: usize = 200;

/// Statements that read tables at once unless the file says otherwise.
const MAX_RUNNING_STATEMENTS: usize = 64;

/// Longest timeout: what PostgreSQL's settings hold, in milliseconds, is a little more.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 86_400);

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// The configuration file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no YAML, or has an unknown key or a value of the wrong kind.
    #[error("{path}{line}: {message}")]
    Malformed {
        /// The configuration file.
        path: PathBuf,
        /// `:LINE`, or nothing where the line is not known.
        line: String,
        /// What is wrong, naming the key.
        message: String,
    },
    /// A value is of the right kind and still cannot be.
    #[error("{path}: {key}: {message}")]
    Invalid {
        /// The configuration file.
        path: PathBuf,
        /// The key, with its section: `cold.compression`.
        key: &'static str,
        /// What is wrong and what is right.
        message: String,
    },
}

/// Keys known from the design that nothing acts on yet: refused rather than ignored.
const NOT_YET: [&str; 4] =
    ["low_hit_threshold", "hit_stats_schedule", "auto_promote_on_access", "min_hot_access_count"];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    listen: Option<String>,
    max_connections: Option<usize>,
    max_running_statements: Option<usize>,
    statement_timeout: Option<Span>,
    idle_session_timeout: Option<Span>,
    idle_in_transaction_session_timeout: Option<Span>,
    #[serde(default)]
    load_roots: Vec<PathBuf>,
    authentication: Option<Vec<RawRule>>,
    tls: Option<RawTls>,
    memory_limit: Option<ByteSize>,
    session_memory_limit: Option<ByteSize>,
    user_memory_limit: Option<ByteSize>,
    threads: Option<usize>,
    segment_rows: Option<usize>,
    hot_to_warm_age: Option<Span>,
    warm_to_cold_age: Option<Span>,
    maintenance_interval: Option<Span>,
    hot_usage_threshold: Option<f64>,
    #[serde(default)]
    catalog: RawCatalog,
    #[serde(default)]
    hot: RawHot,
    #[serde(default)]
    warm: RawWarm,
    #[serde(default)]
    cold: RawCold,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHot {
    memory_limit: Option<ByteSize>,
    full_wait: Option<Span>,
    wal_segment_size: Option<ByteSize>,
    wal_sync: Option<bool>,
}

impl Settings {
    /// What holds without a configuration file.
    pub fn defaults(data_dir: &Path) -> Self {
        Settings {
            engine: EngineConfig { most_statements: Some(MAX_RUNNING_STATEMENTS), ..EngineConfig::at(data_dir) },
            listen: None,
            max_connections: MAX_CONNECTIONS,
            timeouts: Timeouts::default(),
            load_roots: Vec::new(),
            authentication: None,
            tls: None,
        }
    }

    /// Reads a configuration file for the engine over `data_dir`.
    ///
    /// # Errors
    /// Any [`ConfigError`]; its text names the file and the key.
    pub fn read(path: &Path, data_dir: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Settings::parse(&text, path, data_dir)
    }

    /// Reads the text of a configuration file; `path` is for messages only.
    ///
    /// # Errors
    /// Any [`ConfigError`] but [`ConfigError::Unreadable`].
    pub fn parse(text: &str, path: &Path, data_dir: &Path) -> Result<Self, ConfigError> {
        // A file of comments only is a file of defaults.
        let raw: Option<RawConfig> = serde_yaml_ng::from_str(text).map_err(|e| malformed(path, &e))?;
        raw.unwrap_or_default().validate(path, data_dir)
    }
}

impl RawConfig {
    fn validate(self, path: &Path, data_dir: &Path) -> Result<Settings, ConfigError> {
        let invalid = |key, message: String| Err(ConfigError::Invalid { path: path.to_owned(), key, message });
        for (key, value) in [
            ("threads", self.threads),
            ("segment_rows", self.segment_rows),
            ("warm.threads", self.warm.threads),
            ("max_connections", self.max_connections),
            ("max_running_statements", self.max_running_statements),
        ] {
            if value == Some(0) {
                return invalid(key, "must be at least 1".to_owned());
            }
        }
        for (key, value) in [
            ("memory_limit", self.memory_limit),
            ("session_memory_limit", self.session_memory_limit),
            ("user_memory_limit", self.user_memory_limit),
            ("hot.memory_limit", self.hot.memory_limit),
            ("hot.wal_segment_size", self.hot.wal_segment_size),
            ("warm.memory_limit", self.warm.memory_limit),
        ] {
            if value.is_some_and(|size| size.0 < 1024 * 1024) {
                return invalid(key, "must be at least 1MiB".to_owned());
            }
        }
        if let Some(share) = self.hot_usage_threshold
            && !(0.0..=1.0).contains(&share)
        {
            return invalid("hot_usage_threshold", format!("{share} is not between 0 and 1"));
        }
        let postgres = match self.warm.postgres() {
            Ok(postgres) => postgres,
            Err((key, message)) => return invalid(key, message),
        };

        let mut engine = EngineConfig::at(data_dir);
        if let Err((key, message)) = self.cold.apply(&mut engine.cold) {
            return invalid(key, message);
        }
        if let Err((key, message)) = self.catalog.apply(&mut engine.catalog) {
            return invalid(key, message);
        }
        let size = |target: &mut u64, value: Option<ByteSize>| {
            if let Some(ByteSize(bytes)) = value {
                *target = bytes;
            }
        };
        engine.most_statements = Some(self.max_running_statements.unwrap_or(MAX_RUNNING_STATEMENTS));
        size(&mut engine.query_memory_bytes, self.memory_limit);
        engine.session_memory_bytes = self.session_memory_limit.map(|size| size.0);
        engine.user_memory_bytes = self.user_memory_limit.map(|size| size.0);
        size(&mut engine.hot.memory_limit_bytes, self.hot.memory_limit);
        size(&mut engine.hot.wal_segment_bytes, self.hot.wal_segment_size);
        size(&mut engine.warm.memory_limit_bytes, self.warm.memory_limit);
        let age = |target: &mut Duration, value: Option<Span>| match value {
            Some(Span(Age::After(time))) => *target = time,
            Some(Span(Age::Never)) => *target = Duration::MAX,
            None => {}
        };
        age(&mut engine.policy.hot_to_warm_age, self.hot_to_warm_age);
        age(&mut engine.policy.warm_to_cold_age, self.warm_to_cold_age);
        for (key, target, value) in [
            ("maintenance_interval", &mut engine.policy.maintenance_interval, self.maintenance_interval),
            ("hot.full_wait", &mut engine.hot.full_wait, self.hot.full_wait),
        ] {
            match value {
                Some(Span(Age::After(time))) => *target = time,
                Some(Span(Age::Never)) => return invalid(key, "cannot be never: write a time, or 0".to_owned()),
                None => {}
            }
        }
        engine.target_partitions = self.threads.unwrap_or(engine.target_partitions);
        engine.warm.threads = self.warm.threads.or(self.threads).unwrap_or(engine.warm.threads);
        engine.warm.postgres = postgres;
        engine.policy.segment_rows = self.segment_rows.unwrap_or(engine.policy.segment_rows);
        engine.policy.hot_usage_threshold = self.hot_usage_threshold.unwrap_or(engine.policy.hot_usage_threshold);
        engine.hot.wal_sync = self.hot.wal_sync.unwrap_or(engine.hot.wal_sync);
        if engine.policy.warm_to_cold_age < engine.policy.hot_to_warm_age {
            return invalid("warm_to_cold_age", "must not be less than hot_to_warm_age".to_owned());
        }
        if let Some(folder) = self.load_roots.iter().find(|folder| !folder.is_absolute()) {
            return invalid("load_roots", format!("{} is no absolute path", folder.display()));
        }
        let mut timeouts = Timeouts::default();
        for (key, target, value) in [
            ("statement_timeout", &mut timeouts.statement, self.statement_timeout),
            ("idle_session_timeout", &mut timeouts.idle_session, self.idle_session_timeout),
            (
                "idle_in_transaction_session_timeout",
                &mut timeouts.idle_in_transaction,
                self.idle_in_transaction_session_timeout,
            ),
        ] {
            match value {
                Some(Span(Age::After(time))) if time > LONGEST_TIMEOUT => {
                    return invalid(key, "must not be longer than 24 days: write never".to_owned());
                }
                Some(Span(Age::After(time))) if !time.is_zero() && time < Duration::from_millis(1) => {
                    return invalid(key, "must be at least 1 ms: write 0 for none".to_owned());
                }
                Some(Span(Age::After(time))) => *target = Some(time).filter(|time| !time.is_zero()),
                Some(Span(Age::Never)) | None => {}
            }
        }
        let rules = self.authentication.map(|rules| rules.into_iter().map(RawRule::read).collect());
        let authentication = match rules.transpose() {
            Ok(rules) => rules,
            Err(message) => return invalid("authentication", message),
        };
        // Files are looked for beside the configuration file.
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Settings {
            engine,
            listen: self.listen,
            max_connections: self.max_connections.unwrap_or(MAX_CONNECTIONS),
            timeouts,
            load_roots: self.load_roots,
            authentication,
            tls: self.tls.map(|tls| tls.read(folder)),
        })
    }
}

/// Serde's words in ours: key instead of field, the line in front.
fn malformed(path: &Path, error: &serde_yaml_ng::Error) -> ConfigError {
    let full = error.to_string();
    let text = full.rsplit_once(" at line ").map_or(full.as_str(), |(before, _)| before);
    let mut message = text.to_owned();
    if let Some((before, rest)) = text.split_once("unknown field ")
        && let Some((key, known)) = rest.split_once(", expected ")
    {
        let key = key.trim_matches('`');
        let known = known.trim_start_matches("one of ").replace('`', "");
        message = format!("{before}unknown key {key:?}: the known keys here are {known}");
        if NOT_YET.contains(&key) {
            message.push_str(&format!(" ({key} does nothing in this version, so it is refused: remove it)"));
        }
    }
    let line = error.location().map_or_else(String::new, |at| format!(":{}", at.line()));
    ConfigError::Malformed { path: path.to_owned(), line, message }
}
