//! zxq against DuckDB over the very Parquet files that zxq wrote, one thread each, in the same run.
//!
//! `taskset -c 0 cargo run --release -p zxq-benches --bin peers -- DIR [--rounds N]`
//!
//! DIR keeps the data between runs: 20M trades, 12M quotes and 1.7M bars are generated and loaded the first time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use zxq_benches::{Result, create_tables, load, median_ms, open, peak_memory_bytes, run_duckdb, run_zxq, write_source};
use zxq_engine::{Engine, Tier};
use zxq_server::demo::generate::{Market, MarketSpec, MarketTable};

/// A query kind: name, SQL. `{symbol}` and `{day}` are filled in. The text is the same for both engines, but for zones.
const QUERIES: [(&str, &str); 12] = [
    ("count/min/max", "SELECT count(*), min(timestamp), max(timestamp) FROM trades_data"),
    (
        "count by partition",
        "SELECT trade_date, asset_class, count(*), min(timestamp), max(timestamp) FROM trades_data GROUP BY trade_date, asset_class",
    ),
    ("count one partition", "SELECT count(*), min(timestamp) FROM trades_data WHERE trade_date = DATE '{day}'"),
    (
        "point lookup",
        "SELECT timestamp, price, size FROM trades_data WHERE symbol = '{symbol}' AND trade_date = DATE '{day}' ORDER BY timestamp DESC LIMIT 1",
    ),
    (
        "recent bars",
        "SELECT timestamp, open_price, high_price, low_price, close_price, volume FROM ohlcv_data WHERE symbol = '{symbol}' AND granularity = '1m' AND trade_date = DATE '{day}' ORDER BY timestamp DESC LIMIT 390",
    ),
    (
        "VWAP, full history",
        "SELECT trade_date, symbol, sum(price * size) / sum(size) AS vwap, sum(size) AS volume FROM trades_data GROUP BY trade_date, symbol",
    ),
    (
        "1m to 1h",
        "SELECT symbol, date_trunc('hour', timestamp) AS h, max(high_price), min(low_price), sum(volume) FROM ohlcv_data GROUP BY symbol, date_trunc('hour', timestamp)",
    ),
    (
        "top-N notional",
        "SELECT symbol, sum(price * size) AS notional FROM trades_data WHERE asset_class = 'EQUITY' AND trade_date >= DATE '{late}' GROUP BY symbol ORDER BY notional DESC LIMIT 10",
    ),
    (
        "ASOF, rewrite",
        "WITH q AS (SELECT symbol, timestamp, bid_px_00 AS b, ask_px_00 AS a, row_number() OVER (ORDER BY symbol, timestamp) AS rn FROM tbbo_data WHERE trade_date = DATE '{day}' AND asset_class = 'EQUITY'), u AS (SELECT symbol, timestamp, 1 AS k, price, CAST(NULL AS BIGINT) AS rn FROM trades_data WHERE trade_date = DATE '{day}' AND asset_class = 'EQUITY' UNION ALL SELECT symbol, timestamp, 0 AS k, b AS price, CAST(rn AS BIGINT) AS rn FROM q), w AS (SELECT symbol, price, k, max(rn) OVER (PARTITION BY symbol ORDER BY timestamp, k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS rn FROM u) SELECT w.symbol, count(*), avg(abs(CAST(w.price AS DOUBLE) - (CAST(q.a AS DOUBLE) + CAST(q.b AS DOUBLE)) / 2)) FROM w JOIN q ON w.rn = q.rn WHERE w.k = 1 GROUP BY w.symbol",
    ),
    (
        "median spread",
        "SELECT symbol, median(CAST(ask_px_00 - bid_px_00 AS DOUBLE)) FROM tbbo_data WHERE trade_date = DATE '{day}' GROUP BY symbol",
    ),
    (
        "distinct",
        "SELECT asset_class, count(DISTINCT symbol), count(DISTINCT trade_date) FROM trades_data GROUP BY asset_class",
    ),
    (
        "ticks to 1m",
        "SELECT symbol, date_trunc('minute', timestamp) AS m, max(price), min(price), sum(size) FROM trades_data WHERE trade_date = DATE '{day}' GROUP BY symbol, date_trunc('minute', timestamp)",
    ),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: peers DIR [--rounds N]")?);
    let rounds: usize = match (args.next().as_deref(), args.next()) {
        (Some("--rounds"), Some(n)) => n.parse()?,
        _ => 5,
    };
    let market = Market::new(MarketSpec::bench());
    let engine = open(&dir, 1).await?;
    create_tables(&engine).await?;
    for table in MarketTable::ALL {
        if engine.table(table.name())?.row_count() > 0 {
            continue;
        }
        let source = dir.join("source").join(table.name());
        let (files, _) = write_source(&market, table, &source)?;
        let (rows, seconds) = load(&engine, table.name(), files, Tier::Cold).await?;
        println!(
            "loaded {rows} rows of {} to cold in {seconds:.1} s: {:.0} rows/s; peak memory {} MiB",
            table.name(),
            rows as f64 / seconds,
            peak_memory_bytes() / (1024 * 1024)
        );
        std::fs::remove_dir_all(&source)?;
    }
    let duck = duckdb_over(&engine, &dir)?;
    let days = market.days();
    let day = days.get(days.len() / 2).ok_or("no days")?.to_string();
    let late = days.get(days.len().saturating_sub(5)).ok_or("no days")?.to_string();
    let symbol = market.instruments().first().ok_or("no instruments")?.symbol.to_string();
    println!("\n| query | rows | zxq ms | DuckDB ms | zxq/DuckDB |\n|---|---:|---:|---:|---:|");
    let session = engine.session();
    let mut ratios = Vec::new();
    for (name, text) in QUERIES {
        let sql = text.replace("{symbol}", &symbol).replace("{day}", &day).replace("{late}", &late);
        // Without its ICU extension DuckDB truncates only timestamps without zone; the conversion costs it nothing.
        let in_duckdb = sql
            .replace("date_trunc('hour', timestamp)", "date_trunc('hour', make_timestamp(epoch_us(timestamp)))")
            .replace("date_trunc('minute', timestamp)", "date_trunc('minute', make_timestamp(epoch_us(timestamp)))");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let (mut our_rows, mut their_rows) = (0, 0);
        for round in 0..=rounds {
            let started = Instant::now();
            our_rows = run_zxq(&session, &sql).await?;
            let ours_took = started.elapsed();
            let started = Instant::now();
            their_rows = run_duckdb(&duck, &in_duckdb)?;
            if round > 0 {
                ours.push(ours_took);
                theirs.push(started.elapsed());
            }
        }
        if our_rows != their_rows {
            return Err(format!("{name}: zxq gave {our_rows} rows, DuckDB {their_rows}").into());
        }
        let (ours, theirs) = (median_ms(&mut ours), median_ms(&mut theirs));
        if !name.starts_with("count") {
            ratios.push(ours / theirs);
        }
        println!("| {name} | {our_rows} | {ours:.1} | {theirs:.1} | {:.2} |", ours / theirs);
    }
    let geomean = (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp();
    println!("\ngeometric mean without the counts: {geomean:.2}");
    engine.shutdown().await?;
    Ok(())
}

/// DuckDB with a view over each table's cold files.
fn duckdb_over(engine: &Arc<Engine>, dir: &Path) -> Result<duckdb::Connection> {
    let connection = duckdb::Connection::open_in_memory()?;
    connection.execute_batch("SET threads = 1; SET preserve_insertion_order = false;")?;
    for table in MarketTable::ALL {
        let storage = engine.table(table.name())?.def.storage_name();
        let files = dir.join("cold").join(storage).join("**/*.parquet");
        connection.execute_batch(&format!(
            "CREATE VIEW {} AS SELECT * FROM read_parquet('{}', hive_partitioning = true)",
            table.name(),
            files.display()
        ))?;
    }
    Ok(connection)
}
