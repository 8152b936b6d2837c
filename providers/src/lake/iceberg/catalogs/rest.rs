//! A catalog server that speaks Iceberg's REST protocol: it validates commits, writes the metadata files and names them.

use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::TableMetadata;
use iceberg::{TableCreation, TableRequirement, TableUpdate};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::iceberg::catalogs::rest::client::{Answer, Client};
use crate::lake::iceberg::catalogs::{CatalogTable, Outcome, TableCatalog};

mod client;
mod options;

pub use options::{RestAuth, RestOptions};

/// Iceberg tables named by a server.
#[derive(Debug)]
pub(crate) struct RestCatalog {
    client: Client,
    namespace: String,
    warehouse: Option<String>,
    /// The path that the server wants before every other, asked once.
    prefix: OnceCell<String>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    defaults: Json,
    #[serde(default)]
    overrides: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TableAnswer {
    metadata_location: Option<String>,
    metadata: TableMetadata,
}

impl RestCatalog {
    /// A catalog at a server, which is not asked yet.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] for an address that is none.
    pub(crate) fn new(options: RestOptions) -> Result<Self> {
        let (namespace, warehouse) = (options.namespace.clone(), options.warehouse.clone());
        Ok(RestCatalog { client: Client::new(options)?, namespace, warehouse, prefix: OnceCell::new() })
    }

    /// `v1`, with the prefix that the server's configuration asks for.
    async fn prefix(&self) -> Result<&str> {
        let asked = self.prefix.get_or_try_init(|| async {
            let query: Vec<(&str, &str)> = self.warehouse.as_deref().map(|w| ("warehouse", w)).into_iter().collect();
            let doing = "ask for the configuration";
            let answer = self.client.send(Method::GET, &["v1", "config"], &query, None, doing).await?;
            let config: Config = answer.expect_success(doing)?.decode(doing)?;
            let named = |from: &Json| from.get("prefix").and_then(Json::as_str).map(str::to_owned);
            Ok::<_, ProviderError>(named(&config.overrides).or_else(|| named(&config.defaults)).unwrap_or_default())
        });
        asked.await.map(String::as_str)
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Json>,
        doing: &str,
    ) -> Result<Answer> {
        let prefix = self.prefix().await?;
        let mut full = vec!["v1"];
        full.extend(prefix.split('/').filter(|part| !part.is_empty()));
        full.push("namespaces");
        full.extend_from_slice(path);
        self.client.send(method, &full, query, body, doing).await
    }

    fn table(&self, answer: &Answer, doing: &str) -> Result<CatalogTable> {
        let table: TableAnswer = answer.decode(doing)?;
        let metadata_location = table.metadata_location.ok_or_else(|| ProviderError::Unsupported {
            store: STORE,
            what: format!("{doing}: the server's answer names no metadata file"),
        })?;
        Ok(CatalogTable { metadata_location, metadata: Arc::new(table.metadata) })
    }

    async fn create_namespace(&self) -> Result<()> {
        let doing = "create the namespace";
        let body = json!({ "namespace": [self.namespace], "properties": {} });
        let answer = self.send(Method::POST, &[], &[], Some(&body), doing).await?;
        if answer.status == StatusCode::CONFLICT { Ok(()) } else { answer.expect_success(doing).map(|_| ()) }
    }

    /// What an answer to a change means.
    fn outcome(&self, answer: Result<Answer>, doing: &str) -> Result<Outcome> {
        let answer = match answer {
            Ok(answer) => answer,
            // Asked and not answered: it may have been done.
            Err(error @ ProviderError::Unreachable { .. }) => return Ok(Outcome::Unknown(error)),
            Err(error) => return Err(error),
        };
        if answer.status == StatusCode::CONFLICT {
            return Ok(Outcome::LostRace);
        }
        if answer.status.is_server_error() {
            return Ok(Outcome::Unknown(answer.error(doing)));
        }
        // A change that succeeded and whose answer cannot be read is known by looking.
        match self.table(answer.expect_success(doing)?, doing) {
            Ok(table) => Ok(Outcome::Done(table)),
            Err(error) => Ok(Outcome::Unknown(error)),
        }
    }
}

#[async_trait]
impl TableCatalog for RestCatalog {
    async fn load(&self, name: &str, known: Option<&CatalogTable>) -> Result<Option<CatalogTable>> {
        let doing = format!("load table {name}");
        let path = [self.namespace.as_str(), "tables", name];
        let answer = self.send(Method::GET, &path, &[], None, &doing).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let table = self.table(answer.expect_success(&doing)?, &doing)?;
        // Keeps one copy of the metadata where nothing has changed.
        Ok(Some(match known {
            Some(known) if known.metadata_location == table.metadata_location => known.clone(),
            _ => table,
        }))
    }

    async fn create(&self, name: &str, creation: TableCreation) -> Result<Outcome> {
        let doing = format!("create table {name}");
        let body = json!({
            "name": name,
            "location": creation.location,
            "schema": creation.schema,
            "partition-spec": creation.partition_spec,
            "write-order": creation.sort_order,
            "stage-create": false,
            "properties": creation.properties,
        });
        let path = [self.namespace.as_str(), "tables"];
        let mut answer = self.send(Method::POST, &path, &[], Some(&body), &doing).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::NOT_FOUND) {
            self.create_namespace().await?;
            answer = self.send(Method::POST, &path, &[], Some(&body), &doing).await;
        }
        self.outcome(answer, &doing)
    }

    async fn commit(
        &self,
        name: &str,
        _base: &CatalogTable,
        requirements: &[TableRequirement],
        updates: &[TableUpdate],
    ) -> Result<Outcome> {
        let doing = format!("commit to table {name}");
        let body = json!({
            "identifier": { "namespace": [self.namespace], "name": name },
            "requirements": requirements,
            "updates": updates,
        });
        let path = [self.namespace.as_str(), "tables", name];
        let answer = self.send(Method::POST, &path, &[], Some(&body), &doing).await;
        self.outcome(answer, &doing)
    }

    async fn drop_table(&self, name: &str) -> Result<()> {
        let doing = format!("drop table {name}");
        let path = [self.namespace.as_str(), "tables", name];
        let answer = self.send(Method::DELETE, &path, &[("purgeRequested", "false")], None, &doing).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.expect_success(&doing).map(|_| ()) }
    }
}
