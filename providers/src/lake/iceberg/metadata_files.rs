//! The small files of Iceberg tables (metadata, manifest lists, manifests), read and written by their addresses.
//!
//! Iceberg names files by full addresses, `file:///data/trades_7/…` or `s3://bucket/…`, and its readers take them as they
//! stand: percent signs are part of names and nothing is decoded.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use iceberg::io::{FileIO, FileWrite};
use iceberg::spec::{ManifestFile, ManifestWriter, TableMetadata};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use parking_lot::Mutex;

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::objects::Objects;
use crate::lake::parquet_files::errors;

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Files under one root, by their addresses.
#[derive(Debug, Clone)]
pub(crate) struct MetadataFiles {
    objects: Objects,
    /// The address of the root; ends in `/`.
    base: String,
}

impl MetadataFiles {
    /// The files under the root of `objects`.
    pub(crate) fn new(objects: Objects) -> Self {
        let (scheme, host) = (objects.url.scheme(), objects.url.host_str().unwrap_or_default());
        let root = objects.root.as_ref();
        let base = if root.is_empty() { format!("{scheme}://{host}/") } else { format!("{scheme}://{host}/{root}/") };
        MetadataFiles { objects, base }
    }

    /// The address of a location relative to the root.
    pub(crate) fn address(&self, location: &str) -> String {
        format!("{}{location}", self.base)
    }

    /// The location relative to the root of an address; `None` for one that lies elsewhere.
    pub(crate) fn location<'a>(&self, address: &'a str) -> Option<&'a str> {
        if let Some(location) = address.strip_prefix(self.base.as_str()) {
            return Some(location);
        }
        // Others write local files as `file:/data` or `/data`.
        let folder = self.base.strip_prefix("file://")?;
        address.strip_prefix("file:").unwrap_or(address).strip_prefix(folder)
    }

    fn path(&self, address: &str) -> Result<Path> {
        let location = self.location(address).ok_or_else(|| ProviderError::Unsupported {
            store: STORE,
            what: format!("use {address}: it does not lie under {}", self.base),
        })?;
        self.objects.path(location)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`ProviderError::Missing`] for a file that is not there.
    pub(crate) async fn read(&self, address: &str) -> Result<Bytes> {
        let failed = |e: object_store::Error| match e {
            object_store::Error::NotFound { .. } => ProviderError::Missing { store: STORE, what: address.to_owned() },
            other => ProviderError::store(STORE, format!("read {address}"), other),
        };
        self.objects.store.get(&self.path(address)?).await.map_err(failed)?.bytes().await.map_err(failed)
    }

    /// Writes a file; it is durable when this returns.
    pub(crate) async fn write(&self, address: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(address)?;
        let written = self.objects.store.put(&path, PutPayload::from(bytes)).await;
        written.map(|_| ()).map_err(|e| errors::writing(path.as_ref(), e))
    }

    /// Deletes files that nothing names any more. They do no harm where they are, so a failure is only told.
    pub(crate) async fn discard(&self, addresses: impl IntoIterator<Item = String>) {
        let paths: Result<Vec<Path>> = addresses.into_iter().map(|address| self.path(&address)).collect();
        let outcome = match paths {
            Ok(paths) if paths.is_empty() => return,
            Ok(paths) => self.objects.delete(paths).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "Iceberg metadata files that are out of use could not be deleted");
        }
    }

    /// Files under a folder (a location relative to the root), by address, with the time of their last change.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<(String, DateTime<Utc>)>> {
        let prefix = self.objects.root.as_ref();
        let address = |path: &Path| {
            let location = path.as_ref().strip_prefix(prefix).unwrap_or(path.as_ref());
            self.address(location.trim_start_matches('/'))
        };
        let objects = self.objects.list(Some(folder)).await?;
        Ok(objects.iter().map(|object| (address(&object.location), object.last_modified)).collect())
    }

    /// Reads a table's metadata.
    pub(crate) async fn read_metadata(&self, address: &str) -> Result<TableMetadata> {
        let bytes = self.read(address).await?;
        let damaged = |reason: String| ProviderError::Corrupt { store: STORE, what: address.to_owned(), reason };
        if bytes.starts_with(&GZIP) {
            // The library unpacks only what it reads itself.
            let memory = FileIO::new_with_memory();
            let unpacked = async {
                memory.new_output(address)?.write(bytes).await?;
                TableMetadata::read_from(&memory, address).await
            };
            return unpacked.await.map_err(|e| damaged(e.to_string()));
        }
        serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))
    }

    /// Writes a table's metadata.
    pub(crate) async fn write_metadata(&self, address: &str, metadata: &TableMetadata) -> Result<()> {
        let json = serde_json::to_vec(metadata)
            .map_err(|e| ProviderError::store(STORE, format!("encode the metadata for {address}"), e))?;
        self.write(address, json.into()).await
    }
}

/// The bytes of a manifest: the library writes manifests into a file system only, so it is given one in memory.
///
/// `fill` gets the file to write to, of this address, and makes the writer.
pub(crate) async fn encode_manifest(
    address: &str,
    fill: impl FnOnce(iceberg::io::OutputFile) -> iceberg::Result<ManifestWriter>,
) -> iceberg::Result<(ManifestFile, Bytes)> {
    let memory = FileIO::new_with_memory();
    let manifest = fill(memory.new_output(address)?)?.write_manifest_file().await?;
    let bytes = memory.new_input(address)?.read().await?;
    Ok((manifest, bytes))
}

/// Gathers what the library writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Gathered {
    /// What has been written.
    pub(crate) fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock()).into()
    }
}

#[async_trait::async_trait]
impl FileWrite for Gathered {
    async fn write(&mut self, bytes: Bytes) -> iceberg::Result<()> {
        self.0.lock().extend_from_slice(&bytes);
        Ok(())
    }

    async fn close(&mut self) -> iceberg::Result<()> {
        Ok(())
    }
}
