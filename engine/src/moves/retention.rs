//! What retention deletes: what was planned, looked at once more when nobody else may move it.

use std::sync::Arc;

use zxq_catalog::{Segment, TableState, Tier};

use crate::config::EngineConfig;
use crate::config::ages::{Ages, age, newest_us};
use crate::moves::plan::PlannedMove;
use crate::moves::run::owners;

#[cfg(test)]
mod tests;

/// The planned segments that are still there and still older than the table's retention. None in hot when rows came since the
/// plan was made: the log can only be covered up to one number for the whole partition, and theirs may be below it.
pub(crate) fn expired(
    state: &TableState,
    planned: &PlannedMove,
    config: &EngineConfig,
    now_us: i64,
) -> Vec<Arc<Segment>> {
    let (there, others): (Vec<_>, Vec<_>) =
        owners(state, planned).into_iter().partition(|segment| planned.segments.contains(&segment.id));
    if planned.from == Tier::Hot && !others.is_empty() {
        return Vec::new();
    }
    let newest = newest_us(&state.def, state.owners());
    let age = age(newest_us(&state.def, there.iter()), newest, now_us);
    if Ages::of(&state.def, config).is_expired(age) { there } else { Vec::new() }
}
