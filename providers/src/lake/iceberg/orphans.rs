//! Litter of crashed commits: metadata files, manifest lists and manifests that nothing names.
//!
//! Data files are not looked for here: those of a crashed job are swept under the job's name, and those that were replaced
//! are dropped when the catalog knows that nobody reads them.

use std::time::Duration;

use crate::error::Result;
use crate::lake::iceberg::catalogs::CatalogTable;
use crate::lake::iceberg::retention::named_files;
use crate::lake::iceberg::snapshot_files::SnapshotReader;

/// Deletes files in the table's `metadata` folder that it does not name and that are older than `age`; a younger one may
/// belong to a commit that somebody is making now.
///
/// # Errors
/// When the folder cannot be listed or a manifest list not be read.
pub(crate) async fn remove(reader: &SnapshotReader, name: &str, table: &CatalogTable, age: Duration) -> Result<()> {
    let mut named = named_files(reader, &table.metadata).await?;
    named.insert(table.metadata_location.clone());
    named.extend(table.metadata.metadata_log().iter().map(|log| log.metadata_file.clone()));
    named.extend(table.metadata.statistics_iter().map(|statistics| statistics.statistics_path.clone()));
    named.extend(table.metadata.partition_statistics_iter().map(|statistics| statistics.statistics_path.clone()));
    let oldest = chrono::Utc::now() - age;
    let is_litter = |(address, modified): &(String, chrono::DateTime<chrono::Utc>)| {
        let is_metadata = address.ends_with(".avro") || address.ends_with(".metadata.json");
        is_metadata && *modified < oldest && !named.contains(address)
    };
    let found = reader.files().list(&format!("{name}/metadata")).await?;
    let litter: Vec<String> = found.into_iter().filter(is_litter).map(|(address, _)| address).collect();
    if !litter.is_empty() {
        tracing::info!(
            table = name,
            files = litter.len(),
            "deleting Iceberg metadata files of commits that never were"
        );
    }
    reader.files().discard(litter).await;
    Ok(())
}
