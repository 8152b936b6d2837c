//! Delta Lake tables: the files that the log lists, with the partition values it gives.

use std::path::Path as FsPath;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::Session;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use deltalake_core::kernel::Remove;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake_core::logstore::{StorageConfig, default_logstore};
use deltalake_core::{DeltaTable, DeltaTableConfig, DeltaTableError};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore};
use url::Url;

use super::columns::FileColumns;
use super::file_scan::{self, FileScan, InFolders, folder_values};
use super::files::Files;
use super::{ExternalFormat, ExternalScan, ExternalTable, address, failed, missing, refused, store_of};
use crate::error::Result;

const FORMAT: ExternalFormat = ExternalFormat::Delta;

/// Reader features that change nothing for whoever takes the log's word for which files there are. Deletion vectors are
/// looked for file by file: a table may allow them and have none.
const HARMLESS: [&str; 4] = ["deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"];

/// One version of a table.
#[derive(Debug)]
pub(super) struct DeltaFiles {
    location: String,
    store: ObjectStoreUrl,
    backend: Arc<dyn ObjectStore>,
    /// The table's folder, as the store names it.
    folder: Path,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    /// Each as the log would remove it: that is how the library hands out a file's path, size and partition values.
    files: Vec<Remove>,
}

impl DeltaFiles {
    pub(super) async fn open(state: &dyn Session, location: &str, within: Option<&FsPath>) -> Result<Self> {
        let place = address(FORMAT, location)?;
        let mut url = Url::parse(place.as_str()).map_err(|e| failed(FORMAT, "understand", location, e))?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let store = place.object_store();
        let backend = store_of(state, FORMAT, location, &place, within)?;
        let reading = |e: DeltaTableError| failed(FORMAT, "read the log of", location, e);
        let folder = Path::from_url_path(url.path()).map_err(|e| failed(FORMAT, "understand", location, e))?;
        // The log store is put together from the session's client, whatever the library would make of the scheme.
        let files = PrefixStore::new(Arc::clone(&backend), folder.clone());
        let log = default_logstore(Arc::new(files), Arc::clone(&backend), &url, &StorageConfig::default());
        let mut table = DeltaTable::new(log, DeltaTableConfig::default());
        if !table.verify_deltatable_existence().await.map_err(reading)? {
            return Err(missing(FORMAT, location));
        }
        table.load().await.map_err(reading)?;
        let snapshot = table.snapshot().map_err(reading)?;
        let features = snapshot.protocol().reader_features().unwrap_or_default();
        let names = features.iter().map(ToString::to_string);
        if let Some(feature) = names.into_iter().find(|feature| !HARMLESS.contains(&feature.as_str())) {
            return Err(refused(FORMAT, location, &format!("it uses the feature {feature}, which is not known here")));
        }
        let metadata = snapshot.metadata();
        let mapping = metadata.configuration().get("delta.columnMapping.mode").map(String::as_str);
        if mapping.is_some_and(|mode| mode != "none") {
            return Err(refused(FORMAT, location, "its columns are mapped to other names in its files"));
        }
        let files: Vec<Remove> = snapshot.log_data().iter().map(|file| file.remove_action(false)).collect();
        if let Some(file) = files.iter().find(|file| file.deletion_vector.is_some()) {
            let what = format!(
                "file {} has a deletion vector; rewrite such files first (REORG TABLE … APPLY (PURGE), or OPTIMIZE)",
                file.path
            );
            return Err(refused(FORMAT, location, &what));
        }
        let schema: Schema = snapshot
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|e: arrow::error::ArrowError| failed(FORMAT, "understand the schema of", location, e))?;
        Ok(DeltaFiles {
            location: location.to_owned(),
            store,
            backend,
            folder,
            schema: Arc::new(schema),
            partition_columns: metadata.partition_columns().to_vec(),
            files,
        })
    }

    /// A file of the log as the scan wants it.
    fn file(&self, listed: &Remove, scan: &ExternalScan<'_>) -> Result<InFolders> {
        let reading = |what: String| refused(FORMAT, &self.location, &what);
        let unclear = |why: String| reading(format!("the log names the file {}: {why}", listed.path));
        // The log names files relative to the table's folder, or by whole URLs; the library has decoded the names.
        let is_whole = listed.path.contains("://") || listed.path.starts_with("file:/");
        let path = if is_whole {
            let url = Url::parse(&listed.path).map_err(|e| unclear(e.to_string()))?;
            if !listed.path.starts_with("file:/") && !listed.path.starts_with(self.store.as_str()) {
                return Err(unclear(format!("it lies in another place than {}", self.store)));
            }
            Path::from_url_path(url.path())
        } else {
            Path::parse(format!("{}/{}", self.folder, listed.path))
        };
        let location = path.map_err(|e| unclear(e.to_string()))?;
        let size = listed.size.and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| reading(format!("the log gives no size of file {}", listed.path)))?;
        let last_modified = DateTime::UNIX_EPOCH;
        let meta = ObjectMeta { location, last_modified, size, e_tag: None, version: None };
        let texts = self.partition_columns.iter().map(|name| {
            let text = listed.partition_values.as_ref().and_then(|values| values.get(name).cloned().flatten());
            // An empty text stands for NULL in Delta's partition values.
            text.filter(|text| !text.is_empty())
        });
        let values = folder_values(&self.partition_columns, texts.collect(), &scan.schema)?;
        Ok(InFolders { meta, values, rows: None })
    }
}

#[async_trait]
impl ExternalTable for DeltaFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = self.files.iter().map(|listed| self.file(listed, &scan)).collect::<Result<Vec<InFolders>>>()?;
        let of = FileScan {
            store: self.store.clone(),
            files: Files::listed(self.store.as_str(), Arc::clone(&self.backend), false),
            columns: FileColumns::default(),
            folder_columns: self.partition_columns.clone(),
            parts,
        };
        file_scan::plan(&scan, of)
    }
}
