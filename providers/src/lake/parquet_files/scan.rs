//! Plans a scan over exactly the files that the catalog names. No log is read, no folder listed, no file asked for.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DFSchema, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileGroupPartitioner, FileScanConfig, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr, conjunction_opt};
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectStore;
use object_store::path::Path;
use zxq_catalog::{ColumnStats, Segment};

use crate::error::Result;
use crate::lake::objects::Objects;
use crate::lake::parquet_files::defaults;
use crate::lake::parquet_files::files::{FileCache, ScanTable};
use crate::lake::parquet_files::layout::FileForm;
use crate::lake::parquet_files::reader::CachedFooters;
use crate::lake::parquet_files::source::NamingSource;
use crate::stats::{self, Sums};
use crate::tier_store::ScanRequest;

/// Scans of less are not worth a second thread. DataFusion's own limit is ten times this, for files that are less dense.
const SPLIT_MIN_BYTES: usize = 1024 * 1024;

/// Plans scans, and keeps what they share.
#[derive(Debug)]
pub(crate) struct ColdScans {
    store: Arc<dyn ObjectStore>,
    /// The name under which DataFusion's runtime finds `store`.
    url: ObjectStoreUrl,
    files: FileCache,
    footers: Arc<CachedFooters>,
    pushdown_filters: bool,
    form: FileForm,
}

impl ColdScans {
    /// Scans of the files under a root.
    pub(crate) fn new(
        objects: &Objects,
        metadata_cache_bytes: u64,
        pushdown_filters: bool,
        form: FileForm,
    ) -> Result<Self> {
        let url = ObjectStoreUrl::parse(format!("zxqcold://{}", uuid::Uuid::new_v4().simple()))?;
        let footers = Arc::new(CachedFooters::new(Arc::clone(&objects.store), metadata_cache_bytes));
        Ok(ColdScans {
            store: Arc::clone(&objects.store),
            url,
            files: FileCache::new(objects.root.clone()),
            footers,
            pushdown_filters,
            form,
        })
    }

    /// Drops what is kept of a deleted file.
    pub(crate) fn forget(&self, path: &Path) {
        self.footers.forget(path);
    }

    /// Plans a scan of the files of these segments.
    pub(crate) fn plan(&self, request: &ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let state = request.state;
        state.runtime_env().register_object_store(self.url.as_ref(), Arc::clone(&self.store));
        let table = ScanTable::new(&request.table, self.form)?;
        let mut files = Vec::with_capacity(request.segments.len());
        for segment in &request.segments {
            files.push(self.files.get(&table, segment)?);
        }
        let target = state.config().target_partitions().max(1);
        let (mut groups, orderings) = arrange(&table, request, &files, target)?;
        if groups.len() < target {
            let split = FileGroupPartitioner::new()
                .with_target_partitions(target)
                .with_repartition_file_min_size(SPLIT_MIN_BYTES)
                .with_preserve_order_within_groups(!orderings.is_empty())
                .repartition_file_groups(&groups);
            groups = split.unwrap_or(groups);
        }

        let mut options =
            TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        options.global.pushdown_filters |= self.pushdown_filters || names_key(request);
        let mut source = ParquetSource::new(table.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::clone(&self.footers) as Arc<dyn ParquetFileReaderFactory>);
        if let Some(predicate) = predicate(&table, request)? {
            source = source.with_predicate(predicate);
        }
        let exact = request.limit.is_none();
        let config = FileScanConfigBuilder::new(self.url.clone(), NamingSource::wrap(Arc::new(source)))
            .with_file_groups(groups)
            .with_statistics(statistics(&table, request, exact))
            .with_output_ordering(orderings)
            .with_limit(request.limit)
            .with_expr_adapter(defaults::adapter(&request.table, &request.segments)?)
            .with_projection_indices(Some(projection(&table, &request.projection)))?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// What is known of the rows of all files. Columns that are not read need no statistics; those of each file are with the file.
fn statistics(table: &ScanTable, request: &ScanRequest<'_>, exact: bool) -> Statistics {
    let is_read = |name: &str| {
        let index = table.canonical.index_of(name);
        index.is_ok_and(|index| request.projection.contains(&index))
    };
    let column = |name: &str| is_read(name).then(|| ColumnStats::over(name, &request.segments)).flatten();
    stats::statistics_from(&table.canonical, Sums::of(&request.segments), &table.order, exact, column)
}

/// True when a filter names one value of a lookup key or of the first sort column. Then few pages of a file match, and
/// decoding the other columns only where the filters hold saves most of the work; for other filters it costs more than
/// it saves.
fn names_key(request: &ScanRequest<'_>) -> bool {
    let is_key = |expr: &Expr| match expr {
        Expr::Column(column) => {
            request.table.lookup.contains(&column.name) || request.table.sort_by.first() == Some(&column.name)
        }
        _ => false,
    };
    request.filters.iter().any(|filter| match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            is_key(left) && matches!(right.as_ref(), Expr::Literal(_, _))
                || is_key(right) && matches!(left.as_ref(), Expr::Literal(_, _))
        }
        _ => false,
    })
}

/// The projection in the scan's column order.
fn projection(table: &ScanTable, canonical: &[usize]) -> Vec<usize> {
    canonical.iter().filter_map(|index| table.position(*index)).collect()
}

/// The filters that can be planned, for pruning; the caller evaluates all of them again.
fn predicate(table: &ScanTable, request: &ScanRequest<'_>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let schema = DFSchema::try_from(table.schema.table_schema().as_ref().clone())?;
    let mut conjuncts = Vec::with_capacity(request.filters.len());
    for filter in &request.filters {
        match request.state.create_physical_expr(unnormalize_col(filter.clone()), &schema) {
            Ok(expr) => conjuncts.push(expr),
            Err(error) => tracing::debug!(%filter, %error, "the cold scan leaves a filter to its caller"),
        }
    }
    Ok(conjunction_opt(conjuncts))
}

/// Output partitions, and the orders that each of them is in, if any.
fn arrange(
    table: &ScanTable,
    request: &ScanRequest<'_>,
    files: &[Arc<PartitionedFile>],
    target: usize,
) -> Result<(Vec<FileGroup>, Vec<LexOrdering>)> {
    if let Some(ordering) = sort_order(table, request) {
        let without_nulls = request.table.sort_by.iter().all(|name| has_no_nulls(request, name));
        let orderings = vec![ordering.clone()];
        if files.len() <= target {
            // One file per partition: each is sorted.
            let groups = files.iter().map(|file| FileGroup::new(vec![file.as_ref().clone()])).collect();
            return Ok((groups, orderings));
        }
        if without_nulls && has_bounds(request) {
            let all = FileGroup::new(files.iter().map(|file| file.as_ref().clone()).collect());
            let groups = FileScanConfig::split_groups_by_statistics_with_target_partitions(
                table.schema.table_schema(),
                &[all],
                &ordering,
                target,
            )?;
            // More chains than partitions means that files overlap: merging them all costs more than sorting.
            if groups.len() <= target {
                return Ok((groups, orderings));
            }
        }
    }
    Ok((balance(files, target), Vec::new()))
}

/// The order of every file, where all are sorted. A column without NULLs is in the order with NULLs last as well, the one
/// that `ORDER BY` asks for. Only one order is named, the same as hot's: of two that begin with the same column DataFusion
/// looks at one, and not always the same one.
fn sort_order(table: &ScanTable, request: &ScanRequest<'_>) -> Option<LexOrdering> {
    if !request.segments.iter().all(|segment| segment.sorted) {
        return None;
    }
    let mut order = Vec::with_capacity(request.table.sort_by.len());
    for name in &request.table.sort_by {
        let position = table.position(request.table.column_index(name)?)?;
        let options = SortOptions { descending: false, nulls_first: !has_no_nulls(request, name) };
        order.push(PhysicalSortExpr::new(Arc::new(Column::new(name, position)), options));
    }
    LexOrdering::new(order)
}

fn has_no_nulls(request: &ScanRequest<'_>, name: &str) -> bool {
    request.segments.iter().all(|segment| segment.stats.get(name).is_some_and(|s| s.null_count == 0))
}

/// True when exact minima and maxima of the sort key are known of every file.
fn has_bounds(request: &ScanRequest<'_>) -> bool {
    let known = |segment: &Arc<Segment>, name: &String| {
        segment.stats.get(name).is_some_and(|s| s.has_bounds && s.min.is_some() && s.max.is_some())
    };
    request.segments.iter().all(|segment| request.table.sort_by.iter().all(|name| known(segment, name)))
}

/// Spreads files over partitions by bytes, the largest first; inside a partition they keep their order.
fn balance(files: &[Arc<PartitionedFile>], target: usize) -> Vec<FileGroup> {
    let mut largest_first: Vec<usize> = (0..files.len()).collect();
    let bytes = |index: usize| files.get(index).map_or(0, |file| file.object_meta.size);
    largest_first.sort_by_key(|index| std::cmp::Reverse(bytes(*index)));
    let mut partitions: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); target.min(files.len())];
    for index in largest_first {
        if let Some((total, members)) = partitions.iter_mut().min_by_key(|(total, _)| *total) {
            *total += bytes(index);
            members.push(index);
        }
    }
    partitions
        .into_iter()
        .map(|(_, mut members)| {
            members.sort_unstable();
            FileGroup::new(members.into_iter().filter_map(|i| files.get(i)).map(|file| file.as_ref().clone()).collect())
        })
        .collect()
}
