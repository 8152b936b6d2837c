//! The public Delta logs: one per table, kept exactly at the visible owner segments.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::Utc;
use deltalake_core::checkpoints;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, MetadataExt, Protocol, Remove, StructField, StructType, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DataType, DeltaTable, DeltaTableConfig, DeltaTableError, TableProperty};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use zxq_catalog::{JobId, Segment, TableDef};

use crate::error::{ProviderError, Result};
use crate::lake::delta::log_cache::CachedCommits;
use crate::lake::delta::stats_json::stats_json;
use crate::lake::delta::{STORE, schema};
use crate::lake::objects::Objects;
use crate::lake::parquet_files::errors;
use crate::lake::parquet_files::layout::partition_values;
use crate::tier_store::Publication;

/// How often a commit that lost a race against somebody outside is tried again.
const COMMIT_TRIES: usize = 20;
/// How often a commit whose answer was lost is tried again, each time after the store's own repetitions.
const LOST_ANSWERS: usize = 2;
/// How long a job is remembered in its table's log. Recovery asks about jobs that a crash interrupted: minutes to days.
const JOB_RETENTION: &str = "interval 30 days";

type Slot = Arc<AsyncMutex<Option<DeltaTable>>>;

/// All tables' logs in one folder, each with its newest known state.
#[derive(Debug)]
pub(crate) struct DeltaLogs {
    objects: Objects,
    /// Through which logs are read.
    store: Arc<dyn ObjectStore>,
    checkpoint_interval: u64,
    tables: Mutex<HashMap<String, Slot>>,
}

impl DeltaLogs {
    pub(crate) fn new(objects: Objects, checkpoint_interval: u64) -> Self {
        let store = if objects.is_local() {
            Arc::clone(&objects.store)
        } else {
            Arc::new(CachedCommits::over(Arc::clone(&objects.store)))
        };
        DeltaLogs { objects, store, checkpoint_interval: checkpoint_interval.max(1), tables: Mutex::default() }
    }

    fn slot(&self, storage_name: &str) -> Slot {
        Arc::clone(self.tables.lock().entry(storage_name.to_owned()).or_default())
    }

    /// Forgets the state of a table, after its folder has been dropped.
    pub(crate) fn forget(&self, storage_name: &str) {
        self.tables.lock().remove(storage_name);
    }

    /// How the library reaches a table's log: commits are conditional puts, which local disks and S3 alike answer. Made here
    /// and not looked up by the address's scheme, so that what else this process registers for `s3://` changes nothing.
    fn log_store(&self, storage_name: &str) -> Result<LogStoreRef> {
        let address = format!("{storage_name}/");
        let url = self.objects.url.join(&address).map_err(|e| errors::in_log(storage_name, "make the address", e))?;
        let store = Arc::clone(&self.store);
        let table = PrefixStore::new(Arc::clone(&store), self.objects.path(storage_name)?);
        Ok(default_logstore(Arc::new(table), store, &url, &StorageConfig::default()))
    }

    /// The table, if it has a log.
    async fn opened(&self, slot: &mut Option<DeltaTable>, storage_name: &str) -> Result<bool> {
        if slot.is_none() {
            let failed = |e: DeltaTableError| errors::in_log(storage_name, "read the log", e);
            // The catalog knows the files; here the log is only written.
            let config = DeltaTableConfig { require_files: false, skip_stats: true, ..DeltaTableConfig::default() };
            let mut table = DeltaTable::new(self.log_store(storage_name)?, config);
            if !table.verify_deltatable_existence().await.map_err(failed)? {
                return Ok(false);
            }
            table.load().await.map_err(failed)?;
            *slot = Some(table);
        }
        Ok(true)
    }

    async fn create(&self, slot: &mut Option<DeltaTable>, table: &TableDef) -> Result<()> {
        let name = table.storage_name();
        let failed = |error: DeltaTableError| errors::in_log(&name, "create the log", error);
        let fields = schema::fields(table)?;
        let mut lost_answers = 0;
        loop {
            let created = CreateBuilder::new()
                .with_log_store(self.log_store(&name)?)
                .with_table_name(&table.name)
                .with_actions([Action::Protocol(schema::protocol(&fields)?)])
                .with_columns(fields.clone())
                .with_partition_columns(schema::partition_names(table))
                .with_configuration_property(
                    TableProperty::CheckpointInterval,
                    Some(self.checkpoint_interval.to_string()),
                )
                .with_configuration_property(TableProperty::SetTransactionRetentionDuration, Some(JOB_RETENTION))
                .with_commit_properties(commit_properties())
                .await;
            // Somebody else was first, or this was and the answer was lost: then the log is there.
            let unsure = match created {
                Ok(_) => None,
                Err(error) if is_lost_race(&error) || errors::is_passing(&error) => Some(error),
                Err(error) => return Err(failed(error)),
            };
            // Loaded again so that the state is one without file lists.
            match (self.opened(slot, &name).await?, unsure) {
                (true, _) => return Ok(()),
                (false, Some(_)) if lost_answers < LOST_ANSWERS => lost_answers += 1,
                (false, Some(error)) => return Err(failed(error)),
                (false, None) => {
                    return Err(ProviderError::Missing { store: STORE, what: format!("log of table folder {name}") });
                }
            }
        }
    }

    /// Commits a publication, exactly once per job.
    pub(crate) async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        let name = table.storage_name();
        let slot = self.slot(&name);
        let mut slot = slot.lock().await;
        if !self.opened(&mut slot, &name).await? {
            self.create(&mut slot, table).await?;
        }
        let outcome = self.publish_in(&mut slot, table, publication).await;
        if outcome.is_err() {
            // The state may be older than the log now.
            *slot = None;
        }
        outcome
    }

    async fn publish_in(
        &self,
        slot: &mut Option<DeltaTable>,
        table: &TableDef,
        publication: &Publication<'_>,
    ) -> Result<()> {
        let name = table.storage_name();
        let app = app_id(publication.job);
        let now = Utc::now().timestamp_millis();
        let mut files: Vec<Action> = Vec::with_capacity(publication.added.len() + publication.removed.len());
        for segment in publication.removed {
            files.push(Action::Remove(remove_action(table, segment, publication.data_change, now)?));
        }
        for segment in publication.added {
            files.push(Action::Add(add_action(table, segment, publication.data_change, now)?));
        }
        let operation = match (publication.added.is_empty(), publication.removed.is_empty()) {
            (true, _) => DeltaOperation::Delete { predicate: None },
            (false, false) if !publication.data_change => DeltaOperation::Optimize { predicate: None, target_size: 0 },
            _ => DeltaOperation::Write {
                mode: SaveMode::Append,
                partition_by: Some(schema::partition_names(table)),
                predicate: None,
            },
        };
        self.commit(slot, &name, operation, Some(app), |delta| {
            let mut actions = schema_actions(delta, table)?;
            actions.extend(files.iter().cloned());
            Ok(actions)
        })
        .await
    }

    /// Adds columns that the table has and its log has not. Does nothing for a table that has no log yet.
    pub(crate) async fn add_columns(&self, table: &TableDef) -> Result<()> {
        let name = table.storage_name();
        let slot = self.slot(&name);
        let mut slot = slot.lock().await;
        if !self.opened(&mut slot, &name).await? {
            return Ok(());
        }
        let known: HashSet<String> = match slot.as_ref() {
            Some(delta) => state(delta)?.schema().fields().map(|f| f.name().clone()).collect(),
            None => HashSet::new(),
        };
        let fields = schema::fields(table)?.into_iter().filter(|f| !known.contains(f.name())).collect();
        let operation = DeltaOperation::AddColumn { fields };
        let outcome = self.commit(&mut slot, &name, operation, None, |delta| schema_actions(delta, table)).await;
        if outcome.is_err() {
            *slot = None;
        }
        outcome
    }

    /// True when the job has committed to this table's log.
    pub(crate) async fn is_published(&self, storage_name: &str, job: &JobId) -> Result<bool> {
        let slot = self.slot(storage_name);
        let mut slot = slot.lock().await;
        if !self.opened(&mut slot, storage_name).await? {
            return Ok(false);
        }
        let Some(delta) = slot.as_mut() else { return Ok(false) };
        refresh(delta, storage_name).await?;
        has_committed(delta, storage_name, &app_id(job)).await
    }

    /// Locations (relative to the store's root) among `locations` that the table's log lists.
    pub(crate) async fn listed(&self, storage_name: &str, locations: &[String]) -> Result<HashSet<String>> {
        let slot = self.slot(storage_name);
        let mut slot = slot.lock().await;
        self.listed_in(&mut slot, storage_name, locations).await
    }

    async fn listed_in(
        &self,
        slot: &mut Option<DeltaTable>,
        storage_name: &str,
        locations: &[String],
    ) -> Result<HashSet<String>> {
        if locations.is_empty() || !self.opened(slot, storage_name).await? {
            return Ok(HashSet::new());
        }
        let Some(delta) = slot.as_mut() else { return Ok(HashSet::new()) };
        refresh(delta, storage_name).await?;
        let wanted: HashSet<&str> = locations.iter().map(String::as_str).collect();
        let failed = |e: DeltaTableError| errors::in_log(storage_name, "list the files", e);
        let log_store = delta.log_store();
        let mut files = state(delta)?.snapshot().file_views(log_store.as_ref(), None);
        let mut listed = HashSet::new();
        while let Some(file) = files.try_next().await.map_err(failed)? {
            let location = format!("{storage_name}/{}", file.path());
            if wanted.contains(location.as_str()) {
                listed.insert(location);
            }
        }
        Ok(listed)
    }

    /// Takes files out of the log that nobody can see any more but that are still listed: their publication was lost.
    pub(crate) async fn unlist(&self, storage_name: &str, locations: &[String]) -> Result<()> {
        let slot = self.slot(storage_name);
        let mut slot = slot.lock().await;
        let listed = self.listed_in(&mut slot, storage_name, locations).await?;
        if listed.is_empty() {
            return Ok(());
        }
        tracing::warn!(storage_name, files = listed.len(), "removing dropped files that the Delta log still listed");
        let now = Utc::now().timestamp_millis();
        let mut actions = Vec::with_capacity(listed.len());
        for location in &listed {
            actions.push(Action::Remove(Remove {
                path: path_in_table(storage_name, location)?,
                data_change: true,
                deletion_timestamp: Some(now),
                ..Default::default()
            }));
        }
        let operation = DeltaOperation::Delete { predicate: None };
        let outcome = self.commit(&mut slot, storage_name, operation, None, |_| Ok(actions.clone())).await;
        if outcome.is_err() {
            *slot = None;
        }
        outcome
    }

    /// Commits the actions, unless there are none or `app` has committed. On a lost race the state is refreshed and the
    /// actions are made again.
    ///
    /// Where the answer of a remote store is lost, the commit may be there all the same: then too the log is read again, and
    /// says whether the job has committed. Trying again settles it: of two conditional puts of one version one wins.
    async fn commit(
        &self,
        slot: &mut Option<DeltaTable>,
        name: &str,
        operation: DeltaOperation,
        app: Option<String>,
        actions: impl Fn(&DeltaTable) -> Result<Vec<Action>>,
    ) -> Result<()> {
        let Some(delta) = slot.as_mut() else {
            return Err(ProviderError::Missing { store: STORE, what: format!("log of table folder {name}") });
        };
        let mut lost_answers = 0;
        for _ in 0..COMMIT_TRIES {
            if let Some(app) = &app
                && has_committed(delta, name, app).await?
            {
                return Ok(());
            }
            let actions = actions(delta)?;
            if actions.is_empty() && app.is_none() {
                return Ok(());
            }
            let mut properties = commit_properties();
            if let Some(app) = &app {
                let now = Utc::now().timestamp_millis();
                properties =
                    properties.with_application_transaction(Transaction::new_with_last_update(app, 1, Some(now)));
            }
            let committed = CommitBuilder::from(properties)
                .with_actions(actions)
                .build(Some(state(delta)?), delta.log_store(), operation.clone())
                .await;
            match committed {
                Ok(done) => {
                    delta.state = Some(done.snapshot());
                    self.tidy(delta, done.version(), name).await;
                    return Ok(());
                }
                Err(error) if is_lost_race(&error) => refresh(delta, name).await?,
                Err(error) if lost_answers < LOST_ANSWERS && errors::is_passing(&error) => {
                    tracing::warn!(name, %error, "the answer to a commit was lost; looking whether it is there");
                    lost_answers += 1;
                    refresh(delta, name).await?;
                }
                Err(error) => return Err(errors::in_log(name, "commit to the log", error)),
            }
        }
        Err(ProviderError::Store {
            store: STORE,
            context: format!("commit to the log of table folder {name}"),
            source: format!("lost {COMMIT_TRIES} races against another writer of this table").into(),
        })
    }

    /// Each `checkpoint_interval` commits: a checkpoint, and expired log files go. The commit stands without them, so a
    /// failure is only told; the next interval tries again.
    async fn tidy(&self, delta: &DeltaTable, version: u64, name: &str) {
        if !(version + 1).is_multiple_of(self.checkpoint_interval) {
            return;
        }
        if let Err(error) = checkpoints::create_checkpoint(delta, None).await {
            tracing::warn!(table = name, version, %error, "could not write a checkpoint of the Delta log");
        } else if let Err(error) = checkpoints::cleanup_metadata(delta, None).await {
            tracing::warn!(table = name, version, %error, "could not remove expired files of the Delta log");
        }
    }
}

fn app_id(job: &JobId) -> String {
    format!("zxq-{job}")
}

/// Races are decided here, not in the library: it would need all file lists to look for conflicts.
fn commit_properties() -> CommitProperties {
    CommitProperties::default().with_max_retries(0).with_create_checkpoint(false).with_cleanup_expired_logs(Some(false))
}

fn is_lost_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_)
            }
    )
}

fn state(delta: &DeltaTable) -> Result<&deltalake_core::table::state::DeltaTableState> {
    delta.snapshot().map_err(|e| ProviderError::store(STORE, "read the state of a table", e))
}

async fn refresh(delta: &mut DeltaTable, name: &str) -> Result<()> {
    delta.update_state().await.map_err(|e| errors::in_log(name, "read the log", e))
}

async fn has_committed(delta: &DeltaTable, name: &str, app: &str) -> Result<bool> {
    let version = state(delta)?
        .transaction_version(delta.log_store().as_ref(), app)
        .await
        .map_err(|e| errors::in_log(name, "look for a job in the log", e))?;
    Ok(version.is_some())
}

/// The metadata (and, for the first TIMESTAMP without time zone, protocol) actions that bring the log to the table's
/// columns. Added columns are nullable in the log: files written before them do not hold them.
fn schema_actions(delta: &DeltaTable, table: &TableDef) -> Result<Vec<Action>> {
    let failed = |e: deltalake_core::kernel::Error| errors::in_log(&table.storage_name(), "add columns to the log", e);
    let state = state(delta)?;
    let mut fields: Vec<StructField> = state.schema().fields().cloned().collect();
    let mut has_changed = false;
    for field in schema::fields(table)? {
        let added = || StructField::nullable(field.name(), field.data_type().clone());
        let folded = field.name().to_lowercase();
        match fields.iter().position(|known| known.name().to_lowercase() == folded) {
            Some(at) if fields[at].name() == field.name() => continue,
            // Of a column that had another name, or went, while the table was empty.
            Some(at) => fields[at] = added(),
            None => fields.push(added()),
        }
        has_changed = true;
    }
    if !has_changed {
        return Ok(Vec::new());
    }
    let mut actions = Vec::with_capacity(2);
    if fields.iter().any(|f| f.data_type() == &DataType::TIMESTAMP_NTZ)
        && let Some(protocol) = with_timestamp_ntz(state.protocol(), &fields)?
    {
        actions.push(Action::Protocol(protocol));
    }
    let new_schema =
        StructType::try_new(fields).map_err(|e| errors::in_log(&table.storage_name(), "add columns to the log", e))?;
    actions.push(Action::Metadata(state.metadata().clone().with_schema(&new_schema).map_err(failed)?));
    Ok(actions)
}

/// The protocol with what timestamps without time zone need; `None` when it is there.
fn with_timestamp_ntz(current: &Protocol, fields: &[StructField]) -> Result<Option<Protocol>> {
    let json = |e: serde_json::Error| ProviderError::store(STORE, "read the protocol of a table", e);
    let mut wanted = serde_json::to_value(schema::protocol(fields)?).map_err(json)?;
    let present = serde_json::to_value(current).map_err(json)?;
    for key in ["readerFeatures", "writerFeatures"] {
        let (Some(kept), Some(list)) = (present[key].as_array(), wanted[key].as_array_mut()) else { continue };
        let more: Vec<_> = kept.iter().filter(|feature| !list.contains(feature)).cloned().collect();
        list.extend(more);
    }
    let wanted: Protocol = serde_json::from_value(wanted).map_err(json)?;
    Ok((&wanted != current).then_some(wanted))
}

/// A location without the table's folder.
fn path_in_table(storage_name: &str, location: &str) -> Result<String> {
    let inner = location.strip_prefix(storage_name).and_then(|rest| rest.strip_prefix('/'));
    inner.map(str::to_owned).ok_or_else(|| ProviderError::Unsupported {
        store: STORE,
        what: format!("list {location} in the log of table folder {storage_name}: it lies elsewhere"),
    })
}

fn size_of(segment: &Segment) -> Result<i64> {
    i64::try_from(segment.bytes).map_err(|e| ProviderError::store(STORE, format!("list {}", segment.location), e))
}

fn add_action(table: &TableDef, segment: &Segment, data_change: bool, now: i64) -> Result<Add> {
    Ok(Add {
        path: path_in_table(&table.storage_name(), &segment.location)?,
        partition_values: partition_values(table, &segment.partition),
        size: size_of(segment)?,
        modification_time: now,
        data_change,
        stats: Some(stats_json(table, segment)),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    })
}

fn remove_action(table: &TableDef, segment: &Segment, data_change: bool, now: i64) -> Result<Remove> {
    Ok(Remove {
        path: path_in_table(&table.storage_name(), &segment.location)?,
        data_change,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(partition_values(table, &segment.partition)),
        size: Some(size_of(segment)?),
        ..Default::default()
    })
}
