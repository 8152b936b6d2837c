//! Which bucket, on which server, and how patiently.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::STORE;
use super::credentials::S3Credentials;
use crate::error::{ProviderError, Result};
use crate::lake::objects::range_cache::RangeCacheOptions;

/// How objects are encrypted where they lie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum S3Encryption {
    /// As the bucket says; requests ask for nothing.
    #[default]
    AsTheBucketSays,
    /// With keys that S3 keeps (SSE-S3, AES256).
    S3,
    /// With a key of the key management service (SSE-KMS).
    Kms {
        /// Its id or ARN; `None`: the account's key for S3.
        key: Option<String>,
    },
}

/// When a request is sent again: after 5xx (throttling too), broken connections and time-outs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Retry {
    /// Most repetitions of one request.
    pub max_retries: usize,
    /// Pause before the first repetition; the pauses grow, with chance in them.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// No repetition starts this long after the first attempt. Keep it below 5 minutes: signatures expire.
    pub give_up_after: Duration,
}

impl Default for S3Retry {
    fn default() -> Self {
        S3Retry {
            max_retries: 10,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(15),
            give_up_after: Duration::from_secs(180),
        }
    }
}

/// Everything a bucket is opened with. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct S3Options {
    /// `s3://bucket/prefix/`.
    pub(super) url: Url,
    pub(super) bucket: String,
    /// The server, for all that is not AWS: `http://localhost:9000`. `http` is used only where it is written here.
    pub endpoint: Option<Url>,
    /// The bucket's region; `None`: the environment's, the profile's, else `us-east-1`.
    pub region: Option<String>,
    /// `https://server/bucket/key` instead of `https://bucket.server/key`; `None`: only where there is an `endpoint`.
    pub path_style: Option<bool>,
    /// Who asks.
    pub credentials: S3Credentials,
    /// Encryption of what is written.
    pub encryption: S3Encryption,
    /// Repetitions.
    pub retry: S3Retry,
    /// Longest time of one attempt at a request, its body included.
    pub timeout: Duration,
    /// Longest time until a connection is there.
    pub connect_timeout: Duration,
    /// Objects larger than this are uploaded in parts of this size, bytes.
    pub part_size: u64,
    /// PEM file of the authorities to trust besides the machine's, for a server with a certificate of its own.
    pub ca_certificates: Option<PathBuf>,
    /// What is kept of what was read.
    pub cache: RangeCacheOptions,
}

/// S3 takes no smaller parts, except the last.
pub(super) const SMALLEST_PART: u64 = 5 * 1024 * 1024;

impl S3Options {
    /// The defaults for `s3://bucket/prefix`.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] for an address that cannot be used.
    pub fn parse(url: &str) -> Result<S3Options> {
        let refused = |reason: &str| ProviderError::Refused {
            store: STORE,
            what: format!("the address {:?} cannot be used", without_user(url)),
            reason: reason.to_owned(),
        };
        let mut parsed = Url::parse(url).map_err(|e| refused(&e.to_string()))?;
        if parsed.scheme() != "s3" {
            return Err(refused("it must begin with s3://"));
        }
        let bucket = match parsed.host_str() {
            Some(bucket) if !bucket.is_empty() => bucket.to_owned(),
            _ => return Err(refused("it names no bucket: s3://BUCKET/prefix")),
        };
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.port().is_some() {
            return Err(refused(
                "a bucket has no user, password or port: the server goes into endpoint, keys elsewhere",
            ));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refused("options are settings of their own, not part of the address"));
        }
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "/._-=+".contains(c);
        if !parsed.path().chars().all(is_safe) || parsed.path().contains("//") {
            return Err(refused("its prefix may hold letters, digits, and / . _ - = + only"));
        }
        if !parsed.path().ends_with('/') {
            parsed.set_path(&format!("{}/", parsed.path()));
        }
        Ok(S3Options {
            url: parsed,
            bucket,
            endpoint: None,
            region: None,
            path_style: None,
            credentials: S3Credentials::Automatic,
            encryption: S3Encryption::default(),
            retry: S3Retry::default(),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            part_size: 16 * 1024 * 1024,
            ca_certificates: None,
            cache: RangeCacheOptions::default(),
        })
    }

    /// The same server, credentials and patience, for another `s3://bucket/prefix`. Nothing is kept of what is read there.
    ///
    /// # Errors
    /// As [`S3Options::parse`].
    pub fn at(&self, url: &str) -> Result<S3Options> {
        let place = S3Options::parse(url)?;
        Ok(S3Options { url: place.url, bucket: place.bucket, cache: place.cache, ..self.clone() })
    }

    /// The address, `s3://bucket/prefix/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What the settings cannot be together, with the name of the setting.
    ///
    /// # Errors
    /// The setting and what is wrong with it.
    pub fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        if let Some(endpoint) = &self.endpoint {
            if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host_str().is_none() {
                return Err(("endpoint", format!("{:?} is no address: write https://host:port", endpoint.as_str())));
            }
            if endpoint.query().is_some() || !endpoint.username().is_empty() || endpoint.password().is_some() {
                return Err(("endpoint", "may hold neither a user nor a query".to_owned()));
            }
        }
        if self.part_size < SMALLEST_PART {
            return Err(("part_size", "must be at least 5MiB: S3 takes no smaller parts".to_owned()));
        }
        for (key, time) in [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)] {
            if time.is_zero() {
                return Err((key, "must be a time above 0".to_owned()));
            }
        }
        if self.retry.give_up_after >= Duration::from_secs(300) {
            return Err(("retry_timeout", "must be below 5 min: signatures of requests expire".to_owned()));
        }
        Ok(())
    }

    /// The bucket and the server, as messages name them.
    pub(super) fn place(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{} at {endpoint}", self.url),
            None => self.url.to_string(),
        }
    }
}

/// Somebody may have written keys into the address.
fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("url", &self.url.as_str())
            .field("endpoint", &self.endpoint.as_ref().map(Url::as_str))
            .field("region", &self.region)
            .field("path_style", &self.path_style)
            .field("credentials", &self.credentials)
            .field("encryption", &self.encryption)
            .field("retry", &self.retry)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("part_size", &self.part_size)
            .field("ca_certificates", &self.ca_certificates)
            .field("cache", &self.cache)
            .finish()
    }
}
