//! Which files a snapshot of an Iceberg table consists of: manifest list, manifests, their entries.
//!
//! Works for any table, written by zxq or not: entries carry partition values, counts, bounds and sequence numbers.

use std::sync::Arc;

use iceberg::spec::{
    Manifest, ManifestContentType, ManifestEntryRef, ManifestFile, ManifestList, ManifestStatus, Snapshot,
    TableMetadata,
};
use moka::sync::Cache;

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::iceberg::metadata_files::MetadataFiles;

/// Bytes of manifests kept, as they are in memory.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that an entry of a manifest, or of a manifest list, takes in memory, about.
const ENTRY_BYTES: usize = 1024;

/// Reads manifest lists and manifests. They never change, so what was read is kept.
#[derive(Debug)]
pub(crate) struct SnapshotReader {
    files: MetadataFiles,
    lists: Cache<String, Arc<Vec<ManifestFile>>>,
    manifests: Cache<String, Arc<Vec<ManifestEntryRef>>>,
}

impl SnapshotReader {
    /// Reads the files of tables under one root.
    pub(crate) fn new(files: MetadataFiles) -> Self {
        fn weight<T>(_: &String, entries: &Arc<Vec<T>>) -> u32 {
            u32::try_from(entries.len().saturating_add(1).saturating_mul(ENTRY_BYTES)).unwrap_or(u32::MAX)
        }
        SnapshotReader {
            files,
            lists: Cache::builder().max_capacity(CACHE_BYTES / 4).weigher(weight::<ManifestFile>).build(),
            manifests: Cache::builder().max_capacity(CACHE_BYTES).weigher(weight::<ManifestEntryRef>).build(),
        }
    }

    /// Where the files are.
    pub(crate) fn files(&self) -> &MetadataFiles {
        &self.files
    }

    /// The manifests of a snapshot.
    pub(crate) async fn manifests(&self, table: &TableMetadata, snapshot: &Snapshot) -> Result<Arc<Vec<ManifestFile>>> {
        let address = snapshot.manifest_list();
        if let Some(known) = self.lists.get(address) {
            return Ok(known);
        }
        let bytes = self.files.read(address).await?;
        let list = ManifestList::parse_with_version(&bytes, table.format_version()).map_err(|e| damaged(address, e))?;
        let manifests = Arc::new(list.consume_entries().into_iter().collect::<Vec<_>>());
        self.lists.insert(address.to_owned(), Arc::clone(&manifests));
        Ok(manifests)
    }

    /// The entries of a manifest, those of deleted files included, with what they inherit from the list.
    pub(crate) async fn entries(&self, manifest: &ManifestFile) -> Result<Arc<Vec<ManifestEntryRef>>> {
        if let Some(known) = self.manifests.get(&manifest.manifest_path) {
            return Ok(known);
        }
        let bytes = self.files.read(&manifest.manifest_path).await?;
        let entries = Arc::new(parse_manifest(manifest, &bytes)?);
        self.manifests.insert(manifest.manifest_path.clone(), Arc::clone(&entries));
        Ok(entries)
    }

    /// The live data files of a snapshot: address, partition values, counts, bounds and sequence number of each. (Which
    /// partition spec the values belong to, and whether a manifest names deletes, [`SnapshotReader::manifests`] says.)
    pub(crate) async fn live_files(&self, table: &TableMetadata, snapshot: &Snapshot) -> Result<Vec<ManifestEntryRef>> {
        let mut found = Vec::new();
        let manifests = self.manifests(table, snapshot).await?;
        for manifest in manifests.iter().filter(|m| m.content == ManifestContentType::Data) {
            found.extend(self.entries(manifest).await?.iter().filter(|entry| entry.is_alive()).cloned());
        }
        Ok(found)
    }
}

fn damaged(address: &str, error: impl ToString) -> ProviderError {
    ProviderError::Corrupt { store: STORE, what: address.to_owned(), reason: error.to_string() }
}

/// The entries in the bytes of a manifest. Entries of the snapshot that wrote it leave out what `manifest` says for all.
pub(crate) fn parse_manifest(manifest: &ManifestFile, bytes: &[u8]) -> Result<Vec<ManifestEntryRef>> {
    let (entries, _) = Manifest::parse_avro(bytes).map_err(|e| damaged(&manifest.manifest_path, e))?.into_parts();
    let resolve = |entry: ManifestEntryRef| {
        let mut entry = Arc::unwrap_or_clone(entry);
        entry.snapshot_id = entry.snapshot_id.or(Some(manifest.added_snapshot_id));
        // Tables of format version 1 have no sequence numbers: all are 0.
        if entry.status == ManifestStatus::Added || manifest.sequence_number == 0 {
            entry.sequence_number = entry.sequence_number.or(Some(manifest.sequence_number));
            entry.file_sequence_number = entry.file_sequence_number.or(Some(manifest.sequence_number));
        }
        Arc::new(entry)
    };
    Ok(entries.into_iter().map(resolve).collect())
}
