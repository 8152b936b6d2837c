//! The catalog in zxq's own catalog database: metadata files are written here, the database says which is current.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use iceberg::spec::{TableMetadata, TableMetadataBuilder};
use iceberg::{TableCreation, TableRequirement, TableUpdate};
use uuid::Uuid;
use zxq_catalog::{CatalogError, MetadataPointers};

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::iceberg::catalogs::{CatalogTable, Outcome, TableCatalog};
use crate::lake::iceberg::errors::failed;
use crate::lake::iceberg::metadata_files::MetadataFiles;

/// Iceberg tables named by a database.
#[derive(Debug)]
pub(crate) struct SqlCatalog {
    pointers: Arc<dyn MetadataPointers>,
    files: MetadataFiles,
}

impl SqlCatalog {
    /// The tables that `pointers` name; their metadata is among `files`.
    pub(crate) fn new(pointers: Arc<dyn MetadataPointers>, files: MetadataFiles) -> Self {
        SqlCatalog { pointers, files }
    }

    /// Metadata files that the new metadata does not remember any more.
    async fn forget_old(&self, before: &TableMetadata, after: &TableMetadata) {
        let kept: HashSet<&str> = after.metadata_log().iter().map(|log| log.metadata_file.as_str()).collect();
        let log = before.metadata_log().iter().map(|log| &log.metadata_file);
        self.files.discard(log.filter(|file| !kept.contains(file.as_str())).cloned()).await;
    }
}

fn in_database(name: &str, error: CatalogError) -> ProviderError {
    ProviderError::store(STORE, format!("use the catalog entry of table {name}"), error)
}

/// The address of the metadata file that follows `previous`.
fn next_address(table: &TableMetadata, previous: Option<&str>) -> String {
    let number = previous.map_or(0, |address| {
        let name = address.rsplit('/').next().unwrap_or_default();
        let digits: String = name.trim_start_matches('v').chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().map_or(0, |number| number.saturating_add(1))
    });
    format!("{}/metadata/{number:05}-{}.metadata.json", table.location().trim_end_matches('/'), Uuid::new_v4())
}

/// The metadata after the updates.
pub(crate) fn apply(base: &CatalogTable, updates: &[TableUpdate]) -> iceberg::Result<TableMetadata> {
    let mut builder = base.metadata.as_ref().clone().into_builder(Some(base.metadata_location.clone()));
    for update in updates {
        builder = update.clone().apply(builder)?;
    }
    Ok(builder.build()?.metadata)
}

#[async_trait]
impl TableCatalog for SqlCatalog {
    async fn load(&self, name: &str, known: Option<&CatalogTable>) -> Result<Option<CatalogTable>> {
        let Some(address) = self.pointers.metadata_location(name).await.map_err(|e| in_database(name, e))? else {
            return Ok(None);
        };
        if let Some(known) = known.filter(|known| known.metadata_location == address) {
            return Ok(Some(known.clone()));
        }
        let metadata = Arc::new(self.files.read_metadata(&address).await?);
        Ok(Some(CatalogTable { metadata_location: address, metadata }))
    }

    async fn create(&self, name: &str, creation: TableCreation) -> Result<Outcome> {
        let built = TableMetadataBuilder::from_table_creation(creation).and_then(TableMetadataBuilder::build);
        let metadata = Arc::new(built.map_err(|e| failed(name, "make the metadata", e))?.metadata);
        let address = next_address(&metadata, None);
        self.files.write_metadata(&address, &metadata).await?;
        if self.pointers.create_pointer(name, &address).await.map_err(|e| in_database(name, e))? {
            return Ok(Outcome::Done(CatalogTable { metadata_location: address, metadata }));
        }
        self.files.discard([address]).await;
        Ok(Outcome::LostRace)
    }

    async fn commit(
        &self,
        name: &str,
        base: &CatalogTable,
        requirements: &[TableRequirement],
        updates: &[TableUpdate],
    ) -> Result<Outcome> {
        if requirements.iter().any(|requirement| requirement.check(Some(&base.metadata)).is_err()) {
            return Ok(Outcome::LostRace);
        }
        let metadata = Arc::new(apply(base, updates).map_err(|e| failed(name, "change the metadata", e))?);
        let address = next_address(&metadata, Some(&base.metadata_location));
        self.files.write_metadata(&address, &metadata).await?;
        // Where the database fails, the file stays: nobody knows whether it is the current one.
        let swapped = self.pointers.swap_pointer(name, &base.metadata_location, &address).await;
        if !swapped.map_err(|e| in_database(name, e))? {
            self.files.discard([address]).await;
            return Ok(Outcome::LostRace);
        }
        self.forget_old(&base.metadata, &metadata).await;
        Ok(Outcome::Done(CatalogTable { metadata_location: address, metadata }))
    }

    async fn drop_table(&self, name: &str) -> Result<()> {
        self.pointers.drop_pointer(name).await.map_err(|e| in_database(name, e))
    }
}
