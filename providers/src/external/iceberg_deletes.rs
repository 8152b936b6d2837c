//! Rows that Iceberg's delete files take away: by their place in a data file, or by the values of some columns.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::columns::Numbers;
use super::files::Files;
use crate::adapt::in_micros;
use crate::error::{ProviderError, Result};
use crate::guard;
use crate::lake::parquet_files::STORE;
use crate::lake::parquet_files::errors::reading_parquet;

/// Numbers of a position delete file's columns, and what they are called.
const FILE_PATH: (i32, &str) = (2_147_483_546, "file_path");
const POSITION: (i32, &str) = (2_147_483_545, "pos");

/// All rows of a delete file, which is small beside what it deletes from.
async fn rows_of(files: &Files, file: &ObjectMeta) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let path = file.location.as_ref();
    let read = async {
        let builder = ParquetRecordBatchStreamBuilder::new(files.reader(file.clone(), None)).await?;
        let schema = Arc::clone(builder.schema());
        let batches: Vec<RecordBatch> = builder.build()?.try_collect().await?;
        Ok((schema, batches))
    };
    let read: Result<_, ParquetError> =
        guard::future(read).await.map_err(|panicked| panicked.in_file(STORE, format!("file {path}")))?;
    read.map_err(|error| match reading_parquet(path, error) {
        ParquetError::External(source) => match source.downcast::<ProviderError>() {
            Ok(ours) => *ours,
            Err(source) => ProviderError::Store { store: STORE, context: format!("read {path}"), source },
        },
        other => ProviderError::store(STORE, format!("read {path}"), other),
    })
}

fn lacks(file: &ObjectMeta, what: &str) -> ProviderError {
    let reason = format!("it is a delete file without {what}");
    ProviderError::Corrupt { store: STORE, what: format!("file {}", file.location), reason }
}

/// Places of deleted rows, by data file: of those files that are asked for.
#[derive(Debug, Default)]
pub(super) struct Positions {
    of_files: HashMap<String, Vec<u64>>,
}

impl Positions {
    /// Reads a delete file.
    pub(super) async fn read(&mut self, files: &Files, file: &ObjectMeta, wanted: &HashSet<&str>) -> Result<()> {
        let (schema, batches) = rows_of(files, file).await?;
        let numbers = Numbers { of_columns: HashMap::new(), mapping: None }.in_file(&schema);
        let find = |(number, name): (i32, &str)| {
            let by_number = numbers.iter().position(|known| *known == Some(number));
            by_number.or_else(|| schema.index_of(name).ok()).ok_or_else(|| lacks(file, &format!("column {name}")))
        };
        let (path, position) = (find(FILE_PATH)?, find(POSITION)?);
        for batch in batches {
            let paths = cast_with_options(batch.column(path), &DataType::Utf8, &strict())?;
            let positions = cast_with_options(batch.column(position), &DataType::Int64, &strict())?;
            let (paths, positions) = (paths.as_string::<i32>(), positions.as_primitive::<Int64Type>());
            for (path, position) in paths.iter().zip(positions.iter()) {
                let (Some(path), Some(position)) = (path, position) else { return Err(lacks(file, "a value")) };
                let position = u64::try_from(position).map_err(|_| lacks(file, "a place in its data file"))?;
                if !wanted.contains(path) {
                    continue;
                }
                match self.of_files.get_mut(path) {
                    Some(known) => known.push(position),
                    None => {
                        self.of_files.insert(path.to_owned(), vec![position]);
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows of a data file that are left, `None` where all are.
    pub(super) fn left(&mut self, data_file: &str, footer: &ParquetMetaData) -> Option<ParquetAccessPlan> {
        let mut deleted = self.of_files.remove(data_file)?;
        deleted.sort_unstable();
        deleted.dedup();
        let mut first = 0_u64;
        let mut deleted = deleted.into_iter().peekable();
        let groups = footer.row_groups().iter().map(|group| {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            let (mut selectors, mut at, end) = (Vec::new(), first, first + rows);
            let mut add = |skip: bool, from: u64, to: u64| {
                let count = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
                match count {
                    0 => {}
                    _ if skip => selectors.push(RowSelector::skip(count)),
                    _ => selectors.push(RowSelector::select(count)),
                }
            };
            while let Some(row) = deleted.next_if(|row| *row < end) {
                add(false, at, row);
                add(true, row, row + 1);
                at = row + 1;
            }
            add(false, at, end);
            first = end;
            if at == end - rows {
                return RowGroupAccess::Scan;
            }
            let selection = RowSelection::from(selectors);
            if selection.selects_any() { RowGroupAccess::Selection(selection) } else { RowGroupAccess::Skip }
        });
        Some(ParquetAccessPlan::new(groups.collect()))
    }
}

fn strict() -> CastOptions<'static> {
    CastOptions { safe: false, ..CastOptions::default() }
}

/// Rows that are deleted by the values of some columns. A value that is deleted does not match NULL; NULL matches NULL.
pub(super) struct DeletedValues {
    /// Numbers of the columns.
    numbers: Vec<i32>,
    /// Where a scan's rows have them.
    places: Vec<usize>,
    converter: RowConverter,
    keys: HashSet<Box<[u8]>>,
}

impl Debug for DeletedValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeletedValues({:?}, {} keys)", self.numbers, self.keys.len())
    }
}

impl DeletedValues {
    /// No deleted rows yet, by columns that lie at `places` of the rows that `input` describes.
    pub(super) fn new(numbers: Vec<i32>, places: Vec<usize>, input: &Schema) -> Result<DeletedValues> {
        let types = places.iter().map(|place| SortField::new(input.field(*place).data_type().clone()));
        let converter = RowConverter::new(types.collect())?;
        Ok(DeletedValues { numbers, places, converter, keys: HashSet::new() })
    }

    /// Reads a delete file.
    pub(super) async fn read(
        &mut self,
        files: &Files,
        file: &ObjectMeta,
        names: &Numbers,
        input: &Schema,
    ) -> Result<()> {
        let (schema, batches) = rows_of(files, file).await?;
        let in_file = names.in_file(&schema);
        let find = |number: &i32| in_file.iter().position(|known| *known == Some(*number));
        let columns: Option<Vec<usize>> = self.numbers.iter().map(find).collect();
        let columns = columns.ok_or_else(|| lacks(file, "the columns that it deletes by"))?;
        for batch in batches {
            let cast = |(column, place): (&usize, &usize)| -> Result<ArrayRef> {
                let values = in_micros(batch.column(*column))?;
                Ok(cast_with_options(&values, input.field(*place).data_type(), &strict())?)
            };
            let keys = columns.iter().zip(&self.places).map(cast).collect::<Result<Vec<ArrayRef>>>()?;
            let rows = self.converter.convert_columns(&keys)?;
            self.keys.extend(rows.iter().map(|row| Box::<[u8]>::from(row.as_ref())));
        }
        Ok(())
    }

    fn left(&self, batch: &RecordBatch) -> DfResult<BooleanArray> {
        let keys: Vec<ArrayRef> = self.places.iter().map(|place| Arc::clone(batch.column(*place))).collect();
        let rows = self.converter.convert_columns(&keys)?;
        Ok(rows.iter().map(|row| Some(!self.keys.contains(row.as_ref()))).collect())
    }
}

/// Leaves out the rows that are deleted by their values, then the columns that only this needed.
pub(super) struct WithoutDeleted {
    input: Arc<dyn ExecutionPlan>,
    deleted: Arc<Vec<DeletedValues>>,
    /// The first columns of the input, which are the output's.
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl WithoutDeleted {
    pub(super) fn plan(
        input: Arc<dyn ExecutionPlan>,
        deleted: Vec<DeletedValues>,
        columns: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Self::over(input, Arc::new(deleted), columns)?)
    }

    fn over(
        input: Arc<dyn ExecutionPlan>,
        deleted: Arc<Vec<DeletedValues>>,
        columns: usize,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(input.schema().project(&(0..columns).collect::<Vec<_>>())?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            datafusion::physical_expr::Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Arc::new(WithoutDeleted { input, deleted, schema, properties: Arc::new(properties), metrics }))
    }
}

impl Debug for WithoutDeleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithoutDeleted").finish_non_exhaustive()
    }
}

impl DisplayAs for WithoutDeleted {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.deleted.iter().map(|deleted| deleted.keys.len()).sum();
        write!(f, "WithoutDeletedExec: deleted_keys={keys}")
    }
}

impl ExecutionPlan for WithoutDeleted {
    fn name(&self) -> &str {
        "WithoutDeletedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Self::over(input, Arc::clone(&self.deleted), self.schema.fields().len()),
            None => Ok(self),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let (deleted, kept) = (Arc::clone(&self.deleted), (0..self.schema.fields().len()).collect::<Vec<_>>());
        let batches = input.map(move |batch| {
            let mut batch = batch?;
            for deleted in deleted.iter() {
                batch = filter_record_batch(&batch, &deleted.left(&batch)?)?;
            }
            Ok::<_, DataFusionError>(batch.project(&kept)?.record_output(&metrics))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
