//! Parquet files, found by listing.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::physical_plan::ExecutionPlan;

use super::{ExternalFormat, ExternalScan, ExternalTable, address, failed, missing};
use crate::error::Result;

const FORMAT: ExternalFormat = ExternalFormat::Parquet;

/// A file, a folder or a pattern of files. Folders named `column=value` give columns of text.
#[derive(Debug)]
pub(super) struct ParquetFiles {
    location: String,
    url: ListingTableUrl,
    options: ListingOptions,
    /// Columns of the files, then those of the folders.
    schema: SchemaRef,
    in_files: usize,
}

impl ParquetFiles {
    pub(super) async fn open(state: &dyn Session, location: &str) -> Result<Self> {
        let url = address(FORMAT, location)?;
        let mut options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_collect_stat(true);
        // A folder may hold other things beside; a file that is named is meant.
        options = options.with_file_extension(if url.is_collection() { ".parquet" } else { "" });
        let reading = |e| failed(FORMAT, "look at", location, e);
        let names = options.infer_partitions(state, &url).await.map_err(reading)?;
        let columns = names.into_iter().map(|name| (name, arrow::datatypes::DataType::Utf8)).collect();
        let options = options.with_table_partition_cols(columns);
        let files = options.infer_schema(state, &url).await.map_err(reading)?;
        if files.fields().is_empty() {
            return Err(missing(FORMAT, location));
        }
        let mut fields: Vec<_> = files.fields().iter().cloned().collect();
        let in_files = fields.len();
        for (name, data_type) in &options.table_partition_cols {
            fields.push(Arc::new(arrow::datatypes::Field::new(name, data_type.clone(), true)));
        }
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        Ok(ParquetFiles { location: location.to_owned(), url, options, schema, in_files })
    }
}

#[async_trait]
impl ExternalTable for ParquetFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let of_files: Vec<usize> = (0..self.in_files).collect();
        let folders = scan.schema.fields().iter().skip(self.in_files);
        let columns = folders.map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let options = self
            .options
            .clone()
            .with_table_partition_cols(columns)
            .with_target_partitions(scan.state.config().target_partitions());
        let config = ListingTableConfig::new(self.url.clone())
            .with_listing_options(options)
            .with_schema(Arc::new(scan.schema.project(&of_files)?));
        let table = ListingTable::try_new(config)?;
        let planned = table.scan(scan.state, scan.projection, scan.filters, scan.limit).await;
        planned.map_err(|e| failed(FORMAT, "plan a scan of", &self.location, e))
    }
}
