//! Segments in the order in which a sorted scan meets them, so that a limit is often met by the first few.

use std::cmp::Ordering;
use std::sync::Arc;

use zxq_catalog::{Segment, Value};

/// Splits segments into runs such that all rows of a run come before all rows of the next, by this column. One run where
/// the bounds do not say, or a value may be NULL.
pub(crate) fn runs(segments: &[Arc<Segment>], column: &str, descending: bool) -> Vec<Vec<Arc<Segment>>> {
    let Some(mut bounded) = bounds(segments, column) else { return vec![segments.to_vec()] };
    bounded.sort_by(|a, b| a.0.compare(b.0).unwrap_or(Ordering::Equal));
    let mut found: Vec<(&Value, Vec<Arc<Segment>>)> = Vec::new();
    for (least, most, segment) in bounded {
        match found.last_mut() {
            // Equal ends overlap: the keys that follow this one decide between such rows.
            Some((end, run)) if least.compare(end) != Some(Ordering::Greater) => {
                if most.compare(end) == Some(Ordering::Greater) {
                    *end = most;
                }
                run.push(Arc::clone(segment));
            }
            _ => found.push((most, vec![Arc::clone(segment)])),
        }
    }
    let mut runs: Vec<Vec<Arc<Segment>>> = found.into_iter().map(|(_, run)| run).collect();
    if descending {
        runs.reverse();
    }
    runs
}

type Bounds<'a> = (&'a Value, &'a Value, &'a Arc<Segment>);

/// Least and largest value of each segment; `None` where they are not known of all, or do not compare.
fn bounds<'a>(segments: &'a [Arc<Segment>], column: &str) -> Option<Vec<Bounds<'a>>> {
    let mut bounded: Vec<Bounds<'a>> = Vec::with_capacity(segments.len());
    for segment in segments {
        let stats = segment.stats.get(column).filter(|stats| stats.has_bounds && stats.null_count == 0)?;
        let (least, most) = (stats.min.as_ref()?, stats.max.as_ref()?);
        least.compare(most)?;
        if let Some((first, ..)) = bounded.first() {
            least.compare(first)?;
        }
        bounded.push((least, most, segment));
    }
    Some(bounded)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use zxq_catalog::{ColumnStats, JobId, PartitionKey, Role, RowHash, Tier};

    use super::*;

    fn segment(id: u64, bounds: Option<(i64, i64)>, nulls: u64) -> Arc<Segment> {
        let stats = ColumnStats {
            null_count: nulls,
            has_bounds: bounds.is_some(),
            min: bounds.map(|b| Value::Int(b.0)),
            max: bounds.map(|b| Value::Int(b.1)),
        };
        Arc::new(Segment {
            id,
            table: 1,
            partition: PartitionKey { period: None, class: None },
            tier: Tier::Warm,
            role: Role::Owner,
            location: String::new(),
            rows: 1,
            bytes: 1,
            hash: RowHash::default(),
            stats: BTreeMap::from([("k".to_owned(), stats)]),
            sorted: true,
            job: JobId::new(),
            created_epoch: 0,
        })
    }

    fn ids(runs: Vec<Vec<Arc<Segment>>>) -> Vec<Vec<u64>> {
        runs.into_iter().map(|run| run.iter().map(|s| s.id).collect()).collect()
    }

    #[test]
    fn segments_that_overlap_or_touch_share_a_run() {
        let list = [(1, (20, 30)), (2, (0, 5)), (3, (5, 9)), (4, (31, 40)), (5, (21, 22))];
        let segments: Vec<_> = list.into_iter().map(|(id, bounds)| segment(id, Some(bounds), 0)).collect();
        assert_eq!(ids(runs(&segments, "k", false)), [vec![2, 3], vec![1, 5], vec![4]]);
        assert_eq!(ids(runs(&segments, "k", true)), [vec![4], vec![1, 5], vec![2, 3]]);
    }

    #[test]
    fn without_certainty_there_is_one_run() {
        let known = segment(1, Some((0, 1)), 0);
        for other in [segment(2, None, 0), segment(2, Some((5, 6)), 1)] {
            assert_eq!(ids(runs(&[Arc::clone(&known), other], "k", false)), [vec![1, 2]]);
        }
        assert_eq!(ids(runs(&[Arc::clone(&known), segment(2, Some((5, 6)), 0)], "x", false)), [vec![1, 2]]);
    }
}
