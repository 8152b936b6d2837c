//! Many segments: what a statement, a commit and a start cost when a table has 200,000 of them, and what small ones take in warm.
//!
//! `cargo run --release -p zxq-benches --bin segments -- DIR`
//!
//! Fills a table with 100,000 daily partitions of two segments each in a process of its own, which then ends as if it were killed;
//! starts on what that left, and asks. Beside it in the same database is a table of the same form with ten segments.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zxq_benches::{Result, median_ms, open, percentile_us, run_zxq};
use zxq_engine::{Engine, EngineSession};

/// Partitions of the large table.
const PARTITIONS: usize = 100_000;
/// Segments of each of them.
const ROUNDS: usize = 2;
/// Partitions of one INSERT.
const AT_ONCE: usize = 10_000;
/// Partitions of the table beside it.
const FEW: usize = 10;
/// Single-row INSERTs into each table, and times each query is asked.
const TIMES: usize = 500;
/// Small partitions that go to warm, and those of them that go on to cold.
const SMALL: usize = 20_000;
const SMALL_TO_COLD: usize = 2_000;
/// Rows of each: one, and about 4 KiB.
const SMALL_ROWS: [usize; 2] = [1, 170];

const COLUMNS: &str =
    "(day DATE NOT NULL, key BIGINT, price DOUBLE) WITH (partition_by = 'day', sort_by = 'key', lookup = 'key')";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: segments DIR")?);
    let data = dir.join("segments");
    if args.next().as_deref() == Some("fill") {
        fill(&data).await?;
        // As a kill would: nothing is closed.
        std::process::abort();
    }
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    Command::new(std::env::current_exe()?).arg(&dir).arg("fill").status()?;
    let started = Instant::now();
    let engine = open(&data, 2).await?;
    println!("start after a kill, {} segments: {:.2} s", PARTITIONS * ROUNDS, started.elapsed().as_secs_f64());
    let session = engine.session();
    for (table, partitions) in [("few", FEW), ("many", PARTITIONS)] {
        println!("{table}: {} segments", partitions * ROUNDS);
        inserts(&session, table, partitions).await?;
        queries(&session, table, partitions).await?;
    }
    warm(&engine, &data).await?;
    engine.shutdown().await?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the tables and fills them; prints how long an INSERT into all partitions at once takes.
async fn fill(data: &Path) -> Result<()> {
    let engine = open(data, 2).await?;
    let session = engine.session();
    for (table, partitions) in [("few", FEW), ("many", PARTITIONS)] {
        run_zxq(&session, &format!("CREATE TABLE {table} {COLUMNS}")).await?;
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            for first in (0..partitions).step_by(AT_ONCE) {
                let last = (first + AT_ONCE).min(partitions) - 1;
                let rows = format!(
                    "INSERT INTO {table} SELECT DATE '1970-01-01' + CAST(n AS INTEGER), n * {ROUNDS} + {round}, 1.5 \
                     FROM generate_series({first}, {last}) AS s(n)"
                );
                let started = Instant::now();
                run_zxq(&session, &rows).await?;
                times.push(started.elapsed());
            }
        }
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let at_once = AT_ONCE.min(partitions);
            let (first, last) = (first.as_secs_f64(), last.as_secs_f64());
            println!("{table}: INSERT into {at_once} partitions: the first {first:.2} s, the last {last:.2} s");
        }
    }
    Ok(())
}

async fn inserts(session: &EngineSession, table: &str, partitions: usize) -> Result<()> {
    let mut times: Vec<Duration> = Vec::with_capacity(TIMES);
    for n in 0..TIMES {
        let day = n * 7919 % partitions;
        let sql = format!("INSERT INTO {table} VALUES (DATE '1970-01-01' + {day}, {n}, 2.5)");
        let started = Instant::now();
        run_zxq(session, &sql).await?;
        times.push(started.elapsed());
    }
    let (p50, p95) = (percentile_us(&mut times, 50), percentile_us(&mut times, 95));
    println!("  INSERT of one row: p50 {p50:.0} us, p95 {p95:.0} us");
    Ok(())
}

async fn queries(session: &EngineSession, table: &str, partitions: usize) -> Result<()> {
    let middle = partitions / 2;
    let day = format!("DATE '1970-01-01' + {middle}");
    for (name, sql) in [
        ("point query", format!("SELECT price FROM {table} WHERE day = {day} AND key = {}", middle * ROUNDS)),
        ("planning it", format!("EXPLAIN SELECT price FROM {table} WHERE day = {day} AND key = {}", middle * ROUNDS)),
        ("count(*)", format!("SELECT count(*) FROM {table}")),
        ("sum of a month", format!("SELECT sum(price) FROM {table} WHERE day BETWEEN {day} AND {day} + 30")),
    ] {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let started = Instant::now();
            run_zxq(session, &sql).await?;
            times.push(started.elapsed());
        }
        println!("  {name}: median {:.2} ms", median_ms(&mut times));
    }
    Ok(())
}

/// Small partitions in warm: how fast they get there, what they take, how long their sum does, and how fast some leave.
async fn warm(engine: &Arc<Engine>, data: &Path) -> Result<()> {
    let session = engine.session();
    let mut before = 0;
    for each in SMALL_ROWS {
        run_zxq(&session, &format!("CREATE TABLE small_{each} {COLUMNS}")).await?;
        let rows = format!(
            "INSERT INTO small_{each} SELECT DATE '1970-01-01' + CAST(n % {SMALL} AS INTEGER), n, 1.5 \
             FROM generate_series(0, {}) AS s(n)",
            SMALL * each - 1
        );
        run_zxq(&session, &rows).await?;
        let started = Instant::now();
        run_zxq(&session, &format!("CALL zxq.migrate('small_{each}', 'warm')")).await?;
        let rate = SMALL as f64 / started.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            run_zxq(&session, &format!("SELECT sum(price) FROM small_{each}")).await?;
            times.push(started.elapsed());
        }
        let size = |name: &str| std::fs::metadata(data.join(name)).map_or(0, |file| file.len());
        let bytes = size("warm.duckdb") + size("warm.duckdb.wal");
        let mib = (bytes - before) as f64 / f64::from(1 << 20);
        before = bytes;
        println!(
            "{SMALL} partitions of {each} rows to warm: {rate:.0} a second, {mib:.1} MiB, sum {:.0} ms",
            median_ms(&mut times)
        );
        run_zxq(&session, &format!("CREATE TABLE cold_{each} {COLUMNS}")).await?;
        let some = format!(
            "INSERT INTO cold_{each} SELECT * FROM small_{each} WHERE day < DATE '1970-01-01' + {SMALL_TO_COLD}"
        );
        run_zxq(&session, &some).await?;
        run_zxq(&session, &format!("CALL zxq.migrate('cold_{each}', 'warm')")).await?;
        let started = Instant::now();
        run_zxq(&session, &format!("CALL zxq.migrate('cold_{each}', 'cold')")).await?;
        let rate = SMALL_TO_COLD as f64 / started.elapsed().as_secs_f64();
        println!("{SMALL_TO_COLD} of them from warm to cold: {rate:.0} a second");
    }
    Ok(())
}
