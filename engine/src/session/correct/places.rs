//! Where the rows of a correction may be, found in a snapshot from which on hot stays as it is there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use zxq_catalog::{PartitionKey, Segment, SegmentId, Tier};

use super::reading::{Reading, Running};
use crate::error::{EngineError, ErrorKind, Result};
use crate::state::pins::Pin;
use crate::write::ingest::Seals;
use crate::write::transaction::Transaction;

/// How often a statement looks again whether rows came into partitions that it has not sealed yet.
const MOST_LOOKS: usize = 20;

/// The segments that a statement may have to write anew.
pub(super) struct Places {
    /// Segments of other tiers than hot, and the transaction's own.
    pub(super) elsewhere: Vec<Arc<Segment>>,
    /// Partitions with such segments in hot that everybody sees.
    pub(super) in_hot: BTreeMap<PartitionKey, InHot>,
    /// Keeps those as they are.
    pub(super) seals: Vec<Seals>,
}

/// What everybody sees of a partition in hot.
#[derive(Default)]
pub(super) struct InHot {
    /// Segments that may hold rows that the statement is about.
    pub(super) candidates: Vec<Arc<Segment>>,
    /// All that the statement sees.
    pub(super) seen: Vec<Arc<Segment>>,
    /// Those that came since its snapshot.
    pub(super) unseen: Vec<Arc<Segment>>,
}

/// Takes the snapshot and finds the places; `None` where there are none.
///
/// The log is covered up to one number, so what leaves hot of a partition is all that was there at a moment when no rows were on
/// their way into it.
///
/// # Errors
/// [`ErrorKind::FenceLost`] where segments of a snapshot that the transaction keeps are not there any more.
pub(super) async fn find<'a>(running: Running<'a>, transaction: &Transaction) -> Result<Option<(Reading<'a>, Places)>> {
    let Running { engine, control, correcting, .. } = running;
    let table = correcting.target.definition().id;
    let mut seals: Vec<Seals> = Vec::new();
    // The newest snapshot that was taken at such a moment.
    let mut settled: Option<Arc<Pin>> = None;
    for _ in 0..MOST_LOOKS {
        let base = match &settled {
            Some(settled) if !transaction.has_snapshot() => Arc::clone(settled),
            _ => transaction.pin(),
        };
        let reading = Reading::of(running, transaction.over(&base))?;
        let candidates = control.stoppable(reading.candidates()).await?;
        if candidates.is_empty() {
            return Ok(None);
        }
        let own = transaction.own_segments();
        let is_public_hot = |segment: &Arc<Segment>| segment.tier == Tier::Hot && !own.contains(&segment.id);
        let (public, elsewhere): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_public_hot);
        let mut in_hot: BTreeMap<PartitionKey, InHot> = BTreeMap::new();
        for segment in public {
            in_hot.entry(segment.partition.clone()).or_default().candidates.push(segment);
        }
        let is_sealed = |partition: &PartitionKey| {
            transaction.seals(table, partition) || seals.iter().any(|seals| seals.hold(partition))
        };
        let open: Vec<PartitionKey> = in_hot.keys().filter(|partition| !is_sealed(partition)).cloned().collect();
        if open.is_empty() && (in_hot.is_empty() || settled.is_some()) {
            let now = transaction.over(&settled.unwrap_or_else(|| engine.pin()));
            let mut places = Places { elsewhere, in_hot, seals };
            places.look_around(&reading, &now, &own)?;
            return Ok(Some((reading, places)));
        }
        let (more, now) = control.wait(engine.seal_all(table, open)).await?;
        seals.push(more);
        settled = Some(now);
    }
    let name = &correcting.target.definition().name;
    let text = format!("rows come into new partitions of table \"{name}\" all the time: try again");
    Err(EngineError::new(ErrorKind::FenceLost, text))
}

impl Places {
    /// Finds what lies beside the candidates in hot, and makes sure that they are all there still.
    fn look_around(&mut self, reading: &Reading<'_>, now: &Pin, own: &HashSet<SegmentId>) -> Result<()> {
        let Some(now) = now.snapshot().table_by_id(reading.table.id) else {
            return Err(EngineError::no_relation(&reading.table.name));
        };
        let is_there = |segment: &Arc<Segment>| now.segment(segment.id).is_some();
        let hot = self.in_hot.values().flat_map(|in_hot| &in_hot.candidates);
        if !self.elsewhere.iter().chain(hot).all(is_there) {
            return Err(could_not_serialize());
        }
        let before = reading.pin.snapshot().table_by_id(reading.table.id);
        for (partition, in_hot) in &mut self.in_hot {
            let there = now.partition(partition).into_iter().flat_map(|there| there.tier(Tier::Hot).owners());
            let there = there.filter(|segment| !own.contains(&segment.id));
            let is_seen = |segment: &Arc<Segment>| before.is_some_and(|state| state.segment(segment.id).is_some());
            (in_hot.seen, in_hot.unseen) = there.cloned().partition(is_seen);
            // What the snapshot shows in other segments than there are now cannot be told from what came later.
            let then = before.and_then(|state| state.partition(partition)).into_iter();
            let then = then.flat_map(|then| then.tier(Tier::Hot).owners().collect::<Vec<_>>());
            if !then.into_iter().all(is_there) {
                return Err(could_not_serialize());
            }
        }
        Ok(())
    }
}

fn could_not_serialize() -> EngineError {
    EngineError::new(ErrorKind::FenceLost, "could not serialize access due to concurrent update")
        .with_hint("Rows were moved or changed since the transaction's snapshot: run the transaction again")
}
