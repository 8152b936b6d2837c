//! The same query over the store and over the rows in memory.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use zxq_catalog::{Segment, TableDef};
use zxq_providers::{ScanRequest, TierStore};

use crate::harness::{Harness, session};

/// Some segments of a store as a table; every filter is offered to the store and evaluated again.
#[derive(Debug)]
struct StoreTable {
    store: Arc<dyn TierStore>,
    table: Arc<TableDef>,
    segments: Vec<Arc<Segment>>,
}

#[async_trait]
impl TableProvider for StoreTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
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
            limit,
        };
        Ok(self.store.scan(request).await?)
    }
}

/// Two sessions that know the same rows as table `t`: from the store, and from memory.
pub struct Both {
    pub store: SessionContext,
    pub memory: SessionContext,
}

impl Both {
    pub fn new(harness: &Harness, table: &TableDef, segments: &[Segment], rows: &[RecordBatch]) -> Both {
        let both = Both { store: session(), memory: session() };
        let provider = StoreTable {
            store: Arc::clone(&harness.store),
            table: Arc::new(table.clone()),
            segments: segments.iter().cloned().map(Arc::new).collect(),
        };
        both.store.register_table("t", Arc::new(provider)).unwrap();
        let memory = MemTable::try_new(table.schema(), vec![rows.to_vec()]).unwrap();
        both.memory.register_table("t", Arc::new(memory)).unwrap();
        both
    }
}

/// The column `seq` of a batch.
pub fn seqs(batch: &RecordBatch) -> Vec<i64> {
    batch.column_by_name("seq").unwrap().as_primitive::<Int64Type>().values().to_vec()
}
