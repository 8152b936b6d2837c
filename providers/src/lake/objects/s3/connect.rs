//! From options to a client, and one request that shows whether it works.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};

use super::credentials::{S3Credentials, apply, resolve};
use super::options::{S3Encryption, S3Options};
use super::store::S3Store;
use super::{STORE, profile};
use crate::error::{ProviderError, Result};
use crate::lake::objects::StorageRoot;
use crate::lake::objects::faults::{chain_text, failed};
use crate::lake::objects::range_cache::CachedRanges;

/// How long to wait for the credentials of the machine's or container's role.
const MACHINE_ANSWERS: Duration = Duration::from_secs(10);

/// Connects to the bucket and asks it for one name, so that a wrong address, key or bucket shows now and not in a query.
///
/// # Errors
/// [`ProviderError::Refused`] for settings that cannot be used and where the server does not let us in or has no such
/// bucket; [`ProviderError::Unreachable`] where there is no server; [`ProviderError::Store`] when the folder of the cache on
/// disk cannot be made.
pub async fn connect(options: &S3Options) -> Result<StorageRoot> {
    connect_with(options, &|name| std::env::var(name).ok().filter(|value| !value.is_empty())).await
}

/// As [`connect`], with an environment given.
pub(super) async fn connect_with(
    options: &S3Options,
    env: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<StorageRoot> {
    let credentials = resolve(&options.credentials, env)?;
    let region = region(options, &credentials, env).await;
    let client = client(options, &credentials, &region, env)?;
    if credentials == S3Credentials::Machine {
        // Off AWS nothing answers there, and each request would wait for it.
        let role = tokio::time::timeout(MACHINE_ANSWERS, client.credentials().get_credential()).await;
        let problem = match role {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(chain_text(&error)),
            Err(_) => Some("its metadata service does not answer".to_owned()),
        };
        if let Some(problem) = problem {
            let reason = format!(
                "no keys, profile or token are given (access_key_id, AWS_ACCESS_KEY_ID, profile, AWS_PROFILE, …), and this \
                 machine has no role: {problem}"
            );
            return Err(refused(options, reason));
        }
    }
    let prefix = options.url.path().trim_matches('/');
    let one = PaginatedListOptions { max_keys: Some(1), ..Default::default() };
    let listed = client.list_paginated((!prefix.is_empty()).then_some(prefix), one).await;
    listed.map_err(|e| failed(STORE, &format!("open {}", options.place()), Box::new(e)))?;
    tracing::info!(place = %options.place(), %region, ?credentials, "connected to object storage");

    let part_size = usize::try_from(options.part_size).unwrap_or(usize::MAX);
    let uncached: Arc<dyn ObjectStore> = Arc::new(S3Store::over(client, part_size));
    let store = CachedRanges::over(Arc::clone(&uncached), options.url.as_str(), &options.cache)?;
    Ok(StorageRoot::ObjectStore { store, uncached, url: options.url.clone() })
}

async fn region(
    options: &S3Options,
    credentials: &S3Credentials,
    env: &(dyn Fn(&str) -> Option<String> + Sync),
) -> String {
    let named = options.region.clone().or_else(|| env("AWS_REGION")).or_else(|| env("AWS_DEFAULT_REGION"));
    match (named, credentials) {
        (Some(region), _) => region,
        (None, S3Credentials::Profile(name)) => profile::region(name).await.unwrap_or_else(default_region),
        (None, _) => default_region(),
    }
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// The client; nothing is sent yet.
fn client(
    options: &S3Options,
    credentials: &S3Credentials,
    region: &str,
    env: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<AmazonS3> {
    if let Err((key, problem)) = options.check() {
        return Err(refused(options, format!("{key}: {problem}")));
    }
    // The metadata service of machines is reached over http in any case; this is about the bucket's server.
    let mut http = ClientOptions::new().with_timeout(options.timeout).with_connect_timeout(options.connect_timeout);
    if let Some(file) = &options.ca_certificates {
        let unusable =
            |e: &dyn std::fmt::Display| refused(options, format!("ca_certificates: {}: {e}", file.display()));
        let pem = std::fs::read(file).map_err(|e| unusable(&e))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|e| unusable(&e))? {
            http = http.with_root_certificate(certificate);
        }
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&options.bucket)
        .with_region(region)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Kept with the object, and buckets with Object Lock take nothing without one.
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: options.retry.first_pause,
                max_backoff: options.retry.longest_pause,
                base: 2.0,
            },
            max_retries: options.retry.max_retries,
            retry_timeout: options.retry.give_up_after,
        });
    let path_style = options.path_style.unwrap_or(options.endpoint.is_some());
    builder = builder.with_virtual_hosted_style_request(!path_style);
    if let Some(endpoint) = &options.endpoint {
        http = http.with_allow_http(endpoint.scheme() == "http");
        let mut address = endpoint.clone();
        if !path_style {
            // The client takes such an endpoint as it is.
            let host = format!("{}.{}", options.bucket, endpoint.host_str().unwrap_or_default());
            address.set_host(Some(&host)).map_err(|e| refused(options, format!("endpoint: {host}: {e}")))?;
        }
        builder = builder.with_endpoint(address.as_str().trim_end_matches('/'));
    }
    builder = encryption(options, builder)?;
    apply(builder.with_client_options(http), credentials, env)?
        .build()
        .map_err(|e| failed(STORE, &format!("open {}", options.place()), Box::new(e)))
}

/// Every write asks for this encryption, whatever the bucket's default.
fn encryption(options: &S3Options, builder: AmazonS3Builder) -> Result<AmazonS3Builder> {
    let kind = match &options.encryption {
        S3Encryption::AsTheBucketSays => return Ok(builder),
        S3Encryption::Kms { key: Some(key) } => return Ok(builder.with_sse_kms_encryption(key)),
        S3Encryption::Kms { key: None } => "aws:kms",
        S3Encryption::S3 => "AES256",
    };
    // The client gives the key of this setting no name in its interface.
    let key: AmazonS3ConfigKey =
        "aws_server_side_encryption".parse().map_err(|e: object_store::Error| refused(options, e.to_string()))?;
    Ok(builder.with_config(key, kind))
}

fn refused(options: &S3Options, reason: String) -> ProviderError {
    ProviderError::Refused { store: STORE, what: format!("open {}", options.place()), reason }
}
