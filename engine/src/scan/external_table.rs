//! Tables that others keep (`CREATE EXTERNAL TABLE`): looked at anew whenever a statement that reads them is planned.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::TableType;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use zxq_catalog::TableDef;
use zxq_providers::external::{self, ExternalFormat, ExternalScan};

use crate::error::{EngineError, ErrorKind};
use crate::sql;

/// A table of others as DataFusion sees it.
#[derive(Debug)]
pub(crate) struct ExternalTable {
    def: Arc<TableDef>,
}

impl ExternalTable {
    pub(crate) fn new(def: Arc<TableDef>) -> Self {
        ExternalTable { def }
    }

    /// The table's definition when the statement was planned.
    pub(crate) fn definition(&self) -> &Arc<TableDef> {
        &self.def
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
        let folder = self.def.external_folder().map(Path::new);
        let format: ExternalFormat = format.parse().map_err(|e: zxq_providers::ProviderError| self.failed(e))?;
        let table = external::open_within(state, format, location, folder).await.map_err(|e| self.failed(e))?;
        self.check_columns(&table.schema())?;
        let limit = limit.filter(|_| filters.is_empty());
        let scan = ExternalScan { state, schema: self.schema(), projection, filters, limit };
        table.scan(scan).await.map_err(|e| self.failed(e))
    }
}
