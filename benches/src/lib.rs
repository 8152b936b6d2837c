//! What the benches share: a database of generated market data, and timing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use zxq_engine::{Engine, EngineConfig, EngineSession, LoadRequest, LoadSource, Outcome, Tier};
use zxq_server::demo::generate::{BATCH_ROWS, Market, MarketTable};
use zxq_server::serve::{ServeOptions, serve};

/// Any error; benches print it and stop.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The shipped definitions of the tables that benches fill.
pub const TABLES: [(&str, &str); 3] = [
    ("trades_data", include_str!("../../sql/schema/trades_data.sql")),
    ("tbbo_data", include_str!("../../sql/schema/tbbo_data.sql")),
    ("ohlcv_data", include_str!("../../sql/schema/ohlcv_data.sql")),
];

/// Opens an engine for measuring: no scheduler, `threads` output partitions per query.
pub async fn open(dir: &Path, threads: usize) -> Result<Arc<Engine>> {
    open_on(dir, threads, None).await
}

/// As [`open`], with threads of its own for statements, as a server has them.
pub async fn open_on(dir: &Path, threads: usize, statements: Option<tokio::runtime::Handle>) -> Result<Arc<Engine>> {
    let mut config = EngineConfig::at(dir);
    config.threads = statements;
    config.policy.maintenance_interval = Duration::ZERO;
    config.target_partitions = threads;
    config.warm.threads = threads;
    Ok(Engine::open(config).await?)
}

/// Creates the tables that are not there.
pub async fn create_tables(engine: &Arc<Engine>) -> Result<()> {
    for (name, sql) in TABLES {
        if engine.table(name).is_err() {
            engine.sql(sql).await?;
        }
    }
    Ok(())
}

/// Writes one generated table as a Parquet file per trading day and returns the files and the number of rows.
pub fn write_source(market: &Market, table: MarketTable, dir: &Path) -> Result<(Vec<std::path::PathBuf>, u64)> {
    std::fs::create_dir_all(dir)?;
    let (mut files, mut rows) = (Vec::new(), 0);
    for day in 0..market.days().len() {
        let path = dir.join(format!("{}-{day:03}.parquet", table.name()));
        let mut writer = ArrowWriter::try_new(std::fs::File::create(&path)?, table.schema(), None)?;
        for batch in market.batches(table, day..day + 1, BATCH_ROWS) {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            writer.write(&batch)?;
        }
        writer.close()?;
        files.push(path);
    }
    Ok((files, rows))
}

/// Loads files into one tier; returns rows and seconds.
pub async fn load(engine: &Arc<Engine>, table: &str, files: Vec<std::path::PathBuf>, tier: Tier) -> Result<(u64, f64)> {
    let request = LoadRequest { tier: Some(tier), ..LoadRequest::into_table(table) };
    let started = Instant::now();
    let report = engine.load(request, LoadSource::Files(files), &|_| {}).await?;
    Ok((report.rows, started.elapsed().as_secs_f64()))
}

/// Runs a query to its last row; returns how many rows came.
pub async fn run_zxq(session: &EngineSession, sql: &str) -> Result<usize> {
    match session.run(sql).await? {
        Outcome::Rows { stream, .. } => {
            let batches: Vec<_> = stream.try_collect().await?;
            Ok(batches.iter().map(|b| b.num_rows()).sum())
        }
        Outcome::Command { .. } => Ok(0),
    }
}

/// As [`run_zxq`], in DuckDB.
pub fn run_duckdb(connection: &duckdb::Connection, sql: &str) -> Result<usize> {
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_arrow([])?.map(|batch| batch.num_rows()).sum())
}

/// Peak resident memory of this process, bytes (Linux; 0 elsewhere).
pub fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().strip_suffix("kB")).and_then(|n| n.trim().parse::<u64>().ok()).map_or(0, |kb| kb * 1024)
}

/// Milliseconds of the median of `times` (sorted in place).
pub fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |t| t.as_secs_f64() * 1e3)
}

/// Microseconds of a percentile (0..=100) of `times` (sorted in place).
pub fn percentile_us(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    let index = (times.len().saturating_sub(1)) * percent / 100;
    times.get(index).map_or(0.0, |t| t.as_secs_f64() * 1e6)
}

/// Serves `engine` and asks it for the last trade of each symbol in turn, by a prepared statement; prints percentiles.
pub async fn last_trades(engine: &Arc<Engine>, symbols: &[String], lookups: usize) -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, Arc::clone(engine), ServeOptions::default(), async move {
        let _ = stopped.await;
    }));
    let (client, connection) =
        tokio_postgres::connect(&format!("host=127.0.0.1 port={port} user=zxq dbname=zxq"), tokio_postgres::NoTls)
            .await?;
    let connection = tokio::spawn(connection);
    let sql = "SELECT timestamp, symbol, size FROM trades_data WHERE symbol = $1 ORDER BY timestamp DESC LIMIT 1";
    let statement = client.prepare(sql).await?;
    let mut times: Vec<Duration> = Vec::with_capacity(lookups);
    let mut found = 0;
    for i in 0..lookups {
        let started = Instant::now();
        found += client.query(&statement, &[&symbols[i % symbols.len()]]).await?.len();
        times.push(started.elapsed());
    }
    let (p50, p95) = (percentile_us(&mut times, 50), percentile_us(&mut times, 95));
    println!("pgwire prepared last trade: {found} of {lookups} found, p50 {p50:.0} us, p95 {p95:.0} us");
    drop(client);
    let _ = stop.send(());
    let _ = connection.await;
    server.await??;
    Ok(())
}
