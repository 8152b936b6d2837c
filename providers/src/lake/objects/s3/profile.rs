//! Credentials of an AWS profile, which the object store's client does not read by itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_credential_types::provider::ProvideCredentials;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use crate::lake::objects::faults::chain_text;

/// Credentials are fetched again this long before they expire.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);

/// The credentials of one profile, kept until shortly before they expire.
#[derive(Debug)]
pub(super) struct ProfileCredentials {
    name: String,
    provider: ProfileFileCredentialsProvider,
    kept: Mutex<Option<Kept>>,
}

/// Without `Debug` of its own: it holds the secret, and [`AwsCredential`] hides it.
#[derive(Debug, Clone)]
struct Kept {
    credential: Arc<AwsCredential>,
    expiry: Option<SystemTime>,
}

impl ProfileCredentials {
    pub(super) fn new(name: &str) -> Self {
        let provider = ProfileFileCredentialsProvider::builder().profile_name(name).build();
        ProfileCredentials { name: name.to_owned(), provider, kept: Mutex::new(None) }
    }
}

#[async_trait]
impl CredentialProvider for ProfileCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref()
            && kept.expiry.is_none_or(|expiry| SystemTime::now() + BEFORE_EXPIRY < expiry)
        {
            return Ok(Arc::clone(&kept.credential));
        }
        let fresh = self.provider.provide_credentials().await.map_err(|e| object_store::Error::Unauthenticated {
            path: String::new(),
            source: format!("profile {:?} gives no credentials: {}", self.name, chain_text(&e)).into(),
        })?;
        let credential = Arc::new(AwsCredential {
            key_id: fresh.access_key_id().to_owned(),
            secret_key: fresh.secret_access_key().to_owned(),
            token: fresh.session_token().map(str::to_owned),
        });
        *kept = Some(Kept { credential: Arc::clone(&credential), expiry: fresh.expiry() });
        Ok(credential)
    }
}

/// The region that a profile names.
pub(super) async fn region(profile: &str) -> Option<String> {
    let provider = ProfileFileRegionProvider::builder().profile_name(profile).build();
    provider.region().await.map(|region| region.to_string())
}
