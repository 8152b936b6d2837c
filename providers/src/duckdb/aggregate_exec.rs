//! The plan node that reads partial aggregates: one GROUP BY over all segments.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use zxq_catalog::{Segment, TableDef};

use super::database::Database;
use super::dialect::DUCKDB;
use super::scan_exec::DuckDbScanExec;
use super::stream::{DuckDbStream, Work};
use crate::error::Result;
use crate::sql::aggregate::Selection;
use crate::sql::filter::Predicate;
use crate::sql::scan::{Statement, properties};
use crate::sql::select::Select;

/// Reads partial aggregates of the rows of some segments from DuckDB, as one SQL statement.
#[derive(Debug, Clone)]
pub struct DuckDbAggregateExec {
    database: Arc<Database>,
    table: Arc<TableDef>,
    segments: Vec<Arc<Segment>>,
    filters: Vec<Predicate>,
    expressions: Vec<String>,
    columns: BTreeSet<usize>,
    group_by: String,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DuckDbAggregateExec {
    /// The rows of `scan`, aggregated.
    pub(super) fn new(scan: &DuckDbScanExec, aggregate: &AggregateExec, selection: Selection) -> Self {
        let schema = aggregate.schema();
        let group_by = selection.group_by();
        DuckDbAggregateExec {
            database: Arc::clone(&scan.database),
            table: Arc::clone(&scan.scan.table),
            segments: scan.scan.segments().into_iter().cloned().collect(),
            filters: scan.scan.filters.clone(),
            expressions: selection.expressions,
            columns: selection.columns,
            group_by,
            properties: properties(&schema, 1, None),
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The SQL that is sent.
    ///
    /// # Errors
    /// When a segment's location is not one of this store.
    pub fn sql(&self) -> Result<String> {
        self.select().sql(&self.segments)
    }

    fn select(&self) -> Select<'_> {
        Select {
            dialect: &DUCKDB,
            table: &self.table,
            expressions: &self.expressions,
            columns: &self.columns,
            filters: &self.filters,
            tail: &self.group_by,
            limit: None,
        }
    }
}

impl DisplayAs for DuckDbAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments: Vec<&Arc<Segment>> = self.segments.iter().collect();
        let sql = self.select().shown(&segments).map_err(|_| fmt::Error)?;
        match format {
            DisplayFormatType::TreeRender => write!(f, "segments={}\nsql={sql}", segments.len()),
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "DuckDbAggregateExec: segments={}, sql=[{sql}]", segments.len())
            }
        }
    }
}

impl ExecutionPlan for DuckDbAggregateExec {
    fn name(&self) -> &str {
        "DuckDbAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let statement = Statement { sql: self.sql()?, expected_rows: None, most_rows: None };
        let work = Work {
            database: Arc::clone(&self.database),
            schema: Arc::clone(&self.schema),
            batch_rows: context.session_config().batch_size(),
            statements: Box::new(VecDeque::from([statement])),
        };
        Ok(Box::pin(DuckDbStream::new(work, BaselineMetrics::new(&self.metrics, partition))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, _partition: Option<usize>) -> DataFusionResult<Arc<Statistics>> {
        Ok(Arc::new(Statistics::new_unknown(&self.schema)))
    }
}
