//! Tables that a transaction makes and drops. They come and go at once, for everybody; one that it has made itself goes again
//! with a transaction that comes to nothing, also where the process ends in between: a job remembers it, as for a load that
//! makes a table.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use zxq_catalog::{Job, TableDef, TableId};

use crate::error::Result;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::ingest::{IngestReport, sort_by_partition};
use crate::write::private_rows::Staged;
use crate::write::transaction::{Transaction, rolled_back};

impl Engine {
    /// Creates a table that goes with the transaction, should that come to nothing.
    ///
    /// # Errors
    /// As [`Engine::create_table`].
    pub(crate) async fn create_table_within(
        self: &Arc<Self>,
        transaction: &Transaction,
        def: TableDef,
        control: &JobControl,
    ) -> Result<Arc<TableDef>> {
        let table = self.prepare_table(def).await?;
        self.create_prepared_within(transaction, &table, control).await?;
        Ok(table)
    }

    /// As [`Engine::create_table_within`], of a table that is prepared.
    ///
    /// # Errors
    /// As [`Engine::create_table`].
    pub(crate) async fn create_prepared_within(
        self: &Arc<Self>,
        transaction: &Transaction,
        table: &TableDef,
        control: &JobControl,
    ) -> Result<()> {
        let _finishing = control.must_finish()?;
        let job = transaction.note_created(table)?;
        self.catalog.put_job(&job).await?;
        self.create_prepared(table, control).await
    }

    /// Creates a prepared table with rows in it, which only the transaction sees.
    ///
    /// # Errors
    /// As [`Engine::create_table`]; a row's that does not fit.
    pub(crate) async fn create_with_rows_within(
        self: &Arc<Self>,
        transaction: &Transaction,
        table: &Arc<TableDef>,
        rows: &[RecordBatch],
        control: &JobControl,
    ) -> Result<IngestReport> {
        self.create_prepared_within(transaction, table, control).await?;
        let (table, checked) = self.check_rows(table.id, rows)?;
        let mut staged = Staged::new(self);
        self.stage(&mut staged, transaction, &table, sort_by_partition(&table, &checked)?, control).await?;
        self.take_in(staged, transaction, control).await
    }

    /// Drops a table within a transaction. True where the transaction had made it: then nothing of it is left to undo.
    ///
    /// # Errors
    /// As [`Engine::drop_table`].
    pub(crate) async fn drop_table_within(
        self: &Arc<Self>,
        transaction: &Transaction,
        name: &str,
        control: &JobControl,
    ) -> Result<bool> {
        let id = self.table(name)?.def.id;
        self.drop_table(name, control).await?;
        Ok(self.forget_dropped(transaction, id).await)
    }

    /// Forgets what a transaction has written to a table that is gone. True where the transaction had made it.
    pub(crate) async fn forget_dropped(self: &Arc<Self>, transaction: &Transaction, table: TableId) -> bool {
        let (rows, made_by) = transaction.note_dropped(table);
        self.forget_private(&rows);
        let Some(mut job) = made_by else { return false };
        if job.created.is_empty() {
            self.note_done(&mut job).await;
        } else {
            self.note_shrunk(&job).await;
        }
        true
    }

    /// `ROLLBACK TO`: forgets what was written since the savepoint and drops the tables made since. `None` where there is no
    /// such savepoint, else how many statements since took effect at once, and stay.
    ///
    /// # Errors
    /// Where the catalog does not answer: then nothing has changed but the rows.
    pub(crate) async fn roll_back_to(
        self: &Arc<Self>,
        transaction: &Transaction,
        savepoint: &str,
    ) -> Result<Option<usize>> {
        let Some((ended, stays)) = transaction.take_since(savepoint) else { return Ok(None) };
        self.forget_private(&ended.rows);
        self.give_up_corrections(&ended.corrections.done, &rolled_back()).await;
        if let (Some(gone), Some(mut stays)) = (ended.created, stays) {
            // First the job that drops them, then the other without them: a crash in between finds them twice, never nowhere.
            let noted = self.catalog.put_job(&gone).await;
            self.give_up(&gone, &rolled_back()).await;
            noted?;
            if stays.created.is_empty() {
                self.note_done(&mut stays).await;
            } else {
                self.note_shrunk(&stays).await;
            }
        }
        Ok(Some(ended.lasting))
    }

    async fn note_shrunk(&self, job: &Job) {
        if let Err(error) = self.catalog.put_job(job).await {
            // It then names tables that are gone, which whoever gives it up finds out.
            tracing::warn!(job = %job.id, %error, "tables that a transaction has dropped could not be taken off its job");
        }
    }
}
