//! Tables that others keep (`CREATE EXTERNAL TABLE`): looked at anew whenever a statement that reads them is planned.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::TableType;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::CreateExternalTable;
use zxq_catalog::{EXTERNAL_FORMAT, EXTERNAL_LOCATION, Partitioning, TableDef, TableState};
use zxq_providers::external::{self, ExternalFormat, ExternalScan};

use crate::engine::Engine;
use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;
use crate::sql;

/// Registers a table of others: looks at it once, and keeps its name, place and columns.
///
/// # Errors
/// [`ErrorKind::DuplicateTable`]; [`ErrorKind::FeatureNotSupported`] for clauses that have no meaning here and for tables
/// that cannot be read exactly.
pub(crate) async fn create(session: &EngineSession, create: &CreateExternalTable) -> Result<()> {
    let engine = &session.engine;
    let name = sql::table_name(&create.name)?;
    if engine.snapshot().table(&name).is_some() && create.if_not_exists {
        session.notice(format!("relation \"{name}\" already exists, skipping"));
        return Ok(());
    }
    check_clauses(create)?;
    let format: ExternalFormat = create.file_type.parse()?;
    let location = absolute(&create.location)?;
    let table = external::open(&session.context().state(), format, &location).await?;
    let mut def = sql::table_from_schema(&name, &table.schema())?;
    def.partitioning = Partitioning::none();
    def.time_column = None;
    def.sort_by.clear();
    def.lookup.clear();
    def.options.insert(EXTERNAL_FORMAT.to_owned(), format.name().to_owned());
    def.options.insert(EXTERNAL_LOCATION.to_owned(), location);
    engine.create_table(def).await?;
    Ok(())
}

fn check_clauses(create: &CreateExternalTable) -> Result<()> {
    let problems = [
        (create.or_replace, "OR REPLACE", "drop the table first"),
        (create.temporary, "TEMPORARY", "leave it out, and drop the table when it is no longer needed"),
        (!create.columns.is_empty(), "a list of columns", "leave it out: the columns are those of the files"),
        (!create.table_partition_cols.is_empty(), "PARTITIONED BY", "leave it out: folders tell by themselves"),
        (!create.order_exprs.is_empty(), "WITH ORDER", "leave it out"),
        (create.unbounded, "UNBOUNDED", "leave it out"),
        (!create.options.is_empty(), "OPTIONS", "leave it out"),
        (!create.constraints.is_empty(), "constraints", "leave them out: zxq does not write to this table"),
    ];
    match problems.into_iter().find(|(there, _, _)| *there) {
        Some((_, what, instead)) => Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!("CREATE EXTERNAL TABLE with {what} is not supported: {instead}"),
        )),
        None => Ok(()),
    }
}

/// The location independent of the folder that this process happens to be in.
fn absolute(location: &str) -> Result<String> {
    if location.contains("://") {
        return Ok(location.to_owned());
    }
    let path = std::path::absolute(location).map_err(|e| EngineError::io(format!("cannot use {location:?}"), e))?;
    let folder = if location.ends_with('/') { "/" } else { "" };
    Ok(format!("{}{folder}", path.display().to_string().trim_end_matches('/')))
}

impl Engine {
    /// A table that zxq itself keeps.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`]; [`ErrorKind::FeatureNotSupported`] for a table of others.
    pub(crate) fn own_table(&self, name: &str) -> Result<Arc<TableState>> {
        let state = self.table(name)?;
        match state.def.external() {
            None => Ok(state),
            Some((format, location)) => Err(EngineError::new(
                ErrorKind::FeatureNotSupported,
                format!(
                    "table \"{name}\" is external ({format}, {location}): zxq only reads it; to have its rows in the \
                     tiers, CREATE TABLE … AS SELECT * FROM {name}"
                ),
            )),
        }
    }
}

/// A table of others as DataFusion sees it.
#[derive(Debug)]
pub(crate) struct ExternalTable {
    def: Arc<TableDef>,
}

impl ExternalTable {
    pub(crate) fn new(def: Arc<TableDef>) -> Self {
        ExternalTable { def }
    }

    fn failed(&self, error: impl Into<EngineError>) -> DataFusionError {
        let error: EngineError = error.into();
        DataFusionError::External(Box::new(error.context(format!("external table \"{}\"", self.def.name))))
    }

    /// The columns must still be those that the table was registered with; more of them are not shown.
    fn check_columns(&self, now: &Schema) -> DfResult<()> {
        let known = sql::table_from_schema(&self.def.name, now).map_err(|e| self.failed(e))?;
        let types: Vec<(&String, &DataType)> = known.columns.iter().map(|c| (&c.name, &c.data_type)).collect();
        let wanted: Vec<(&String, &DataType)> = self.def.columns.iter().map(|c| (&c.name, &c.data_type)).collect();
        if types == wanted {
            return Ok(());
        }
        let list = |columns: &[(&String, &DataType)]| {
            columns.iter().map(|(name, data_type)| format!("{name} {data_type}")).collect::<Vec<_>>().join(", ")
        };
        let text = format!(
            "its columns were ({}) when it was created and are ({}) now: drop it and create it again",
            list(&wanted),
            list(&types)
        );
        Err(self.failed(EngineError::new(ErrorKind::InvalidDefinition, text)))
    }
}

#[async_trait]
impl TableProvider for ExternalTable {
    fn schema(&self) -> SchemaRef {
        // Files of others promise nothing about NULLs.
        let schema = self.def.schema();
        let fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        Arc::new(Schema::new(fields))
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let Some((format, location)) = self.def.external() else {
            return Err(self.failed(EngineError::internal("it has no location")));
        };
        let format: ExternalFormat = format.parse().map_err(|e: zxq_providers::ProviderError| self.failed(e))?;
        let table = external::open(state, format, location).await.map_err(|e| self.failed(e))?;
        self.check_columns(&table.schema())?;
        let limit = limit.filter(|_| filters.is_empty());
        let scan = ExternalScan { state, schema: self.schema(), projection, filters, limit };
        table.scan(scan).await.map_err(|e| self.failed(e))
    }
}
