//! The hot tier: ingest with fsync, last trade of a symbol through pgwire and through `Engine::get`, Arrow out.
//!
//! `cargo run --release -p zxq-benches --bin hot -- DIR`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use zxq_benches::{Result, create_tables, last_trades, open, percentile_us};
use zxq_engine::{Engine, Outcome};
use zxq_server::demo::generate::{Market, MarketSpec, MarketTable};

/// Rows of one ingest.
const INGEST_ROWS: usize = 10_000;
/// Rows in memory.
const ROWS: usize = 1_000_000;
/// Lookups measured.
const LOOKUPS: usize = 5_000;

#[tokio::main]
async fn main() -> Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: hot DIR")?);
    let engine = open(&dir, 2).await?;
    create_tables(&engine).await?;
    let market = Market::new(MarketSpec::bench());
    let symbols: Vec<String> = market.instruments().iter().take(50).map(|i| i.symbol.to_string()).collect();

    ingest(&engine, &market).await?;
    gets(&engine, &symbols).await?;
    last_trades(&engine, &symbols, LOOKUPS).await?;
    arrow_out(&engine).await?;
    engine.shutdown().await?;
    Ok(())
}

async fn ingest(engine: &Arc<Engine>, market: &Market) -> Result<()> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for batch in market.batches(MarketTable::Trades, 0..market.days().len(), INGEST_ROWS) {
        let batch = batch?;
        rows += batch.num_rows();
        batches.push(batch);
        if rows >= ROWS {
            break;
        }
    }
    let count = batches.len();
    let started = Instant::now();
    for batch in batches {
        engine.ingest("trades_data", vec![batch]).await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("ingest: {rows} rows in {count} fsynced batches, {seconds:.2} s, {:.0} rows/s", rows as f64 / seconds);
    Ok(())
}

async fn gets(engine: &Arc<Engine>, symbols: &[String]) -> Result<()> {
    let mut times = Vec::with_capacity(LOOKUPS);
    let mut found = 0;
    for i in 0..LOOKUPS {
        let started = Instant::now();
        let row = engine.get("trades_data", &symbols[i % symbols.len()]).await?;
        times.push(started.elapsed());
        found += usize::from(row.is_some());
    }
    let (p50, p95) = (percentile_us(&mut times, 50), percentile_us(&mut times, 95));
    println!("engine.get: {found} of {LOOKUPS} found, p50 {p50:.1} us, p95 {p95:.1} us");
    Ok(())
}

async fn arrow_out(engine: &Arc<Engine>) -> Result<()> {
    let session = engine.session();
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..20 {
        let Outcome::Rows { stream, .. } = session.run("SELECT * FROM trades_data").await? else {
            return Err("no rows".into());
        };
        let started = Instant::now();
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        times.push(started.elapsed());
        rows = batches.iter().map(RecordBatch::num_rows).sum();
    }
    println!("Arrow out: {rows} rows, median {:.0} us", percentile_us(&mut times, 50));
    Ok(())
}
