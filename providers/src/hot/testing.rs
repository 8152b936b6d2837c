//! What the hot tier's tests share: a small trades table, its rows, and a way to query a store with SQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::prelude::{SessionConfig, SessionContext};
use zxq_catalog::{ColumnDef, JobId, PartitionKey, Segment, SegmentId, TableDef, Tier};
use zxq_test_support::segments;

use super::store::{HotOptions, HotStore};
use crate::sort;
use crate::tier_store::TierStore;
use crate::tier_store::testing::StoreTable;

fn column(name: &str, data_type: DataType) -> ColumnDef {
    ColumnDef::new(name, data_type, String::new())
}

/// `trades(symbol, ts, price, trade_id)` sorted by (symbol, ts), with look-ups by symbol and trade_id.
pub(crate) fn trades() -> TableDef {
    TableDef {
        time_column: Some("ts".into()),
        sort_by: vec!["symbol".into(), "ts".into()],
        lookup: vec!["symbol".into(), "trade_id".into()],
        ..TableDef::new(
            7,
            "trades",
            vec![
                column("symbol", DataType::Utf8View),
                column("ts", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
                column("price", DataType::Float64),
                column("trade_id", DataType::Int64),
            ],
        )
    }
}

/// Unsorted rows of [`trades`]: (symbol, ts, trade_id); the price is a tenth of the id.
pub(crate) fn rows(of: &[(Option<&str>, Option<i64>, i64)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter(of.iter().map(|r| r.0))),
        Arc::new(TimestampMicrosecondArray::from_iter(of.iter().map(|r| r.1)).with_timezone("UTC")),
        Arc::new(Float64Array::from_iter_values(of.iter().map(|r| r.2 as f64 / 10.0))),
        Arc::new(Int64Array::from_iter_values(of.iter().map(|r| r.2))),
    ];
    RecordBatch::try_new(trades().schema(), columns).unwrap()
}

/// `n` rows of five symbols, in order of time from `first_ts`, ids counted from there too.
pub(crate) fn many(first_ts: i64, n: usize) -> RecordBatch {
    let symbols = ["AAA", "BBB", "CCC", "DDD", "EEE"];
    let of: Vec<_> = (first_ts..).take(n).map(|ts| (symbols.get((ts % 5) as usize).copied(), Some(ts), ts)).collect();
    rows(&of)
}

/// Sorts the rows, inserts them, and describes the segment.
pub(crate) fn insert(store: &HotStore, table: &TableDef, id: SegmentId, rows: &RecordBatch) -> Arc<Segment> {
    let rows = sort::sort_batch(rows, &table.sort_by).unwrap();
    let written = store.insert_segment(id, table, rows.clone()).unwrap();
    let (place, job) = ((written.location, written.bytes), JobId("test".into()));
    let segment = segments::written(table, &job, id, &PartitionKey::default(), place, &rows);
    Arc::new(Segment { tier: Tier::Hot, ..segment })
}

pub(crate) fn store() -> Arc<HotStore> {
    Arc::new(HotStore::new(HotOptions { memory_limit_bytes: 1 << 30 }))
}

/// A session of `partitions` target partitions where the segments are table `t`.
pub(crate) fn session(
    store: &Arc<HotStore>,
    table: &TableDef,
    segments: &[Arc<Segment>],
    partitions: usize,
) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(1000);
    let context = SessionContext::new_with_config(config);
    let table = StoreTable {
        store: Arc::clone(store) as Arc<dyn TierStore>,
        table: Arc::new(table.clone()),
        segments: segments.to_vec(),
        filters: TableProviderFilterPushDown::Inexact,
    };
    context.register_table("t", Arc::new(table)).unwrap();
    context
}

/// The answer as text, and the plan with metrics after it ran.
pub(crate) async fn query(context: &SessionContext, sql: &str) -> (String, String) {
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let batches = datafusion::physical_plan::collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    let answer = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let shown = datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(plan.as_ref())
        .indent(false)
        .to_string();
    (answer, shown)
}

/// The line of the plan that shows the hot scan.
pub(crate) fn scan_line(plan: &str) -> &str {
    plan.lines().find(|l| l.contains("HotScanExec")).unwrap().trim()
}
