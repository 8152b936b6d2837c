//! What the stores' own tests share.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use zxq_catalog::{Segment, TableDef};

use super::{ScanRequest, TierStore};

/// Some segments of a store as a table, so that DataFusion plans real queries over its scan.
#[derive(Debug)]
pub(crate) struct StoreTable {
    pub(crate) store: Arc<dyn TierStore>,
    pub(crate) table: Arc<TableDef>,
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Which filters the scan is given.
    pub(crate) filters: TableProviderFilterPushDown,
}

#[async_trait]
impl TableProvider for StoreTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let request = ScanRequest {
            state,
            table: Arc::clone(&self.table),
            segments: self.segments.clone(),
            projection: projection.cloned().unwrap_or_else(|| (0..self.table.columns.len()).collect()),
            filters: filters.to_vec(),
            limit: limit.filter(|_| filters.is_empty()),
        };
        Ok(self.store.scan(request).await?)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![self.filters.clone(); filters.len()])
    }
}
