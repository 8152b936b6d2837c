//! One statement's segments: those that hold rows that it is about are written anew, as a job of the statement's own.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;
use zxq_catalog::{Job, JobId, JobKind, PartitionKey, Segment, Tier};

use super::Correcting;
use super::found::Found;
use super::places::{self, InHot, Places};
use super::reading::{Reading, Running};
use super::rewrite::{Rewriting, TakenApart};
use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::caught::caught;
use crate::jobs::segment_writers::SegmentWriters;
use crate::scan::session_options::ZxqOptions;
use crate::session::EngineSession;
use crate::sql::Becomes;
use crate::supervisor::control::JobControl;
use crate::write::corrections::{CORRECTED_HOT, Correction};
use crate::write::ingest::{Seals, sort_by_partition};
use crate::write::insert_sink::Onlooker;
use crate::write::transaction::Transaction;

/// Rows of segments that are looked through by one query.
const ROWS_AT_ONCE: u64 = 256 * 1024;
/// Rows that are rather read than asked about once more, to find out in which of their segments the corrected ones are.
const FEW_ROWS: u64 = 16 * 1024;

impl Correcting {
    /// Corrects rows of a table as a part of a transaction, which sees it from its next statement on. Returns how many.
    pub(in crate::session) async fn correct_stored(
        &self,
        session: &EngineSession,
        transaction: &Transaction,
        plan: &LogicalPlan,
        asked: Option<&dyn Onlooker>,
        control: &JobControl,
    ) -> Result<u64> {
        let engine = &session.engine;
        let table = self.target.definition().id;
        engine.hold_to_correct(transaction, table, control).await?;
        let mut state = session.context().state();
        // Rows are corrected wherever they are, whichever tiers queries read.
        state.config_mut().options_mut().extensions.insert(ZxqOptions::default());
        let running = Running { correcting: self, engine, state: &state, plan, control };
        let done = match places::find(running, transaction).await {
            Ok(None) => Ok(0),
            Ok(Some((reading, places))) => {
                let mut work = Work::new(reading);
                let written = caught(work.correct(&places, asked)).await;
                work.end(written, transaction, places.seals).await
            }
            Err(error) => Err(error),
        };
        transaction.give_back(table, false);
        // They are of many queries, none of which the user has written.
        drop(session.scan_reports.take());
        done
    }
}

/// What a statement has done so far.
struct Work<'a> {
    reading: Reading<'a>,
    /// What writes, under which job, once something is written.
    writers: Option<(Job, SegmentWriters)>,
    gone: Vec<Arc<Segment>>,
    unseen: Vec<Segment>,
    /// The corrected rows, where they are asked for.
    returned: Vec<RecordBatch>,
    count: u64,
}

impl<'a> Work<'a> {
    fn new(reading: Reading<'a>) -> Self {
        Work { reading, writers: None, gone: Vec::new(), unseen: Vec::new(), returned: Vec::new(), count: 0 }
    }

    async fn correct(&mut self, places: &Places, asked: Option<&dyn Onlooker>) -> Result<()> {
        let Running { correcting, engine, control, .. } = self.reading.running;
        if correcting.is_of_all && correcting.becomes == Becomes::Deleted && asked.is_none() {
            return self.delete_all(places).await;
        }
        let checker = engine.numbering_checker(engine.own_table_by_id(self.reading.table.id)?.as_ref())?;
        let rewriting = Rewriting {
            becomes: correcting.becomes,
            checker: &checker,
            assigned: &correcting.assigned,
            returns: asked.is_some(),
        };
        for (partition, in_hot) in &places.in_hot {
            self.correct_in_hot(&rewriting, partition, in_hot).await?;
        }
        for group in groups(places.elsewhere.clone()) {
            self.correct_group(&rewriting, group).await?;
        }
        if let Some(asked) = asked {
            control.stoppable(asked.see(&self.reading.table, &self.returned)).await?;
        }
        Ok(())
    }

    /// All rows that the statement sees go. What others have put into hot since its snapshot stays.
    async fn delete_all(&mut self, places: &Places) -> Result<()> {
        self.begin_writing().await?;
        for (partition, in_hot) in &places.in_hot {
            self.gone.extend(in_hot.seen.iter().cloned());
            self.keep_unseen(partition, in_hot).await?;
        }
        self.gone.extend(places.elsewhere.iter().cloned());
        let unseen: u64 = self.unseen.iter().map(|segment| segment.rows).sum();
        self.count = self.gone.iter().map(|segment| segment.rows).sum::<u64>() - unseen;
        Ok(())
    }

    /// Segments outside of hot, or of the transaction's own: first it is asked whether any of them holds such rows, then which.
    async fn correct_group(&mut self, rewriting: &Rewriting<'_>, group: Vec<Arc<Segment>>) -> Result<()> {
        let mut groups = vec![group];
        while let Some(mut group) = groups.pop() {
            let mut found = self.reading.find(&group).await?;
            if found.count == 0 {
                continue;
            }
            let rows: u64 = group.iter().map(|segment| segment.rows).sum();
            if group.len() > 1 && rows > FEW_ROWS {
                let second = group.split_off(group.len() / 2);
                groups.extend([second, group]);
                continue;
            }
            for segment in group {
                let partition = segment.partition.clone();
                self.rewrite(rewriting, &partition, vec![segment], false, &mut found).await?;
            }
            found.check_all_taken()?;
        }
        Ok(())
    }

    /// A partition in hot: where some of its segments hold such rows, all of them leave hot.
    async fn correct_in_hot(
        &mut self,
        rewriting: &Rewriting<'_>,
        partition: &PartitionKey,
        in_hot: &InHot,
    ) -> Result<()> {
        let mut found = self.reading.find(&in_hot.candidates).await?;
        if found.count == 0 {
            return Ok(());
        }
        self.rewrite(rewriting, partition, in_hot.seen.clone(), true, &mut found).await?;
        found.check_all_taken()?;
        self.keep_unseen(partition, in_hot).await
    }

    /// Writes what others have put into a partition in hot since the statement's snapshot, which has to leave hot with the rest.
    async fn keep_unseen(&mut self, partition: &PartitionKey, in_hot: &InHot) -> Result<()> {
        if in_hot.unseen.is_empty() {
            return Ok(());
        }
        let (job, _) = self.begin_writing().await?;
        let Running { engine, control, .. } = self.reading.running;
        let table = &self.reading.table;
        let copied = engine.copy_segments(table, &in_hot.unseen, partition, CORRECTED_HOT, &job, control).await?;
        self.unseen.extend(copied.segments);
        self.gone.extend(in_hot.unseen.iter().cloned());
        Ok(())
    }

    /// Reads segments of one partition and writes them anew. `all`: also where they hold no such rows; else they are few, and
    /// stay then.
    async fn rewrite(
        &mut self,
        rewriting: &Rewriting<'_>,
        partition: &PartitionKey,
        sources: Vec<Arc<Segment>>,
        all: bool,
        found: &mut Found,
    ) -> Result<()> {
        let Running { engine, control, .. } = self.reading.running;
        let table = Arc::clone(&self.reading.table);
        let to = match sources.first().map(|segment| segment.tier) {
            Some(Tier::Hot) | None => CORRECTED_HOT,
            Some(tier) => tier,
        };
        let mut stream = engine.sorted_rows(&table, sources.clone()).await?;
        let most = engine.config.policy.segment_rows;
        let (mut stay, mut became, mut rows, mut count, mut read) = (Vec::new(), Vec::new(), 0, 0, 0);
        while let Some(batch) = control.stoppable(stream.try_next()).await? {
            read += batch.num_rows() as u64;
            let TakenApart { stay: stays, became: becomes, returned, count: taken } =
                rewriting.take_apart(&batch, found)?;
            count += taken as u64;
            became.extend(becomes);
            self.returned.extend(returned);
            rows += stays.num_rows();
            stay.push(stays);
            if all && rows >= most {
                self.write(partition, to, std::mem::take(&mut stay), false).await?;
                rows = 0;
            }
        }
        let known: u64 = sources.iter().map(|segment| segment.rows).sum();
        if read != known {
            let text = format!("{}: segments of {known} rows gave {read}", table.name);
            return Err(EngineError::new(ErrorKind::DataCorrupted, text));
        }
        if count == 0 && !all {
            return Ok(());
        }
        let mixed = !became.is_empty();
        stay.append(&mut became);
        self.write(partition, to, stay, mixed).await?;
        self.count += count;
        self.gone.extend(sources);
        Ok(())
    }

    /// Begins segments of these rows; `mixed`: they may be in no order, and of other partitions too.
    async fn write(&mut self, partition: &PartitionKey, to: Tier, rows: Vec<RecordBatch>, mixed: bool) -> Result<()> {
        let rows: Vec<RecordBatch> = rows.into_iter().filter(|batch| batch.num_rows() > 0).collect();
        let most = self.reading.running.engine.config.policy.segment_rows;
        let table = Arc::clone(&self.reading.table);
        let (_, writers) = self.begin_writing().await?;
        if rows.is_empty() {
            return Ok(());
        }
        if !mixed {
            return writers.write(partition, to, move || Ok(rows)).await;
        }
        let sorting = tokio::task::spawn_blocking(move || sort_by_partition(&table, &rows));
        let parts = sorting.await.map_err(|e| EngineError::internal(format!("sorting stopped: {e}")))??;
        for part in parts {
            let mut from = 0;
            while from < part.rows.num_rows() {
                let rows = part.rows.slice(from, most.min(part.rows.num_rows() - from));
                from += rows.num_rows();
                writers.write(&part.partition, to, move || Ok(vec![rows])).await?;
            }
        }
        Ok(())
    }

    /// The job of what is written, which the catalog knows before anything is.
    async fn begin_writing(&mut self) -> Result<(JobId, &mut SegmentWriters)> {
        let Running { engine, .. } = self.reading.running;
        if self.writers.is_none() {
            let job = Job::begin(JobKind::Correct, self.reading.table.id, CORRECTED_HOT, engine.now_us());
            engine.catalog.put_job(&job).await?;
            let writers = SegmentWriters::new(engine, &self.reading.table, &job.id);
            self.writers = Some((job, writers));
        }
        match &mut self.writers {
            Some((job, writers)) => Ok((job.id.clone(), writers)),
            None => Err(EngineError::internal("nothing is written")),
        }
    }

    /// Gives what was written to the transaction, or, where something went wrong, up.
    async fn end(mut self, outcome: Result<()>, transaction: &Transaction, seals: Vec<Seals>) -> Result<u64> {
        let Some((mut job, writers)) = self.writers.take() else { return outcome.map(|()| self.count) };
        let Running { engine, control, .. } = self.reading.running;
        // What is being written is waited for, so that it can be swept.
        let segments = writers.finish().await;
        let given = async {
            outcome?;
            let written = segments?;
            for tier in Tier::ALL {
                let there: Vec<Segment> = written.iter().filter(|segment| segment.tier == tier).cloned().collect();
                control.stoppable(engine.check_read_back(&self.reading.table, &there)).await?;
            }
            let _finishing = control.must_finish()?;
            job.rows = self.count;
            if let Some(tier) = written.first().map(|segment| segment.tier) {
                job.to = tier;
            }
            let correction = Correction {
                job: job.clone(),
                gone: std::mem::take(&mut self.gone),
                written: written.into_iter().map(Arc::new).collect(),
                unseen: std::mem::take(&mut self.unseen).into_iter().map(Arc::new).collect(),
            };
            transaction.correct(correction, seals)
        };
        let given = caught(given).await;
        match given {
            Ok(()) => Ok(self.count),
            Err(error) => {
                engine.give_up(&job, &error).await;
                Err(error)
            }
        }
    }
}

/// Segments in groups of so many rows, those of one partition and tier beside each other.
fn groups(mut segments: Vec<Arc<Segment>>) -> Vec<Vec<Arc<Segment>>> {
    segments.sort_by(|a, b| (&a.partition, a.tier, a.id).cmp(&(&b.partition, b.tier, b.id)));
    let mut groups: Vec<Vec<Arc<Segment>>> = Vec::new();
    let mut rows = 0;
    for segment in segments {
        rows += segment.rows;
        match groups.last_mut() {
            Some(group) if rows <= ROWS_AT_ONCE => group.push(segment),
            _ => {
                rows = segment.rows;
                groups.push(vec![segment]);
            }
        }
    }
    groups
}
