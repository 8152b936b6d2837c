//! HTTP to a REST catalog: addresses, tokens, and what went wrong.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::sync::Mutex;
use url::Url;

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::iceberg::catalogs::rest::options::{RestAuth, RestOptions};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Tokens are renewed this long before they end.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// How long a token lasts whose server does not say.
const USUAL_TOKEN_TIME: Duration = Duration::from_secs(3_600);

/// A server and what it needs to know of us.
pub(super) struct Client {
    http: reqwest::Client,
    uri: Url,
    auth: RestAuth,
    /// A fetched token, and when it must be renewed.
    token: Mutex<Option<(String, Instant)>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("uri", &self.uri.as_str()).field("auth", &self.auth).finish_non_exhaustive()
    }
}

/// An answer of the server.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<u64>,
}

impl Answer {
    /// What the answer says, for one that says that something went wrong.
    pub(super) fn error(&self, doing: &str) -> ProviderError {
        let json: Json = serde_json::from_str(&self.body).unwrap_or_default();
        let said = json.pointer("/error/message").and_then(Json::as_str).or_else(|| json.get("error")?.as_str());
        let reason = format!("the REST catalog answered {}: {}", self.status, said.unwrap_or("it gave no reason"));
        let what = doing.to_owned();
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ProviderError::Refused { store: STORE, what, reason },
            StatusCode::TOO_MANY_REQUESTS => ProviderError::Busy { store: STORE, what, reason },
            status if status.is_server_error() => ProviderError::Unreachable { store: STORE, what, reason },
            _ => ProviderError::store(STORE, what, reason),
        }
    }

    /// The answer, if it says that the request was carried out.
    pub(super) fn expect_success(&self, doing: &str) -> Result<&Answer> {
        if self.status.is_success() { Ok(self) } else { Err(self.error(doing)) }
    }

    /// The body of the answer, as JSON of this type.
    pub(super) fn decode<T: DeserializeOwned>(&self, doing: &str) -> Result<T> {
        serde_json::from_str(&self.body)
            .map_err(|e| ProviderError::store(STORE, format!("{doing}: read the REST catalog's answer"), e))
    }
}

/// A failure to send or to receive. Where nothing was sent, it is not the kind that leaves a commit in doubt.
fn transport(doing: &str, error: reqwest::Error) -> ProviderError {
    let nothing_sent = error.is_connect() || error.is_builder();
    let error = error.without_url();
    if nothing_sent {
        return ProviderError::store(STORE, format!("{doing}: reach the REST catalog"), error);
    }
    ProviderError::Unreachable {
        store: STORE,
        what: doing.to_owned(),
        reason: format!("the REST catalog did not answer: {error}"),
    }
}

impl Client {
    pub(super) fn new(options: RestOptions) -> Result<Self> {
        let uri = Url::parse(&options.uri).ok().filter(|uri| !uri.cannot_be_a_base());
        let uri = uri.filter(|uri| matches!(uri.scheme(), "http" | "https")).ok_or(ProviderError::Unsupported {
            store: STORE,
            what: "use the REST catalog's address: it must be http://host:port or https://host".to_owned(),
        })?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .user_agent(concat!("zxq/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| ProviderError::store(STORE, "make an HTTP client", e))?;
        Ok(Client { http, uri, auth: options.auth, token: Mutex::default() })
    }

    /// The address of a path; each part is encoded.
    fn address(&self, path: &[&str]) -> Url {
        let mut address = self.uri.clone();
        if let Ok(mut parts) = address.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        address
    }

    /// Sends a request; a token that the server does not take is renewed once.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Json>,
        doing: &str,
    ) -> Result<Answer> {
        let mut address = self.address(path);
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        let token = self.bearer(None).await?;
        let answer = self.send_once(method.clone(), &address, body, token.as_deref(), doing).await?;
        let can_renew = matches!(self.auth, RestAuth::ClientCredentials { .. });
        if answer.status != StatusCode::UNAUTHORIZED || !can_renew {
            return Ok(answer);
        }
        let token = self.bearer(token.as_deref()).await?;
        self.send_once(method, &address, body, token.as_deref(), doing).await
    }

    async fn send_once(
        &self,
        method: Method,
        address: &Url,
        body: Option<&Json>,
        token: Option<&str>,
        doing: &str,
    ) -> Result<Answer> {
        let mut request = self.http.request(method, address.clone());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        receive(request, doing).await
    }

    /// The token to send; a fetched one that is `refused` or about to end is fetched again.
    async fn bearer(&self, refused: Option<&str>) -> Result<Option<String>> {
        let (client_id, client_secret, token_uri, scope) = match &self.auth {
            RestAuth::None => return Ok(None),
            RestAuth::Token(token) => return Ok(Some(token.clone())),
            RestAuth::ClientCredentials { client_id, client_secret, token_uri, scope } => {
                (client_id, client_secret, token_uri, scope)
            }
        };
        let mut kept = self.token.lock().await;
        if let Some((token, renew_at)) = kept.as_ref()
            && Instant::now() < *renew_at
            && refused != Some(token)
        {
            return Ok(Some(token.clone()));
        }
        let doing = "get a token";
        let address = match token_uri {
            Some(uri) => Url::parse(uri).map_err(|e| ProviderError::store(STORE, doing, e))?,
            None => self.address(&["v1", "oauth", "tokens"]),
        };
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", client_secret),
            ("scope", scope),
        ];
        let answer = receive(self.http.post(address).form(&form), doing).await?;
        let token: Token = answer.expect_success(doing)?.decode(doing)?;
        let lasts = token.expires_in.map_or(USUAL_TOKEN_TIME, Duration::from_secs);
        // A token that ends at once is still good for one request.
        *kept = Some((token.access_token.clone(), Instant::now() + lasts.saturating_sub(RENEW_BEFORE)));
        Ok(Some(token.access_token))
    }
}

async fn receive(request: reqwest::RequestBuilder, doing: &str) -> Result<Answer> {
    let response = request.send().await.map_err(|e| transport(doing, e))?;
    let status = response.status();
    let body = response.text().await.map_err(|e| transport(doing, e))?;
    Ok(Answer { status, body })
}
