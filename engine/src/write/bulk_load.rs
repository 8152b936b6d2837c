//! Bulk loads: files or a stream, checked and cut into segments, straight into the tier their age asks for.
//!
//! [`incoming`] is where rows come from, [`gather`] sorts them by partition and writes them out; [`of_query`] takes the rows of
//! an `INSERT … SELECT` or `CREATE TABLE AS`, [`within_transaction`] those of a load that is part of a transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedRwLockReadGuard, watch};
use zxq_catalog::roles::RoleId;
use zxq_catalog::{Change, Job, JobKind, JobPhase, Segment, TableDef, Tier};

use crate::constraints::{OnError, rejects_table_def};
use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::caught::caught;
use crate::load::ReadOptions;
use crate::load::csv_options::CsvOptions;
use crate::load::inputs::{Inputs, LoadProgress, LoadSource};
use crate::state::engine::Engine;
use crate::supervisor::JobHandle;
use crate::supervisor::control::JobControl;
use crate::write::ingest::HotRows;

mod gather;
mod incoming;
mod of_query;
mod within_transaction;

use gather::Gather;
use incoming::{Incoming, Source};

pub(crate) use incoming::QueryRows;

/// What to load into which table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRequest {
    /// The table that gets the rows.
    pub table: String,
    /// The tier; `None` places each partition by its age.
    pub tier: Option<Tier>,
    /// What to do with bad rows.
    pub on_error: OnError,
    /// Value of the table's class column for every row, where the source has none.
    pub asset_class: Option<String>,
    /// Create the table from the source's schema if it does not exist.
    pub create: bool,
    /// How a table that is created is laid out: `time_column`, `partition_by`, … by name, as in `CREATE TABLE … WITH`.
    pub layout: BTreeMap<String, String>,
    /// How CSV text is read: `delimiter`, `quote`, `null_text`, `header` and `date_format`; and `types`: columns of a table that
    /// is created with the types they get, as in `CREATE TABLE`.
    pub reading: BTreeMap<String, String>,
    /// The role that owns a table that is created; `None` for superusers together.
    pub owner: Option<RoleId>,
}

impl LoadRequest {
    /// Loads into a table that is there, each partition where its age puts it, all rows or none.
    pub fn into_table(table: impl Into<String>) -> Self {
        LoadRequest {
            table: table.into(),
            tier: None,
            on_error: OnError::Reject,
            asset_class: None,
            create: false,
            layout: BTreeMap::new(),
            reading: BTreeMap::new(),
            owner: None,
        }
    }
}

/// What a load did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows that are now durable and visible.
    pub rows: u64,
    /// Rows put into the table's rejects.
    pub rejected: u64,
    /// Files read.
    pub files: usize,
    /// Rows by [`Tier::index`].
    pub per_tier: [u64; 3],
    /// Segments made.
    pub segments: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// The load made the table, which is not partitioned by a date.
    pub undated: bool,
    /// Times had digits beyond the microsecond, which were cut.
    pub digits_cut: bool,
}

impl LoadReport {
    /// What whoever loaded should know about the table and its rows.
    pub fn notices(&self, table: &str) -> Vec<String> {
        let undated = self.undated.then(|| {
            format!(
                "{table} is not partitioned by a date: all its rows are one partition, which never ages; name a DATE \
                 column with partition_by (zxq load --partition-by)"
            )
        });
        let cut = self.digits_cut.then(|| {
            format!(
                "times were cut to microseconds in {table}: a BIGINT column named as theirs with _ns behind it keeps the \
                 nanoseconds of Parquet files"
            )
        });
        undated.into_iter().chain(cut).collect()
    }
}

impl Engine {
    /// Loads rows from files or a stream: all of them visible at once, or (where it fails) none. Dropped before it returns,
    /// the load is asked to stop and leaves nothing, or ends in the background if it was about to.
    ///
    /// `progress` is called now and then.
    ///
    /// # Errors
    /// Naming file, row and column: [`ErrorKind::FileNotFound`], [`ErrorKind::InvalidFile`], and those of
    /// [`Engine::ingest`].
    pub async fn load(
        self: &Arc<Self>,
        request: LoadRequest,
        source: LoadSource,
        progress: &(dyn Fn(LoadProgress) + Send + Sync),
    ) -> Result<LoadReport> {
        let (sender, mut seen) = watch::channel(LoadProgress::default());
        let mut load = self.start_load_telling(request, source, sender);
        loop {
            tokio::select! {
                biased;
                done = &mut load => return done,
                Ok(()) = seen.changed() => progress(*seen.borrow_and_update()),
            }
        }
    }

    /// Starts a load that whoever holds the handle can ask to stop.
    pub fn start_load(self: &Arc<Self>, request: LoadRequest, source: LoadSource) -> JobHandle<LoadReport> {
        self.start_load_telling(request, source, watch::Sender::default())
    }

    fn start_load_telling(
        self: &Arc<Self>,
        request: LoadRequest,
        source: LoadSource,
        progress: watch::Sender<LoadProgress>,
    ) -> JobHandle<LoadReport> {
        let engine = Arc::clone(self);
        self.supervisor
            .start("load", move |control| async move { engine.load_within(request, source, &progress, &control).await })
    }

    /// A load as part of a job.
    pub(crate) async fn load_within(
        self: &Arc<Self>,
        request: LoadRequest,
        source: LoadSource,
        progress: &watch::Sender<LoadProgress>,
        control: &JobControl,
    ) -> Result<LoadReport> {
        let started = Instant::now();
        self.check_write()?;
        let Opened { inputs, table, is_new } = self.open_inputs(&request, source, control).await?;
        // Nobody knows a table that is not there yet; whoever gives the load up has to be able to drop it.
        let used = if is_new { None } else { Some(control.wait(self.locks.use_table(table.id)).await?) };
        let table = if is_new { table } else { Arc::clone(&self.own_table_by_id(table.id)?.def) };
        let target = Target { table, is_new, tier: request.tier };
        let report = self.run_load(&target, used, Source::Inputs(inputs), progress, control).await?;
        Ok(LoadReport { elapsed: started.elapsed(), ..report })
    }

    /// A load whose table is found and whose source is open: all of its rows become visible, or nothing of it is left.
    async fn run_load(
        self: &Arc<Self>,
        target: &Target,
        used: Option<OwnedRwLockReadGuard<()>>,
        source: Source,
        progress: &watch::Sender<LoadProgress>,
        control: &JobControl,
    ) -> Result<LoadReport> {
        let job = Job::begin(JobKind::Load, target.table.id, target.tier.unwrap_or(Tier::Cold), self.now_us());
        let mut load = Load { job, tables: Vec::new(), guards: Vec::from_iter(used), digits_cut: false };
        let loaded = match self.catalog.put_job(&load.job).await {
            Ok(()) => caught(self.load_into(target, source, &mut load, progress, control)).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = &loaded {
            self.give_up(&load.job, error).await;
        }
        loaded
    }

    /// Opens the sources and finds the table, or what a table of their columns would be.
    async fn open_inputs(
        self: &Arc<Self>,
        request: &LoadRequest,
        source: LoadSource,
        control: &JobControl,
    ) -> Result<Opened> {
        if let Some(state) = self.snapshot().table(&request.table) {
            // It may be one that an earlier load has made and that is to go.
            self.settle_table(state.def.id).await;
        }
        let known = self.snapshot().table(&request.table).is_some();
        if known {
            self.own_table(&request.table)?;
        } else if !request.create {
            return Err(self.table(&request.table).map_or_else(
                |error| EngineError::new(error.kind(), format!("{error}; create it first or pass --create")),
                |_| EngineError::internal("a table came while it was looked for"),
            ));
        }
        let options = ReadOptions {
            format: None,
            on_error: request.on_error,
            asset_class: request.asset_class.clone(),
            csv: CsvOptions::of(&request.reading)?,
        };
        // To see its columns a stream is read, which waits for whoever writes to it.
        let opening = tokio::task::spawn_blocking(move || {
            let mut inputs = Inputs::open(source, options)?;
            let schema = if known { None } else { Some(inputs.first_schema()?) };
            Ok::<_, EngineError>((inputs, schema))
        });
        let (inputs, schema) = control
            .wait(opening)
            .await?
            .map_err(|e| EngineError::internal(format!("opening the sources stopped: {e}")))??;
        let (table, is_new) = match schema {
            Some(schema) => {
                let def = {
                    let types = request.reading.get("types").map(String::as_str);
                    crate::sql::table_for_load(&request.table, &schema, &request.layout, types)?
                };
                (self.prepare_table(TableDef { owner: request.owner, ..def }).await?, true)
            }
            None => (Arc::clone(&self.own_table(&request.table)?.def), false),
        };
        Ok(Opened { inputs, table, is_new })
    }

    async fn load_into(
        self: &Arc<Self>,
        target: &Target,
        source: Source,
        load: &mut Load,
        progress: &watch::Sender<LoadProgress>,
        control: &JobControl,
    ) -> Result<LoadReport> {
        let Target { table, is_new, tier } = target;
        let is_new = *is_new;
        if is_new {
            self.create_for(table, load, control).await?;
        }
        load.tables.push(Arc::clone(table));
        let names = source.names();
        let checker = match self.snapshot().table_by_id(table.id) {
            Some(state) => self.numbering_checker(state)?,
            None => self.checkers.of(table)?,
        };
        let mut incoming = source.read(table, checker, self.now_us());
        let mut rows = Gather::new(self, table, *tier, &load.job.id);
        if incoming.is_of_query() {
            rows.gather_at_most(self.statement_share());
        }
        let mut rejects: Option<Gather> = None;
        let read = self.read_all(&mut incoming, &mut rows, &mut rejects, load, progress, control).await;
        let gathered = match read {
            Ok(()) => {
                // The snapshot of a query keeps what leaves hot: it does not wait for room.
                let used = if incoming.is_of_query() { self.hot.used() } else { 0 };
                let room = self.hot.limit().saturating_sub(used);
                let in_hot = rows.fits_in_hot(room) && rejects.as_ref().is_none_or(|rejects| rejects.fits_in_hot(room));
                let rows = rows.finish(in_hot).await;
                let rejects = match rejects {
                    Some(rejects) => Some(rejects.finish(in_hot).await),
                    None => None,
                };
                (rows?, rejects.transpose()?.unwrap_or_default())
            }
            Err(error) => {
                // Their own errors would only hide the first one; what they still write is swept after this.
                let _ = rows.abandon().await;
                if let Some(rejects) = rejects {
                    let _ = rejects.abandon().await;
                }
                return Err(error);
            }
        };
        let (rows, rejects) = gathered;
        let undated = is_new && table.partitioning.date_column.is_none();
        let rejected = rejects.row_count();
        let digits_cut = load.digits_cut;
        let mut report = LoadReport { files: names.len(), rejected, undated, digits_cut, ..LoadReport::default() };
        for segment in &rows.segments {
            report.per_tier[segment.tier.index()] += segment.rows;
        }
        report.segments = rows.segments.len() + rows.hot.len();
        report.per_tier[Tier::Hot.index()] += rows.hot.iter().map(|p| p.rows.num_rows() as u64).sum::<u64>();
        report.rows = report.per_tier.iter().sum();
        load.job.rows = report.rows;
        // By age they may have gone to several: the job names the one that got most.
        if let Some(most) = Tier::ALL.into_iter().max_by_key(|tier| report.per_tier[tier.index()])
            && report.rows > 0
        {
            load.job.to = most;
        }
        let segments: Vec<Segment> = rows.segments.into_iter().chain(rejects.segments).collect();
        if segments.is_empty() {
            let parts = [rows.hot, rejects.hot];
            let hot = load.tables.iter().zip(parts).map(|(table, parts)| HotRows { table: Arc::clone(table), parts });
            let source = format!("load {}", load.job.id);
            // The table's lock is held: only a table of rejects can have changed.
            if self.append_hot(hot.collect(), &source, control).await?.is_none() {
                let text = format!("table {} was altered while rows were loaded: load them again", table.name);
                return Err(EngineError::new(ErrorKind::FenceLost, text));
            }
            if is_new && report.rows == 0 {
                // Of a table without rows only the job's end says that it is to stay.
                let done = Job { phase: JobPhase::Done, ended_us: Some(self.now_us()), ..load.job.clone() };
                self.catalog.put_job(&done).await?;
            } else {
                self.note_done(&mut load.job).await;
            }
        } else {
            let changes = segments.iter().map(|s| Change::AddSegment(Box::new(s.clone()))).collect();
            let lineage = self.lineage_of(&segments, &load.job.id, &[], &names);
            self.publish_and_flip(&mut load.job, changes, lineage, control).await?;
        }
        Ok(report)
    }

    /// Takes in all that is read.
    async fn read_all(
        self: &Arc<Self>,
        incoming: &mut Incoming,
        rows: &mut Gather,
        rejects: &mut Option<Gather>,
        load: &mut Load,
        progress: &watch::Sender<LoadProgress>,
        control: &JobControl,
    ) -> Result<()> {
        while let Some(read) = control.stoppable(incoming.next()).await? {
            load.digits_cut |= read.digits_cut;
            rows.add(&read.rows)?;
            incoming.count(rows);
            rows.write_overflow().await?;
            if let Some(rejected) = read.rejected {
                let rejects = match rejects {
                    Some(rejects) => rejects,
                    None => rejects.insert(self.begin_rejects(load, control).await?),
                };
                let checker = self.checkers.of(rejects.table())?;
                rejects.add(&checker.check(&rejected, 1)?)?;
                rejects.write_overflow().await?;
            }
            progress.send_replace(read.progress);
        }
        Ok(())
    }

    /// The table for the rows that are refused, made where it is not there yet. They become visible with the others.
    async fn begin_rejects(self: &Arc<Self>, load: &mut Load, control: &JobControl) -> Result<Gather> {
        let Some(table) = load.tables.first().cloned() else { return Err(EngineError::internal("no table is loaded")) };
        let def = rejects_table_def(&table);
        let name = def.name.clone();
        // A load that was asked to go to hot goes there as a whole.
        let tier = Some(load.job.to).filter(|tier| *tier == Tier::Hot);
        if self.snapshot().table(&name).is_none() {
            let created = self.prepare_table(def).await?;
            match self.create_for(&created, load, control).await {
                Ok(()) => {
                    load.tables.push(Arc::clone(&created));
                    return Ok(Gather::new(self, &created, tier, &load.job.id));
                }
                // Another load was first.
                Err(error) if error.kind() == ErrorKind::DuplicateTable => {}
                Err(error) => return Err(error),
            }
        }
        let there = self.own_table(&name)?;
        if there.def.owner.is_some() && there.def.owner != table.owner {
            let text =
                format!("the rejected rows of table {} cannot go to {name}, which another role owns", table.name);
            return Err(EngineError::new(ErrorKind::InsufficientPrivilege, text)
                .with_hint(format!("ALTER TABLE {name} OWNER TO the owner of {}", table.name)));
        }
        let id = there.def.id;
        load.guards.push(control.wait(self.locks.use_table(id)).await?);
        let rejects = Arc::clone(&self.own_table_by_id(id)?.def);
        load.tables.push(Arc::clone(&rejects));
        Ok(Gather::new(self, &rejects, tier, &load.job.id))
    }

    /// Makes a table that goes away with the job, should the job fail.
    async fn create_for(self: &Arc<Self>, table: &Arc<TableDef>, load: &mut Load, control: &JobControl) -> Result<()> {
        load.job.created.push(table.as_ref().clone());
        self.catalog.put_job(&load.job).await?;
        self.create_prepared(table, control).await
    }
}

/// Where the rows of a load go.
struct Target {
    table: Arc<TableDef>,
    /// There is no such table yet.
    is_new: bool,
    /// `None` places each partition by its age.
    tier: Option<Tier>,
}

/// Sources that are open, and where their rows go.
struct Opened {
    inputs: Inputs,
    table: Arc<TableDef>,
    /// There is no such table yet.
    is_new: bool,
}

/// A load under way.
struct Load {
    job: Job,
    /// The table, and after it the one for rows that are refused, once there are any.
    tables: Vec<Arc<TableDef>>,
    /// Keep the tables as they are.
    guards: Vec<OwnedRwLockReadGuard<()>>,
    digits_cut: bool,
}
