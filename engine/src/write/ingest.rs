//! Ingest: rows in, checked, logged, fsynced, then visible. INSERT, the Rust API and loads into hot all end here.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use zxq_catalog::{
    Change, JobId, PartitionKey, Role, Segment, SegmentId, Snapshot, TableDef, TableId, TableState, Tier, Value,
};
use zxq_providers::hot::wal::WalEntry;
use zxq_providers::hot::{HotReservation, allocated_bytes, compact};
use zxq_providers::{row_hash, sort, stats};

use crate::constraints::RowChecker;
use crate::error::{ErrorKind, Result};
use crate::sql::sequence_def::SequenceDef;
use crate::sql::sequences;
use crate::state::engine::Engine;
use crate::state::pins::Pin;
use crate::supervisor::control::{Finishing, JobControl};
use crate::write::partition_split::{concat, split_all};

/// What an ingest did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Rows that are now durable and visible.
    pub rows: u64,
    /// Rows refused and put into the table's rejects.
    pub rejected: u64,
}

/// Segments below this many rows are merged as they pile up.
const MERGE_BELOW_ROWS: u64 = 131_072;
/// More bytes than this are logged piece by piece: they do not wait in memory all at once, and can be stopped in between.
const LOGGED_AT_ONCE: u64 = 32 << 20;
/// How many segments of about one size make a merge.
const MERGE_FAN_IN: usize = 8;

/// Rows of one partition, ready to become a hot segment.
pub(crate) struct SortedRows {
    pub(crate) partition: PartitionKey,
    pub(crate) rows: RecordBatch,
}

impl SortedRows {
    /// Memory that the rows keep.
    pub(crate) fn bytes(&self) -> u64 {
        allocated_bytes(std::slice::from_ref(&self.rows))
    }
}

/// Rows for hot of one table, checked against its definition as it was.
pub(crate) struct HotRows {
    pub(crate) table: Arc<TableDef>,
    pub(crate) parts: Vec<SortedRows>,
}

/// A segment that is in memory and neither logged nor visible.
pub(crate) struct Prepared {
    pub(crate) segment: Segment,
    pub(crate) rows: RecordBatch,
}

impl Engine {
    /// Appends rows to a table's hot tier. When it returns, they survive a crash and every new statement sees them.
    ///
    /// Batches may hold any subset of the table's columns, in any order, of any types that cast: missing columns get
    /// their default or NULL, generated columns are computed. All or nothing. Dropped before it returns, it ends as a whole
    /// in the background: all rows or none.
    ///
    /// # Errors
    /// The first bad row's: [`ErrorKind::NotNullViolation`], [`ErrorKind::CheckViolation`],
    /// [`ErrorKind::NumericOutOfRange`] and so on, naming row and column. [`ErrorKind::OutOfMemory`] when hot stays
    /// full for the configured wait; [`ErrorKind::DiskFull`].
    pub async fn ingest(self: &Arc<Self>, table: &str, batches: Vec<RecordBatch>) -> Result<IngestReport> {
        let id = self.own_table(table)?.def.id;
        let engine = Arc::clone(self);
        let work =
            move |control: Arc<JobControl>| async move { engine.ingest_checked(id, batches, "ingest", &control).await };
        self.supervisor.start("ingest", work).await
    }

    pub(crate) async fn ingest_checked(
        self: &Arc<Self>,
        table: TableId,
        batches: Vec<RecordBatch>,
        source: &str,
        control: &JobControl,
    ) -> Result<IngestReport> {
        loop {
            let (table, checked) = self.check_rows(table, &batches)?;
            let rows = HotRows { parts: sort_by_partition(&table, &checked)?, table };
            // None: the table was altered since; the rows are checked again.
            if let Some(report) = self.append_hot(vec![rows], source, control).await? {
                return Ok(report);
            }
        }
    }

    /// The rows as rows of the table, and the definition that says so.
    ///
    /// # Errors
    /// The first bad row's.
    pub(crate) fn check_rows(
        &self,
        table: TableId,
        batches: &[RecordBatch],
    ) -> Result<(Arc<TableDef>, Vec<RecordBatch>)> {
        self.check_write()?;
        let state = self.own_table_by_id(table)?;
        let checker = self.numbering_checker(&state)?;
        let mut checked = Vec::with_capacity(batches.len());
        let mut row = 1;
        for batch in batches {
            checked.push(checker.check(batch, row)?);
            row += batch.num_rows() as u64;
        }
        Ok((Arc::clone(&state.def), checked))
    }

    /// What checks a table's rows, and numbers them from the greatest number on that there is.
    pub(crate) fn numbering_checker(&self, state: &TableState) -> Result<Arc<RowChecker>> {
        let checker = self.checkers.of(&state.def)?;
        checker.begin_numbers(|column| {
            let greatest = state.all().filter_map(|segment| match &segment.stats.get(column)?.max {
                Some(Value::Int(number)) => Some(*number),
                _ => None,
            });
            greatest.max().unwrap_or(0).max(self.sequence_before(&state.def, column).unwrap_or(0))
        });
        Ok(checker)
    }

    /// How far the sequence had come that a column takes its numbers from, where it is one of its own.
    fn sequence_before(&self, def: &TableDef, column: &str) -> Option<i64> {
        let name = sequences::of_default(def.column(column)?.default.as_deref()?)?;
        let sequence = SequenceDef::parse(self.snapshot().table(&name)?.def.sequence()?)?;
        Some(sequence.next.map(|next| next - 1).or(sequence.last).unwrap_or(sequence.start - 1))
    }

    /// Logs rows and makes them visible together. `None` where a table is not defined any more as the rows were checked
    /// against; then nothing was done.
    pub(crate) async fn append_hot(
        self: &Arc<Self>,
        rows: Vec<HotRows>,
        source: &str,
        control: &JobControl,
    ) -> Result<Option<IngestReport>> {
        self.check_write()?;
        // Memory is promised before the log is written: what is logged must become visible.
        // All of it at once: who holds a part of hot and waits for another might wait for somebody who does the same.
        let wanted = rows.iter().flat_map(|rows| &rows.parts).map(SortedRows::bytes).sum();
        if rows.iter().all(|rows| rows.parts.is_empty()) {
            return Ok(Some(IngestReport::default()));
        }
        let mut room = control.stoppable(self.make_room(wanted)).await?;
        let mut reserved = Vec::new();
        let mut tables = Vec::with_capacity(rows.len());
        for HotRows { table, parts } in rows {
            for part in parts {
                let reservation = room.split(part.bytes());
                reserved.push((Arc::clone(&table), part, reservation));
            }
            tables.push(table);
        }
        let mut prepared = Vec::with_capacity(reserved.len());
        let logged = match self.prepare_all(reserved, source, &mut prepared).await {
            Ok(()) => self.log_and_publish(&tables, &mut prepared, control).await,
            Err(error) => Err(error),
        };
        if !matches!(logged, Ok(Some(_))) {
            let ids: Vec<SegmentId> = prepared.iter().map(|p| p.segment.id).collect();
            self.hot.forget(&ids);
        }
        logged
    }

    async fn prepare_all(
        &self,
        reserved: Vec<(Arc<TableDef>, SortedRows, HotReservation)>,
        source: &str,
        prepared: &mut Vec<Prepared>,
    ) -> Result<()> {
        for (table, part, reservation) in reserved {
            let id = self.segment_ids.next().await?;
            // Its place in the log is not known yet.
            let segment = self.insert_hot(&table, id, &part, reservation, 0, source)?;
            prepared.push(Prepared { segment, rows: part.rows });
        }
        Ok(())
    }

    /// Logs segments that lie in hot, in one transaction, and makes them visible in one epoch: the list is empty once they are
    /// in the log. `None` where a table is not defined any more as the rows were checked against.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`] for a table that is gone; what the log says.
    pub(crate) async fn log_and_publish(
        self: &Arc<Self>,
        tables: &[Arc<TableDef>],
        prepared: &mut Vec<Prepared>,
        control: &JobControl,
    ) -> Result<Option<IngestReport>> {
        let _gate = control.wait(self.ingest_gate.read()).await?;
        // Waiting for room may have taken longer than a lease runs.
        self.check_write()?;
        // Definitions change behind the closed gate only.
        for table in tables {
            let now = &self.own_table_by_id(table.id)?.def;
            if !Arc::ptr_eq(now, table) && now != table {
                return Ok(None);
            }
        }
        let (finishing, lsns) = self.log(prepared, control).await?;
        let mut report = IngestReport::default();
        let mut changes = Vec::with_capacity(prepared.len());
        let mut touched = Vec::with_capacity(prepared.len());
        for (part, lsn) in prepared.drain(..).zip(lsns) {
            report.rows += part.segment.rows;
            touched.push((part.segment.table, part.segment.partition.clone()));
            changes.push(Change::AddSegment(Box::new(Segment { location: hot_location(lsn), ..part.segment })));
        }
        // The rows are in the log and would come back at the next start: a failure here says so rather than nothing.
        self.commit_hot(&changes).await.map_err(|e| e.context("rows were logged but could not be made visible"))?;
        drop(finishing);
        for (table, partition) in &touched {
            // The rows are in: that they were not merged is for the next insert to mend.
            if let Err(error) = self.merge_small(*table, partition, false).await {
                tracing::warn!(%error, table, %partition, "small hot segments could not be merged");
            }
        }
        self.collect_hot().await;
        Ok(Some(report))
    }

    /// Logs segments in one transaction. From its end on they are there: what is to come has to be finished.
    async fn log<'a>(&self, prepared: &[Prepared], control: &'a JobControl) -> Result<(Finishing<'a>, Vec<u64>)> {
        let wal = self.wal()?;
        let entry = |p: &Prepared| WalEntry {
            table: p.segment.table,
            partition: p.segment.partition.clone(),
            batch: p.rows.clone(),
        };
        if prepared.iter().map(|p| p.segment.bytes).sum::<u64>() <= LOGGED_AT_ONCE {
            let finishing = control.must_finish()?;
            let lsns = wal.append(prepared.iter().map(entry).collect()).await?;
            return Ok((finishing, lsns));
        }
        // Dropped before its end it never happened.
        let transaction = wal.begin()?;
        for part in prepared {
            control.check()?;
            wal.append_to(&transaction, vec![entry(part)]).await?;
        }
        let finishing = control.must_finish()?;
        let lsn = wal.commit(transaction).await?;
        Ok((finishing, vec![lsn; prepared.len()]))
    }

    /// Puts rows into the hot store, not yet visible, and describes them. `lsn`: where the log holds them.
    pub(crate) fn insert_hot(
        &self,
        table: &TableDef,
        id: SegmentId,
        part: &SortedRows,
        reservation: HotReservation,
        lsn: u64,
        source: &str,
    ) -> Result<Segment> {
        let hash = row_hash::hash_batch(&part.rows)?;
        let stats = stats::column_stats(std::slice::from_ref(&part.rows))?;
        let written = self.hot.insert_reserved(reservation, id, table, part.rows.clone())?;
        Ok(Segment {
            id,
            table: table.id,
            partition: part.partition.clone(),
            tier: Tier::Hot,
            role: Role::Owner,
            location: hot_location(lsn),
            rows: part.rows.num_rows() as u64,
            bytes: written.bytes,
            hash,
            stats,
            sorted: true,
            job: JobId(source.to_owned()),
            created_epoch: 0,
        })
    }

    /// Merges small segments of one partition, so that a trickle of inserts does not become a thousand segments. One does it
    /// for all: who finds it being done leaves it to whoever does. `beyond_limit`: also where hot has no room for it.
    ///
    /// Only runs of similar size are merged, so each row is copied about log(rows) times.
    pub(crate) async fn merge_small(&self, table: TableId, partition: &PartitionKey, beyond_limit: bool) -> Result<()> {
        let Some(_merging) = Merging::begin(self, table, partition) else { return Ok(()) };
        // What came meanwhile may make another run.
        while self.merge_one_run(table, partition, beyond_limit).await? {}
        Ok(())
    }

    /// Merges one run of small segments; false where there is none, or it is not the time for it.
    async fn merge_one_run(&self, table: TableId, partition: &PartitionKey, beyond_limit: bool) -> Result<bool> {
        let snapshot = self.snapshot();
        let Some(state) = snapshot.table_by_id(table) else { return Ok(false) };
        if self.sealed.lock().contains(&(table, partition.clone())) {
            return Ok(false);
        }
        let Some(there) = state.partition(partition) else { return Ok(false) };
        let owned: Vec<&Arc<Segment>> = there.tier(Tier::Hot).owners().collect();
        let Some(chosen) = similar_run(&owned) else { return Ok(false) };
        if !beyond_limit && !self.has_room_for_copies(&chosen) {
            return Ok(false);
        }
        let mut batches = Vec::with_capacity(chosen.len());
        let mut changes = Vec::with_capacity(chosen.len() + 1);
        let mut lsn = 0;
        for segment in &chosen {
            let Some(data) = self.hot.segment(segment.id) else { return Ok(false) };
            // Those that were written before a column was added get what a read would give them.
            batches.extend(data.rows_of(&state.def)?);
            lsn = lsn.max(hot_lsn(segment));
            changes.push(Change::RetireSegment { table, segment: segment.id });
        }
        let rows = compact(&sort::merge_sorted(&batches, &state.def.sort_by)?)?;
        let part = SortedRows { partition: partition.clone(), rows };
        // The merged rows stand beside their sources until those are collected.
        let Some(reservation) = self.room_for_copy(&part, beyond_limit) else { return Ok(false) };
        let id = self.segment_ids.next().await?;
        let merged = self.insert_hot(&state.def, id, &part, reservation, lsn, "merge")?;
        changes.push(Change::AddSegment(Box::new(merged)));
        match self.commit_hot(&changes).await {
            Ok(_) => Ok(true),
            Err(error) => {
                // A move or a DROP took the segments first.
                self.hot.forget(&[id]);
                if error.kind() == ErrorKind::Internal { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Whether copies of these rows fit into hot beside them. Where not, it is time to move rows out, not to copy them.
    pub(crate) fn has_room_for_copies(&self, segments: &[Arc<Segment>]) -> bool {
        let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        self.hot.used().saturating_add(bytes) <= self.hot.limit()
    }

    /// Memory for rows that stand for others: within hot's limit, unless that may be exceeded.
    pub(crate) fn room_for_copy(&self, part: &SortedRows, beyond_limit: bool) -> Option<HotReservation> {
        match beyond_limit {
            true => Some(self.hot.reserve_always(part.bytes())),
            false => self.hot.reserve(part.bytes()).ok(),
        }
    }

    /// Waits for ingests under way and marks a partition as sealed, so that its hot segments stay as they are until
    /// the returned guard is dropped. Rows that arrive meanwhile become new segments.
    pub(crate) async fn seal(self: &Arc<Self>, table: TableId, partition: &PartitionKey) -> (Seals, Arc<Snapshot>) {
        let (seals, pin) = self.seal_all(table, vec![partition.clone()]).await;
        (seals, Arc::clone(pin.snapshot()))
    }

    /// As [`Engine::seal`], of several partitions at once, with the snapshot pinned. Nobody else seals them meanwhile: whoever does
    /// has the table to itself.
    pub(crate) async fn seal_all(self: &Arc<Self>, table: TableId, partitions: Vec<PartitionKey>) -> (Seals, Arc<Pin>) {
        let _alone = self.ingest_gate.write().await;
        self.sealed.lock().extend(partitions.iter().map(|partition| (table, partition.clone())));
        (Seals { engine: Arc::clone(self), table, partitions }, self.pin())
    }
}

/// Keeps the hot segments of partitions from being merged.
#[derive(Debug)]
pub(crate) struct Seals {
    engine: Arc<Engine>,
    table: TableId,
    partitions: Vec<PartitionKey>,
}

impl Seals {
    /// True for a partition that it keeps.
    pub(crate) fn hold(&self, partition: &PartitionKey) -> bool {
        self.partitions.contains(partition)
    }
}

impl Drop for Seals {
    fn drop(&mut self) {
        let mut sealed = self.engine.sealed.lock();
        for partition in self.partitions.drain(..) {
            sealed.remove(&(self.table, partition));
        }
    }
}

/// The one who merges small segments of a partition; another may when it is dropped.
struct Merging<'a> {
    engine: &'a Engine,
    place: (TableId, PartitionKey),
}

impl<'a> Merging<'a> {
    /// `None` where somebody does it already.
    fn begin(engine: &'a Engine, table: TableId, partition: &PartitionKey) -> Option<Self> {
        let place = (table, partition.clone());
        let is_first = engine.merging.lock().insert(place.clone());
        // Made only where it is to be dropped as well: that ends the merge.
        is_first.then(|| Merging { engine, place })
    }
}

impl Drop for Merging<'_> {
    fn drop(&mut self) {
        self.engine.merging.lock().remove(&self.place);
    }
}

/// Splits checked rows by partition and sorts each part by the table's sort key. Each part has memory of its own: rows of
/// many partitions that come together share buffers, which each of them would keep.
pub(crate) fn sort_by_partition(table: &TableDef, batches: &[RecordBatch]) -> Result<Vec<SortedRows>> {
    let mut parts = Vec::new();
    for (partition, batches) in split_all(table, batches)? {
        if let Some(rows) = concat(&batches)? {
            parts.push(SortedRows { partition, rows: compact(&sort::sort_batch(&rows, &table.sort_by)?)? });
        }
    }
    Ok(parts)
}

/// A hot segment's location: the newest log sequence number among its rows.
fn hot_location(lsn: u64) -> String {
    format!("lsn:{lsn}")
}

/// The newest log sequence number among a hot segment's rows; 0 for a replica.
pub(crate) fn hot_lsn(segment: &Segment) -> u64 {
    segment.location.strip_prefix("lsn:").and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The smallest segments, if there are enough small ones of about the same size.
pub(crate) fn similar_run(segments: &[&Arc<Segment>]) -> Option<Vec<Arc<Segment>>> {
    let mut by_class: [Vec<Arc<Segment>>; 24] = Default::default();
    for segment in segments.iter().filter(|segment| segment.rows < MERGE_BELOW_ROWS) {
        // Classes of a factor of 8 in rows.
        let class = (segment.rows.max(1).ilog2() / 3) as usize;
        by_class[class.min(23)].push(Arc::clone(segment));
    }
    by_class.into_iter().find(|class| class.len() >= MERGE_FAN_IN)
}
