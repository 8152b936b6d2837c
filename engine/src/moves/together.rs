//! Small partitions that go the same way move together: one lease, one copy and one commit for hundreds of them, because each of
//! these costs as much for one row as for a million.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};
use zxq_catalog::{Change, Job, JobKind, PartitionKey, Segment, TableId, TableState, Tier};

use crate::error::Result;
use crate::jobs::caught::caught;
use crate::moves::plan::{Action, PlannedMove};
use crate::moves::run::{owners, retired};
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::ingest::hot_lsn;

#[cfg(test)]
mod tests;

/// A partition of more rows, or of more bytes, moves on its own: what it costs is its rows.
const MOST_ROWS: u64 = 4096;
const MOST_BYTES: u64 = 256 * 1024;
/// Fewer than this move one by one: each has a line of its own in `zxq.moves`.
const LEAST_TOGETHER: usize = 16;
/// Most partitions, and most bytes, that move together: their rows are in memory meanwhile.
const MOST_TOGETHER: usize = 1000;
const MOST_BYTES_TOGETHER: u64 = 32 * 1024 * 1024;

/// Moves that are carried out as one; never none.
pub(crate) type Step<'a> = Vec<&'a PlannedMove>;

/// The steps in which moves are carried out: in their order, but for small ones that go with the first of their kind.
pub(crate) fn steps(moves: &[PlannedMove]) -> Vec<Step<'_>> {
    type Way = (TableId, Tier, Tier);
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut open: BTreeMap<Way, (usize, u64)> = BTreeMap::new();
    for planned in moves {
        if !is_small(planned) {
            steps.push(vec![planned]);
            continue;
        }
        let way = (planned.table, planned.from, planned.to);
        match open.get_mut(&way).and_then(|(at, bytes)| Some((steps.get_mut(*at)?, bytes))) {
            Some((step, bytes)) if step.len() < MOST_TOGETHER && *bytes + planned.bytes <= MOST_BYTES_TOGETHER => {
                step.push(planned);
                *bytes += planned.bytes;
            }
            _ => {
                open.insert(way, (steps.len(), planned.bytes));
                steps.push(vec![planned]);
            }
        }
    }
    steps.into_iter().flat_map(worth_it).collect()
}

/// The step, or its moves on their own where they are few.
fn worth_it(step: Step<'_>) -> Vec<Step<'_>> {
    if step.len() < LEAST_TOGETHER { step.into_iter().map(|planned| vec![planned]).collect() } else { vec![step] }
}

fn is_small(planned: &PlannedMove) -> bool {
    planned.action == Action::Move && planned.rows <= MOST_ROWS && planned.bytes <= MOST_BYTES
}

impl Engine {
    /// Carries out one step, and returns the rows that changed place.
    ///
    /// # Errors
    /// As [`Engine::run_move`]. Of several moves, none was carried out.
    pub(crate) async fn run_step(self: &Arc<Self>, step: &[&PlannedMove], control: &JobControl) -> Result<u64> {
        let Some(first) = step.first() else { return Ok(0) };
        self.check_write()?;
        control.check()?;
        self.settle_table(first.table).await;
        let used = control.wait(self.locks.use_table(first.table)).await?;
        let alone = control.wait(self.locks.move_table(first.table)).await?;
        self.run_step_of((used, alone), step, control).await
    }

    /// As [`Engine::run_step`], of a table that is in use already, and that nobody else moves.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn run_step_of(
        self: &Arc<Self>,
        held: (OwnedRwLockReadGuard<()>, OwnedMutexGuard<()>),
        step: &[&PlannedMove],
        control: &JobControl,
    ) -> Result<u64> {
        let [first, _, ..] = step else {
            return match step.first() {
                Some(one) => self.run_move(held, one, control).await,
                None => Ok(0),
            };
        };
        if self.snapshot().table_by_id(first.table).is_none() {
            return Ok(0);
        }
        let partitions: Vec<PartitionKey> = step.iter().map(|planned| planned.partition.clone()).collect();
        let fence = self.catalog.lease_all(first.table, &partitions).await?;
        let mut job = Job {
            partitions,
            from: Some(first.from),
            fence,
            reason: Some(first.reason.clone()),
            ..Job::begin(JobKind::Move, first.table, first.to, self.now_us())
        };
        let outcome = match self.catalog.put_job(&job).await {
            Err(error) => Err(error.into()),
            Ok(()) => caught(self.move_owners(step, &mut job, control)).await,
        };
        let partitions = format!("{} and {} more", first.partition_text, step.len() - 1);
        self.end_move(&mut job, outcome, &partitions, &first.table_name, control).await
    }

    async fn move_owners(self: &Arc<Self>, step: &[&PlannedMove], job: &mut Job, control: &JobControl) -> Result<u64> {
        let (seals, pin) = control.wait(self.seal_all(job.table, job.partitions.clone())).await?;
        // What is retired while it copies is kept by nobody: its own sources are retired by it alone.
        let snapshot = Arc::clone(pin.snapshot());
        drop(pin);
        let Some(state) = snapshot.table_by_id(job.table) else { return Ok(0) };
        let by_partition = sources(state, step);
        let sources: Vec<Arc<Segment>> = by_partition.values().flatten().cloned().collect();
        let Some(from) = sources.first().map(|source| source.tier) else { return Ok(0) };
        let copied = self.copy_together(&state.def, &sources, job.to, &job.id, control).await?;
        control.stoppable(self.check_read_back(&state.def, &copied.segments)).await?;

        let mut changes: Vec<Change> =
            copied.segments.iter().map(|segment| Change::AddSegment(Box::new(segment.clone()))).collect();
        changes.extend(retired(&sources));
        if from == Tier::Hot {
            changes.extend(by_partition.iter().map(|(partition, sources)| Change::CoverWal {
                table: job.table,
                partition: partition.clone(),
                lsn: sources.iter().map(|source| hot_lsn(source)).max().unwrap_or(0),
            }));
        }
        let lineage = copied.segments.iter().flat_map(|segment| {
            let from: Vec<u64> = by_partition.get(&segment.partition).into_iter().flatten().map(|s| s.id).collect();
            self.lineage_of(std::slice::from_ref(segment), &job.id, &from, &[])
        });
        let lineage = lineage.collect();
        job.rows = copied.rows;
        self.publish_and_flip(job, changes, lineage, control).await?;
        drop(seals);
        self.take_out_of_log(&state.def, from, &job.id, &sources).await;
        Ok(job.rows)
    }
}

/// What each partition's move finds to move by now.
fn sources(state: &TableState, step: &[&PlannedMove]) -> BTreeMap<PartitionKey, Vec<Arc<Segment>>> {
    let found = step.iter().map(|planned| (planned.partition.clone(), owners(state, planned)));
    found.filter(|(_, owners)| !owners.is_empty()).collect()
}
