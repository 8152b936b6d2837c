//! Rows of `INSERT … SELECT` and `CREATE TABLE AS` that are too many to be gathered: taken in as a load is, within a fixed
//! memory, straight into the tier that their age asks for, and visible together at the end.

use std::sync::Arc;

use tokio::sync::watch;
use zxq_catalog::TableDef;

use super::incoming::{QueryRows, Source};
use super::{LoadReport, Target};
use crate::error::Result;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::ingest::IngestReport;

impl Engine {
    /// Takes all rows of a statement, or none. `is_new`: the table is made with them, and goes with them.
    ///
    /// # Errors
    /// The first bad row's, and what the query, the stores and the catalog say.
    pub(crate) async fn load_query(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        is_new: bool,
        rows: QueryRows,
        control: &JobControl,
    ) -> Result<IngestReport> {
        self.check_write()?;
        let (used, table) = if is_new {
            (None, Arc::clone(table))
        } else {
            self.settle_table(table.id).await;
            let used = control.wait(self.locks.use_table(table.id)).await?;
            (Some(used), Arc::clone(&self.own_table_by_id(table.id)?.def))
        };
        let target = Target { table, is_new, tier: None };
        let progress = watch::Sender::default();
        let LoadReport { rows, .. } = self.run_load(&target, used, Source::Query(rows), &progress, control).await?;
        Ok(IngestReport { rows, rejected: 0 })
    }

    /// Bytes of rows that a statement gathers before they are written out as they come.
    pub(crate) fn most_gathered(&self) -> usize {
        let most = self.config.hot.gathered_bytes.min(self.hot.limit() / 8);
        usize::try_from(most).unwrap_or(usize::MAX).min(self.statement_share())
    }

    /// Bytes of rows that a statement keeps while it writes others out: a part of what its session may have, which its query
    /// needs too.
    pub(super) fn statement_share(&self) -> usize {
        let all = self.config.session_memory_bytes.unwrap_or(self.config.query_memory_bytes / 4 * 3);
        usize::try_from(all / 4).unwrap_or(usize::MAX)
    }

    /// Whether so many bytes of rows fit into hot as it is.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.hot.used().saturating_add(bytes as u64) <= self.hot.limit()
    }
}
