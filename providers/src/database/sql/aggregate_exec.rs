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

use super::aggregate::{Selection, selection};
use super::facts::Facts;
use super::filter::Predicate;
use super::scan::{Statement, properties};
use super::scan_exec::SqlScanExec;
use super::select::Select;
use super::source::{RowQuery, SqlSource};
use crate::error::Result;

/// Reads partial aggregates of the rows of some segments from a database, as one SQL statement.
#[derive(Debug, Clone)]
pub(crate) struct SqlAggregateExec {
    source: Arc<dyn SqlSource>,
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

impl SqlAggregateExec {
    /// The states that `aggregate` would compute from the rows of `scan`; `None` where that is not proven.
    pub(crate) fn new(scan: &SqlScanExec, aggregate: &AggregateExec) -> Option<Self> {
        if scan.scan.fetch.is_some() {
            return None;
        }
        let segments = scan.scan.segments();
        let facts = Facts::new(scan.source.dialect(), &scan.scan.table, &segments);
        let selection: Selection = selection(aggregate, &scan.schema(), &facts)?;
        let schema = aggregate.schema();
        let group_by = selection.group_by();
        Some(SqlAggregateExec {
            source: Arc::clone(&scan.source),
            table: Arc::clone(&scan.scan.table),
            segments: segments.into_iter().cloned().collect(),
            filters: scan.scan.filters.clone(),
            expressions: selection.expressions,
            columns: selection.columns,
            group_by,
            properties: properties(&schema, 1, None),
            schema,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The SQL that is sent.
    ///
    /// # Errors
    /// When a segment's location is not one of this store.
    pub(crate) fn sql(&self) -> Result<String> {
        self.select().sql(&self.segments)
    }

    fn select(&self) -> Select<'_> {
        Select {
            dialect: self.source.dialect(),
            table: &self.table,
            expressions: &self.expressions,
            columns: &self.columns,
            filters: &self.filters,
            tail: &self.group_by,
            limit: None,
        }
    }
}

impl DisplayAs for SqlAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments: Vec<&Arc<Segment>> = self.segments.iter().collect();
        let sql = self.select().shown(&segments).map_err(|_| fmt::Error)?;
        match format {
            DisplayFormatType::TreeRender => write!(f, "segments={}\nsql={sql}", segments.len()),
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "{}: segments={}, sql=[{sql}]", self.source.aggregate_name(), segments.len())
            }
        }
    }
}

impl ExecutionPlan for SqlAggregateExec {
    fn name(&self) -> &str {
        self.source.aggregate_name()
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
        let work = RowQuery {
            schema: Arc::clone(&self.schema),
            batch_rows: context.session_config().batch_size(),
            statements: Box::new(VecDeque::from([statement])),
            sums: true,
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(Arc::clone(&self.source).begin(1).stream(partition, work, metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, _partition: Option<usize>) -> DataFusionResult<Arc<Statistics>> {
        Ok(Arc::new(Statistics::new_unknown(&self.schema)))
    }
}
