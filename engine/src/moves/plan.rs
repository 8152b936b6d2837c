//! What should move, pure: from a snapshot, the policy and the time to a list of moves. A dry run prints this list, a
//! real run carries it out.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use zxq_catalog::{
    PartitionKey, PartitionState, Role, Segment, SegmentId, Snapshot, TableDef, TableId, TableState, Tier,
};

use crate::config::EngineConfig;
use crate::config::ages::{Ages, age, newest_us};
use crate::error::{EngineError, ErrorKind, Result};

#[cfg(test)]
pub(crate) mod tests;

/// What a move does to the rows' owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The rows get a new owner in another tier.
    Move,
    /// A replica is added in hot; the owner stays.
    Promote,
    /// A replica is dropped; the owner stays.
    DropReplica,
    /// The rows are deleted: they are older than the table's retention.
    Delete,
    /// The rows get new owners in the same tier, whose store keeps rows of their age differently.
    Rewrite,
}

impl Action {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Action::Move => "move",
            Action::Promote => "promote",
            Action::DropReplica => "drop replica",
            Action::Delete => "delete",
            Action::Rewrite => "rewrite",
        }
    }
}

/// One partition's planned move.
#[derive(Debug, Clone)]
pub(crate) struct PlannedMove {
    pub(crate) table: TableId,
    pub(crate) table_name: String,
    pub(crate) partition: PartitionKey,
    pub(crate) partition_text: String,
    pub(crate) from: Tier,
    pub(crate) to: Tier,
    pub(crate) action: Action,
    pub(crate) segments: Vec<SegmentId>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) reason: String,
}

/// Moves that the age policy asks for, and, where hot is fuller than its threshold, copies in it and the oldest hot partitions
/// too. `is_due` says what [`zxq_providers::TierStore::is_due`] says of a segment in its tier.
pub(crate) fn by_policy(
    snapshot: &Snapshot,
    config: &EngineConfig,
    hot_bytes: u64,
    now_us: i64,
    is_due: &dyn Fn(&TableDef, &Segment, Duration) -> bool,
) -> Vec<PlannedMove> {
    let allowed = (config.hot.memory_limit_bytes as f64 * config.policy.hot_usage_threshold) as u64;
    let Wishes { due, others } = wishes(snapshot, config, now_us, is_due);
    let mut moves: Vec<PlannedMove> = due.into_iter().map(|wish| wish.planned).collect();
    let leaving: u64 = moves.iter().filter(|m| m.from == Tier::Hot).map(|m| m.bytes).sum();
    let mut used = hot_bytes.saturating_sub(leaving);
    for planned in in_order(others) {
        if used <= allowed {
            break;
        }
        used = used.saturating_sub(planned.bytes);
        moves.push(planned);
    }
    moves
}

/// All that can leave hot, in the order in which it leaves where room is needed: copies first, then what is oldest, whether or
/// not its age asks for it.
pub(crate) fn for_room(snapshot: &Snapshot, config: &EngineConfig, now_us: i64) -> Vec<PlannedMove> {
    let Wishes { due, others } = wishes(snapshot, config, now_us, &|_, _, _| false);
    let leaving = due.into_iter().filter(|wish| wish.planned.from == Tier::Hot);
    in_order(leaving.chain(others).collect()).collect()
}

/// A move, and the age of its rows.
struct Wish {
    age: Option<Duration>,
    planned: PlannedMove,
}

/// What could move.
struct Wishes {
    /// Asked for by its age.
    due: Vec<Wish>,
    /// What may leave hot, should it be needed.
    others: Vec<Wish>,
}

fn wishes(
    snapshot: &Snapshot,
    config: &EngineConfig,
    now_us: i64,
    is_due: &dyn Fn(&TableDef, &Segment, Duration) -> bool,
) -> Wishes {
    let (mut due, mut others) = (Vec::new(), Vec::new());
    for state in snapshot.tables.values() {
        let ages = Ages::of(&state.def, config);
        let newest = newest_us(&state.def, state.owners());
        for tier in Tier::ALL {
            for (partition, segments) in partitions(state, tier) {
                let age = age(newest_us(&state.def, segments.iter()), newest, now_us);
                let target = ages.tier_for(age);
                let age_text = age.map_or_else(|| "without age".to_owned(), age_text);
                if ages.is_expired(age) {
                    let reason = format!("{age_text} old, beyond its retention");
                    let delete = planned(state, partition, &segments, tier, tier, reason);
                    due.push(Wish { age, planned: PlannedMove { action: Action::Delete, ..delete } });
                } else if target > tier {
                    let reason = format!("{age_text} old");
                    due.push(Wish { age, planned: planned(state, partition, &segments, tier, target, reason) });
                } else if tier == Tier::Hot {
                    let reason = format!("hot is over its usage threshold; {age_text} old");
                    others.push(Wish { age, planned: planned(state, partition, &segments, tier, Tier::Warm, reason) });
                } else if age.is_some_and(|age| segments.iter().any(|segment| is_due(&state.def, segment, age))) {
                    let rewrite = planned(state, partition, &segments, tier, tier, format!("{age_text} old"));
                    due.push(Wish { age, planned: PlannedMove { action: Action::Rewrite, ..rewrite } });
                }
            }
        }
        for (partition, copies) in replicas(state) {
            let age = age(newest_us(&state.def, copies.iter()), newest, now_us);
            let owners = copies.iter().filter_map(|copy| match &copy.role {
                Role::ReplicaOf(owners) => owners.first().and_then(|owner| state.segment(*owner)),
                Role::Owner => None,
            });
            let Some(to) = owners.map(|owner| owner.tier).max() else { continue };
            let reason = "hot is over its usage threshold; its owner stays".to_owned();
            let gone = planned(state, partition, &copies, Tier::Hot, to, reason);
            others.push(Wish { age, planned: PlannedMove { action: Action::DropReplica, ..gone } });
        }
    }
    Wishes { due, others }
}

/// Copies first, since nothing has to be written for them, then the oldest rows.
fn in_order(mut wishes: Vec<Wish>) -> impl Iterator<Item = PlannedMove> {
    wishes.sort_by_key(|wish| (wish.planned.action != Action::DropReplica, Reverse(wish.age)));
    wishes.into_iter().map(|wish| wish.planned)
}

/// Most partitions that a message lists.
const SHOWN_PARTITIONS: usize = 8;

/// Moves that a user asks for by hand.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for a partition that does not exist, naming some that do.
pub(crate) fn by_hand(
    state: &TableState,
    to: Tier,
    from: Option<Tier>,
    partition: Option<&str>,
) -> Result<Vec<PlannedMove>> {
    if let Some(wanted) = partition {
        let mut known: Vec<String> = state.partitions().map(|(key, _)| key.text(&state.def.partitioning)).collect();
        known.sort();
        known.dedup();
        if !known.iter().any(|k| k == wanted) {
            let shown = known.iter().take(SHOWN_PARTITIONS).cloned().collect::<Vec<_>>().join(", ");
            let known = match known.len() {
                0 => "it has no rows".to_owned(),
                n if n > SHOWN_PARTITIONS => format!("it has {shown} and {} more", n - SHOWN_PARTITIONS),
                _ => format!("it has {shown}"),
            };
            return Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!("table {} has no partition \"{wanted}\": {known}", state.def.name),
            ));
        }
    }
    if from == Some(to) {
        return Err(EngineError::new(ErrorKind::InvalidParameter, format!("from and to are both {to}")));
    }
    let mut moves = Vec::new();
    for tier in Tier::ALL {
        if from.is_some_and(|f| f != tier) {
            continue;
        }
        for (key, segments) in partitions(state, tier) {
            let text = key.text(&state.def.partitioning);
            if tier == to || partition.is_some_and(|wanted| wanted != text) {
                continue;
            }
            if to == Tier::Hot && is_replicated(state, &segments) {
                continue;
            }
            moves.push(planned(state, key, &segments, tier, to, "asked for".to_owned()));
        }
        if tier == Tier::Hot && from == Some(Tier::Hot) {
            moves.extend(replica_drops(state, to, partition));
        }
    }
    Ok(moves)
}

fn is_replicated(state: &TableState, owners: &[Arc<Segment>]) -> bool {
    let is_hot = |replica: SegmentId| state.tier(Tier::Hot).get(replica).is_some();
    owners.iter().all(|owner| state.replicas_of(owner.id).any(is_hot))
}

/// Copies in hot of rows that lie elsewhere, by partition.
fn replicas(state: &TableState) -> impl Iterator<Item = (&PartitionKey, Vec<Arc<Segment>>)> {
    let copies =
        |of: &Arc<PartitionState>| of.tier(Tier::Hot).iter().filter(|s| !s.is_owner()).cloned().collect::<Vec<_>>();
    let partitions = state.has_replicas().then(|| state.partitions());
    partitions.into_iter().flatten().map(move |(key, of)| (key, copies(of))).filter(|(_, copies)| !copies.is_empty())
}

fn replica_drops(state: &TableState, to: Tier, partition: Option<&str>) -> Vec<PlannedMove> {
    replicas(state)
        .filter(|(key, _)| partition.is_none_or(|wanted| wanted == key.text(&state.def.partitioning)))
        .map(|(key, segments)| PlannedMove {
            action: Action::DropReplica,
            ..planned(state, key, &segments, Tier::Hot, to, "asked for; its owner is there".to_owned())
        })
        .collect()
}

/// Owner segments of one tier by partition, in the order of the partitions.
pub(crate) fn partitions(state: &TableState, tier: Tier) -> impl Iterator<Item = (&PartitionKey, Vec<Arc<Segment>>)> {
    let owners = move |of: &Arc<PartitionState>| of.tier(tier).owners().cloned().collect::<Vec<_>>();
    state.partitions().map(move |(key, of)| (key, owners(of))).filter(|(_, owners)| !owners.is_empty())
}

fn planned(
    state: &TableState,
    partition: &PartitionKey,
    segments: &[Arc<Segment>],
    from: Tier,
    to: Tier,
    reason: String,
) -> PlannedMove {
    PlannedMove {
        table: state.def.id,
        table_name: state.def.name.clone(),
        partition: partition.clone(),
        partition_text: partition.text(&state.def.partitioning),
        from,
        to,
        action: if to == Tier::Hot { Action::Promote } else { Action::Move },
        segments: segments.iter().map(|s| s.id).collect(),
        rows: segments.iter().map(|s| s.rows).sum(),
        bytes: segments.iter().map(|s| s.bytes).sum(),
        reason,
    }
}

fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    if seconds >= 86_400 { format!("{} days", seconds / 86_400) } else { format!("{seconds} s") }
}
