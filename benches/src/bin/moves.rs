//! Rows in and between the tiers: loads, moves of large and of small partitions, INSERTs of one row.
//!
//! `taskset -c 0 cargo run --release -p zxq-benches --bin moves -- DIR`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zxq_benches::{Result, create_tables, load, open, percentile_us, run_zxq, write_source};
use zxq_engine::{Engine, Tier};
use zxq_server::demo::generate::{Market, MarketSpec, MarketTable};

/// Times each way between the tiers is gone.
const ROUNDS: usize = 3;
/// Partitions of one row.
const SMALL: usize = 400;
/// Single-row INSERTs measured.
const INSERTS: usize = 2_000;

#[tokio::main]
async fn main() -> Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: moves DIR")?);
    let market = Market::new(MarketSpec { days: 3, trades: 3_000_000, ..MarketSpec::bench() });
    let (files, _) = write_source(&market, MarketTable::Trades, &dir.join("source"))?;
    let data = dir.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    loads(&files, &data).await?;
    let engine = open(&data.join("moves"), 2).await?;
    create_tables(&engine).await?;
    large(&engine, files).await?;
    small(&engine).await?;
    inserts(&engine).await?;
    engine.shutdown().await?;
    Ok(())
}

/// The same files into an empty table of each tier.
async fn loads(files: &[PathBuf], data: &Path) -> Result<()> {
    for tier in [Tier::Warm, Tier::Cold] {
        let mut best = f64::MAX;
        let mut rows = 0;
        for round in 0..ROUNDS {
            let engine = open(&data.join(format!("{tier}-{round}")), 2).await?;
            create_tables(&engine).await?;
            let (loaded, seconds) = load(&engine, "trades_data", files.to_vec(), tier).await?;
            engine.shutdown().await?;
            (rows, best) = (loaded, best.min(seconds));
        }
        println!("load into {tier}: {rows} rows, best {best:.2} s, {:.0} rows/s", rows as f64 / best);
    }
    Ok(())
}

/// Large partitions from tier to tier.
async fn large(engine: &Arc<Engine>, files: Vec<PathBuf>) -> Result<()> {
    let (rows, _) = load(engine, "trades_data", files, Tier::Warm).await?;
    let session = engine.session();
    let mut best = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (way, tier) in ["cold", "warm"].iter().enumerate() {
            let started = Instant::now();
            run_zxq(&session, &format!("CALL zxq.migrate('trades_data', '{tier}')")).await?;
            best[way] = best[way].min(started.elapsed().as_secs_f64());
        }
    }
    for (name, seconds) in ["warm to cold", "cold to warm"].iter().zip(best) {
        println!("{name}: {rows} rows, best {seconds:.2} s, {:.0} rows/s", rows as f64 / seconds);
    }
    Ok(())
}

/// Partitions of one row from hot to warm and on to cold.
async fn small(engine: &Arc<Engine>) -> Result<()> {
    let session = engine.session();
    run_zxq(&session, "CREATE TABLE small (id BIGINT, trade_date DATE) WITH (partition_by = 'trade_date')").await?;
    let rows: Vec<String> = (0..SMALL).map(|n| format!("({n}, DATE '2020-01-01' + {n})")).collect();
    run_zxq(&session, &format!("INSERT INTO small VALUES {}", rows.join(", "))).await?;
    for tier in ["warm", "cold"] {
        let started = Instant::now();
        run_zxq(&session, &format!("CALL zxq.migrate('small', '{tier}')")).await?;
        let seconds = started.elapsed().as_secs_f64();
        println!("{SMALL} partitions of one row to {tier}: {:.0} partitions/s", SMALL as f64 / seconds);
    }
    Ok(())
}

/// Single rows, each durable before the next.
async fn inserts(engine: &Arc<Engine>) -> Result<()> {
    let session = engine.session();
    run_zxq(&session, "CREATE TABLE singles (id BIGINT, note TEXT)").await?;
    let mut times: Vec<Duration> = Vec::with_capacity(INSERTS);
    for n in 0..INSERTS {
        let started = Instant::now();
        run_zxq(&session, &format!("INSERT INTO singles VALUES ({n}, 'one row')")).await?;
        times.push(started.elapsed());
    }
    let (p50, p95) = (percentile_us(&mut times, 50), percentile_us(&mut times, 95));
    println!("INSERT of one row: p50 {p50:.0} us, p95 {p95:.0} us");
    Ok(())
}
