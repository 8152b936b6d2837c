//! The section `cold`: the lakehouse's format, and the bucket it lies in if it lies in one.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use datafusion::parquet::basic::Compression;
use serde::Deserialize;
use zxq_engine::sql::options::Age;
use zxq_engine::{ColdConfig, ColdFormat, DiskCacheOptions, S3Credentials, S3Encryption, S3Options};

use super::iceberg::RawIceberg;
use super::units::{ByteSize, Span};

/// What the section may say. It is not shown anywhere, since it may hold keys.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCold {
    format: Option<String>,
    compression: Option<String>,
    metadata_cache: Option<ByteSize>,
    folder: Option<PathBuf>,
    url: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    path_style: Option<bool>,
    credentials: Option<String>,
    profile: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    encryption: Option<String>,
    kms_key_id: Option<String>,
    max_retries: Option<usize>,
    retry_pause_ms: Option<u64>,
    retry_timeout: Option<Span>,
    timeout: Option<Span>,
    connect_timeout: Option<Span>,
    part_size: Option<ByteSize>,
    ca_certificates: Option<PathBuf>,
    range_cache: Option<ByteSize>,
    disk_cache: Option<PathBuf>,
    disk_cache_size: Option<ByteSize>,
    #[serde(default)]
    iceberg: RawIceberg,
}

impl std::fmt::Debug for RawCold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawCold")
            .field("format", &self.format)
            .field("url", &self.url.is_some())
            .finish_non_exhaustive()
    }
}

/// The key that is wrong, and how.
type Wrong = (&'static str, String);

const GIB: u64 = 1024 * 1024 * 1024;

impl RawCold {
    /// Brings what the section says into the engine's settings.
    pub(super) fn apply(self, cold: &mut ColdConfig) -> Result<(), Wrong> {
        if let Some(format) = &self.format {
            cold.format = ColdFormat::from_str(format).map_err(|e| ("cold.format", e.to_string()))?;
        }
        cold.iceberg = self.iceberg.config()?;
        if let Some(ByteSize(bytes)) = self.metadata_cache {
            cold.metadata_cache_bytes = bytes;
        }
        match (&self.folder, &self.url) {
            (Some(_), Some(_)) => return Err(("cold.folder", "cannot stand beside cold.url: choose one".to_owned())),
            (Some(folder), None) if !folder.is_absolute() => {
                return Err(("cold.folder", "must be an absolute path: several processes may share it".to_owned()));
            }
            _ => cold.folder.clone_from(&self.folder),
        }
        match &self.url {
            Some(url) => cold.s3 = Some(self.bucket(url)?),
            None => self.nothing_of_buckets()?,
        }
        if let Some(compression) = self.compression {
            if Compression::from_str(&compression).is_err() {
                let known = "use zstd(1) to zstd(22), lz4, snappy, gzip(6) or uncompressed";
                return Err(("cold.compression", format!("unknown compression {compression:?}: {known}")));
            }
            cold.compression = compression;
        }
        Ok(())
    }

    fn nothing_of_buckets(&self) -> Result<(), Wrong> {
        let given = [
            ("cold.endpoint", self.endpoint.is_some()),
            ("cold.region", self.region.is_some()),
            ("cold.path_style", self.path_style.is_some()),
            ("cold.credentials", self.credentials.is_some()),
            ("cold.profile", self.profile.is_some()),
            ("cold.access_key_id", self.access_key_id.is_some()),
            ("cold.secret_access_key", self.secret_access_key.is_some()),
            ("cold.session_token", self.session_token.is_some()),
            ("cold.encryption", self.encryption.is_some()),
            ("cold.kms_key_id", self.kms_key_id.is_some()),
            ("cold.max_retries", self.max_retries.is_some()),
            ("cold.retry_pause_ms", self.retry_pause_ms.is_some()),
            ("cold.retry_timeout", self.retry_timeout.is_some()),
            ("cold.timeout", self.timeout.is_some()),
            ("cold.connect_timeout", self.connect_timeout.is_some()),
            ("cold.part_size", self.part_size.is_some()),
            ("cold.ca_certificates", self.ca_certificates.is_some()),
            ("cold.range_cache", self.range_cache.is_some()),
            ("cold.disk_cache", self.disk_cache.is_some()),
            ("cold.disk_cache_size", self.disk_cache_size.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err((key, "has an effect only with cold.url: s3://bucket/prefix".to_owned())),
            None => Ok(()),
        }
    }

    fn bucket(&self, url: &str) -> Result<S3Options, Wrong> {
        let mut options = S3Options::parse(url).map_err(|e| ("cold.url", e.to_string()))?;
        if let Some(endpoint) = &self.endpoint {
            // Not shown: somebody may have written keys into it.
            let parsed = endpoint.parse().map_err(|e| ("cold.endpoint", format!("{e}: write https://host:port")))?;
            options.endpoint = Some(parsed);
        }
        options.region.clone_from(&self.region);
        options.path_style = self.path_style;
        options.credentials = self.who()?;
        options.encryption = self.encryption()?;
        options.retry.max_retries = self.max_retries.unwrap_or(options.retry.max_retries);
        // In its unit: times such as `5 s` are kept in whole seconds.
        options.retry.first_pause = self.retry_pause_ms.map_or(options.retry.first_pause, Duration::from_millis);
        time(&mut options.retry.give_up_after, "cold.retry_timeout", self.retry_timeout)?;
        time(&mut options.timeout, "cold.timeout", self.timeout)?;
        time(&mut options.connect_timeout, "cold.connect_timeout", self.connect_timeout)?;
        if let Some(ByteSize(bytes)) = self.part_size {
            options.part_size = bytes;
        }
        options.ca_certificates.clone_from(&self.ca_certificates);
        if let Some(ByteSize(bytes)) = self.range_cache {
            options.cache.memory_bytes = bytes;
        }
        options.cache.disk = match (&self.disk_cache, self.disk_cache_size) {
            (Some(folder), size) => {
                Some(DiskCacheOptions { folder: folder.clone(), bytes: size.map_or(10 * GIB, |ByteSize(bytes)| bytes) })
            }
            (None, Some(_)) => {
                return Err(("cold.disk_cache_size", "has an effect only with cold.disk_cache: FOLDER".to_owned()));
            }
            (None, None) => None,
        };
        options.check().map_err(|(key, problem)| (named(key), problem))?;
        Ok(options)
    }

    fn who(&self) -> Result<S3Credentials, Wrong> {
        let keys = match (&self.access_key_id, &self.secret_access_key) {
            (Some(id), Some(secret)) => Some(S3Credentials::Keys {
                access_key_id: id.clone(),
                secret_access_key: secret.clone(),
                session_token: self.session_token.clone(),
            }),
            (Some(_), None) => return Err(("cold.secret_access_key", "is missing beside access_key_id".to_owned())),
            (None, Some(_)) => return Err(("cold.access_key_id", "is missing beside secret_access_key".to_owned())),
            (None, None) if self.session_token.is_some() => {
                return Err(("cold.session_token", "belongs to access_key_id and secret_access_key".to_owned()));
            }
            (None, None) => None,
        };
        let named = match (keys, &self.profile) {
            (Some(_), Some(_)) => return Err(("cold.profile", "give keys or a profile, not both".to_owned())),
            (Some(keys), None) => Some(keys),
            (None, profile) => profile.clone().map(S3Credentials::Profile),
        };
        match (self.credentials.as_deref(), named) {
            (None | Some("auto"), named) => Ok(named.unwrap_or(S3Credentials::Automatic)),
            (Some("web-identity"), None) => Ok(S3Credentials::WebIdentity),
            (Some("machine"), None) => Ok(S3Credentials::Machine),
            (Some(known @ ("web-identity" | "machine")), Some(_)) => {
                Err(("cold.credentials", format!("{known} uses neither keys nor a profile: remove them")))
            }
            (Some(other), _) => {
                let known = "auto, web-identity, machine, or name keys or a profile instead";
                Err(("cold.credentials", format!("unknown credentials {other:?}: use {known}")))
            }
        }
    }

    fn encryption(&self) -> Result<S3Encryption, Wrong> {
        match (self.encryption.as_deref(), &self.kms_key_id) {
            (None, None) => Ok(S3Encryption::AsTheBucketSays),
            (Some("sse-s3"), None) => Ok(S3Encryption::S3),
            (Some("sse-kms"), key) => Ok(S3Encryption::Kms { key: key.clone() }),
            (Some("sse-s3") | None, Some(_)) => {
                Err(("cold.kms_key_id", "has an effect only with encryption: sse-kms".to_owned()))
            }
            (Some(other), _) => {
                Err(("cold.encryption", format!("unknown encryption {other:?}: use sse-s3 or sse-kms")))
            }
        }
    }
}

fn time(target: &mut Duration, key: &'static str, value: Option<Span>) -> Result<(), Wrong> {
    match value {
        Some(Span(Age::After(time))) => *target = time,
        Some(Span(Age::Never)) => return Err((key, "cannot be never: write a time".to_owned())),
        None => {}
    }
    Ok(())
}

/// The file's name of a setting of [`S3Options`].
fn named(key: &str) -> &'static str {
    match key {
        "endpoint" => "cold.endpoint",
        "part_size" => "cold.part_size",
        "timeout" => "cold.timeout",
        "connect_timeout" => "cold.connect_timeout",
        "retry_timeout" => "cold.retry_timeout",
        _ => "cold.url",
    }
}
