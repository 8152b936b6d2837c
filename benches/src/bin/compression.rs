//! Size and speed of the cold tier by compression: the same trades, quotes and bars, written and read back with each.
//!
//! `taskset -c 0 cargo run --release -p zxq-benches --bin compression -- DIR`
//!
//! DIR is emptied of what a run leaves. Rows are generated; their size as CSV is what Arrow's CSV writer makes of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use arrow::csv::WriterBuilder;
use zxq_benches::{Result, TABLES, load, median_ms, open, run_zxq, write_source};
use zxq_engine::Tier;
use zxq_server::demo::generate::{BATCH_ROWS, Market, MarketSpec, MarketTable};

const COMPRESSIONS: [&str; 7] = ["uncompressed", "lz4", "snappy", "zstd(1)", "zstd(3)", "zstd(9)", "zstd(19)"];
/// Rows over all tables.
const ROWS: u64 = 3_000_000;
const ROUNDS: usize = 5;

/// Counts bytes and throws them away.
#[derive(Default)]
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: compression DIR")?);
    let market = Market::new(MarketSpec::sized(ROWS));
    println!(
        "| table | compression | rows | MB | of CSV | load rows/s | full scan ms |\n|---|---|---:|---:|---:|---:|---:|"
    );
    for (name, sql) in TABLES {
        let table = MarketTable::ALL.into_iter().find(|t| t.name() == name).ok_or("no such table")?;
        let mut csv = WriterBuilder::new().with_header(false).build(Counter::default());
        for batch in market.batches(table, 0..market.days().len(), BATCH_ROWS) {
            csv.write(&batch?)?;
        }
        let csv_bytes = csv.into_inner().0;
        let source = dir.join("source").join(name);
        let (files, _) = write_source(&market, table, &source)?;
        for compression in COMPRESSIONS {
            let place = dir.join("data");
            if place.exists() {
                std::fs::remove_dir_all(&place)?;
            }
            let engine = open(&place, 1).await?;
            engine.sql(sql).await?;
            engine.sql(&format!("ALTER TABLE {name} SET (cold_compression = '{compression}')")).await?;
            let (rows, seconds) = load(&engine, name, files.clone(), Tier::Cold).await?;
            let bytes: u64 = engine.table(name)?.tier(Tier::Cold).iter().map(|s| s.bytes).sum();
            let session = engine.session();
            let mut times: Vec<Duration> = Vec::new();
            for round in 0..=ROUNDS {
                let started = Instant::now();
                // Every column is decoded, and nearly nothing is done with it.
                run_zxq(&session, &format!("SELECT * FROM {name}")).await?;
                if round > 0 {
                    times.push(started.elapsed());
                }
            }
            println!(
                "| {name} | {compression} | {rows} | {:.1} | {:.1}% | {:.0} | {:.0} |",
                bytes as f64 / 1e6,
                bytes as f64 * 100.0 / csv_bytes as f64,
                rows as f64 / seconds,
                median_ms(&mut times),
            );
            drop(session);
            engine.shutdown().await?;
        }
        std::fs::remove_dir_all(&source)?;
    }
    std::fs::remove_dir_all(dir.join("data"))?;
    Ok(())
}
