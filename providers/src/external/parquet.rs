//! Parquet files, found by listing. They are listed for every statement; footers are kept while their files stay the same.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Type;
use parquet::file::metadata::ParquetMetaData;

use super::columns::FileColumns;
use super::file_scan::{self, FileScan, InFolders, folder_values};
use super::files::Files;
use super::listing::{self, Listing};
use super::widen::widened;
use super::{ExternalFormat, ExternalScan, ExternalTable, address, missing, refused, store_of};
use crate::error::{ProviderError, Result};
use crate::guard;
use crate::lake::parquet_files::STORE;
use crate::lake::parquet_files::errors::reading_parquet;

const FORMAT: ExternalFormat = ExternalFormat::Parquet;

/// Footers read at a time.
const FOOTERS_AT_ONCE: usize = 16;

/// A file, or the files of a folder. Folders named `column=value` give columns of text.
#[derive(Debug)]
pub(super) struct ParquetFiles {
    store: ObjectStoreUrl,
    files: Files,
    listing: Listing,
    /// Columns of the files, then those of the folders.
    schema: SchemaRef,
}

impl ParquetFiles {
    pub(super) async fn open(state: &dyn Session, location: &str, folder: Option<&Path>) -> Result<Self> {
        let url = address(FORMAT, location)?;
        let backend = store_of(state, FORMAT, location, &url, folder)?;
        let listing = listing::list(location, &url, &backend).await?;
        let store = url.object_store();
        let kept = state.runtime_env().cache_manager.get_file_metadata_cache();
        // What was read through another door is not shown behind this one.
        let place = folder.map_or_else(|| store.to_string(), |folder| format!("{store} in {}", folder.display()));
        let files = Files::looked_up(&place, backend, kept);
        let reads: Vec<_> = listing.files.iter().map(|listed| files.footer(&listed.meta)).collect();
        let reads = futures::stream::iter(reads).buffered(FOOTERS_AT_ONCE);
        let footers: Vec<Arc<ParquetMetaData>> = reads.try_collect().await.map_err(unwrapped)?;
        let mut columns = Columns { location, fields: Vec::new() };
        for (listed, footer) in listing.files.iter().zip(&footers) {
            columns.add(&listed.meta, footer)?;
        }
        if columns.fields.is_empty() {
            return Err(missing(FORMAT, location));
        }
        let mut fields: Vec<Field> = columns.fields.into_iter().map(|(field, _)| field).collect();
        fields.extend(listing.folder_columns.iter().map(|name| Field::new(name, DataType::Utf8, true)));
        Ok(ParquetFiles { store, files, listing, schema: Arc::new(Schema::new(fields)) })
    }
}

/// The error of the file's own reader, which names it.
fn unwrapped(error: parquet::errors::ParquetError) -> ProviderError {
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast::<ProviderError>() {
            Ok(ours) => *ours,
            Err(source) => ProviderError::Store { store: STORE, context: "read a footer".to_owned(), source },
        },
        other => ProviderError::store(STORE, "read a footer", other),
    }
}

/// Columns of all files, each with the file that has it first.
struct Columns<'a> {
    location: &'a str,
    fields: Vec<(Field, String)>,
}

impl Columns<'_> {
    fn add(&mut self, file: &ObjectMeta, footer: &ParquetMetaData) -> Result<()> {
        let path = file.location.as_ref();
        let schema = file_schema(path, footer)?;
        for (place, field) in schema.fields().iter().enumerate() {
            if schema.fields().iter().take(place).any(|other| other.name() == field.name()) {
                let what = format!("file {path} has two columns \"{}\"", field.name());
                return Err(refused(FORMAT, self.location, &what));
            }
            let known = self.fields.iter_mut().find(|(known, _)| known.name() == field.name());
            let Some((known, first)) = known else {
                let has = |name: &str| schema.fields().iter().any(|other| other.name() == name);
                let alike = |name: &str| name.to_lowercase() == field.name().to_lowercase() && !has(name);
                // One column whose name somebody wrote otherwise, or two: half of its values would be missing.
                if let Some((other, first)) = self.fields.iter().find(|(known, _)| alike(known.name())) {
                    let (name, other) = (field.name(), other.name());
                    let what = format!("column \"{other}\" of file {first} is called \"{name}\" in file {path}");
                    return Err(refused(FORMAT, self.location, &what));
                }
                let field = Field::new(field.name(), field.data_type().clone(), true);
                self.fields.push((field, path.to_owned()));
                continue;
            };
            let Some(wide) = widened(known.data_type(), field.data_type()) else {
                let what = format!(
                    "column \"{}\" is {} in file {first} and {} in file {path}: no type holds both",
                    field.name(),
                    known.data_type(),
                    field.data_type()
                );
                return Err(refused(FORMAT, self.location, &what));
            };
            *known = known.clone().with_data_type(wide);
        }
        Ok(())
    }
}

/// A file's columns, times of 96 bits in the unit that the scan reads them in.
fn file_schema(path: &str, footer: &ParquetMetaData) -> Result<Schema> {
    let file = footer.file_metadata();
    let schema = guard::call(|| parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()));
    let schema = schema.map_err(|panicked| panicked.in_file(STORE, format!("file {path}")))?;
    let schema = schema.map_err(|e| unwrapped(reading_parquet(path, e)))?;
    let roots = file.schema_descr().root_schema().get_fields();
    let fields = schema.fields().iter().zip(roots).map(|(field, root)| {
        let is_96 = root.is_primitive() && root.get_physical_type() == Type::INT96;
        match field.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, zone) if is_96 => {
                field.as_ref().clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
            }
            _ => field.as_ref().clone(),
        }
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

#[async_trait]
impl ExternalTable for ParquetFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = &self.listing.folder_columns;
        let mut parts = Vec::with_capacity(self.listing.files.len());
        for listed in &self.listing.files {
            let values = folder_values(columns, listed.values.clone(), &scan.schema)?;
            parts.push(InFolders { meta: listed.meta.clone(), values, rows: None });
        }
        let of = FileScan {
            store: self.store.clone(),
            files: self.files.clone(),
            columns: FileColumns::default(),
            folder_columns: columns.clone(),
            parts,
        };
        file_scan::plan(&scan, of)
    }
}
