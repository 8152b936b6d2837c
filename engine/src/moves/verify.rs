//! `verify`: re-reads every owner segment and compares rows and hash with the catalog.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use zxq_catalog::{Segment, TableDef, Tier};

use crate::engine::Engine;
use crate::error::Result;

/// Segments read at once.
const AT_ONCE: usize = 4;

/// What re-reading one tier of one table gave.
#[derive(Debug, Clone)]
pub(crate) struct VerifyEntry {
    pub(crate) table: String,
    pub(crate) tier: Tier,
    pub(crate) segments: u64,
    pub(crate) rows: u64,
    /// What is wrong, one line per damaged segment; empty when all is well.
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
            for tier in Tier::ALL {
                let segments: Vec<Arc<Segment>> = state.tier(tier).to_vec();
                if segments.is_empty() {
                    continue;
                }
                let mut entry = VerifyEntry {
                    table: state.def.name.clone(),
                    tier,
                    segments: segments.len() as u64,
                    rows: segments.iter().filter(|s| s.is_owner()).map(|s| s.rows).sum(),
                    problems: Vec::new(),
                };
                let problems: Vec<Option<String>> = stream::iter(segments)
                    .map(|segment| self.verify_segment(&state.def, segment))
                    .buffered(AT_ONCE)
                    .try_collect()
                    .await?;
                entry.problems.extend(problems.into_iter().flatten());
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    async fn verify_segment(self: &Arc<Self>, table: &Arc<TableDef>, segment: Arc<Segment>) -> Result<Option<String>> {
        let place = format!("segment {} ({})", segment.id, segment.location);
        Ok(match self.read_back(table, vec![Arc::clone(&segment)]).await {
            Err(error) => Some(format!("{place}: {error}")),
            Ok((rows, _)) if rows != segment.rows => {
                Some(format!("{place}: holds {rows} rows, the catalog says {}", segment.rows))
            }
            Ok((_, hash)) if hash != segment.hash => {
                Some(format!("{place}: row hash is {hash}, the catalog says {}", segment.hash))
            }
            Ok(_) => None,
        })
    }
}
