//! DataFusion's Parquet source, with errors that name the file.
//!
//! The decoder says "bad page header" without saying where, and panics over some damage. This wraps the source, its planners
//! and its streams, each of which belongs to one file, adds the name on the way out and makes panics errors. All else is the
//! source's own.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;

use crate::guard::{self, Panicked};
use crate::lake::parquet_files::STORE;
use crate::lake::parquet_files::errors::scanning;

/// A [`FileSource`] whose errors name the file.
pub(crate) struct NamingSource {
    inner: Arc<dyn FileSource>,
}

impl NamingSource {
    /// Wraps a source.
    pub(crate) fn wrap(inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(NamingSource { inner })
    }
}

impl FileSource for NamingSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.inner.create_file_opener(object_store, base_config, partition)
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let inner = self.inner.create_morselizer(object_store, base_config, partition)?;
        Ok(Box::new(NamingMorselizer { inner }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Self::wrap(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.inner.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        self.inner.repartitioned(target_partitions, repartition_file_min_size, output_ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        // The scan was given the query's filters when it was planned; the optimizer brings the same ones again.
        let known = self.inner.filter();
        let is_new = |filter: &Arc<dyn PhysicalExpr>| {
            !known.as_ref().is_some_and(|known| split_conjunction(known).into_iter().any(|k| k == filter))
        };
        let fresh: Vec<bool> = filters.iter().map(is_new).collect();
        let count = filters.len();
        let new_filters = filters.into_iter().zip(&fresh).filter(|(_, fresh)| **fresh).map(|(f, _)| f).collect();
        let answer = self.inner.try_pushdown_filters(new_filters, config)?;
        let mut answers = answer.filters.into_iter();
        let mut all = Vec::with_capacity(count);
        for is_fresh in fresh {
            let decided = if is_fresh { answers.next() } else { None };
            all.push(decided.unwrap_or(PushedDown::No));
        }
        Ok(FilterPushdownPropagation { filters: all, updated_node: answer.updated_node.map(Self::wrap) })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        eq_properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(match self.inner.try_pushdown_sort(order, eq_properties)? {
            SortOrderPushdownResult::Exact { inner } => SortOrderPushdownResult::Exact { inner: Self::wrap(inner) },
            SortOrderPushdownResult::Inexact { inner } => SortOrderPushdownResult::Inexact { inner: Self::wrap(inner) },
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.inner.try_pushdown_projection(projection)?.map(Self::wrap))
    }
}

#[derive(Debug)]
struct NamingMorselizer {
    inner: Box<dyn Morselizer>,
}

impl Morselizer for NamingMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let path: Arc<str> = Arc::from(file.object_meta.location.as_ref());
        let inner = guarded(&path, || self.inner.plan_file(file))?;
        Ok(Box::new(NamingPlanner { inner, path }))
    }
}

#[derive(Debug)]
struct NamingPlanner {
    inner: Box<dyn MorselPlanner>,
    path: Arc<str>,
}

impl MorselPlanner for NamingPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let NamingPlanner { inner, path } = *self;
        let Some(mut plan) = guarded(&path, || inner.plan())? else { return Ok(None) };
        let wrap_planner = |inner: Box<dyn MorselPlanner>, path: &Arc<str>| -> Box<dyn MorselPlanner> {
            Box::new(NamingPlanner { inner, path: Arc::clone(path) })
        };
        let morsels = plan
            .take_morsels()
            .into_iter()
            .map(|inner| -> Box<dyn Morsel> { Box::new(NamingMorsel { inner, path: Arc::clone(&path) }) });
        let planners = plan.take_ready_planners().into_iter().map(|inner| wrap_planner(inner, &path));
        let mut named_plan = MorselPlan::new().with_morsels(morsels.collect()).with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            named_plan.set_pending_planner(async move {
                let inner = guard::future(pending.into_future()).await.map_err(gave_up(&path))?;
                Ok(wrap_planner(inner.map_err(named(&path))?, &path))
            });
        }
        Ok(Some(named_plan))
    }
}

#[derive(Debug)]
struct NamingMorsel {
    inner: Box<dyn Morsel>,
    path: Arc<str>,
}

impl Morsel for NamingMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let NamingMorsel { inner, path } = *self;
        let decoded = guard::stream(inner.into_stream());
        decoded.map(move |batch| batch.map_err(gave_up(&path))?.map_err(named(&path))).boxed()
    }
}

/// A step of the decoder: its errors name the file, and so does what becomes of its panics.
fn guarded<T>(path: &Arc<str>, step: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::call(step).map_err(gave_up(path))?.map_err(named(path))
}

fn gave_up(path: &Arc<str>) -> impl FnOnce(Panicked) -> DataFusionError + 'static {
    let path = Arc::clone(path);
    move |panicked| panicked.in_file(STORE, format!("file {path}")).into()
}

fn named(path: &Arc<str>) -> impl FnOnce(DataFusionError) -> DataFusionError + 'static {
    let path = Arc::clone(path);
    move |error| scanning(&path, error)
}

impl Debug for NamingSource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamingSource").field("file_type", &self.inner.file_type()).finish_non_exhaustive()
    }
}
