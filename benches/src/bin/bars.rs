//! Recorded bars in cold against DuckDB on the one file they came from, one thread each, in the same run.
//!
//! `ZXQ_REAL_DATA=DATA taskset -c 0 cargo run --release -p zxq-benches --bin bars -- DIR`
//!
//! DATA/ohlcv_data holds 23 years of daily, hourly and minute bars as Parquet files; they are loaded into DIR, which has
//! to be empty or to hold them already.

use std::path::PathBuf;
use std::time::Instant;

use zxq_benches::{Result, create_tables, load, median_ms, open, run_duckdb, run_zxq};
use zxq_engine::Tier;

const ROUNDS: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: bars DIR")?);
    let data = PathBuf::from(std::env::var_os("ZXQ_REAL_DATA").ok_or("ZXQ_REAL_DATA names no folder")?);
    let folder = data.join("ohlcv_data");
    let engine = open(&dir, 1).await?;
    create_tables(&engine).await?;
    if engine.table("ohlcv_data")?.row_count() == 0 {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<_>>()?;
        files.sort();
        let (rows, seconds) = load(&engine, "ohlcv_data", files, Tier::Cold).await?;
        println!("loaded {rows} bars to cold in {seconds:.2} s: {:.0} rows/s", rows as f64 / seconds);
    }
    println!("{} cold segments", engine.table("ohlcv_data")?.tier(Tier::Cold).len());

    let duck = duckdb::Connection::open_in_memory()?;
    duck.execute_batch("SET threads = 1;")?;
    let session = engine.session();
    let columns = "timestamp, symbol, open_price, high_price, low_price, close_price, volume";
    println!("\n| query | rows | zxq ms | DuckDB ms | zxq/DuckDB |\n|---|---:|---:|---:|---:|");
    for (name, file, filter, ours_too) in [
        ("IBM, hourly", "equity_1h.parquet", "symbol = 'IBM'", "granularity = '1h'"),
        (
            "IBM, hourly, one year",
            "equity_1h.parquet",
            "symbol = 'IBM' AND timestamp >= TIMESTAMPTZ '2015-01-01 00:00:00+00' AND timestamp < TIMESTAMPTZ '2016-01-01 00:00:00+00'",
            "granularity = '1h' AND trade_date BETWEEN DATE '2015-01-01' AND DATE '2015-12-31'",
        ),
        ("daily, all symbols", "equity_1d.parquet", "true", "granularity = '1d' AND asset_class = 'EQUITY'"),
    ] {
        let ours = format!("SELECT {columns} FROM ohlcv_data WHERE {filter} AND {ours_too} ORDER BY timestamp");
        let file = folder.join(file);
        let theirs =
            format!("SELECT {columns} FROM read_parquet('{}') WHERE {filter} ORDER BY timestamp", file.display());
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        let (mut our_rows, mut their_rows) = (0, 0);
        for round in 0..=ROUNDS {
            let started = Instant::now();
            our_rows = run_zxq(&session, &ours).await?;
            let took = started.elapsed();
            let started = Instant::now();
            their_rows = run_duckdb(&duck, &theirs)?;
            if round > 0 {
                our_times.push(took);
                their_times.push(started.elapsed());
            }
        }
        if our_rows != their_rows {
            return Err(format!("{name}: zxq gave {our_rows} rows, DuckDB {their_rows}").into());
        }
        let (ours, theirs) = (median_ms(&mut our_times), median_ms(&mut their_times));
        println!("| {name} | {our_rows} | {ours:.2} | {theirs:.2} | {:.2} |", ours / theirs);
    }
    engine.shutdown().await?;
    Ok(())
}
