//! Parquet files, found by listing.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::helpers::parse_partitions_for_path;
use datafusion::datasource::listing::{ListingOptions, ListingTableUrl};
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use object_store::ObjectMeta;
use percent_encoding::percent_decode_str;

use super::file_scan::{self, InFolders};
use super::{ExternalFormat, ExternalScan, ExternalTable, address, failed, missing, refused, store_of};
use crate::error::Result;

const FORMAT: ExternalFormat = ExternalFormat::Parquet;

/// How Hive, Spark, Arrow and DuckDB name the folder of rows without a value.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// A file, a folder or a pattern of files. Folders named `column=value` give columns of text.
#[derive(Debug)]
pub(super) struct ParquetFiles {
    location: String,
    url: ListingTableUrl,
    options: ListingOptions,
    /// Columns of the files, then those of the folders.
    schema: SchemaRef,
    folder_columns: Vec<String>,
}

impl ParquetFiles {
    pub(super) async fn open(state: &dyn Session, location: &str) -> Result<Self> {
        let url = address(FORMAT, location)?;
        store_of(state, FORMAT, location, &url)?;
        let mut options = ListingOptions::new(Arc::new(ParquetFormat::default()));
        // A folder may hold other things beside; a file that is named is meant.
        options = options.with_file_extension(if url.is_collection() { ".parquet" } else { "" });
        let reading = |e| failed(FORMAT, "look at", location, e);
        let folder_columns = options.infer_partitions(state, &url).await.map_err(reading)?;
        let files = options.infer_schema(state, &url).await.map_err(reading)?;
        if files.fields().is_empty() {
            return Err(missing(FORMAT, location));
        }
        let mut fields: Vec<_> = files.fields().iter().cloned().collect();
        fields.extend(folder_columns.iter().map(|name| Arc::new(Field::new(name, DataType::Utf8, true))));
        let schema = Arc::new(Schema::new(fields));
        Ok(ParquetFiles { location: location.to_owned(), url, options, schema, folder_columns })
    }
}

#[async_trait]
impl ExternalTable for ParquetFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let store = self.url.object_store();
        let backend = store_of(scan.state, FORMAT, &self.location, &self.url)?;
        let listed = self.url.list_all_files(scan.state, backend.as_ref(), &self.options.file_extension).await?;
        let listed: Vec<ObjectMeta> = listed.try_collect().await?;
        let mut files = Vec::with_capacity(listed.len());
        for meta in listed.into_iter().filter(|meta| meta.size > 0) {
            let names = self.folder_columns.iter().map(String::as_str);
            let Some(values) = parse_partitions_for_path(&self.url, &meta.location, names) else {
                let what = format!("file {} does not lie in folders like the others", meta.location);
                return Err(refused(FORMAT, &self.location, &what));
            };
            let values = values.into_iter().map(folder_value).collect();
            files.push(InFolders { meta, values });
        }
        file_scan::plan(&scan, store, &self.folder_columns, files)
    }
}

/// What the name of a folder says of its rows, escapes undone.
fn folder_value(text: &str) -> Option<String> {
    (text != NULL_FOLDER).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
}
