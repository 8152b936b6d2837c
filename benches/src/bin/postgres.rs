//! Warm in PostgreSQL: rows in and out beside ADBC's driver, a grouped sum beside the same SQL sent straight to the server,
//! and the last trade of a symbol.
//!
//! `cargo run --release -p zxq-benches --bin postgres -- DIR`
//!
//! Starts a private PostgreSQL server. `python3` needs `adbc-driver-postgresql` and `pyarrow`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio_postgres::NoTls;
use zxq_benches::{Result, TABLES, last_trades, load, median_ms, run_zxq, write_source};
use zxq_catalog::{JobId, PartitionKey, TableDef};
use zxq_engine::{Engine, EngineConfig, Outcome, PostgresOptions, Tier};
use zxq_providers::TierStore;
use zxq_providers::adapt::adapt_batch;
use zxq_providers::database::postgres::PostgresStore;
use zxq_providers::sort::sort_batch;
use zxq_server::demo::generate::{Market, MarketSpec, MarketTable};
use zxq_test_support::postgres_server;

/// Rows moved each way.
const TRADES: u64 = 5_000_000;
/// Times that each query is run.
const ROUNDS: usize = 5;
/// Lookups measured.
const LOOKUPS: usize = 2_000;
/// The table that ADBC makes.
const PEER_TABLE: &str = "adbc_trades";

#[tokio::main]
async fn main() -> Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: postgres DIR")?);
    let server = postgres_server::shared().ok_or("no PostgreSQL server is installed")?;
    server.set("shared_buffers = '1GB'; max_wal_size = '8GB'");
    let url = server.superuser_url();
    let market = Market::new(MarketSpec { trades: TRADES, ..MarketSpec::bench() });
    let (files, rows) = write_source(&market, MarketTable::Trades, &dir.join("source"))?;

    let mut config = EngineConfig::at(dir.join("data"));
    config.policy.maintenance_interval = Duration::ZERO;
    config.warm.postgres = Some(PostgresOptions::parse(&url)?);
    let engine = Engine::open(config).await?;
    engine.sql(TABLES[0].1).await?;

    arrow_in(&engine, &url, &files).await?;
    let (loaded, seconds) = load(&engine, "trades_data", files, Tier::Warm).await?;
    assert_eq!(loaded, rows);
    println!("zxq load of Parquet into warm, checks and all: {:.0} rows/s", rows as f64 / seconds);
    arrow_out(&engine, &url, rows).await?;
    grouped_sum(&engine, &url).await?;
    let symbols: Vec<String> = market.instruments().iter().map(|i| i.symbol.to_string()).collect();
    last_trades(&engine, &symbols, LOOKUPS).await?;
    engine.shutdown().await?;
    Ok(())
}

/// The table that people see in PostgreSQL.
fn public_table(engine: &Arc<Engine>) -> Result<String> {
    Ok(format!("zxq.{}", engine.table("trades_data")?.def.storage_name()))
}

/// One segment per file, each committed: one after the other and two at a time, as a load writes them; with index and
/// statistics, and without an index, as ADBC does it.
async fn arrow_in(engine: &Arc<Engine>, url: &str, files: &[PathBuf]) -> Result<()> {
    let indexed = engine.table("trades_data")?.def.as_ref().clone();
    let bare = TableDef { sort_by: Vec::new(), lookup: Vec::new(), ..indexed.clone() };
    let (peer_rows, peer_seconds) = adbc("in", url, PEER_TABLE, files)?;
    for (name, table) in [("without index", bare), ("zxq with index", indexed)] {
        for at_once in [1, 2] {
            let (rows, seconds) = write_all(&table, url, files, at_once).await?;
            assert_eq!(rows, peer_rows);
            report(&format!("Arrow to PostgreSQL, {name}, {at_once} at a time"), rows, seconds, peer_seconds);
        }
    }
    Ok(())
}

/// Rows written, and seconds that took, sorting included; `at_once` segments are under way at any time.
async fn write_all(table: &TableDef, url: &str, files: &[PathBuf], at_once: usize) -> Result<(usize, f64)> {
    let mut options = PostgresOptions::parse(url)?;
    options.schema = "arrow_in".to_owned();
    let store = Arc::new(PostgresStore::open(options).await?);
    store.create_table(table).await?;
    let inputs = files.iter().map(|file| read(file, &table.schema())).collect::<Result<Vec<_>>>()?;
    let rows = inputs.iter().flatten().map(RecordBatch::num_rows).sum();
    let started = Instant::now();
    let writes = (1..).zip(inputs).map(|(id, batches)| {
        let (store, table) = (Arc::clone(&store), table.clone());
        let partition = PartitionKey { period: None, class: None };
        let write = async move {
            let rows = vec![sort_batch(&concat_batches(&table.schema(), &batches)?, &table.sort_by)?];
            store.write_segment(&table, &JobId::new(), id, &partition, rows).await?;
            Result::<()>::Ok(())
        };
        async move { tokio::spawn(write).await? }
    });
    futures::stream::iter(writes).buffer_unordered(at_once).try_collect::<Vec<_>>().await?;
    let seconds = started.elapsed().as_secs_f64();
    store.drop_table(&table.storage_name()).await?;
    Ok((rows, seconds))
}

fn read(file: &Path, schema: &arrow::datatypes::SchemaRef) -> Result<Vec<RecordBatch>> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file)?)?.with_batch_size(65_536).build()?;
    reader.map(|batch| Ok(adapt_batch(&batch?, schema)?)).collect()
}

/// All rows as Arrow: `SELECT *` of the whole table, by each on the table that zxq keeps.
async fn arrow_out(engine: &Arc<Engine>, url: &str, rows: u64) -> Result<()> {
    let table = public_table(engine)?;
    let session = engine.session();
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let started = Instant::now();
        let Outcome::Rows { stream, .. } = session.run("SELECT * FROM trades_data").await? else {
            return Err("no rows".into());
        };
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        ours.push(started.elapsed());
        assert_eq!(batches.iter().map(|b| b.num_rows() as u64).sum::<u64>(), rows);
        drop(batches);
        let (peer_rows, seconds) = adbc("out", url, &table, &[])?;
        assert_eq!(peer_rows as u64, rows);
        peers.push(Duration::from_secs_f64(seconds));
    }
    let (ours, peer) = (median_ms(&mut ours) / 1e3, median_ms(&mut peers) / 1e3);
    report("PostgreSQL to Arrow, the same table", rows as usize, ours, peer);
    Ok(())
}

fn adbc(direction: &str, url: &str, table: &str, files: &[PathBuf]) -> Result<(usize, f64)> {
    let script = include_str!("../../adbc_peer.py");
    let output = Command::new("python3").args(["-c", script]).args([direction, url, table]).args(files).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [rows, seconds] if output.status.success() => Ok((rows.parse()?, seconds.parse()?)),
        _ => Err(format!("adbc_peer.py: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

fn report(what: &str, rows: usize, seconds: f64, peer_seconds: f64) {
    let (ours, peer) = (rows as f64 / seconds, rows as f64 / peer_seconds);
    println!("{what}: zxq {ours:.0} rows/s, ADBC {peer:.0} rows/s, zxq/ADBC {:.2}", ours / peer);
}

/// The same SQL through zxq and, as psql would send it, straight to the server.
async fn grouped_sum(engine: &Arc<Engine>, url: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let session = engine.session();
    let public = public_table(engine)?;
    for (name, columns) in [
        ("sum of integers", "symbol, sum(size)"),
        ("sum of decimals", "symbol, sum(price)"),
        ("count, sum, min, max, avg", "symbol, count(*), sum(size), min(price), max(price), avg(price)"),
    ] {
        let sql = |table: &str| format!("SELECT {columns} FROM {table} GROUP BY symbol");
        let (mut ours, mut direct) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let started = Instant::now();
            let groups = run_zxq(&session, &sql("trades_data")).await?;
            let mine = started.elapsed();
            let started = Instant::now();
            let messages = client.simple_query(&sql(&public)).await?;
            let theirs = started.elapsed();
            let rows = messages.iter().filter(|m| matches!(m, tokio_postgres::SimpleQueryMessage::Row(_))).count();
            assert_eq!(groups, rows);
            // The first round warms up.
            if round > 0 {
                ours.push(mine);
                direct.push(theirs);
            }
        }
        let (ours, direct) = (median_ms(&mut ours), median_ms(&mut direct));
        println!("{name} by symbol: zxq {ours:.0} ms, PostgreSQL {direct:.0} ms, zxq/PostgreSQL {:.2}", ours / direct);
    }
    drop(client);
    connection.await??;
    Ok(())
}
