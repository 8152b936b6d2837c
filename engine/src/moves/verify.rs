//! `verify`: re-reads every segment and compares rows and hash with the catalog, and looks for rows that a table holds
//! twice: segments that are each intact, of which one should not be there beside the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use zxq_catalog::{JobId, Segment, TableDef, TableState, Tier};

use crate::error::Result;
use crate::state::engine::Engine;
use crate::values::counted::counted;

mod doubled;

use doubled::{Doubled, doubled, why_given_up};

/// Segments read at once.
const AT_ONCE: usize = 4;

/// What re-reading one tier of one table gave.
#[derive(Debug, Clone)]
pub(crate) struct VerifyEntry {
    pub(crate) table: String,
    pub(crate) tier: Tier,
    pub(crate) segments: u64,
    /// Rows of these segments, copies in hot included.
    pub(crate) rows: u64,
    /// What is wrong, one line per damaged segment, then what of the tier's rows is there twice; empty when all is well.
    pub(crate) problems: Vec<String>,
}

impl Engine {
    /// Re-reads all segments of one table, or of all.
    pub(crate) async fn verify(self: &Arc<Self>, table: Option<&str>) -> Result<Vec<VerifyEntry>> {
        let pin = self.pin();
        if let Some(name) = table {
            self.table(name)?;
        }
        let mut entries = Vec::new();
        for state in pin.snapshot().tables.values() {
            if table.is_some_and(|name| name != state.def.name) {
                continue;
            }
            let doubled = self.doubled_rows(state).await?;
            for tier in Tier::ALL {
                let segments: Vec<Arc<Segment>> = state.tier(tier).to_vec();
                if segments.is_empty() {
                    continue;
                }
                let mut entry = VerifyEntry {
                    table: state.def.name.clone(),
                    tier,
                    segments: segments.len() as u64,
                    rows: segments.iter().map(|s| s.rows).sum(),
                    problems: Vec::new(),
                };
                let problems: Vec<Option<String>> = stream::iter(segments)
                    .map(|segment| self.verify_segment(&state.def, segment))
                    .buffered(AT_ONCE)
                    .try_collect()
                    .await?;
                entry.problems.extend(problems.into_iter().flatten());
                entry.problems.extend(doubled.iter().filter(|d| d.tier == tier).map(|d| d.problem.clone()));
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// What is wrong with a segment; `None` when it reads back as the catalog has it.
    pub(crate) async fn verify_segment(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        segment: Arc<Segment>,
    ) -> Result<Option<String>> {
        let place = format!("segment {} ({})", segment.id, segment.location);
        Ok(match self.read_back(table, vec![Arc::clone(&segment)]).await {
            Err(error) => Some(format!("{place}: {error}")),
            Ok((rows, _)) if rows != segment.rows => {
                Some(format!("{place}: holds {}, the catalog says {}", counted(rows, "row"), segment.rows))
            }
            Ok((_, hash)) if hash != segment.hash => {
                Some(format!("{place}: row hash is {hash}, the catalog says {}", segment.hash))
            }
            Ok(_) => None,
        })
    }

    /// The table's rows that are there twice, as far as the catalog tells.
    async fn doubled_rows(&self, state: &TableState) -> Result<Vec<Doubled>> {
        // In hot, what a segment names as its job is what brought its rows in, which the catalog keeps no record of.
        let jobs: HashSet<&JobId> = state.owners().filter(|s| s.tier != Tier::Hot).map(|s| &s.job).collect();
        let mut given_up = HashMap::new();
        for id in jobs {
            // Asked after the snapshot was pinned, so whatever made a segment of it visible is on record.
            let Some(job) = self.catalog.job(id).await? else { continue };
            if let Some(error) = why_given_up(job.phase, job.error) {
                given_up.insert(id.clone(), error);
            }
        }
        let lineage = self.catalog.lineage(state.def.id).await?;
        Ok(doubled(state, &lineage, &given_up))
    }
}
