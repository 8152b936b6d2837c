#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use zxq_catalog::{ColumnDef, JobId, PartitionKey, RowHash, Segment, TableDef, Tier};
use zxq_test_support::segments;

use super::{DuckDbOptions, DuckDbStore};
use crate::database::sql::scan_exec::SqlScanExec;
use crate::stats::column_stats;
use crate::{ScanRequest, TierStore};

mod aggregates;
mod filters;
mod round_trip;
mod speed;
mod store;
mod streams;

const SYMBOLS: [&str; 7] = ["AAPL", "aapl", "EURUSD", "O'Neil \"x\"", "", "Žižkov", "a%b_c\\d"];

/// Writes segments of one table and reads them back.
struct Fixture {
    store: DuckDbStore,
    table: Arc<TableDef>,
    context: SessionContext,
    segments: Vec<Arc<Segment>>,
    folder: TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = TempDir::new().unwrap();
        let store = open(&folder.path().join("warm.duckdb")).unwrap();
        let config = SessionConfig::new().with_target_partitions(2).with_batch_size(1000);
        let context = SessionContext::new_with_config(config);
        Fixture { store, table: Arc::new(table()), context, segments: Vec::new(), folder }
    }

    async fn write(&mut self, batch: &RecordBatch) -> Arc<Segment> {
        let id = self.segments.len() as u64 + 1;
        let job = JobId(format!("job{id}"));
        let rows =
            vec![batch.slice(0, batch.num_rows() / 2), batch.slice(batch.num_rows() / 2, batch.num_rows().div_ceil(2))];
        let written = self.store.write_segment(&self.table, &job, id, &PartitionKey::default(), rows).await.unwrap();
        let place = (written.location, written.bytes);
        let segment = segments::written(&self.table, &job, id, &PartitionKey::default(), place, batch);
        let segment = Arc::new(Segment { tier: Tier::Warm, sorted: false, ..segment });
        self.segments.push(Arc::clone(&segment));
        segment
    }

    async fn scan(&self, projection: Vec<usize>, filters: Vec<Expr>, limit: Option<usize>) -> Arc<dyn ExecutionPlan> {
        let state = self.context.state();
        let request = ScanRequest {
            state: &state,
            table: Arc::clone(&self.table),
            segments: self.segments.clone(),
            projection,
            filters,
            limit,
        };
        self.store.scan(request).await.unwrap()
    }

    async fn scan_all(&self) -> Arc<dyn ExecutionPlan> {
        self.scan((0..self.table.columns.len()).collect(), Vec::new(), None).await
    }

    async fn collect(&self, plan: &Arc<dyn ExecutionPlan>) -> Vec<RecordBatch> {
        collect(Arc::clone(plan), self.context.task_ctx()).await.unwrap()
    }
}

fn open(path: &Path) -> crate::Result<DuckDbStore> {
    let temp_dir = path.with_file_name("spill");
    DuckDbStore::open(path, DuckDbOptions { memory_limit_bytes: 256 << 20, threads: 2, temp_dir })
}

fn sql_of(plan: &Arc<dyn ExecutionPlan>) -> String {
    plan.downcast_ref::<SqlScanExec>().unwrap().sql(0).unwrap()
}

fn column(name: &str, data_type: DataType) -> ColumnDef {
    ColumnDef::new(name, data_type, String::new())
}

/// A table with a column of every canonical type; `id` is unique.
fn table() -> TableDef {
    let instant = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    TableDef {
        time_column: Some("ts".to_owned()),
        sort_by: vec!["symbol".to_owned(), "ts".to_owned()],
        ..TableDef::new(
            7,
            "trades",
            vec![
                column("id", DataType::Int64),
                column("symbol", DataType::Utf8View),
                column("ts", instant(Some("UTC"))),
                column("local ts", instant(None)),
                column("price", DataType::Decimal128(18, 8)),
                column("notional", DataType::Decimal128(38, 10)),
                column("size", DataType::Int64),
                column("i32", DataType::Int32),
                column("i16", DataType::Int16),
                column("f64", DataType::Float64),
                column("f32", DataType::Float32),
                column("flag", DataType::Boolean),
                column("day", DataType::Date32),
                column("raw", DataType::BinaryView),
                column("small", DataType::Decimal128(4, 2)),
            ],
        )
    }
}

/// Which floats a batch holds.
#[derive(Clone, Copy, PartialEq)]
enum Floats {
    Finite,
    Any,
}

fn random_batch(seed: u64, rows: usize, floats: Floats) -> RecordBatch {
    let mut rng = SmallRng::seed_from_u64(seed);
    let r = &mut rng;
    let odd = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MAX, 5e-324];
    let float = |r: &mut SmallRng| match floats {
        Floats::Any if r.random_bool(0.3) => odd[r.random_range(0..odd.len())],
        _ => f64::from(r.random_range(-400..400)) / 4.0,
    };
    let second = 1_000_000_i64;
    let text = |r: &mut SmallRng| SYMBOLS[r.random_range(0..SYMBOLS.len())];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0..rows).map(|i| (seed as i64) * 1_000_000 + i as i64))),
        Arc::new(StringViewArray::from_iter(nulls(r, rows, text))),
        Arc::new(
            TimestampMicrosecondArray::from_iter(nulls(r, rows, |r| r.random_range(-3 * second..9000 * second)))
                .with_timezone("UTC"),
        ),
        Arc::new(TimestampMicrosecondArray::from_iter(nulls(r, rows, |r| r.random_range(-99..99) * second))),
        Arc::new(
            Decimal128Array::from_iter(nulls(r, rows, |r| i128::from(r.random_range(-50_i64..50)) * 1_234_567_891))
                .with_precision_and_scale(18, 8)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from_iter(nulls(r, rows, |r| r.random_range(-5_i128..5) * 10_i128.pow(30) + 7))
                .with_precision_and_scale(38, 10)
                .unwrap(),
        ),
        Arc::new(Int64Array::from_iter(nulls(r, rows, |r| r.random_range(-40..40)))),
        Arc::new(Int32Array::from_iter(nulls(r, rows, |r| r.random_range(-40..40)))),
        Arc::new(Int16Array::from_iter(nulls(r, rows, |r| r.random_range(-40..40)))),
        Arc::new(Float64Array::from_iter(nulls(r, rows, float))),
        Arc::new(Float32Array::from_iter(nulls(r, rows, |r| float(r) as f32))),
        Arc::new(BooleanArray::from_iter(nulls(r, rows, |r| r.random_bool(0.5)))),
        Arc::new(Date32Array::from_iter(nulls(r, rows, |r| r.random_range(-30..20_000)))),
        Arc::new(BinaryViewArray::from_iter(nulls(r, rows, |r| vec![r.random::<u8>() % 3; r.random_range(0..20)]))),
        Arc::new(
            Decimal128Array::from_iter(nulls(r, rows, |r| r.random_range(-9999..=9999)))
                .with_precision_and_scale(4, 2)
                .unwrap(),
        ),
    ];
    RecordBatch::try_new(table().schema(), columns).unwrap()
}

/// Values with a NULL now and then.
fn nulls<T>(r: &mut SmallRng, rows: usize, mut value: impl FnMut(&mut SmallRng) -> T) -> Vec<Option<T>> {
    (0..rows).map(|_| if r.random_bool(0.15) { None } else { Some(value(r)) }).collect()
}

/// Every row as text, in the order given.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let mut all = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            all.push(cells.join(" | "));
        }
    }
    all
}

fn sorted_texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut all = texts(batches);
    all.sort();
    all
}
