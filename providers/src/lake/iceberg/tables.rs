//! Commits to Iceberg tables: each is computed on the current metadata and, when somebody else was first, again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use iceberg::spec::{Operation, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use zxq_catalog::{JobId, TableDef};

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::catalogs::sql::apply;
use crate::lake::iceberg::catalogs::{CatalogTable, Outcome, TableCatalog};
use crate::lake::iceberg::data_file::data_file;
use crate::lake::iceberg::errors::failed;
use crate::lake::iceberg::new_snapshot::{PreparedSnapshot, SnapshotChange, prepare, requirements};
use crate::lake::iceberg::snapshot_files::SnapshotReader;
use crate::lake::iceberg::{STORE, gate, orphans, retention, schema};
use crate::tier_store::Publication;

/// How often a commit that lost a race against somebody outside is tried again.
const COMMIT_TRIES: u32 = 20;
/// First wait before another try; each is longer by as much.
const RETRY_WAIT: Duration = Duration::from_millis(20);
/// Commits by this process between two looks for litter of crashed commits.
const COMMITS_PER_SWEEP: usize = 64;

/// How much of the past tables keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub(crate) snapshots: usize,
    pub(crate) metadata_files: usize,
    pub(crate) merge_manifests_above: usize,
    pub(crate) orphan_age: Duration,
}

/// What this process knows of one table.
#[derive(Debug, Default)]
struct TableState {
    known: Option<CatalogTable>,
    commits: usize,
}

/// What a commit is to achieve.
enum Intent<'a> {
    /// Make segments visible or invisible.
    Publish { table: &'a TableDef, publication: &'a Publication<'a> },
    /// Bring schema, partitioning, order and properties to the definition.
    Evolve { table: &'a TableDef },
    /// No snapshot names these files any more: they are about to be deleted.
    Forget { addresses: &'a HashSet<String> },
}

/// A commit, computed on one state of the table.
#[derive(Default)]
struct Proposal {
    requirements: Vec<TableRequirement>,
    updates: Vec<TableUpdate>,
    snapshot: Option<PreparedSnapshot>,
}

/// All Iceberg tables under one root.
#[derive(Debug)]
pub(crate) struct IcebergTables {
    reader: SnapshotReader,
    catalog: Arc<dyn TableCatalog>,
    keep: Keep,
    tables: Mutex<HashMap<String, Arc<AsyncMutex<TableState>>>>,
}

impl IcebergTables {
    pub(crate) fn new(reader: SnapshotReader, catalog: Arc<dyn TableCatalog>, keep: Keep) -> Self {
        IcebergTables { reader, catalog, keep, tables: Mutex::default() }
    }

    fn slot(&self, name: &str) -> Arc<AsyncMutex<TableState>> {
        Arc::clone(self.tables.lock().entry(name.to_owned()).or_default())
    }

    /// The current state, which is asked of the catalog each time.
    async fn current(&self, state: &mut TableState, name: &str) -> Result<Option<CatalogTable>> {
        state.known = self.catalog.load(name, state.known.as_ref()).await?;
        Ok(state.known.clone())
    }

    /// Commits a publication, exactly once per job; the Iceberg table is made where there is none.
    pub(crate) async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        let name = table.storage_name();
        gate::check_same_rows(&name, publication)?;
        let slot = self.slot(&name);
        let mut state = slot.lock().await;
        self.commit(&mut state, &name, &Intent::Publish { table, publication }).await
    }

    /// Brings the Iceberg table to the definition. Does nothing where there is none yet.
    pub(crate) async fn evolve(&self, table: &TableDef) -> Result<()> {
        let name = table.storage_name();
        let slot = self.slot(&name);
        let mut state = slot.lock().await;
        self.commit(&mut state, &name, &Intent::Evolve { table }).await
    }

    /// Makes sure that no snapshot names these files (locations relative to the root).
    pub(crate) async fn forget(&self, name: &str, locations: &[String]) -> Result<()> {
        let addresses: HashSet<String> = locations.iter().map(|l| self.reader.files().address(l)).collect();
        let slot = self.slot(name);
        let mut state = slot.lock().await;
        self.commit(&mut state, name, &Intent::Forget { addresses: &addresses }).await
    }

    /// True when the job has committed to this table.
    pub(crate) async fn is_published(&self, name: &str, job: &JobId) -> Result<bool> {
        let slot = self.slot(name);
        let mut state = slot.lock().await;
        let current = self.current(&mut state, name).await?;
        Ok(current.is_some_and(|table| retention::has_committed(&table.metadata, job)))
    }

    /// Locations relative to the root of the files that the current snapshot names.
    pub(crate) async fn listed(&self, name: &str) -> Result<HashSet<String>> {
        let slot = self.slot(name);
        let mut state = slot.lock().await;
        let Some(table) = self.current(&mut state, name).await? else { return Ok(HashSet::new()) };
        let addresses = self.live(&table.metadata).await?;
        let files = self.reader.files();
        Ok(addresses.iter().filter_map(|address| files.location(address)).map(str::to_owned).collect())
    }

    /// Removes a table from the catalog; its files stay.
    pub(crate) async fn drop_table(&self, name: &str) -> Result<()> {
        let slot = self.slot(name);
        let mut state = slot.lock().await;
        self.catalog.drop_table(name).await?;
        *state = TableState::default();
        drop(state);
        self.tables.lock().remove(name);
        Ok(())
    }

    /// Addresses of the data files of the current snapshot.
    async fn live(&self, table: &TableMetadata) -> Result<HashSet<String>> {
        let Some(snapshot) = table.current_snapshot() else { return Ok(HashSet::new()) };
        let files = self.reader.live_files(table, snapshot).await?;
        Ok(files.iter().map(|entry| entry.file_path().to_owned()).collect())
    }

    async fn commit(&self, state: &mut TableState, name: &str, intent: &Intent<'_>) -> Result<()> {
        let mut unknown = None;
        let mut attempted = None;
        for attempt in 0..COMMIT_TRIES {
            if attempt > 0 {
                tokio::time::sleep(RETRY_WAIT * attempt).await;
            }
            let Some(base) = self.current(state, name).await? else {
                let Intent::Publish { table, .. } = intent else { return Ok(()) };
                let address = self.reader.files().address(name);
                let creation = schema::creation(table, address, self.keep.metadata_files)?;
                match self.catalog.create(name, creation).await? {
                    Outcome::Done(created) => state.known = Some(created),
                    Outcome::LostRace => {}
                    Outcome::Unknown(error) => unknown = Some(error),
                }
                continue;
            };
            if attempted.is_some_and(|id| base.metadata.snapshot_by_id(id).is_some()) {
                return Ok(());
            }
            let proposal = self.propose(name, &base, intent).await?;
            if proposal.updates.is_empty() {
                return Ok(());
            }
            let outcome = self.catalog.commit(name, &base, &proposal.requirements, &proposal.updates).await?;
            match outcome {
                Outcome::Done(table) => {
                    self.tidy(state, name, &base, &table).await;
                    state.known = Some(table);
                    return Ok(());
                }
                Outcome::LostRace => {
                    self.reader.files().discard(proposal.snapshot.into_iter().flat_map(|s| s.written)).await;
                }
                Outcome::Unknown(error) => {
                    attempted = proposal.snapshot.map(|s| s.snapshot.snapshot_id());
                    unknown = Some(error);
                }
            }
        }
        Err(unknown.unwrap_or_else(|| ProviderError::Busy {
            store: STORE,
            what: format!("commit to table {name}"),
            reason: format!("lost {COMMIT_TRIES} races against another writer of this table"),
        }))
    }

    async fn propose(&self, name: &str, base: &CatalogTable, intent: &Intent<'_>) -> Result<Proposal> {
        let mut proposal = Proposal { requirements: requirements(&base.metadata), ..Proposal::default() };
        match intent {
            Intent::Evolve { table } => proposal.updates = schema::evolution(&base.metadata, table)?,
            Intent::Publish { publication, .. } if retention::has_committed(&base.metadata, publication.job) => {}
            Intent::Publish { table, publication } => {
                proposal.updates = schema::evolution(&base.metadata, table)?;
                let target = apply(base, &proposal.updates).map_err(|e| failed(name, "change the metadata", e))?;
                let change = self.publication_change(&target, table, publication).await?;
                if change.added.is_empty() && change.removed.is_empty() {
                    return Ok(proposal);
                }
                self.add_snapshot(&mut proposal, &target, &change).await?;
                let gone = retention::too_many(&target, self.keep.snapshots);
                proposal.updates.extend(retention::removal(&target, &gone));
            }
            Intent::Forget { addresses } => {
                let live = self.live(&base.metadata).await?;
                let removed: HashSet<String> = addresses.intersection(&live).cloned().collect();
                let mut gone = retention::naming(&self.reader, &base.metadata, addresses).await?;
                if !removed.is_empty() {
                    tracing::warn!(
                        table = name,
                        files = removed.len(),
                        "removing dropped files that were still listed"
                    );
                    let change = SnapshotChange { added: Vec::new(), removed, operation: Operation::Delete, job: None };
                    self.add_snapshot(&mut proposal, &base.metadata, &change).await?;
                    gone.extend(base.metadata.current_snapshot_id());
                }
                proposal.updates.extend(retention::removal(&base.metadata, &gone));
            }
        }
        Ok(proposal)
    }

    async fn add_snapshot(
        &self,
        proposal: &mut Proposal,
        table: &TableMetadata,
        change: &SnapshotChange<'_>,
    ) -> Result<()> {
        let prepared = prepare(&self.reader, table, change, self.keep.merge_manifests_above).await?;
        proposal.updates.extend(prepared.updates());
        proposal.snapshot = Some(prepared);
        Ok(())
    }

    /// What a publication changes in the current snapshot. Files that are there already are not added again, and files that
    /// are gone already are not removed again.
    async fn publication_change<'a>(
        &self,
        target: &TableMetadata,
        table: &TableDef,
        publication: &Publication<'a>,
    ) -> Result<SnapshotChange<'a>> {
        let files = self.reader.files();
        let live = self.live(target).await?;
        let mut added = Vec::with_capacity(publication.added.len());
        for segment in publication.added {
            let address = files.address(&segment.location);
            if !live.contains(&address) {
                added.push(data_file(target, table, segment, address)?);
            }
        }
        let removed: HashSet<String> =
            publication.removed.iter().map(|s| files.address(&s.location)).filter(|a| live.contains(a)).collect();
        let replaces = !publication.added.is_empty() && !publication.removed.is_empty();
        if replaces && !publication.data_change && removed.len() != publication.removed.len() {
            return Err(ProviderError::Changed {
                store: STORE,
                what: format!("Iceberg table {}", table.storage_name()),
                reason: "files that are to be replaced are not in it any more".to_owned(),
            });
        }
        let operation = match (added.is_empty(), removed.is_empty()) {
            (_, true) => Operation::Append,
            (true, false) => Operation::Delete,
            (false, false) if publication.data_change => Operation::Overwrite,
            (false, false) => Operation::Replace,
        };
        Ok(SnapshotChange { added, removed, operation, job: Some(publication.job) })
    }

    /// Deletes what the commit left without a name. The commit stands without it, so failures are only told.
    async fn tidy(&self, state: &mut TableState, name: &str, before: &CatalogTable, after: &CatalogTable) {
        let gone = before.metadata.snapshots().any(|s| after.metadata.snapshot_by_id(s.snapshot_id()).is_none());
        let outcome = async {
            if gone {
                let kept = retention::named_files(&self.reader, &after.metadata).await?;
                let named = retention::named_files(&self.reader, &before.metadata).await?;
                self.reader.files().discard(named.difference(&kept).cloned()).await;
            }
            if state.commits.is_multiple_of(COMMITS_PER_SWEEP) {
                orphans::remove(&self.reader, name, after, self.keep.orphan_age).await?;
            }
            Ok::<_, ProviderError>(())
        };
        if let Err(error) = outcome.await {
            tracing::warn!(table = name, %error, "old Iceberg metadata files stay for now");
        }
        state.commits += 1;
    }
}
