//! The section `cold.iceberg`: who names Iceberg tables, and how much of their past is kept.

use serde::Deserialize;
use zxq_engine::{IcebergConfig, RestAuth, RestOptions};

/// What the section may say. It is not shown anywhere, since it may hold a secret.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIceberg {
    catalog: Option<String>,
    uri: Option<String>,
    warehouse: Option<String>,
    namespace: Option<String>,
    token: Option<String>,
    credential: Option<String>,
    oauth2_uri: Option<String>,
    scope: Option<String>,
    snapshots_kept: Option<usize>,
}

impl std::fmt::Debug for RawIceberg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawIceberg").field("catalog", &self.catalog).finish_non_exhaustive()
    }
}

/// The key that is wrong, and how.
type Wrong = (&'static str, String);

impl RawIceberg {
    /// The engine's settings.
    pub(super) fn config(&self) -> Result<IcebergConfig, Wrong> {
        let mut config = IcebergConfig::default();
        if self.snapshots_kept == Some(0) {
            return Err(("cold.iceberg.snapshots_kept", "must be at least 1: the current one".to_owned()));
        }
        config.snapshots_kept = self.snapshots_kept.unwrap_or(config.snapshots_kept);
        config.rest = match (self.catalog.as_deref(), &self.uri) {
            (None | Some("sql"), None) => self.nothing_of_rest().map(|()| None)?,
            (None | Some("rest"), Some(uri)) => Some(self.rest(uri)?),
            (Some("sql"), Some(_)) => {
                return Err(("cold.iceberg.uri", "is for catalog rest, and the file says catalog sql".to_owned()));
            }
            (Some("rest"), None) => {
                return Err(("cold.iceberg.uri", "is missing: catalog rest needs https://host:port".to_owned()));
            }
            (Some(other), _) => {
                return Err((
                    "cold.iceberg.catalog",
                    format!("unknown catalog {other:?}: this version has sql and rest"),
                ));
            }
        };
        Ok(config)
    }

    fn nothing_of_rest(&self) -> Result<(), Wrong> {
        let given = [
            ("cold.iceberg.warehouse", &self.warehouse),
            ("cold.iceberg.namespace", &self.namespace),
            ("cold.iceberg.token", &self.token),
            ("cold.iceberg.credential", &self.credential),
            ("cold.iceberg.oauth2_uri", &self.oauth2_uri),
            ("cold.iceberg.scope", &self.scope),
        ];
        match given.into_iter().find(|(_, value)| value.is_some()) {
            Some((key, _)) => Err((key, "has an effect only with cold.iceberg.uri".to_owned())),
            None => Ok(()),
        }
    }

    fn rest(&self, uri: &str) -> Result<RestOptions, Wrong> {
        if !uri.starts_with("http://") && !uri.starts_with("https://") {
            return Err(("cold.iceberg.uri", format!("{uri:?} is no address: write https://host:port")));
        }
        let mut rest = RestOptions::at(uri);
        rest.warehouse.clone_from(&self.warehouse);
        rest.namespace = self.namespace.clone().unwrap_or(rest.namespace);
        rest.auth = match (&self.token, &self.credential) {
            (None, None) => RestAuth::None,
            (Some(token), None) => RestAuth::Token(token.clone()),
            (None, Some(credential)) => {
                let Some((id, secret)) = credential.split_once(':') else {
                    return Err(("cold.iceberg.credential", "must be CLIENT_ID:CLIENT_SECRET".to_owned()));
                };
                RestAuth::ClientCredentials {
                    client_id: id.to_owned(),
                    client_secret: secret.to_owned(),
                    token_uri: self.oauth2_uri.clone(),
                    scope: self.scope.clone().unwrap_or_else(|| "catalog".to_owned()),
                }
            }
            (Some(_), Some(_)) => {
                return Err(("cold.iceberg.token", "and cold.iceberg.credential exclude each other".to_owned()));
            }
        };
        if self.credential.is_none() {
            for (key, value) in [("cold.iceberg.oauth2_uri", &self.oauth2_uri), ("cold.iceberg.scope", &self.scope)] {
                if value.is_some() {
                    return Err((key, "has an effect only with cold.iceberg.credential".to_owned()));
                }
            }
        }
        Ok(rest)
    }
}
