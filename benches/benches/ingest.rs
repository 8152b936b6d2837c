//! What an ingest of 10,000 trades costs, step by step and whole.
//!
//! `cargo bench -p zxq-benches --bench ingest`

use std::hint::black_box;

use arrow::record_batch::RecordBatch;
use criterion::{BatchSize, Criterion, Throughput};
use zxq_benches::{Result, create_tables, open};
use zxq_providers::{row_hash, sort, stats};
use zxq_server::demo::generate::{Market, MarketSpec, MarketTable};

const ROWS: usize = 10_000;

fn batch() -> Result<RecordBatch> {
    let market = Market::new(MarketSpec::sized(200_000));
    let first = market.batches(MarketTable::Trades, 0..1, ROWS).next().ok_or("no rows")?;
    Ok(first?)
}

/// The batch in the order in which trades arrive: by time.
fn by_time(batch: &RecordBatch) -> Result<RecordBatch> {
    Ok(sort::sort_batch(batch, &["timestamp".to_owned()])?)
}

fn steps(criterion: &mut Criterion) -> Result<()> {
    let rows = by_time(&batch()?)?;
    let key = ["symbol".to_owned(), "timestamp".to_owned()];
    let mut group = criterion.benchmark_group("ingest steps");
    group.throughput(Throughput::Elements(rows.num_rows() as u64));
    group.bench_function("sort", |b| b.iter(|| sort::sort_batch(black_box(&rows), &key).map(|r| r.num_rows())));
    group.bench_function("row hash", |b| b.iter(|| row_hash::hash_batch(black_box(&rows)).map(|h| h.0)));
    group.bench_function("statistics", |b| {
        b.iter(|| stats::column_stats(std::slice::from_ref(black_box(&rows))).map(|s| s.len()));
    });
    group.finish();
    Ok(())
}

fn whole(criterion: &mut Criterion) -> Result<()> {
    let rows = by_time(&batch()?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?;
    let dir = tempfile::tempdir()?;
    let engine = runtime.block_on(async {
        let engine = open(dir.path(), 2).await?;
        create_tables(&engine).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(engine)
    })?;
    let mut group = criterion.benchmark_group("ingest with fsync");
    group.throughput(Throughput::Elements(rows.num_rows() as u64)).sample_size(20);
    group.bench_function("10,000 trades", |b| {
        b.to_async(&runtime).iter_batched(
            || vec![rows.clone()],
            |batches| async { engine.ingest("trades_data", batches).await.map(|r| r.rows) },
            BatchSize::SmallInput,
        );
    });
    group.finish();
    runtime.block_on(engine.shutdown())?;
    Ok(())
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for outcome in [steps(&mut criterion), whole(&mut criterion)] {
        if let Err(error) = outcome {
            eprintln!("bench could not run: {error}");
            std::process::exit(1);
        }
    }
    criterion.final_summary();
}
