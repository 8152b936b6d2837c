//! A load that is part of a transaction: its rows stay in memory, and with the transaction, until COMMIT.

use std::sync::Arc;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use zxq_catalog::{TableDef, Tier};

use super::{LoadReport, LoadRequest, Opened};
use crate::constraints::rejects_table_def;
use crate::error::{EngineError, ErrorKind, Result};
use crate::load::inputs::LoadSource;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::ingest::sort_by_partition;
use crate::write::private_rows::Staged;
use crate::write::transaction::Transaction;

/// Bytes of rows that are gathered before they are sorted by partition.
const GATHERED_BYTES: usize = 32 << 20;

impl Engine {
    /// Loads rows as a part of a transaction: all of them are seen by its next statement, or (where it fails) none. They are
    /// published by COMMIT, in hot.
    ///
    /// # Errors
    /// As [`Engine::load`]; [`ErrorKind::FeatureNotSupported`] for another tier than hot.
    pub(crate) async fn load_privately(
        self: &Arc<Self>,
        transaction: &Transaction,
        request: LoadRequest,
        source: LoadSource,
        control: &JobControl,
    ) -> Result<LoadReport> {
        let started = Instant::now();
        self.check_write()?;
        if let Some(tier) = request.tier.filter(|tier| *tier != Tier::Hot) {
            let text =
                format!("rows cannot be loaded into {tier} within a transaction: they stay in memory until COMMIT");
            return Err(EngineError::new(ErrorKind::FeatureNotSupported, text)
                .with_hint("Leave the tier out, or load outside of a transaction"));
        }
        let Opened { inputs, table, is_new } = self.open_inputs(&request, source, control).await?;
        if is_new {
            self.create_prepared_within(transaction, &table, control).await?;
        }
        let files = inputs.names().len();
        let checker = match self.snapshot().table_by_id(table.id) {
            Some(state) => self.numbering_checker(state)?,
            None => self.checkers.of(&table)?,
        };
        let mut batches = inputs.read(Arc::clone(&table), checker, self.now_us());
        let mut staged = Staged::new(self);
        let mut rows = Rows::new(&table);
        let mut rejects: Option<Rows> = None;
        let mut digits_cut = false;
        while let Some(read) = control.wait(batches.recv()).await? {
            let read = read?;
            digits_cut |= read.digits_cut;
            rows.add(read.rows);
            if let Some(rejected) = read.rejected {
                let rejects = match &mut rejects {
                    Some(rejects) => rejects,
                    None => {
                        let table = self.rejects_within(transaction, &table, control).await?;
                        rejects.insert(Rows::new(&table))
                    }
                };
                let checker = self.checkers.of(&rejects.table)?;
                rejects.add(checker.check(&rejected, 1)?);
            }
            for rows in [Some(&mut rows), rejects.as_mut()].into_iter().flatten() {
                if rows.bytes > GATHERED_BYTES {
                    self.stage_gathered(&mut staged, transaction, rows, control).await?;
                }
            }
        }
        for rows in [Some(&mut rows), rejects.as_mut()].into_iter().flatten() {
            self.stage_gathered(&mut staged, transaction, rows, control).await?;
        }
        self.take_in(staged, transaction, control).await?;
        Ok(LoadReport {
            rows: rows.count,
            rejected: rejects.map_or(0, |rejects| rejects.count),
            files,
            per_tier: [rows.count, 0, 0],
            segments: rows.segments,
            elapsed: started.elapsed(),
            undated: is_new && table.partitioning.date_column.is_none(),
            digits_cut,
        })
    }

    async fn stage_gathered(
        &self,
        staged: &mut Staged<'_>,
        transaction: &Transaction,
        rows: &mut Rows,
        control: &JobControl,
    ) -> Result<()> {
        rows.bytes = 0;
        let parts = sort_by_partition(&rows.table, &std::mem::take(&mut rows.batches))?;
        rows.segments += parts.len();
        self.stage(staged, transaction, &rows.table, parts, control).await
    }

    /// The table for the rows that are refused, made where it is not there yet.
    async fn rejects_within(
        self: &Arc<Self>,
        transaction: &Transaction,
        table: &TableDef,
        control: &JobControl,
    ) -> Result<Arc<TableDef>> {
        let def = rejects_table_def(table);
        let name = def.name.clone();
        if self.snapshot().table(&name).is_none() {
            match self.create_table_within(transaction, def, control).await {
                Ok(table) => return Ok(table),
                // Another load was first.
                Err(error) if error.kind() == ErrorKind::DuplicateTable => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Arc::clone(&self.own_table(&name)?.def))
    }
}

/// Rows for one table.
struct Rows {
    table: Arc<TableDef>,
    batches: Vec<RecordBatch>,
    bytes: usize,
    count: u64,
    segments: usize,
}

impl Rows {
    fn new(table: &Arc<TableDef>) -> Self {
        Rows { table: Arc::clone(table), batches: Vec::new(), bytes: 0, count: 0, segments: 0 }
    }

    fn add(&mut self, batch: RecordBatch) {
        self.bytes += batch.get_array_memory_size();
        self.count += batch.num_rows() as u64;
        self.batches.push(batch);
    }
}
