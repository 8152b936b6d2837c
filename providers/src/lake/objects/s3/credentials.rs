//! Who asks: keys given, keys of the environment, a profile, a web identity token, or what the machine's role gives.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

use super::STORE;
use super::profile::ProfileCredentials;
use crate::error::{ProviderError, Result};

/// Where keys come from. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum S3Credentials {
    /// The first there is of: `AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY`; a web identity token
    /// (`AWS_WEB_IDENTITY_TOKEN_FILE` with `AWS_ROLE_ARN`); the profile named by `AWS_PROFILE`, or `default` where there is
    /// a file of profiles; else the role of the container or the machine.
    Automatic,
    /// These keys.
    Keys {
        /// The access key's id.
        access_key_id: String,
        /// What requests are signed with; never shown.
        secret_access_key: String,
        /// For temporary keys.
        session_token: Option<String>,
    },
    /// A profile of `~/.aws/config` and `~/.aws/credentials` (or `AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`): keys, an
    /// assumed role, or a program that prints keys.
    Profile(String),
    /// The token named by `AWS_WEB_IDENTITY_TOKEN_FILE`, for the role `AWS_ROLE_ARN`.
    WebIdentity,
    /// The role of the container (`AWS_CONTAINER_CREDENTIALS_…`) or of the machine (its metadata service).
    Machine,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            S3Credentials::Automatic => f.write_str("Automatic"),
            S3Credentials::Keys { .. } => f.write_str("Keys"),
            S3Credentials::Profile(name) => write!(f, "Profile({name})"),
            S3Credentials::WebIdentity => f.write_str("WebIdentity"),
            S3Credentials::Machine => f.write_str("Machine"),
        }
    }
}

/// The environment: a variable's value; an empty one counts as not set.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What [`S3Credentials::Automatic`] comes to.
///
/// # Errors
/// [`ProviderError::Refused`] where half of a pair of variables is set.
pub(super) fn resolve(asked: &S3Credentials, env: Env<'_>) -> Result<S3Credentials> {
    if *asked != S3Credentials::Automatic {
        return Ok(asked.clone());
    }
    let pair = |one: &str, other: &str| match (env(one), env(other)) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (first, _) => {
            let (set, missing) = if first.is_some() { (one, other) } else { (other, one) };
            Err(refused(format!("{set} is set in the environment and {missing} is not")))
        }
    };
    if let Some((access_key_id, secret_access_key)) = pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")? {
        return Ok(S3Credentials::Keys { access_key_id, secret_access_key, session_token: env("AWS_SESSION_TOKEN") });
    }
    // A role without a token is the business of profiles.
    if env("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
        pair("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")?;
        return Ok(S3Credentials::WebIdentity);
    }
    if let Some(profile) = env("AWS_PROFILE") {
        return Ok(S3Credentials::Profile(profile));
    }
    let home = env("HOME").map(PathBuf::from);
    let file = |variable: &str, name: &str| {
        env(variable).map(PathBuf::from).or_else(|| home.as_deref().map(|home| home.join(".aws").join(name)))
    };
    let files = [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    if files.iter().flatten().any(|path| has_profile(path, "default")) {
        return Ok(S3Credentials::Profile("default".to_owned()));
    }
    Ok(S3Credentials::Machine)
}

/// True for a file with a section of that name.
fn has_profile(path: &Path, name: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let section = |line: &str| line.trim().strip_prefix('[')?.strip_suffix(']').map(|s| s.trim().to_owned());
    text.lines().filter_map(section).any(|s| s == name || s.strip_prefix("profile ").map(str::trim) == Some(name))
}

/// The builder with these credentials and no others: it looks into no variable by itself.
pub(super) fn apply(builder: AmazonS3Builder, credentials: &S3Credentials, env: Env<'_>) -> Result<AmazonS3Builder> {
    let from_env = |mut builder: AmazonS3Builder, variables: &[(&str, AmazonS3ConfigKey)]| {
        for (variable, key) in variables {
            if let Some(value) = env(variable) {
                builder = builder.with_config(*key, value);
            }
        }
        builder
    };
    Ok(match credentials {
        S3Credentials::Automatic => apply(builder, &resolve(credentials, env)?, env)?,
        S3Credentials::Keys { access_key_id, secret_access_key, session_token } => {
            let builder = builder.with_access_key_id(access_key_id).with_secret_access_key(secret_access_key);
            match session_token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
        S3Credentials::Profile(name) => builder.with_credentials(Arc::new(ProfileCredentials::new(name))),
        S3Credentials::WebIdentity => {
            for variable in ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"] {
                if env(variable).is_none() {
                    return Err(refused(format!("{variable} is not set in the environment")));
                }
            }
            from_env(
                builder,
                &[
                    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
                    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
                    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
                    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
                ],
            )
        }
        S3Credentials::Machine => from_env(
            builder,
            &[
                ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
            ],
        ),
    })
}

fn refused(reason: String) -> ProviderError {
    ProviderError::Refused { store: STORE, what: "find credentials".to_owned(), reason }
}
