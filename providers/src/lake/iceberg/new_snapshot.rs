//! Makes the files of a new snapshot: adds and removes any data files in one step, which the Iceberg library (0.10) cannot.
//!
//! Manifests that hold no removed file are taken over as they are; the others are written again; small ones are merged when
//! there are many. Before anything is committed the result is read back from its bytes and compared (`gate`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use iceberg::spec::{
    DataFile, MAIN_BRANCH, ManifestContentType, ManifestEntry, ManifestEntryRef, ManifestFile, ManifestList,
    ManifestListWriter, ManifestWriterBuilder, Operation, Snapshot, SnapshotReference, SnapshotRetention, Summary,
    TableMetadata, UNASSIGNED_SEQUENCE_NUMBER,
};
use iceberg::{TableRequirement, TableUpdate};
use uuid::Uuid;
use zxq_catalog::JobId;

use crate::error::Result;
use crate::lake::iceberg::errors::failed;
use crate::lake::iceberg::gate::{self, Files};
use crate::lake::iceberg::metadata_files::{Gathered, encode_manifest};
use crate::lake::iceberg::snapshot_files::{SnapshotReader, parse_manifest};

/// Snapshot property: the job that committed it.
pub(crate) const JOB: &str = "zxq.job-id";
/// Manifests of at least so many bytes are not merged any more.
const LARGE_MANIFEST: i64 = 1024 * 1024;
/// Most entries of one manifest that a merge makes.
const MERGED_ENTRIES: usize = 8_192;

/// What a new snapshot changes.
#[derive(Debug)]
pub(crate) struct SnapshotChange<'a> {
    /// Files that become live; none is.
    pub(crate) added: Vec<DataFile>,
    /// Addresses of files that stop being live; all are.
    pub(crate) removed: HashSet<String>,
    /// What other programs are told about it.
    pub(crate) operation: Operation,
    /// Who commits it.
    pub(crate) job: Option<&'a JobId>,
}

/// A snapshot whose files are written and that no metadata names yet.
#[derive(Debug)]
pub(crate) struct PreparedSnapshot {
    pub(crate) snapshot: Snapshot,
    /// Addresses of the files written for it.
    pub(crate) written: Vec<String>,
}

impl PreparedSnapshot {
    /// Makes it the current snapshot.
    pub(crate) fn updates(&self) -> [TableUpdate; 2] {
        let reference =
            SnapshotReference::new(self.snapshot.snapshot_id(), SnapshotRetention::branch(None, None, None));
        [
            TableUpdate::AddSnapshot { snapshot: self.snapshot.clone() },
            TableUpdate::SetSnapshotRef { ref_name: MAIN_BRANCH.to_owned(), reference },
        ]
    }
}

/// What must hold of the table when a change made against `base` is committed.
pub(crate) fn requirements(base: &TableMetadata) -> Vec<TableRequirement> {
    vec![
        TableRequirement::UuidMatch { uuid: base.uuid() },
        TableRequirement::RefSnapshotIdMatch { r#ref: MAIN_BRANCH.to_owned(), snapshot_id: base.current_snapshot_id() },
        TableRequirement::CurrentSchemaIdMatch { current_schema_id: base.current_schema_id() },
        TableRequirement::DefaultSpecIdMatch { default_spec_id: base.default_partition_spec_id() },
        TableRequirement::LastAssignedFieldIdMatch { last_assigned_field_id: base.last_column_id() },
    ]
}

enum Entry {
    Added(Box<DataFile>),
    Existing(ManifestEntryRef),
    Deleted(ManifestEntryRef),
}

/// What becomes of the manifests.
#[derive(Default)]
struct Plan {
    /// Stay as they are.
    kept: Vec<ManifestFile>,
    /// To be written, each with its partition spec.
    written: Vec<(i32, Vec<Entry>)>,
    /// The live files before.
    before: Files,
}

async fn plan(reader: &SnapshotReader, table: &TableMetadata, change: &SnapshotChange<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    if let Some(current) = table.current_snapshot() {
        for manifest in reader.manifests(table, current).await?.iter() {
            if manifest.content == ManifestContentType::Deletes {
                plan.kept.push(manifest.clone());
                continue;
            }
            let entries = reader.entries(manifest).await?;
            let live: Vec<&ManifestEntryRef> = entries.iter().filter(|entry| entry.is_alive()).collect();
            plan.before.extend(live.iter().map(|entry| (entry.file_path().to_owned(), entry.record_count())));
            if live.iter().any(|entry| change.removed.contains(entry.file_path())) {
                let sort = |entry: &ManifestEntryRef| match change.removed.contains(entry.file_path()) {
                    true => Entry::Deleted(Arc::clone(entry)),
                    false => Entry::Existing(Arc::clone(entry)),
                };
                plan.written.push((manifest.partition_spec_id, live.into_iter().map(sort).collect()));
            } else if !live.is_empty() {
                plan.kept.push(manifest.clone());
            }
        }
    }
    if !change.added.is_empty() {
        let added = change.added.iter().cloned().map(|file| Entry::Added(Box::new(file))).collect();
        plan.written.push((table.default_partition_spec_id(), added));
    }
    Ok(plan)
}

/// Merges small manifests of one partition spec where there are more than `above`.
async fn merge_small(reader: &SnapshotReader, plan: &mut Plan, above: usize) -> Result<()> {
    let is_small = |m: &ManifestFile| m.content == ManifestContentType::Data && m.manifest_length < LARGE_MANIFEST;
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for spec in plan.kept.iter().filter(|m| is_small(m)).map(|m| m.partition_spec_id) {
        *counts.entry(spec).or_default() += 1;
    }
    for (spec, _) in &plan.written {
        *counts.entry(*spec).or_default() += 1;
    }
    for spec in counts.into_iter().filter(|(_, count)| *count > above.max(1)).map(|(spec, _)| spec) {
        let mut merged = Vec::new();
        let (small, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut plan.kept).into_iter().partition(|m| is_small(m) && m.partition_spec_id == spec);
        plan.kept = kept;
        for manifest in small {
            let entries = reader.entries(&manifest).await?;
            merged.extend(entries.iter().filter(|e| e.is_alive()).cloned().map(Entry::Existing));
        }
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut plan.written).into_iter().partition(|(of, _)| *of == spec);
        plan.written = others;
        merged.extend(mine.into_iter().flat_map(|(_, entries)| entries));
        let mut rest = merged.into_iter().peekable();
        while rest.peek().is_some() {
            plan.written.push((spec, rest.by_ref().take(MERGED_ENTRIES).collect()));
        }
    }
    Ok(())
}

async fn encode(
    table: &TableMetadata,
    snapshot_id: i64,
    address: &str,
    spec_id: i32,
    entries: Vec<Entry>,
) -> Result<(ManifestFile, Bytes)> {
    let fail = |e: iceberg::Error| failed(table.location(), "write a manifest", e);
    let spec = table
        .partition_spec_by_id(spec_id)
        .ok_or_else(|| failed(table.location(), "write a manifest", format!("there is no partition spec {spec_id}")))?;
    let (schema, spec) = (table.current_schema().clone(), spec.as_ref().clone());
    encode_manifest(address, |file| {
        let mut writer = ManifestWriterBuilder::new(file, Some(snapshot_id), schema, spec).build_v2_data();
        for entry in entries {
            let numbers = |e: &ManifestEntry| (e.snapshot_id.unwrap_or(-1), e.sequence_number.unwrap_or(0));
            match entry {
                Entry::Added(file) => writer.add_file(*file, UNASSIGNED_SEQUENCE_NUMBER)?,
                Entry::Existing(e) => {
                    let (snapshot, sequence) = numbers(&e);
                    writer.add_existing_file(e.data_file.clone(), snapshot, sequence, e.file_sequence_number)?;
                }
                Entry::Deleted(e) => {
                    let (_, sequence) = numbers(&e);
                    writer.add_delete_file(e.data_file.clone(), sequence, e.file_sequence_number)?;
                }
            }
        }
        Ok(writer)
    })
    .await
    .map_err(fail)
}

async fn encode_list(table: &TableMetadata, snapshot_id: i64, manifests: Vec<ManifestFile>) -> Result<Bytes> {
    let gathered = Gathered::default();
    let outcome = async {
        let parent = table.current_snapshot_id();
        let sequence = table.next_sequence_number();
        let mut writer = ManifestListWriter::v2(Box::new(gathered.clone()), snapshot_id, parent, sequence);
        writer.add_manifests(manifests.into_iter())?;
        writer.close().await
    };
    outcome.await.map_err(|e: iceberg::Error| failed(table.location(), "write a manifest list", e))?;
    Ok(gathered.take())
}

/// The live files as the bytes about to be written say.
async fn read_back(
    reader: &SnapshotReader,
    table: &TableMetadata,
    list: &Bytes,
    encoded: &HashMap<String, Bytes>,
) -> Result<Files> {
    let list = ManifestList::parse_with_version(list, table.format_version())
        .map_err(|e| failed(table.location(), "read back a manifest list", e))?;
    let mut live = Files::new();
    for manifest in list.entries().iter().filter(|m| m.content == ManifestContentType::Data) {
        let parsed;
        let kept;
        let entries = match encoded.get(&manifest.manifest_path) {
            Some(bytes) => {
                parsed = parse_manifest(manifest, bytes)?;
                parsed.as_slice()
            }
            None => {
                kept = reader.entries(manifest).await?;
                kept.as_slice()
            }
        };
        for entry in entries.iter().filter(|entry| entry.is_alive()) {
            gate::add(&mut live, table.location(), entry)?;
        }
    }
    Ok(live)
}

/// Writes manifests and the list of a new snapshot on top of the table's current one. `table` has the schema and the
/// partition spec that the added files were written with.
///
/// # Errors
/// When the gate finds that the result would not be the old files, less the removed, plus the added; then nothing has been
/// written.
pub(crate) async fn prepare(
    reader: &SnapshotReader,
    table: &TableMetadata,
    change: &SnapshotChange<'_>,
    merge_above: usize,
) -> Result<PreparedSnapshot> {
    let mut plan = plan(reader, table, change).await?;
    merge_small(reader, &mut plan, merge_above).await?;
    let snapshot_id = random_id();
    let name = Uuid::new_v4();
    let folder = format!("{}/metadata", table.location().trim_end_matches('/'));
    let mut manifests = plan.kept;
    let mut encoded: HashMap<String, Bytes> = HashMap::new();
    for (number, (spec, entries)) in plan.written.into_iter().enumerate() {
        let address = format!("{folder}/{name}-m{number}.avro");
        let (manifest, bytes) = encode(table, snapshot_id, &address, spec, entries).await?;
        manifests.push(manifest);
        encoded.insert(address, bytes);
    }
    let manifest_count = manifests.len();
    let list = encode_list(table, snapshot_id, manifests).await?;
    let after = read_back(reader, table, &list, &encoded).await?;
    gate::check(table.location(), &plan.before, change, &after)?;

    let list_address = format!("{folder}/snap-{snapshot_id}-1-{name}.avro");
    let mut written = Vec::with_capacity(encoded.len() + 1);
    for (address, bytes) in encoded {
        reader.files().write(&address, bytes).await?;
        written.push(address);
    }
    reader.files().write(&list_address, list).await?;
    written.push(list_address.clone());

    let snapshot = Snapshot::builder()
        .with_snapshot_id(snapshot_id)
        .with_parent_snapshot_id(table.current_snapshot_id())
        .with_sequence_number(table.next_sequence_number())
        .with_timestamp_ms(chrono::Utc::now().timestamp_millis().max(table.last_updated_ms()))
        .with_manifest_list(list_address)
        .with_summary(summary(table, change, &plan.before, &after, manifest_count))
        .with_schema_id(table.current_schema_id())
        .build();
    Ok(PreparedSnapshot { snapshot, written })
}

fn random_id() -> i64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    i64::from_ne_bytes((high ^ low).to_ne_bytes()) & i64::MAX
}

/// What other programs show of a snapshot.
fn summary(
    table: &TableMetadata,
    change: &SnapshotChange<'_>,
    before: &Files,
    after: &Files,
    manifests: usize,
) -> Summary {
    let rows = |files: &Files| files.values().sum::<u64>();
    let removed_rows: u64 = change.removed.iter().filter_map(|address| before.get(address)).sum();
    let previous = |key: &str| {
        let summary = table.current_snapshot().map(|s| s.summary());
        summary.and_then(|s| s.additional_properties.get(key)).cloned().unwrap_or_else(|| "0".to_owned())
    };
    let mut properties: HashMap<String, String> = [
        ("added-data-files", change.added.len() as u64),
        ("added-records", change.added.iter().map(DataFile::record_count).sum()),
        ("added-files-size", change.added.iter().map(DataFile::file_size_in_bytes).sum()),
        ("deleted-data-files", change.removed.len() as u64),
        ("deleted-records", removed_rows),
        ("total-data-files", after.len() as u64),
        ("total-records", rows(after)),
        ("manifests-total", manifests as u64),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_string()))
    .collect();
    for key in ["total-delete-files", "total-position-deletes", "total-equality-deletes"] {
        properties.insert(key.to_owned(), previous(key));
    }
    properties.insert("engine-name".to_owned(), "zxq".to_owned());
    properties.insert("engine-version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    if let Some(job) = change.job {
        properties.insert(JOB.to_owned(), job.0.clone());
    }
    Summary { operation: change.operation.clone(), additional_properties: properties }
}
