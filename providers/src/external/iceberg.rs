//! Iceberg tables: one snapshot. The Iceberg library reads the metadata and says which files there are, each with its delete
//! files; the files themselves are scanned like other Parquet files, their columns found by number.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use ::iceberg::arrow::schema_to_arrow_schema;
use ::iceberg::io::FileIO;
use ::iceberg::scan::FileScanTask;
use ::iceberg::spec::{
    DataContentType, DataFileFormat, ManifestContentType, NestedFieldRef, SchemaRef as IcebergSchema, TableMetadata,
    Transform,
};
use ::iceberg::table::Table;
use ::iceberg::{Error as IcebergError, Runtime, TableIdent};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::Session;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore};

use super::bucket_files::{bucket_files, disk_files, key_in_bucket, on_disk};
use super::columns::{FileColumns, Numbers};
use super::file_scan::{self, FileScan, InFolders};
use super::files::Files;
use super::iceberg_deletes::{DeletedValues, Positions, WithoutDeleted};
use super::iceberg_predicate::predicate;
use super::iceberg_values::value_of;
use super::{
    ExternalFormat, ExternalScan, ExternalTable, address, confined, failed, guarded, missing, refused, store_of,
};
use crate::error::Result;

const FORMAT: ExternalFormat = ExternalFormat::Iceberg;

/// The current snapshot of a table.
#[derive(Debug)]
pub(super) struct IcebergFiles {
    location: String,
    place: Place,
    table: Table,
    schema: SchemaRef,
    /// The number of the partitioning of each data file.
    specs: HashMap<String, i32>,
    /// Schemas that manifests were written with.
    written_with: Vec<IcebergSchema>,
}

/// Where a table's files lie.
#[derive(Debug)]
struct Place {
    /// `None` on this machine's disk.
    bucket: Option<String>,
    store: ObjectStoreUrl,
    files: Files,
}

impl IcebergFiles {
    pub(super) async fn open(state: &dyn Session, location: &str, folder: Option<&Path>) -> Result<Self> {
        let (files, place) = match location.split_once("://") {
            None | Some(("file", _)) => {
                let store = ObjectStoreUrl::local_filesystem();
                let backend = state.runtime_env().object_store(&store)?;
                match folder {
                    None => (FileIO::new_with_fs(), Place::new(None, store, backend)),
                    Some(folder) => {
                        let backend = confined::within(backend, folder);
                        (disk_files(Arc::clone(&backend)), Place::new(None, store, backend))
                    }
                }
            }
            Some(("s3", rest)) => {
                let url = address(FORMAT, location)?;
                let backend = store_of(state, FORMAT, location, &url, folder)?;
                let bucket = rest.split('/').next().unwrap_or_default();
                let files = bucket_files(bucket, Arc::clone(&backend));
                (files, Place::new(Some(bucket.to_owned()), url.object_store(), backend))
            }
            Some(_) => return Err(refused(FORMAT, location, "such tables are read from local disk and from s3://")),
        };
        let reading = |e: IcebergError| failed(FORMAT, "read the metadata of", location, e);
        let metadata_file = metadata_file(&files, location).await?;
        if !files.exists(&metadata_file).await.map_err(reading)? {
            return Err(missing(FORMAT, location));
        }
        let metadata = TableMetadata::read_from(&files, &metadata_file).await.map_err(reading)?;
        let schema = schema_to_arrow_schema(metadata.current_schema()).map_err(reading)?;
        // Kept for one statement only; and the library's cache cannot hold snapshots of the format's first version.
        let table = Table::builder()
            .metadata(metadata)
            .metadata_location(metadata_file)
            .identifier(TableIdent::from_strs(["external", "table"]).map_err(reading)?)
            .file_io(files)
            .runtime(Runtime::try_current().map_err(reading)?)
            .readonly(true)
            .disable_cache()
            .build()
            .map_err(reading)?;
        let mut found = IcebergFiles {
            location: location.to_owned(),
            place,
            table,
            schema: Arc::new(schema),
            specs: HashMap::new(),
            written_with: Vec::new(),
        };
        found.read_manifests().await?;
        Ok(found)
    }

    /// Looks at all manifests. Refuses files that the library would pass over: delete vectors, and data that is not Parquet.
    async fn read_manifests(&mut self) -> Result<()> {
        let reading = |e: IcebergError| failed(FORMAT, "read the manifests of", &self.location, e);
        let Some(snapshot) = self.table.metadata().current_snapshot() else { return Ok(()) };
        let manifests = self.table.manifest_list_reader(snapshot).load().await.map_err(reading)?;
        for listed in manifests.entries() {
            let deletes = listed.content == ManifestContentType::Deletes;
            let manifest = listed.load_manifest(self.table.file_io()).await.map_err(reading)?;
            for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                match entry.file_format() {
                    DataFileFormat::Parquet => {}
                    other => {
                        let kind = if deletes { "delete file" } else { "data file" };
                        let what = format!("its {kind} {} is {other}; only Parquet can be read", entry.file_path());
                        return Err(refused(FORMAT, &self.location, &what));
                    }
                }
                if !deletes {
                    self.specs.insert(entry.file_path().to_owned(), listed.partition_spec_id);
                }
            }
            let schema = manifest.metadata().schema();
            if !self.written_with.contains(schema) {
                self.written_with.push(Arc::clone(schema));
            }
        }
        Ok(())
    }

    fn columns(&self) -> &[NestedFieldRef] {
        self.table.metadata().current_schema().as_struct().fields()
    }

    /// The columns by which files may be left out: those that have been as they are since the first file was written. The
    /// library reads bounds of a promoted column as if they were of the new type, takes a column that a file lacks for NULL
    /// whatever its default is, and knows columns by the snapshot's names.
    fn prunable(&self, snapshot: &IcebergSchema) -> Schema {
        let metadata = self.table.metadata();
        let schemas = || metadata.schemas_iter().chain(&self.written_with).chain(std::iter::once(snapshot));
        let is_same = |field: &NestedFieldRef| {
            field.initial_default.is_none()
                && snapshot.field_by_id(field.id).is_some_and(|then| then.name == field.name)
                && schemas()
                    .all(|schema| schema.field_by_id(field.id).is_none_or(|then| then.field_type == field.field_type))
        };
        let kept = self.columns().iter().zip(self.schema.fields()).filter(|(field, _)| is_same(field));
        Schema::new(kept.map(|(_, field)| Arc::clone(field)).collect::<Vec<_>>())
    }

    /// The data files that may hold rows that pass the filters, each with its delete files.
    async fn tasks(&self, scan: &ExternalScan<'_>) -> Result<Vec<FileScanTask>> {
        let planning = |e: IcebergError| failed(FORMAT, "plan a scan of", &self.location, e);
        let metadata = self.table.metadata();
        let Some(snapshot) = metadata.current_snapshot() else { return Ok(Vec::new()) };
        let prunable = self.prunable(&snapshot.schema(metadata).map_err(planning)?);
        let mut builder = self.table.scan().select_empty();
        if let Some(filter) = predicate(scan.filters, &prunable) {
            builder = builder.with_filter(filter);
        }
        let planned = builder.build().map_err(planning)?.plan_files().await.map_err(planning)?;
        planned.try_collect().await.map_err(planning)
    }

    /// How the columns of data files are found, and what rows have in columns that were added later.
    fn file_columns(&self, scan: &ExternalScan<'_>, task: Option<&FileScanTask>) -> Result<FileColumns> {
        let of_columns = self.columns().iter().map(|field| (field.name.clone(), field.id)).collect();
        let mapping = task.and_then(|task| task.name_mapping.clone());
        let mut defaults = HashMap::new();
        for field in self.columns().iter().filter(|field| field.initial_default.is_some()) {
            let shown = scan.schema.field_with_name(&field.name)?;
            let value = value_of(&field.field_type, field.initial_default.as_ref(), shown)?.ok_or_else(|| {
                let what = format!("the default of column \"{}\" is none that a column can hold", field.name);
                refused(FORMAT, &self.location, &what)
            })?;
            defaults.insert(field.name.clone(), value);
        }
        Ok(FileColumns { numbers: Some(Numbers { of_columns, mapping }), defaults })
    }

    /// Scans data files of one partitioning with the same deleted values.
    async fn scan_alike(
        &self,
        scan: &ExternalScan<'_>,
        spec: i32,
        tasks: Vec<FileScanTask>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = self.file_columns(scan, tasks.first())?;
        let wanted: Vec<usize> = scan.projection.cloned().unwrap_or_else(|| (0..scan.schema.fields().len()).collect());
        let by_values = by_values(tasks.first());
        let (mut read, mut deleted) = (wanted.clone(), Vec::new());
        for (numbers, files) in by_values {
            let place = |number: &i32| -> Result<usize> {
                let column = self.columns().iter().position(|field| field.id == *number).ok_or_else(|| {
                    let what = format!("rows are deleted by the values of a column ({number}) that it no longer has");
                    refused(FORMAT, &self.location, &what)
                })?;
                Ok(read.iter().position(|known| *known == column).unwrap_or_else(|| {
                    read.push(column);
                    read.len() - 1
                }))
            };
            let places = numbers.iter().map(place).collect::<Result<Vec<usize>>>()?;
            deleted.push((numbers, places, files));
        }
        let input = scan.schema.project(&read)?;
        let mut all_deleted = Vec::with_capacity(deleted.len());
        for (numbers, places, files) in deleted {
            let mut values = DeletedValues::new(numbers, places, &input)?;
            for (address, size) in files {
                let file = self.place.file(&self.location, &address, size)?;
                if let Some(numbers) = &columns.numbers {
                    values.read(&self.place.files, &file, numbers, &input).await?;
                }
            }
            all_deleted.push(values);
        }
        let (folder_columns, parts) = self.parts(scan, spec, tasks).await?;
        let of = FileScan {
            store: self.place.store.clone(),
            files: self.place.files.clone(),
            columns,
            folder_columns,
            parts,
        };
        if all_deleted.is_empty() {
            return file_scan::plan(scan, of);
        }
        let inner = ExternalScan {
            state: scan.state,
            schema: Arc::clone(&scan.schema),
            projection: Some(&read),
            filters: scan.filters,
            limit: None,
        };
        WithoutDeleted::plan(file_scan::plan(&inner, of)?, all_deleted, wanted.len())
    }

    /// The files as the scan wants them: with the values that their partition gives to columns, which files of migrated
    /// tables lack, and without the rows that are deleted by their place.
    async fn parts(
        &self,
        scan: &ExternalScan<'_>,
        spec: i32,
        tasks: Vec<FileScanTask>,
    ) -> Result<(Vec<String>, Vec<InFolders>)> {
        let metadata = self.table.metadata();
        let spec = metadata.partition_spec_by_id(spec).ok_or_else(|| {
            refused(
                FORMAT,
                &self.location,
                &format!("its files are partitioned in a way ({spec}) that it does not describe"),
            )
        })?;
        let mut identities: Vec<(usize, &NestedFieldRef)> = Vec::new();
        for (place, field) in spec.fields().iter().enumerate().filter(|(_, f)| f.transform == Transform::Identity) {
            let column = self.columns().iter().find(|column| column.id == field.source_id);
            let is_known = |known: &NestedFieldRef| identities.iter().any(|(_, other)| other.id == known.id);
            if let Some(column) = column.filter(|column| !is_known(column)) {
                identities.push((place, column));
            }
        }
        let mut positions = Positions::default();
        let wanted: HashSet<&str> = tasks.iter().map(|task| task.data_file_path.as_str()).collect();
        let by_place = |task: &FileScanTask| {
            let of_kind = task.deletes.iter().filter(|delete| delete.file_type == DataContentType::PositionDeletes);
            of_kind.map(|delete| (delete.file_path.clone(), delete.file_size_in_bytes)).collect::<Vec<_>>()
        };
        let delete_files: BTreeMap<String, u64> = tasks.iter().flat_map(by_place).collect();
        for (address, size) in &delete_files {
            let file = self.place.file(&self.location, address, *size)?;
            positions.read(&self.place.files, &file, &wanted).await?;
        }
        let mut parts = Vec::with_capacity(tasks.len());
        for task in &tasks {
            let meta = self.place.file(&self.location, &task.data_file_path, task.file_size_in_bytes)?;
            let mut values = Vec::with_capacity(identities.len());
            for (place, column) in &identities {
                let literal = task.partition.as_ref().and_then(|partition| partition.fields().get(*place)?.as_ref());
                let shown = scan.schema.field_with_name(&column.name)?;
                let value = value_of(&column.field_type, literal, shown)?.ok_or_else(|| {
                    let what =
                        format!("a value of its partition column \"{}\" is none that a column can hold", column.name);
                    refused(FORMAT, &self.location, &what)
                })?;
                values.push(value);
            }
            let rows = match by_place(task).is_empty() {
                true => None,
                false => {
                    let footer = self.place.files.footer(&meta).await;
                    let footer = footer.map_err(|e| failed(FORMAT, "read a footer of", &self.location, e))?;
                    positions.left(&task.data_file_path, &footer)
                }
            };
            parts.push(InFolders { meta, values, rows });
        }
        Ok((identities.into_iter().map(|(_, column)| column.name.clone()).collect(), parts))
    }
}

/// Delete files that name values, by the numbers of the columns: each with its size.
fn by_values(task: Option<&FileScanTask>) -> BTreeMap<Vec<i32>, Vec<(String, u64)>> {
    let mut found: BTreeMap<Vec<i32>, Vec<(String, u64)>> = BTreeMap::new();
    let of_kind =
        |deletes: &&::iceberg::scan::FileScanTaskDeleteFile| deletes.file_type == DataContentType::EqualityDeletes;
    for delete in task.into_iter().flat_map(|task| task.deletes.iter()).filter(of_kind) {
        let mut numbers = delete.equality_ids.clone().unwrap_or_default();
        numbers.sort_unstable();
        found.entry(numbers).or_default().push((delete.file_path.clone(), delete.file_size_in_bytes));
    }
    for files in found.values_mut() {
        files.sort_unstable();
        files.dedup();
    }
    found
}

impl Place {
    fn new(bucket: Option<String>, store: ObjectStoreUrl, backend: Arc<dyn ObjectStore>) -> Place {
        let files = Files::listed(store.as_str(), backend, true);
        Place { bucket, store, files }
    }

    /// The file at an address that the metadata gives. Names are taken as they stand.
    fn file(&self, table: &str, address: &str, size: u64) -> Result<ObjectMeta> {
        let path = match &self.bucket {
            Some(bucket) => key_in_bucket(bucket, address).map_err(|why| format!("{address}: {why}")),
            None => on_disk(address).map_err(|why| format!("{address}: {why}")),
        };
        let location = path.map_err(|why| refused(FORMAT, table, &why))?;
        Ok(ObjectMeta { location, last_modified: DateTime::UNIX_EPOCH, size, e_tag: None, version: None })
    }
}

/// The metadata file: the one that is named, or the one that the folder's version hint names. Without a hint nobody can
/// tell which of the files in a folder has been committed.
async fn metadata_file(files: &FileIO, location: &str) -> Result<String> {
    if location.ends_with(".metadata.json") {
        return Ok(location.to_owned());
    }
    let folder = location.trim_end_matches('/');
    let hint = format!("{folder}/metadata/version-hint.text");
    let reading = |e: IcebergError| failed(FORMAT, "read", &hint, e);
    let input = files.new_input(&hint).map_err(reading)?;
    if !input.exists().await.map_err(reading)? {
        let what = "name its current metadata file (…/metadata/….metadata.json): the folder has no version-hint.text";
        return Err(refused(FORMAT, location, what));
    }
    let bytes = input.read().await.map_err(reading)?;
    let version = String::from_utf8_lossy(&bytes).trim().to_owned();
    let name = if version.chars().all(|c| c.is_ascii_digit()) { format!("v{version}") } else { version };
    Ok(format!("{folder}/metadata/{}.metadata.json", name.trim_end_matches(".metadata.json")))
}

#[async_trait]
impl ExternalTable for IcebergFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn scan(&self, scan: ExternalScan<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = async {
            // Files that are read in the same way: of one partitioning, with the same deleted values.
            let mut alike: BTreeMap<(i32, BTreeMap<Vec<i32>, Vec<(String, u64)>>), Vec<FileScanTask>> = BTreeMap::new();
            for task in self.tasks(&scan).await? {
                let spec = self.specs.get(&task.data_file_path).copied();
                let spec = spec.unwrap_or_else(|| self.table.metadata().default_partition_spec_id());
                alike.entry((spec, by_values(Some(&task)))).or_default().push(task);
            }
            let mut plans = Vec::with_capacity(alike.len());
            for ((spec, _), mut tasks) in alike {
                tasks.sort_by(|one, other| one.data_file_path.cmp(&other.data_file_path));
                plans.push(self.scan_alike(&scan, spec, tasks).await?);
            }
            match plans.len() {
                0 => {
                    let none = FileScan {
                        store: self.place.store.clone(),
                        files: self.place.files.clone(),
                        columns: self.file_columns(&scan, None)?,
                        folder_columns: Vec::new(),
                        parts: Vec::new(),
                    };
                    file_scan::plan(&scan, none)
                }
                1 => Ok(plans.remove(0)),
                _ => Ok(UnionExec::try_new(plans)?),
            }
        };
        guarded(FORMAT, &self.location, planned).await
    }
}
