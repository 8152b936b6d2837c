//! Rows that a table holds twice, found in what the catalog says of them; no rows are read, and all of it is pure.
//!
//! A segment and a copy of it that are both live are both intact: reading them back finds nothing. What tells is where
//! segments came from. A copy takes the ownership of its sources' rows over, for good and in one commit, so a segment is
//! copied by one job in all of its life and is no owner after that.
//!
//! Copies of equal rows and equal hash are *not* taken for doubled rows by that alone. Whoever inserts the same rows twice
//! and has them moved after each insert gets two such copies, made of different hot segments. Rows that were brought back
//! from the write-ahead log after they had moved, and moved again, would leave the same: hot segments get new ids at each
//! start, and of those that are gone the catalog knows nothing but the ids. The one cannot be told from the other, and a
//! false alarm would be worse than none. (Such rows are found earlier, while they lie in hot, by the log sequence numbers
//! that the catalog has as covered.) Copies of the same source, whether it is known or not, are found without comparing
//! their rows.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use zxq_catalog::{JobId, JobPhase, LineageEntry, Segment, SegmentId, TableState, Tier};

use crate::write::ingest::hot_lsn;

#[cfg(test)]
mod tests;

/// Segments that one problem names at most, of each kind.
const NAMED: usize = 8;

/// A live segment whose rows the table holds elsewhere too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubled {
    /// The tier it lies in.
    pub(super) tier: Tier,
    /// What is wrong; it begins with the segment.
    pub(super) problem: String,
}

impl Doubled {
    fn new(segment: &Segment, what: &str) -> Doubled {
        Doubled { tier: segment.tier, problem: format!("segment {} ({}): {what}", segment.id, segment.location) }
    }
}

/// All that is there twice in one table. `lineage` is that of all its segments, `given_up` says of jobs that were given up
/// why they were.
pub(super) fn doubled(state: &TableState, lineage: &[LineageEntry], given_up: &HashMap<JobId, String>) -> Vec<Doubled> {
    let copies = Copies::of(state, lineage);
    let mut found = copies.beside_their_sources();
    found.extend(copies.made_twice());
    found.extend(of_jobs_given_up(state, given_up));
    found.extend(covered_in_hot(state));
    found
}

/// Why a job was given up, from what its record says; `None` for one that was not.
pub(super) fn why_given_up(phase: JobPhase, error: Option<String>) -> Option<String> {
    match phase {
        JobPhase::Failed => Some(error.unwrap_or_else(|| "nobody knows why".to_owned())),
        // Given up, and its litter is still to be swept.
        JobPhase::Copying => error,
        JobPhase::Durable | JobPhase::Done => None,
    }
}

/// Owners made by jobs that were given up: whoever was told that a job failed may have had it done again.
fn of_jobs_given_up(state: &TableState, given_up: &HashMap<JobId, String>) -> Vec<Doubled> {
    let wrong = state.owners().filter(|segment| segment.tier != Tier::Hot).filter_map(|segment| {
        let error = given_up.get(&segment.job)?;
        Some(Doubled::new(segment, &format!("its job was given up: {error} (job {})", segment.job)))
    });
    wrong.collect()
}

/// Owners in hot of rows that the catalog has as covered.
fn covered_in_hot(state: &TableState) -> Vec<Doubled> {
    // Without rows nothing is there twice, and nothing was logged: then the number is that of the record before.
    let owners = state.tier(Tier::Hot).iter().filter(|segment| segment.is_owner() && segment.rows > 0);
    let wrong = owners.filter_map(|segment| {
        let covered = *state.wal_covered.get(&segment.partition)?;
        let lsn = hot_lsn(segment);
        let what = || {
            format!(
                "its rows lie in another tier already, or were deleted: the catalog has its partition's log covered up to \
                 sequence number {covered}"
            )
        };
        (lsn != 0 && lsn <= covered).then(|| Doubled::new(segment, &what()))
    });
    wrong.collect()
}

/// Segments that a job made of others. All segments of one job have the same sources, as a rule.
struct Copied<'a> {
    job: &'a JobId,
    at_us: i64,
    sources: &'a [SegmentId],
    made: Vec<SegmentId>,
}

/// All copies within a table, live or not, oldest first; a copy is named by its place here.
struct Copies<'a> {
    all: Vec<Copied<'a>>,
    /// The copies that a segment was a source of.
    readers: HashMap<SegmentId, Vec<usize>>,
    owners: HashMap<SegmentId, &'a Segment>,
}

impl<'a> Copies<'a> {
    fn of(state: &'a TableState, lineage: &'a [LineageEntry]) -> Self {
        let mut all: Vec<Copied<'a>> = Vec::new();
        let mut known: HashMap<(&'a JobId, &'a [SegmentId]), usize> = HashMap::new();
        // A load has no source segments.
        for entry in lineage.iter().filter(|entry| !entry.from_segments.is_empty()) {
            let sources = entry.from_segments.as_slice();
            let copy = *known.entry((&entry.job, sources)).or_insert(all.len());
            match all.get_mut(copy) {
                Some(copied) => copied.made.push(entry.segment),
                None => {
                    all.push(Copied { job: &entry.job, at_us: entry.at_us, sources, made: vec![entry.segment] });
                }
            }
        }
        let mut readers: HashMap<SegmentId, Vec<usize>> = HashMap::new();
        for (copy, copied) in all.iter().enumerate() {
            for source in copied.sources {
                let readers = readers.entry(*source).or_default();
                if readers.last() != Some(&copy) {
                    readers.push(copy);
                }
            }
        }
        Copies { all, readers, owners: state.owners().map(|segment| (segment.id, segment.as_ref())).collect() }
    }

    /// The copies that were made of what this one made.
    fn next(&self, copy: usize) -> impl Iterator<Item = usize> {
        self.all[copy].made.iter().filter_map(|made| self.readers.get(made)).flatten().copied()
    }

    /// Owners that were copied, at once or by way of others, from segments that still own their rows.
    fn beside_their_sources(&self) -> Vec<Doubled> {
        // For each copy the nearest one on the way to it that has an owner among its sources.
        let mut origins: Vec<Option<usize>> = vec![None; self.all.len()];
        let mut live_sources: HashMap<usize, String> = HashMap::new();
        let mut reached = VecDeque::new();
        for (copy, copied) in self.all.iter().enumerate() {
            let live: Vec<SegmentId> =
                copied.sources.iter().copied().filter(|source| self.owners.contains_key(source)).collect();
            if !live.is_empty() {
                origins[copy] = Some(copy);
                live_sources.insert(copy, self.names(&live));
                reached.push_back(copy);
            }
        }
        while let Some(copy) = reached.pop_front() {
            for next in self.next(copy) {
                if origins[next].is_none() {
                    origins[next] = origins[copy];
                    reached.push_back(next);
                }
            }
        }
        let mut found = Vec::new();
        for (copy, copied) in self.all.iter().enumerate() {
            let Some(origin) = origins[copy] else { continue };
            let Some(sources) = live_sources.get(&origin) else { continue };
            let by = if origin == copy { "by job" } else { "by way of job" };
            let what =
                format!("its rows are also in {sources}, which it was copied from {by} {}", self.all[origin].job);
            let live = copied.made.iter().filter_map(|made| self.owners.get(made));
            found.extend(live.map(|segment| Doubled::new(segment, &what)));
        }
        found
    }

    /// Segments that were copied by several jobs, where the rows of more than one of these copies are still there. The
    /// sources themselves may be long gone, or may never have been in the catalog, as segments of hot.
    fn made_twice(&self) -> Vec<Doubled> {
        let mut live: HashMap<usize, Vec<SegmentId>> = HashMap::new();
        // What the same copies have in common is one problem.
        let mut twice: BTreeMap<Vec<usize>, Vec<SegmentId>> = BTreeMap::new();
        for (source, readers) in &self.readers {
            if !self.are_of_several_jobs(readers) {
                continue;
            }
            for copy in readers {
                live.entry(*copy).or_insert_with(|| self.live_after(*copy));
            }
            let has_rows = |copy: &usize| live.get(copy).is_some_and(|live| !live.is_empty());
            let copies: Vec<usize> = readers.iter().copied().filter(has_rows).collect();
            if self.are_of_several_jobs(&copies) {
                twice.entry(copies).or_default().push(*source);
            }
        }
        let mut found = Vec::new();
        for (copies, mut sources) in twice {
            sources.sort_unstable();
            let live_of = |copy: &usize| live.get(copy).map(Vec::as_slice).unwrap_or_default();
            // The copy that came last is the one too many.
            let last = copies.iter().max_by_key(|copy| (self.all[**copy].at_us, **copy));
            let Some(segment) = last.and_then(|copy| live_of(copy).first()).and_then(|id| self.owners.get(id)) else {
                continue;
            };
            let parts: Vec<String> = copies
                .iter()
                .map(|copy| format!("{} by job {}", self.names(live_of(copy)), self.all[*copy].job))
                .collect();
            let both = if copies.len() == 2 { "both" } else { "all" };
            let what = format!(
                "its rows are there twice: {} were {both} copied from {}",
                parts.join(" and "),
                self.names(&sources)
            );
            found.push(Doubled::new(segment, &what));
        }
        found
    }

    fn are_of_several_jobs(&self, copies: &[usize]) -> bool {
        let mut jobs = copies.iter().map(|copy| self.all[*copy].job);
        let first = jobs.next();
        jobs.any(|job| Some(job) != first)
    }

    /// The owners in which the rows of a copy lie now: those that it made, and those that were made of these.
    fn live_after(&self, copy: usize) -> Vec<SegmentId> {
        let mut live = Vec::new();
        let mut seen = HashSet::from([copy]);
        let mut reached = vec![copy];
        while let Some(copy) = reached.pop() {
            live.extend(self.all[copy].made.iter().copied().filter(|made| self.owners.contains_key(made)));
            reached.extend(self.next(copy).filter(|next| seen.insert(*next)));
        }
        live.sort_unstable();
        live.dedup();
        live
    }

    /// `segment 7 (its place)`, `segments 7, 8 and 3 more`: with the place where it has one now.
    fn names(&self, segments: &[SegmentId]) -> String {
        let shown = segments.iter().take(NAMED).map(|id| match self.owners.get(id) {
            Some(segment) => format!("{id} ({})", segment.location),
            None => id.to_string(),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let plural = if segments.len() == 1 { "" } else { "s" };
        match segments.len().saturating_sub(NAMED) {
            0 => format!("segment{plural} {shown}"),
            more => format!("segment{plural} {shown} and {more} more"),
        }
    }
}
