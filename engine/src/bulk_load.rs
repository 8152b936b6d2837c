//! Bulk loads: files or a stream, checked and cut into segments, straight into the tier their age asks for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc::Receiver;
use zxq_catalog::{Change, Job, JobId, JobKind, JobPhase, PartitionKey, Segment, TableDef, Tier};
use zxq_providers::sort;

use crate::constraints::OnError;
use crate::engine::Engine;
use crate::error::{EngineError, ErrorKind, Result};
use crate::ingest::SortedRows;
use crate::load::FileFormat;
use crate::load_inputs::{Inputs, Read};
use crate::moves::plan::{Ages, age, newest_us};
use crate::partition_split::{concat, split};
use crate::segment_writers::SegmentWriters;

/// Bytes of rows that a load gathers before it writes its largest partition out.
const BUFFER_BYTES: usize = 384 * 1024 * 1024;

/// What to load into which table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRequest {
    /// The table.
    pub table: String,
    /// The tier; `None` places each partition by its age.
    pub tier: Option<Tier>,
    /// What to do with bad rows.
    pub on_error: OnError,
    /// Value of the table's class column for every row, where the source has none.
    pub asset_class: Option<String>,
    /// Create the table from the source's schema if it does not exist.
    pub create: bool,
}

impl FromStr for OnError {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "reject" => Ok(OnError::Reject),
            "quarantine" => Ok(OnError::Quarantine),
            _ => Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!("on_error cannot be {text:?}: use reject or quarantine"),
            )),
        }
    }
}

/// Where rows come from.
pub enum LoadSource {
    /// Files, Parquet or CSV, each plain or compressed.
    Files(Vec<PathBuf>),
    /// One stream.
    Stream {
        /// Name for messages and lineage: `stdin`.
        name: String,
        /// Its format; `None` looks at its first bytes.
        format: Option<FileFormat>,
        /// The bytes.
        reader: Box<dyn std::io::Read + Send>,
    },
}

/// How far a load has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadProgress {
    /// Rows read.
    pub rows: u64,
    /// Bytes of the sources read.
    pub bytes_read: u64,
    /// Bytes of all sources, where known.
    pub bytes_total: Option<u64>,
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
}

impl Engine {
    /// Loads rows from files or a stream: all of them visible at once, or (where it fails) none.
    ///
    /// `progress` is called now and then from a worker thread.
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
        let started = Instant::now();
        self.check_write()?;
        self.sweep_abandoned().await;
        let mut inputs = Inputs::open(source, request.on_error, request.asset_class.clone())?;
        let table = self.table_for_load(&request, &mut inputs).await?;
        let mut job = Job {
            id: JobId::new(),
            kind: JobKind::Load,
            table: table.id,
            partition: None,
            from: None,
            to: request.tier.unwrap_or(Tier::Cold),
            phase: JobPhase::Copying,
            fence: 0,
            rows: 0,
            started_us: self.now_us(),
            ended_us: None,
            error: None,
            pending: Vec::new(),
        };
        self.catalog.put_job(&job).await?;
        match self.load_into(&table, &request, inputs, &mut job, progress).await {
            Ok(report) => Ok(LoadReport { elapsed: started.elapsed(), ..report }),
            Err(error) => {
                self.give_up(&mut job, &error).await;
                Err(error)
            }
        }
    }

    async fn load_into(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        request: &LoadRequest,
        inputs: Inputs,
        job: &mut Job,
        progress: &(dyn Fn(LoadProgress) + Send + Sync),
    ) -> Result<LoadReport> {
        let names = inputs.names();
        let checker = self.checkers.of(self, table)?;
        let mut batches = inputs.read(Arc::clone(table), checker, self.now_us());
        let mut gather = Gather::new(self, table, request.tier, &job.id);
        let read = gather.read_all(&mut batches, progress).await;
        let rejected = match read {
            Ok(rejected) => rejected,
            Err(error) => {
                // Its own errors would only hide the first one.
                let _ = gather.writers.finish().await;
                return Err(error);
            }
        };
        let files = names.len();
        let Gathered { hot, segments } = gather.finish().await?;
        let rejected_rows: u64 = rejected.iter().map(|b: &RecordBatch| b.num_rows() as u64).sum();

        let mut report = LoadReport { rejected: rejected_rows, files, ..LoadReport::default() };
        for segment in &segments {
            report.per_tier[segment.tier.index()] += segment.rows;
        }
        report.segments = segments.len() + hot.len();
        report.per_tier[Tier::Hot.index()] += hot.iter().map(|p| p.rows.num_rows() as u64).sum::<u64>();
        report.rows = report.per_tier.iter().sum();
        if rejected_rows > 0 {
            self.quarantine(table, rejected).await?;
        }
        job.rows = report.rows;
        if segments.is_empty() {
            self.append_hot(table, hot, &format!("load {}", job.id)).await?;
            job.phase = JobPhase::Done;
            job.ended_us = Some(self.now_us());
            self.catalog.put_job(job).await?;
        } else {
            let changes = segments.iter().map(|s| Change::AddSegment(Box::new(s.clone()))).collect();
            let lineage = self.lineage_of(&segments, &job.id, &[], &names);
            self.publish_and_flip(table, job, segments, changes, lineage).await?;
        }
        Ok(report)
    }

    async fn table_for_load(self: &Arc<Self>, request: &LoadRequest, inputs: &mut Inputs) -> Result<Arc<TableDef>> {
        if self.snapshot().table(&request.table).is_some() {
            return Ok(Arc::clone(&self.own_table(&request.table)?.def));
        }
        if !request.create {
            return self
                .table(&request.table)
                .map(|state| Arc::clone(&state.def))
                .map_err(|error| EngineError::new(error.kind(), format!("{error}; create it first or pass --create")));
        }
        let schema = inputs.first_schema()?;
        let def = crate::sql::table_from_schema(&request.table, &schema)?;
        self.create_table(def).await
    }

    async fn quarantine(self: &Arc<Self>, table: &TableDef, rejected: Vec<RecordBatch>) -> Result<()> {
        let def = crate::constraints::rejects_table_def(table);
        let name = def.name.clone();
        if self.snapshot().table(&name).is_none() {
            self.create_table(def).await?;
        }
        self.ingest_checked(&name, rejected, "quarantine").await?;
        Ok(())
    }
}

/// What a load has gathered when its sources end.
struct Gathered {
    /// Rows for hot, when the whole load belongs there.
    hot: Vec<SortedRows>,
    /// Segments written and not yet visible.
    segments: Vec<Segment>,
}

/// Rows of a load by partition, written out as segments when they get large.
struct Gather<'a> {
    engine: &'a Arc<Engine>,
    table: &'a Arc<TableDef>,
    /// Where all rows go; `None` decides by age.
    tier: Option<Tier>,
    ages: Ages,
    pending: BTreeMap<PartitionKey, Pending>,
    bytes: usize,
    /// Newest moment seen in the table and in this load, microseconds since the epoch.
    newest: Option<i64>,
    writers: SegmentWriters,
}

#[derive(Default)]
struct Pending {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    newest: Option<i64>,
}

impl<'a> Gather<'a> {
    fn new(engine: &'a Arc<Engine>, table: &'a Arc<TableDef>, tier: Option<Tier>, job: &JobId) -> Self {
        let newest = engine.snapshot().table_by_id(table.id).and_then(|state| newest_us(table, state.owners()));
        Gather {
            engine,
            table,
            tier,
            ages: Ages::of(table, &engine.config),
            pending: BTreeMap::new(),
            bytes: 0,
            newest,
            writers: SegmentWriters::new(engine, table, job),
        }
    }

    /// Takes in all that is read; returns the rejected rows.
    async fn read_all(
        &mut self,
        batches: &mut Receiver<Result<Read>>,
        progress: &(dyn Fn(LoadProgress) + Send + Sync),
    ) -> Result<Vec<RecordBatch>> {
        let mut rejected = Vec::new();
        while let Some(read) = batches.recv().await {
            let read = read?;
            rejected.extend(read.rejected);
            self.add(&read.rows)?;
            self.write_overflow().await?;
            progress(read.progress);
        }
        Ok(rejected)
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        for (key, rows) in split(self.table, batch)? {
            let newest = newest_in(self.table, &rows);
            let bytes = rows.get_array_memory_size();
            let pending = self.pending.entry(key).or_default();
            pending.newest = pending.newest.max(newest);
            pending.rows += rows.num_rows();
            pending.bytes += bytes;
            pending.batches.push(rows);
            self.bytes += bytes;
            self.newest = self.newest.max(newest);
        }
        Ok(())
    }

    /// Where a partition's rows belong.
    fn tier_of(&self, pending: &Pending) -> Tier {
        self.tier.unwrap_or_else(|| self.ages.tier_for(age(pending.newest, self.newest, self.engine.now_us())))
    }

    /// Writes out full segments, and the largest partitions while the buffer is over its budget. Rows for hot stay: hot
    /// is memory too.
    async fn write_overflow(&mut self) -> Result<()> {
        let full = self.engine.config.policy.segment_rows;
        loop {
            let candidate = self
                .pending
                .iter()
                .filter(|(_, p)| (p.rows >= full || self.bytes > BUFFER_BYTES) && self.tier != Some(Tier::Hot))
                .max_by_key(|(_, p)| (p.rows >= full, p.bytes))
                .map(|(key, _)| key.clone());
            let Some(key) = candidate else {
                return self.check_hot_fits();
            };
            let Some(pending) = self.pending.remove(&key) else { return Ok(()) };
            self.bytes -= pending.bytes;
            // An early cut cannot know yet whether newer rows will come, so it never picks hot.
            let tier = self.tier_of(&pending).max(Tier::Warm);
            self.start_write(&key, pending, tier).await?;
        }
    }

    fn check_hot_fits(&self) -> Result<()> {
        let limit = self.engine.config.hot.memory_limit_bytes;
        if self.tier == Some(Tier::Hot) && self.bytes as u64 > limit {
            return Err(EngineError::new(
                ErrorKind::OutOfMemory,
                format!(
                    "the load needs more than hot's memory limit of {limit} bytes: load with --tier warm or cold, or raise hot.memory_limit"
                ),
            ));
        }
        Ok(())
    }

    async fn start_write(&mut self, key: &PartitionKey, pending: Pending, tier: Tier) -> Result<()> {
        let table = Arc::clone(self.table);
        self.writers.write(key, tier, move || sorted(&table, &pending.batches)).await
    }

    async fn finish(mut self) -> Result<Gathered> {
        let hot = self.write_rest().await;
        let segments = self.writers.finish().await;
        Ok(Gathered { hot: hot?, segments: segments? })
    }

    /// Begins the last segments, or returns the rows when all of them belong in hot.
    async fn write_rest(&mut self) -> Result<Vec<SortedRows>> {
        let all_hot = self.writers.is_empty() && self.pending.values().all(|p| self.tier_of(p) == Tier::Hot);
        let mut hot = Vec::new();
        for (partition, pending) in std::mem::take(&mut self.pending) {
            if all_hot {
                if let Some(rows) = sorted(self.table, &pending.batches)?.into_iter().next() {
                    hot.push(SortedRows { partition, rows });
                }
                continue;
            }
            // The log and the catalog cannot commit together: a load that spans tiers owns nothing in hot.
            let tier = self.tier_of(&pending).max(Tier::Warm);
            self.start_write(&partition, pending, tier).await?;
        }
        Ok(hot)
    }
}

/// All rows in one sorted batch (none for no rows).
fn sorted(table: &TableDef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    match concat(batches)? {
        Some(rows) => Ok(vec![sort::sort_batch(&rows, &table.sort_by)?]),
        None => Ok(Vec::new()),
    }
}

/// The newest date, else the newest event time, of a batch.
fn newest_in(table: &TableDef, rows: &RecordBatch) -> Option<i64> {
    use arrow::array::AsArray;
    use arrow::compute::max;
    use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
    if let Some(column) = table.partitioning.date_column.as_deref().and_then(|name| rows.column_by_name(name)) {
        let days = max(column.as_primitive_opt::<Date32Type>()?)?;
        return Some(i64::from(days) * 86_400_000_000);
    }
    let column = rows.column_by_name(table.time_column.as_deref()?)?;
    max(column.as_primitive_opt::<TimestampMicrosecondType>()?)
}
