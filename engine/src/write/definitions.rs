//! Tables come, change and go: the catalog first, then the stores are told.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::Expr;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::AlterTableOperation;
use zxq_catalog::{Change, Job, JobKind, TableDef, Tier};
use zxq_providers::scalar::constant_default;

use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::caught::caught;
use crate::sql;
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::ingest::IngestReport;

impl Engine {
    /// Creates a table from its definition (its id is assigned here).
    ///
    /// # Errors
    /// [`ErrorKind::DuplicateTable`]; what a store says about types it cannot hold.
    pub(crate) async fn create_table(self: &Arc<Self>, def: TableDef, control: &JobControl) -> Result<Arc<TableDef>> {
        let table = self.prepare_table(def).await?;
        self.create_prepared(&table, control).await?;
        Ok(table)
    }

    /// Gives a definition its id and finds out whether it can be a table. Nothing is created.
    ///
    /// # Errors
    /// As [`Engine::create_table`].
    pub(crate) async fn prepare_table(self: &Arc<Self>, mut def: TableDef) -> Result<Arc<TableDef>> {
        self.check_write()?;
        if self.is_taken(&def.name).await {
            return Err(zxq_catalog::CatalogError::TableExists(def.name).into());
        }
        self.config.cold.format.record(&mut def);
        def.id = self.catalog.reserve_table_id().await?;
        let table = Arc::new(def);
        self.check_definition(&table)?;
        Ok(table)
    }

    /// True where there is something of that name, and it is not what a failed statement had made and could not take back yet.
    pub(crate) async fn is_taken(self: &Arc<Self>, name: &str) -> bool {
        let there = self.snapshot().table(name).map(|state| state.def.id);
        let Some(there) = there else { return false };
        self.settle_table(there).await;
        self.snapshot().table(name).is_some()
    }

    /// Finds out whether there can be a table of that definition.
    fn check_definition(&self, table: &Arc<TableDef>) -> Result<()> {
        // Compiling the constraints now finds a wrong CHECK or DEFAULT before there is a table.
        self.checkers.of(table)?;
        if table.is_stored() {
            self.stores.iter().try_for_each(|store| store.check_table(table))?;
        }
        Ok(())
    }

    /// Creates a prepared table. Once it is there the stores are told: one that is away makes up for it when it is written to.
    pub(crate) async fn create_prepared(self: &Arc<Self>, table: &TableDef, control: &JobControl) -> Result<()> {
        let _finishing = control.must_finish()?;
        self.commit(vec![Change::CreateTable(Box::new(table.clone()))], Record::default()).await?;
        if table.is_stored() {
            for store in &self.stores {
                if let Err(error) = store.create_table(table).await {
                    tracing::warn!(%error, table = %table.name, "a store could not prepare for the table yet");
                }
            }
        }
        Ok(())
    }

    /// Creates a prepared table with rows in it: both, or (where it fails, or the process ends in between) neither.
    pub(crate) async fn create_with_rows(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        rows: Vec<RecordBatch>,
        control: &JobControl,
    ) -> Result<IngestReport> {
        if rows.iter().all(|batch| batch.num_rows() == 0) {
            self.create_prepared(table, control).await?;
            return Ok(IngestReport::default());
        }
        let begun = Job::begin(JobKind::Load, table.id, Tier::Hot, self.now_us());
        let mut job = Job { created: vec![table.as_ref().clone()], ..begun };
        let filling = async {
            self.catalog.put_job(&job).await?;
            self.create_prepared(table, control).await?;
            self.ingest_checked(table.id, rows, "create table as", control).await
        };
        let filled = caught(filling).await;
        match filled {
            Ok(report) => {
                job.rows = report.rows;
                self.note_done(&mut job).await;
                Ok(report)
            }
            Err(error) => {
                self.give_up(&job, &error).await;
                Err(error)
            }
        }
    }

    /// Drops a table. Statements that already read it finish.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`].
    pub(crate) async fn drop_table(self: &Arc<Self>, name: &str, control: &JobControl) -> Result<()> {
        self.check_write()?;
        let id = self.table(name)?.def.id;
        let _alone = control.wait(self.locks.change_table(id)).await?;
        {
            let _no_ingest = control.wait(self.ingest_gate.write()).await?;
            if self.snapshot().table_by_id(id).is_none_or(|state| state.def.name != name) {
                // It went, or got another name, while this waited.
                self.table(name)?;
                let text = format!("table \"{name}\" was replaced meanwhile: drop it again");
                return Err(EngineError::new(ErrorKind::FenceLost, text));
            }
            let _finishing = control.must_finish()?;
            self.commit(vec![Change::DropTable(id)], Record::default()).await?;
        }
        self.checkers.forget(id);
        self.collect().await;
        Ok(())
    }

    /// The definition with the DEFAULTs of new columns as literals of their values: those are what rows that are there already
    /// have in them, and no row may get another value for it later.
    fn with_constant_defaults(&self, before: &TableDef, def: TableDef) -> Result<TableDef> {
        let added = before.columns.len()..def.columns.len();
        if def.columns[added.clone()].iter().all(|column| column.default.is_none()) {
            return Ok(def);
        }
        let defaults = self.checkers.of(&Arc::new(def.clone()))?.default_exprs();
        let mut def = def;
        for column in &mut def.columns[added] {
            let Some((_, default)) = defaults.iter().find(|(name, _)| *name == column.name) else { continue };
            let refused = || {
                EngineError::new(
                    ErrorKind::FeatureNotSupported,
                    format!(
                        "ALTER TABLE {}: column \"{}\": the DEFAULT of a column added to a table that holds rows must be a \
                         literal of the column's type, since it is the value of every row there is",
                        before.name, column.name
                    ),
                )
            };
            let Expr::Literal(value, _) = default else { return Err(refused()) };
            if column.is_converted() && !value.is_null() {
                return Err(refused());
            }
            column.default = Some(literal_of(value).ok_or_else(refused)?);
            if !constant_default(column).is_ok_and(|stored| stored == *value) {
                return Err(refused());
            }
        }
        Ok(def)
    }

    /// Changes a table's definition, computed from what it is once nobody else can change it.
    pub(crate) async fn alter_table(
        self: &Arc<Self>,
        name: &str,
        operations: &[AlterTableOperation],
        control: &JobControl,
    ) -> Result<()> {
        self.check_write()?;
        let id = self.table(name)?.def.id;
        let _alone = control.wait(self.locks.change_table(id)).await?;
        let altered = || -> Result<TableDef> {
            let state = self.table(name)?;
            let mut def = sql::alter_table(&state.def, operations, state.row_count() > 0)?;
            if state.row_count() > 0 {
                def = self.with_constant_defaults(&state.def, def)?;
            }
            if def.columns != state.def.columns || def.options != state.def.options {
                self.own_table(name)?;
            }
            Ok(def)
        };
        let no_ingest = control.wait(self.ingest_gate.write()).await?;
        let def = Arc::new(altered()?);
        self.check_definition(&def)?;
        let _finishing = control.must_finish()?;
        self.commit(vec![Change::AlterTable(Box::new(def.as_ref().clone()))], Record::default()).await?;
        // The stores are told once it is so, and with the gate open again: one that is away holds up nobody, and makes up for
        // it when it is written to.
        drop(no_ingest);
        for store in self.stores.iter().filter(|_| def.is_stored()) {
            if let Err(error) = store.alter_table(&def).await {
                tracing::warn!(%error, table = %def.name, "a store could not follow the table's change yet");
            }
        }
        Ok(())
    }
}

/// A value as a SQL literal; `None` for types of which no column is.
fn literal_of(value: &ScalarValue) -> Option<String> {
    if value.is_null() {
        return Some("NULL".to_owned());
    }
    let text = match value.cast_to(&arrow::datatypes::DataType::Utf8).ok()? {
        ScalarValue::Utf8(Some(text)) => text,
        _ => return None,
    };
    let data_type = value.data_type();
    let plain = data_type.is_integer() || data_type.is_decimal() || matches!(value, ScalarValue::Boolean(_));
    Some(if plain { text } else { sql::quoted_text(&text) })
}
