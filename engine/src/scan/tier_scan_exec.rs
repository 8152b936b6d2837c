//! The plan node above the per-tier scans of one table: says what is read, keeps the snapshot pinned, knows the counts.

use std::fmt::{self, Formatter};
use std::pin::Pin as StdPin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Statistics;
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::Stream;
use zxq_catalog::{Segment, TableId, Tier};

use crate::sql::cold_format::ColdFormat;
use crate::state::pins::Pin;

/// What EXPLAIN and `zxq.queries` tell about one table's scan.
#[derive(Debug, Clone)]
pub struct ScanReport {
    /// Table name.
    pub table: String,
    /// The table's id, which stays when its name changes.
    pub table_id: TableId,
    /// Epoch of the snapshot.
    pub epoch: u64,
    /// By [`Tier::index`]: segments read and segments ruled out.
    pub segments: [(usize, usize); 3],
    /// Rows in the segments read, by [`Tier::index`].
    pub rows: [u64; 3],
    /// The table format of the cold segments.
    pub cold_format: ColdFormat,
    /// Rows of the table that the tier hint leaves out.
    pub rows_left_out: u64,
}

/// Where the scans planned for one session report, also those that the planner then answers from statistics alone.
#[derive(Debug, Default)]
pub(crate) struct ScanReports(parking_lot::Mutex<Vec<ScanReport>>);

impl ScanReports {
    pub(crate) fn add(&self, report: ScanReport) {
        self.0.lock().push(report);
    }

    /// The reports since this was last asked.
    pub(crate) fn take(&self) -> Vec<ScanReport> {
        std::mem::take(&mut self.0.lock())
    }
}

type Plan = Arc<dyn ExecutionPlan>;

/// Passes its input through; see the module's documentation.
#[derive(Debug, Clone)]
pub struct TierScanExec {
    input: Arc<dyn ExecutionPlan>,
    report: Arc<ScanReport>,
    /// Listed when they are asked for, where all of some tiers are read and only counted.
    segments: Arc<OnceLock<Vec<Arc<Segment>>>>,
    statistics: Arc<Statistics>,
    exact: bool,
    pin: Arc<Pin>,
}

impl TierScanExec {
    /// All rows of the tiers that the report says are read, which `input` gives without looking at their segments.
    pub(crate) fn of_all(
        input: Arc<dyn ExecutionPlan>,
        report: ScanReport,
        statistics: Statistics,
        exact: bool,
        pin: Arc<Pin>,
    ) -> Self {
        TierScanExec {
            input,
            report: Arc::new(report),
            segments: Arc::default(),
            statistics: Arc::new(statistics),
            exact,
            pin,
        }
    }

    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        report: ScanReport,
        segments: Vec<Arc<Segment>>,
        statistics: Statistics,
        exact: bool,
        pin: Arc<Pin>,
    ) -> Self {
        let all = Self::of_all(input, report, statistics, exact, pin);
        TierScanExec { segments: Arc::new(OnceLock::from(segments)), ..all }
    }

    /// What is read.
    pub fn report(&self) -> &ScanReport {
        &self.report
    }

    /// True where it reads that snapshot.
    pub(crate) fn is_under(&self, pin: &Arc<Pin>) -> bool {
        Arc::ptr_eq(&self.pin, pin)
    }

    /// The segments read.
    pub(crate) fn segments(&self) -> &[Arc<Segment>] {
        self.segments.get_or_init(|| {
            let read = |tier: &Tier| self.report.segments[tier.index()].0 > 0;
            let tiers: Vec<Tier> = Tier::ALL.into_iter().filter(read).collect();
            let table = self.pin.snapshot().table_by_id(self.report.table_id);
            table.map(|table| table.read_set(&tiers)).unwrap_or_default()
        })
    }

    /// True when every row of the segments read is a row of the answer: no filter is left to evaluate and no limit was
    /// pushed.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// This scan taken apart: the given tier's own scan, and a scan of the other tiers. Either may be missing.
    pub(crate) fn split_tier(&self, tier: Tier) -> (Option<Plan>, Option<Plan>) {
        let present: Vec<Tier> = Tier::ALL.into_iter().filter(|t| self.report.segments[t.index()].0 > 0).collect();
        let inputs: Vec<Arc<dyn ExecutionPlan>> = match self.input.downcast_ref::<UnionExec>() {
            Some(union) => union.inputs().clone(),
            None => vec![Arc::clone(&self.input)],
        };
        // The planner may have put nodes between: then it is not known which child is which tier.
        if inputs.len() != present.len() {
            return (None, None);
        }
        let mut own = None;
        let mut others = Vec::with_capacity(inputs.len());
        for (input, present) in inputs.into_iter().zip(present) {
            if present == tier { own = Some(input) } else { others.push(input) }
        }
        let rest = if others.is_empty() { None } else { UnionExec::try_new(others).ok() };
        let unknown = Statistics::new_unknown(&self.schema());
        (own, rest.map(|rest| Arc::new(self.with_pinned_input(rest, unknown)) as Arc<dyn ExecutionPlan>))
    }

    /// Another plan under this scan's pin and report.
    pub(crate) fn with_pinned_input(&self, input: Arc<dyn ExecutionPlan>, statistics: Statistics) -> Self {
        TierScanExec { statistics: Arc::new(statistics), exact: false, ..self.with_input(input) }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        TierScanExec { input, ..self.clone() }
    }
}

impl DisplayAs for TierScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        let report = &self.report;
        write!(f, "TierScanExec: table={}, epoch={}", report.table, report.epoch)?;
        for tier in Tier::ALL {
            let (kept, pruned) = report.segments[tier.index()];
            if kept + pruned > 0 {
                write!(f, ", {tier}={kept} segments ({pruned} pruned)")?;
                if tier == Tier::Cold && report.cold_format != ColdFormat::default() {
                    write!(f, " in {}", report.cold_format)?;
                }
            }
        }
        if report.rows_left_out > 0 {
            write!(f, ", rows_left_out_by_tier_hint={}", report.rows_left_out)?;
        }
        Ok(())
    }
}

impl ExecutionPlan for TierScanExec {
    fn name(&self) -> &str {
        "TierScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(self.with_input(input))),
            Err(_) => Err(DataFusionError::Internal("TierScanExec has one child".to_owned())),
        }
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inner = self.input.execute(partition, context)?;
        Ok(Box::pin(PinnedStream { inner, pin: Arc::clone(&self.pin) }))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        match partition {
            None => Ok(Arc::clone(&self.statistics)),
            Some(_) => self.input.partition_statistics(partition),
        }
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let input = self.input.with_fetch(limit)?;
        // The counts are no longer those of the segments.
        let statistics = Arc::new(self.statistics.as_ref().clone().to_inexact());
        Some(Arc::new(TierScanExec { exact: false, statistics, ..self.with_input(input) }))
    }

    fn fetch(&self) -> Option<usize> {
        self.input.fetch()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(parent_filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(child_pushdown_result))
    }

    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        Ok(self.input.try_pushdown_sort(order)?.map(|input| Arc::new(self.with_input(input)) as Arc<dyn ExecutionPlan>))
    }
}

/// Keeps the snapshot pinned until the last batch has been taken, also where the plan is dropped before its stream.
struct PinnedStream {
    inner: SendableRecordBatchStream,
    pin: Arc<Pin>,
}

impl Stream for PinnedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: StdPin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.inner.as_mut().poll_next(cx);
        // Said in place of what a store says about data that another process has dropped meanwhile.
        if polled.is_ready()
            && let Err(error) = self.pin.check()
        {
            return Poll::Ready(Some(Err(error.into())));
        }
        polled
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl RecordBatchStream for PinnedStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
