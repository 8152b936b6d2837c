//! Which old snapshots go, which jobs are remembered, and which files then have no name any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use iceberg::TableUpdate;
use iceberg::spec::{MAIN_BRANCH, SnapshotRef, TableMetadata};
use zxq_catalog::JobId;

use crate::error::Result;
use crate::lake::iceberg::new_snapshot::JOB;
use crate::lake::iceberg::snapshot_files::SnapshotReader;

/// Table property: jobs whose snapshots have expired, as `job=milliseconds` separated by spaces.
const EXPIRED_JOBS: &str = "zxq.expired-jobs";
/// How long a job is remembered. Recovery asks about jobs that a crash interrupted: minutes to days.
const JOB_MEMORY: Duration = Duration::from_secs(30 * 86_400);
/// Most jobs remembered after their snapshots.
const JOBS_REMEMBERED: usize = 1_000;

fn job_of(snapshot: &SnapshotRef) -> Option<&String> {
    snapshot.summary().additional_properties.get(JOB)
}

fn expired_jobs(table: &TableMetadata) -> impl Iterator<Item = (&str, i64)> {
    let text = table.properties().get(EXPIRED_JOBS).map(String::as_str).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|entry| {
        let (job, at) = entry.rsplit_once('=')?;
        Some((job, at.parse().ok()?))
    })
}

/// True when the job has committed to the table.
pub(crate) fn has_committed(table: &TableMetadata, job: &JobId) -> bool {
    table.snapshots().any(|snapshot| job_of(snapshot) == Some(&job.0)) || expired_jobs(table).any(|(of, _)| of == job.0)
}

/// Snapshots that branches and tags of others name, all but the main branch.
fn held_by_names(table: &TableMetadata) -> HashSet<i64> {
    // The library shows a reference only to those that know its name.
    let json = serde_json::to_value(table).unwrap_or_default();
    let references = json.get("refs").and_then(|refs| refs.as_object());
    let others = references.into_iter().flatten().filter(|(name, _)| *name != MAIN_BRANCH);
    others.filter_map(|(_, reference)| reference.get("snapshot-id")?.as_i64()).collect()
}

/// The snapshots that are too many once a new one is the current one. Those with a name stay.
pub(crate) fn too_many(table: &TableMetadata, kept: usize) -> Vec<i64> {
    let kept = kept.saturating_sub(1);
    if table.snapshots().len() <= kept {
        return Vec::new();
    }
    let mut newest_first: Vec<&SnapshotRef> = table.snapshots().collect();
    newest_first.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.sequence_number()));
    let held = held_by_names(table);
    newest_first.iter().skip(kept).map(|snapshot| snapshot.snapshot_id()).filter(|id| !held.contains(id)).collect()
}

/// The snapshots, but the current one, in which one of these files is live.
pub(crate) async fn naming(
    reader: &SnapshotReader,
    table: &TableMetadata,
    addresses: &HashSet<String>,
) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    // Snapshots share most manifests: each is looked at once.
    let mut known: HashMap<String, bool> = HashMap::new();
    for snapshot in table.snapshots().filter(|s| Some(s.snapshot_id()) != table.current_snapshot_id()) {
        for manifest in reader.manifests(table, snapshot).await?.iter() {
            let names = match known.get(&manifest.manifest_path) {
                Some(names) => *names,
                None => {
                    let entries = reader.entries(manifest).await?;
                    let names = entries.iter().any(|e| e.is_alive() && addresses.contains(e.file_path()));
                    known.insert(manifest.manifest_path.clone(), names);
                    names
                }
            };
            if names {
                found.push(snapshot.snapshot_id());
                break;
            }
        }
    }
    Ok(found)
}

/// Removes snapshots, and remembers the jobs that made them.
pub(crate) fn removal(table: &TableMetadata, snapshots: &[i64]) -> Vec<TableUpdate> {
    if snapshots.is_empty() {
        return Vec::new();
    }
    let oldest = chrono::Utc::now().timestamp_millis() - i64::try_from(JOB_MEMORY.as_millis()).unwrap_or(i64::MAX);
    let going = table.snapshots().filter(|s| snapshots.contains(&s.snapshot_id()));
    let jobs: BTreeMap<(i64, &str), ()> = expired_jobs(table)
        .chain(going.filter_map(|s| Some((job_of(s)?.as_str(), s.timestamp_ms()))))
        .filter(|(_, at)| *at >= oldest)
        .map(|(job, at)| ((at, job), ()))
        .collect();
    let text: Vec<String> =
        jobs.keys().rev().take(JOBS_REMEMBERED).rev().map(|(at, job)| format!("{job}={at}")).collect();
    vec![
        TableUpdate::RemoveSnapshots { snapshot_ids: snapshots.to_vec() },
        TableUpdate::SetProperties { updates: HashMap::from([(EXPIRED_JOBS.to_owned(), text.join(" "))]) },
    ]
}

/// Manifest lists and manifests that a table names, in any snapshot.
pub(crate) async fn named_files(reader: &SnapshotReader, table: &TableMetadata) -> Result<HashSet<String>> {
    let mut named = HashSet::new();
    for snapshot in table.snapshots() {
        named.insert(snapshot.manifest_list().to_owned());
        named.extend(reader.manifests(table, snapshot).await?.iter().map(|m| m.manifest_path.clone()));
    }
    Ok(named)
}
