//! The wire beside PostgreSQL: `pgbench` with the same scripts on the same rows against both, in one run.
//!
//! `cargo run --release -p zxq-benches --bin wire -- DIR [SECONDS]`
//!
//! Starts a private PostgreSQL server; `pgbench` and `openssl` must be in the path. Each script runs for some seconds (10) with one
//! client, with 8 and with 64, against PostgreSQL and then against zxq. Both keep what is inserted before they say so (fsync). At the
//! end the same query goes to zxq as it is and through TLS, in turns.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use zxq_benches::{Result, open_on, percentile_us};
use zxq_engine::Engine;
use zxq_server::serve::{ServeOptions, TlsOptions, serve};
use zxq_test_support::postgres_server;

/// Rows that are looked up.
const ROWS: u32 = 1_000_000;
/// Times that plain connections and those through TLS take turns.
const TLS_ROUNDS: usize = 3;
/// How many of pgbench's transactions are measured one by one.
const SAMPLED: &str = "0.2";

const COLUMNS: &str =
    "(key INTEGER NOT NULL, ts TIMESTAMPTZ NOT NULL, day DATE NOT NULL, price NUMERIC(12,4), size BIGINT)";
const LAYOUT: &str = "WITH (time_column = 'ts', partition_by = 'day', sort_by = 'key, ts', lookup = 'key')";

/// What is measured: its name, its script, how statements are sent, and with how many clients.
const RUNS: [(&str, &str, &str, u32); 12] = [
    ("last of a key", "point", "prepared", 1),
    ("last of a key", "point", "prepared", 8),
    ("last of a key", "point", "prepared", 64),
    ("last of a key", "point", "extended", 1),
    ("last of a key", "point", "simple", 1),
    ("last of a key", "point", "simple", 8),
    ("last of a key", "point", "simple", 64),
    ("a key's rows of a day", "point_of_day", "prepared", 1),
    ("a key's rows of a day", "point_of_day", "prepared", 8),
    ("insert", "insert", "prepared", 1),
    ("insert", "insert", "prepared", 8),
    ("insert", "insert", "prepared", 64),
];

/// What one run of pgbench said.
#[derive(Default)]
struct Figures {
    per_second: f64,
    p50_us: f64,
    p95_us: f64,
}

impl Figures {
    /// The one of more transactions.
    fn better(self, other: Figures) -> Figures {
        if other.per_second > self.per_second { other } else { self }
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("usage: wire DIR [SECONDS]")?);
    let seconds: u32 = args.next().map_or(Ok(10), |text| text.parse())?;
    // As `zxq serve` has them: sockets on one set of threads, statements on another.
    let sockets = Builder::new_multi_thread().enable_all().build()?;
    let statements = Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build()?;
    let threads = statements.handle().clone();
    sockets.block_on(measure(&dir, seconds, threads))
}

async fn measure(dir: &Path, seconds: u32, threads: tokio::runtime::Handle) -> Result<()> {
    let peer = postgres_server::shared().ok_or("no PostgreSQL server is installed")?;
    peer.set("fsync = on\nshared_buffers = 1GB");
    peer.crash();
    peer.start_again();
    let peer_url = peer.superuser_url();
    // It listens before it takes connections.
    while tokio_postgres::connect(&peer_url, NoTls).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    fill(&peer_url, &["CREATE INDEX ON points (key, ts)", "VACUUM ANALYZE points"], "").await?;

    let engine = open_with(dir, threads).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("postgres://zxq@127.0.0.1:{}/zxq", listener.local_addr()?.port());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = ServeOptions { tls: Some(certificate(dir)?), ..ServeOptions::default() };
    let server = tokio::spawn(serve(listener, Arc::clone(&engine), options, async move {
        let _ = stopped.await;
    }));
    let (plain, encrypted) = (format!("{url}?sslmode=disable"), format!("{url}?sslmode=require"));
    fill(&url, &[], LAYOUT).await?;

    println!(
        "| wire (`wire`) | sent | clients | zxq/s | PostgreSQL/s | ratio | zxq p50, p95 µs | PostgreSQL p50, p95 µs |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    for (name, script, mode, clients) in RUNS {
        let theirs = run(dir, &peer_url, script, mode, clients, seconds).await?;
        let ours = run(dir, &plain, script, mode, clients, seconds).await?;
        println!(
            "| {name} | {mode} | {clients} | {:.0} | {:.0} | {:.2} | {:.0}, {:.0} | {:.0}, {:.0} |",
            ours.per_second,
            theirs.per_second,
            ours.per_second / theirs.per_second,
            ours.p50_us,
            ours.p95_us,
            theirs.p50_us,
            theirs.p95_us
        );
    }
    println!(
        "\n| last of a key, prepared (`wire`) | clients | plain/s | TLS/s | ratio | plain p50, p95 µs | TLS p50, p95 µs |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for clients in [1, 8] {
        let (mut best_plain, mut best_encrypted) = (Figures::default(), Figures::default());
        for _ in 0..TLS_ROUNDS {
            let (plain, encrypted) = (&plain, &encrypted);
            best_plain = best_plain.better(run(dir, plain, "point", "prepared", clients, seconds).await?);
            best_encrypted = best_encrypted.better(run(dir, encrypted, "point", "prepared", clients, seconds).await?);
        }
        println!(
            "| best of {TLS_ROUNDS} | {clients} | {:.0} | {:.0} | {:.2} | {:.0}, {:.0} | {:.0}, {:.0} |",
            best_plain.per_second,
            best_encrypted.per_second,
            best_encrypted.per_second / best_plain.per_second,
            best_plain.p50_us,
            best_plain.p95_us,
            best_encrypted.p50_us,
            best_encrypted.p95_us
        );
    }
    let _ = stop.send(());
    server.await??;
    engine.shutdown().await?;
    Ok(())
}

/// A certificate of its own for the server.
fn certificate(dir: &Path) -> Result<TlsOptions> {
    std::fs::create_dir_all(dir)?;
    let (certificate, key) = (dir.join("server.pem"), dir.join("server.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "3650"])
        .args(["-subj", "/CN=localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()?;
    match made.status.success() {
        true => Ok(TlsOptions { certificate, key, client_ca: None, require: false }),
        false => Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)).into()),
    }
}

async fn run(
    dir: &Path,
    url: &str,
    script: &'static str,
    mode: &'static str,
    clients: u32,
    seconds: u32,
) -> Result<Figures> {
    let (dir, url) = (dir.to_owned(), url.to_owned());
    tokio::task::spawn_blocking(move || pgbench(&dir, &url, script, mode, clients, seconds)).await?
}

async fn open_with(dir: &Path, threads: tokio::runtime::Handle) -> Result<Arc<Engine>> {
    // A new folder each time: what is measured are the rows of this run.
    let data = dir.join(format!("wire-{}", std::process::id()));
    std::fs::create_dir_all(&data)?;
    open_on(&data, 2, Some(threads)).await
}

/// Makes the tables and fills them by the same SQL on either side.
async fn fill(url: &str, then: &[&str], layout: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute("SET TimeZone = 'UTC'").await?;
    for table in ["points", "arrivals"] {
        client.batch_execute(&format!("CREATE TABLE {table} {COLUMNS} {layout}")).await?;
    }
    let filled = format!(
        "INSERT INTO points SELECT key, ts, CAST(ts AS DATE), price, size FROM (\
         SELECT CAST(n * 7919 % 10000 + 1 AS INTEGER) AS key, \
         TIMESTAMPTZ '2024-01-01 00:00:00+00' + n * INTERVAL '1 second' AS ts, \
         CAST(n % 1000 AS NUMERIC(12,4)) AS price, CAST(n % 500 AS BIGINT) AS size \
         FROM generate_series(CAST(1 AS BIGINT), {ROWS}) AS s(n)) rows"
    );
    client.batch_execute(&filled).await?;
    for sql in then {
        client.batch_execute(sql).await?;
    }
    drop(client);
    connection.await??;
    Ok(())
}

fn pgbench(dir: &Path, url: &str, script: &str, mode: &str, clients: u32, seconds: u32) -> Result<Figures> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("pgbench");
    let logs = dir.join(format!("log-{}", std::process::id()));
    std::fs::create_dir_all(&logs)?;
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--log", "--sampling-rate", SAMPLED, "--protocol", mode])
        .args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()])
        .args(["--time", &seconds.to_string()])
        .arg("--log-prefix")
        .arg(logs.join("run"))
        .arg("--file")
        .arg(scripts.join(format!("{script}.sql")))
        .arg(url)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
    let failed = text.lines().any(|line| line.starts_with("number of failed transactions: ") && !line.contains(": 0 "));
    let Some(per_second) = rate.filter(|_| output.status.success() && !failed) else {
        return Err(format!("pgbench {script} {mode}: {text}{}", String::from_utf8_lossy(&output.stderr)).into());
    };
    let mut times = Vec::new();
    for file in std::fs::read_dir(&logs)? {
        // Client, number of its transaction, microseconds, and more.
        let text = std::fs::read_to_string(file?.path())?;
        let micros = text.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
        times.extend(micros.map(Duration::from_micros));
    }
    std::fs::remove_dir_all(&logs)?;
    Ok(Figures { per_second, p50_us: percentile_us(&mut times, 50), p95_us: percentile_us(&mut times, 95) })
}
