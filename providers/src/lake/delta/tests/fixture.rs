//! A small table, its rows, and what the engine does around a store.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{Expr, SessionConfig, SessionContext};
use zxq_catalog::{ColumnDef, Granularity, JobId, PartitionKey, Partitioning, Segment, SegmentId, TableDef};
use zxq_test_support::segments;

use crate::error::Result;
use crate::lake::delta::{DeltaOptions, DeltaStore};
use crate::tier_store::{Publication, ScanRequest, TierStore};

/// 2024-01-02.
pub(super) const DAY: i32 = 19_724;
/// 2024-01-02 00:00:00 UTC in microseconds.
pub(super) const DAY_US: i64 = DAY as i64 * 86_400_000_000;

pub(super) fn column(name: &str, data_type: DataType, nullable: bool) -> ColumnDef {
    let sql_type = data_type.to_string();
    ColumnDef { nullable, ..ColumnDef::new(name, data_type, sql_type) }
}

pub(super) fn timestamp(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from))
}

pub(super) fn table(granularity: Granularity) -> TableDef {
    TableDef {
        partitioning: Partitioning {
            date_column: Some("trade_date".to_owned()),
            granularity,
            class_column: Some("asset_class".to_owned()),
        },
        time_column: Some("ts".to_owned()),
        sort_by: vec!["symbol".to_owned(), "ts".to_owned()],
        lookup: vec!["symbol".to_owned(), "trade_id".to_owned()],
        ..TableDef::new(
            7,
            "trades",
            vec![
                column("trade_date", DataType::Date32, true),
                column("symbol", DataType::Utf8View, false),
                column("ts", timestamp(Some("UTC")), false),
                column("asset_class", DataType::Utf8View, true),
                column("price", DataType::Decimal128(18, 8), true),
                column("size", DataType::Float64, true),
                column("trade_id", DataType::Int64, false),
                column("venue", DataType::Utf8View, true),
            ],
        )
    }
}

/// Sorted rows of one partition: `count` rows over `symbols` symbols, one per second and symbol.
pub(super) fn rows(
    table: &TableDef,
    date: Option<i32>,
    class: Option<&str>,
    count: usize,
    symbols: usize,
) -> RecordBatch {
    let per_symbol = count.div_ceil(symbols);
    let symbol = |i: usize| format!("S{:03}", i / per_symbol);
    let second = |i: usize| i64::try_from(i % per_symbol).unwrap();
    let start = i64::from(date.unwrap_or(DAY)) * 86_400_000_000;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![date; count])),
        Arc::new(StringViewArray::from_iter_values((0..count).map(symbol))),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values((0..count).map(|i| start + second(i) * 1_000_000 + 7))
                .with_timezone("UTC"),
        ),
        Arc::new(StringViewArray::from(vec![class; count])),
        Arc::new(
            Decimal128Array::from_iter((0..count).map(|i| (i % 10 != 3).then_some(i as i128 * 1_234_567 - 50)))
                .with_precision_and_scale(18, 8)
                .unwrap(),
        ),
        Arc::new(Float64Array::from_iter((0..count).map(|i| (i % 7 != 0).then_some(i as f64 / 3.0)))),
        Arc::new(Int64Array::from_iter_values((0..count).map(|i| (i as i64) * 7_919 % 1_000_003))),
        Arc::new(StringViewArray::from(vec![None::<&str>; count])),
    ];
    let schema = table.schema();
    RecordBatch::try_new(schema, columns).unwrap()
}

pub(super) fn key(period: Option<i32>, class: Option<&str>) -> PartitionKey {
    PartitionKey { period, class: class.map(str::to_owned) }
}

/// A store in a fresh folder, with small row groups.
pub(super) fn store() -> (tempfile::TempDir, DeltaStore) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = DeltaOptions::at(folder.path());
    options.row_group_rows = 1_000;
    let store = DeltaStore::open(options).unwrap();
    (folder, store)
}

/// Writes a segment, and describes it as the engine would.
pub(super) async fn write(
    store: &DeltaStore,
    table: &TableDef,
    job: &JobId,
    id: SegmentId,
    key: &PartitionKey,
    rows: &RecordBatch,
) -> Result<Segment> {
    let written = store.write_segment(table, job, id, key, vec![rows.clone()]).await?;
    Ok(segments::written(table, job, id, key, (written.location, written.bytes), rows))
}

/// Writes a segment of one day and publishes it.
pub(super) async fn publish_day(store: &DeltaStore, table: &TableDef, id: SegmentId, rows: &RecordBatch) -> Segment {
    let job = JobId::new();
    let segment = write(store, table, &job, id, &key(Some(DAY), Some("FX")), rows).await.unwrap();
    publish(store, table, &job, std::slice::from_ref(&segment), &[]).await;
    segment
}

pub(super) async fn publish(store: &DeltaStore, table: &TableDef, job: &JobId, added: &[Segment], removed: &[Segment]) {
    store.publish(table, &Publication { job, added, removed, data_change: true }).await.unwrap();
}

/// A session with two output partitions.
pub(super) fn session() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2))
}

/// A scan's plan.
pub(super) async fn plan(
    store: &DeltaStore,
    session: &SessionContext,
    table: &TableDef,
    segments: &[Segment],
    projection: &[usize],
    filters: Vec<Expr>,
) -> Result<Arc<dyn ExecutionPlan>> {
    store
        .scan(ScanRequest {
            state: &session.state(),
            table: Arc::new(table.clone()),
            segments: segments.iter().cloned().map(Arc::new).collect(),
            projection: projection.to_vec(),
            filters,
            limit: None,
        })
        .await
}

/// All columns of all rows.
pub(super) async fn read_all(store: &DeltaStore, table: &TableDef, segments: &[Segment]) -> Vec<RecordBatch> {
    read(store, table, segments).await.unwrap()
}

pub(super) async fn read(
    store: &DeltaStore,
    table: &TableDef,
    segments: &[Segment],
) -> datafusion::error::Result<Vec<RecordBatch>> {
    let session = session();
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let plan = plan(store, &session, table, segments, &all, Vec::new()).await?;
    collect(plan, session.task_ctx()).await
}

/// The batches as one.
pub(super) fn one(batches: &[RecordBatch]) -> RecordBatch {
    arrow::compute::concat_batches(&batches[0].schema(), batches).unwrap()
}

pub(super) fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}
