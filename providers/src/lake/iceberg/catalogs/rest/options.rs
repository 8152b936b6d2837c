//! What a REST catalog is opened with.

use std::fmt;

use zxq_catalog::iceberg_pointers::NAMESPACE;

/// How zxq shows the server who it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum RestAuth {
    /// Not at all.
    #[default]
    None,
    /// By a token that somebody else has got.
    Token(String),
    /// By OAuth2 client credentials, for a token that is fetched and renewed.
    ClientCredentials {
        /// Who.
        client_id: String,
        /// What proves that the client is who it says; never shown.
        client_secret: String,
        /// Where tokens come from; `None` for the catalog server itself.
        token_uri: Option<String>,
        /// What the token is for; most servers want `catalog`.
        scope: String,
    },
}

impl fmt::Debug for RestAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestAuth::None => "None",
            RestAuth::Token(_) => "Token(…)",
            RestAuth::ClientCredentials { .. } => "ClientCredentials(…)",
        })
    }
}

/// What a REST catalog is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestOptions {
    /// The server's address, without `/v1`.
    pub uri: String,
    /// The warehouse to ask the server for, where it has several.
    pub warehouse: Option<String>,
    /// The namespace for all tables: one for each data directory that shares the catalog.
    pub namespace: String,
    /// Who we are.
    pub auth: RestAuth,
}

impl RestOptions {
    /// The defaults, for a server.
    pub fn at(uri: impl Into<String>) -> Self {
        RestOptions { uri: uri.into(), warehouse: None, namespace: NAMESPACE.to_owned(), auth: RestAuth::None }
    }
}
