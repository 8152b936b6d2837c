//! COPY beside PostgreSQL: the same trades out of and into both, as text and binary, in one run.
//!
//! `cargo run --release -p zxq-benches --bin copies -- DIR`
//!
//! Starts a private PostgreSQL server. zxq's rows come from cold, and go where COPY puts them; PostgreSQL's table has no index.
//! Both keep what came in before they say so (fsync). The client, tokio-postgres, throws away what comes out.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use tokio::runtime::Builder;
use tokio_postgres::{Client, NoTls};
use zxq_benches::{Result, TABLES, create_tables, load, median_ms, open_on, peak_memory_bytes, write_source};
use zxq_engine::Tier;
use zxq_server::demo::generate::{Market, MarketSpec, MarketTable};
use zxq_server::serve::{ServeOptions, serve};
use zxq_test_support::postgres_server;

/// Rows that go out.
const TRADES: u64 = 3_000_000;
/// Rows that come in.
const INCOMING: u64 = 1_000_000;
/// Times each way is gone on either side.
const ROUNDS: usize = 3;
/// The columns that are copied: all that were in the files.
const COLUMNS: &str =
    "timestamp, instrument_id, symbol, price, size, side, trade_id, trade_date, asset_class, size_raw";

fn main() -> Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: copies DIR")?);
    // As `zxq serve` has them: sockets on one set of threads, statements on another.
    let sockets = Builder::new_multi_thread().enable_all().build()?;
    let statements = Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build()?;
    sockets.block_on(measure(dir, statements.handle().clone()))
}

async fn measure(dir: PathBuf, threads: tokio::runtime::Handle) -> Result<()> {
    let peer = postgres_server::shared().ok_or("no PostgreSQL server is installed")?;
    peer.set("fsync = on\nshared_buffers = 1GB\nmax_wal_size = 8GB");
    peer.crash();
    peer.start_again();
    let peer_url = peer.superuser_url();
    while tokio_postgres::connect(&peer_url, NoTls).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let market = Market::new(MarketSpec { trades: TRADES, ..MarketSpec::bench() });
    let (files, rows) = write_source(&market, MarketTable::Trades, &dir.join("source"))?;
    let data = dir.join(format!("copies-{}", std::process::id()));
    std::fs::create_dir_all(&data)?;
    let engine = open_on(&data, 2, Some(threads)).await?;
    create_tables(&engine).await?;
    load(&engine, "trades_data", files, Tier::Cold).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("postgres://zxq@127.0.0.1:{}/zxq", listener.local_addr()?.port());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, Arc::clone(&engine), ServeOptions::default(), async move {
        let _ = stopped.await;
    }));

    let (zxq, postgres) = (connect(&url).await?, connect(&peer_url).await?);
    let definition = TABLES[0].1;
    let plain = definition.split(") WITH (").next().ok_or("the definition has no options")?;
    postgres.batch_execute(&format!("{plain})")).await?;
    let all = gather(&zxq, &format!("SELECT {COLUMNS} FROM trades_data"), "text").await?;
    put(&postgres, "trades_data", "text", &all).await?;
    drop(all);
    postgres.batch_execute("VACUUM ANALYZE trades_data").await?;

    println!("| COPY (`copies`) | rows | zxq rows/s | PostgreSQL rows/s | ratio |\n|---|---:|---:|---:|---:|");
    for format in ["text", "binary"] {
        let sql = format!("COPY (SELECT {COLUMNS} FROM trades_data) TO STDOUT (FORMAT {format})");
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(drain(&postgres, &sql).await?);
            ours.push(drain(&zxq, &sql).await?);
        }
        report(&format!("out, {format}"), rows, ours, theirs);
    }
    for format in ["text", "binary"] {
        let some = format!("SELECT {COLUMNS} FROM trades_data LIMIT {INCOMING}");
        let bytes = gather(&postgres, &some, format).await?;
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for (client, times, options) in [
                (&postgres, &mut theirs, ""),
                (&zxq, &mut ours, definition.split_once(") WITH (").map_or("", |(_, options)| options)),
            ] {
                let table = format!("arrivals_{format}_{round}");
                let layout = if options.is_empty() { ")".to_owned() } else { format!(") WITH ({options}") };
                let made =
                    format!("{plain}{layout}").replace("CREATE TABLE trades_data", &format!("CREATE TABLE {table}"));
                client.batch_execute(&made).await?;
                let started = Instant::now();
                put(client, &table, format, &bytes).await?;
                times.push(started.elapsed());
                client.batch_execute(&format!("DROP TABLE {table}")).await?;
            }
        }
        report(&format!("in, {format}"), INCOMING, ours, theirs);
    }
    println!("\npeak memory of this process, client and server: {} MiB", peak_memory_bytes() >> 20);
    let _ = stop.send(());
    drop((zxq, postgres));
    server.await??;
    engine.shutdown().await?;
    Ok(())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("SET TimeZone = 'UTC'").await?;
    Ok(client)
}

/// How long it takes until the last byte has come.
async fn drain(client: &Client, sql: &str) -> Result<Duration> {
    let started = Instant::now();
    let mut stream = pin!(client.copy_out(sql).await?);
    while stream.try_next().await?.is_some() {}
    Ok(started.elapsed())
}

/// The bytes that come, in pieces of a quarter MiB.
async fn gather(client: &Client, query: &str, format: &str) -> Result<Vec<Bytes>> {
    let mut stream = pin!(client.copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT {format})")).await?);
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    while let Some(bytes) = stream.try_next().await? {
        piece.extend_from_slice(&bytes);
        if piece.len() >= 256 << 10 {
            pieces.push(Bytes::from(std::mem::take(&mut piece)));
        }
    }
    pieces.push(Bytes::from(piece));
    Ok(pieces)
}

/// Sends bytes as rows of a table; they are durable when it returns.
async fn put(client: &Client, table: &str, format: &str, pieces: &[Bytes]) -> Result<()> {
    let sql = format!("COPY {table} ({COLUMNS}) FROM STDIN (FORMAT {format})");
    let mut sink = pin!(client.copy_in(&sql).await?);
    for piece in pieces {
        sink.send(piece.clone()).await?;
    }
    sink.finish().await?;
    Ok(())
}

fn report(name: &str, rows: u64, mut ours: Vec<Duration>, mut theirs: Vec<Duration>) {
    let (ours, theirs) = (median_ms(&mut ours) / 1e3, median_ms(&mut theirs) / 1e3);
    println!("| {name} | {rows} | {:.0} | {:.0} | {:.2} |", rows as f64 / ours, rows as f64 / theirs, theirs / ours);
}
