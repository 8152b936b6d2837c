//! How old rows are, and which tier that puts them in.

use std::sync::Arc;
use std::time::Duration;

use zxq_catalog::{Segment, TableDef, Tier, Value};
use zxq_language::sql::options::{Age, HOT_TO_WARM_AGE, RETENTION, WARM_TO_COLD_AGE};

use crate::config::EngineConfig;

const DAY_US: i64 = 86_400_000_000;

/// Ages of one table, its own options before the engine's. `None` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ages {
    hot_to_warm: Option<Duration>,
    warm_to_cold: Option<Duration>,
    retention: Option<Duration>,
}

impl Ages {
    pub(crate) fn of(table: &TableDef, config: &EngineConfig) -> Ages {
        let own = |option: &str, default: Option<Duration>| match Age::of(table, option) {
            Some(Age::After(age)) => Some(age),
            Some(Age::Never) => None,
            None => default,
        };
        Ages {
            hot_to_warm: own(HOT_TO_WARM_AGE, Some(config.policy.hot_to_warm_age)),
            warm_to_cold: own(WARM_TO_COLD_AGE, Some(config.policy.warm_to_cold_age)),
            retention: own(RETENTION, None),
        }
    }

    /// The tier that rows of this age belong in. Rows without age (no date, no time) stay where they are put.
    pub(crate) fn tier_for(self, age: Option<Duration>) -> Tier {
        let reached = |limit: Option<Duration>| matches!((age, limit), (Some(age), Some(limit)) if age >= limit);
        if reached(self.warm_to_cold) {
            Tier::Cold
        } else if reached(self.hot_to_warm) {
            Tier::Warm
        } else {
            Tier::Hot
        }
    }

    pub(crate) fn is_expired(self, age: Option<Duration>) -> bool {
        matches!((age, self.retention), (Some(age), Some(limit)) if age >= limit)
    }
}

/// The newest moment that a set of segments knows: its newest `trade_date` (as the end of that day's first
/// microsecond), else its newest event time. Microseconds since the epoch.
pub(crate) fn newest_us<'a>(table: &TableDef, segments: impl Iterator<Item = &'a Arc<Segment>>) -> Option<i64> {
    let column = table.partitioning.date_column.as_deref().or(table.time_column.as_deref())?;
    segments.filter_map(|s| s.stats.get(column)?.max.as_ref().and_then(value_us)).max()
}

/// A date or timestamp in microseconds since the epoch.
pub(crate) fn value_us(value: &Value) -> Option<i64> {
    match value {
        Value::Date(days) => Some(i64::from(*days) * DAY_US),
        Value::TimestampMicros(us) => Some(*us),
        _ => None,
    }
}

/// How old something is, measured from `min(wall clock, newest row of the table)`, so that history ages like live data.
pub(crate) fn age(newest_of_part: Option<i64>, newest_of_table: Option<i64>, now_us: i64) -> Option<Duration> {
    let part = newest_of_part?;
    let reference = newest_of_table.map_or(now_us, |newest| newest.min(now_us));
    Some(Duration::from_micros(u64::try_from(reference.saturating_sub(part)).unwrap_or(0)))
}
