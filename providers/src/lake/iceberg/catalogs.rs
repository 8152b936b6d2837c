//! Who knows the current metadata of Iceberg tables, and lets it be replaced by one commit at a time.

use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::TableMetadata;
use iceberg::{TableCreation, TableRequirement, TableUpdate};

use crate::error::{ProviderError, Result};

pub(crate) mod rest;
pub(crate) mod sql;

/// A table as its catalog has it.
#[derive(Debug, Clone)]
pub(crate) struct CatalogTable {
    /// Address of the metadata file.
    pub(crate) metadata_location: String,
    /// What it says.
    pub(crate) metadata: Arc<TableMetadata>,
}

/// What became of a commit.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is done, and this is the table now.
    Done(CatalogTable),
    /// Somebody else was first; nothing was changed.
    LostRace,
    /// Nobody can say: look whether it is there.
    Unknown(ProviderError),
}

/// A catalog of Iceberg tables, all in one namespace.
#[async_trait]
pub(crate) trait TableCatalog: Send + Sync + std::fmt::Debug {
    /// The table as it is now; `None` where there is none. `known` is what the caller has; it saves reading it again.
    async fn load(&self, name: &str, known: Option<&CatalogTable>) -> Result<Option<CatalogTable>>;

    /// Adds a table.
    async fn create(&self, name: &str, creation: TableCreation) -> Result<Outcome>;

    /// Applies updates, if the requirements hold of the current table.
    async fn commit(
        &self,
        name: &str,
        base: &CatalogTable,
        requirements: &[TableRequirement],
        updates: &[TableUpdate],
    ) -> Result<Outcome>;

    /// Removes a table; its files stay. A table that is not there is skipped.
    async fn drop_table(&self, name: &str) -> Result<()>;
}
