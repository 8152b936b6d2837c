//! Several processes on one PostgreSQL catalog: one writes, others read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::Client;

use crate::server::{Server, number, rows, run, verify, zxq};
use zxq_test_support::postgres_server::{self, PASSWORD, PostgresServer};

/// How long anything that should take a second may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A catalog, a warm schema and a cold folder that the processes of one test share.
struct Shared {
    folder: TempDir,
    url: String,
    name: String,
}

impl Shared {
    fn on(server: &PostgresServer) -> Shared {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Shared {
            folder: tempfile::tempdir().unwrap(),
            url: server.superuser_url(),
            name: format!("nodes_{}", COUNT.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn data(&self, node: &str) -> PathBuf {
        self.folder.path().join(node)
    }

    /// A configuration with more lines in its section `catalog`.
    fn config(&self, more: &[&str]) -> PathBuf {
        let (url, name) = (&self.url, &self.name);
        let mut text = format!(
            "maintenance_interval: 0\nwarm:\n  url: {url}\n  schema: {name}_warm\ncold:\n  folder: {}\ncatalog:\n  \
             url: {url}\n  schema: {name}\n  lease_time: 3 s\n",
            self.folder.path().join("cold").display()
        );
        for line in more {
            writeln!(text, "  {line}").unwrap();
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let file = self.folder.path().join(format!("{}.yaml", COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&file, text).unwrap();
        file
    }

    fn start(&self, node: &str, more: &[&str]) -> Server {
        Server::start(&self.data(node), &self.config(more))
    }

    /// A start that must fail soon, and what it says.
    fn start_fails(&self, node: &str, more: &[&str]) -> String {
        serve_fails(&self.data(node), &self.config(more))
    }
}

fn serve_fails(data: &Path, config: &Path) -> String {
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap(), "--config"];
    let output: Output = run(zxq(&args).arg(config));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it started: {text}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("ready"), "{text}");
    text
}

/// Waits until a query gives this number; until then it may fail.
async fn until(client: &Client, sql: &str, expected: i64) {
    let deadline = Instant::now() + SOON;
    loop {
        let found = client.simple_query(sql).await;
        if found.is_ok() && number(client, sql).await == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{sql} does not become {expected}: {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The SQLSTATE and text with which a statement fails.
async fn refusal(client: &Client, sql: &str) -> (String, String) {
    let error = client.simple_query(sql).await.expect_err(sql);
    let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

async fn fill(client: &Client, from: i64, to: i64) {
    let sql = format!(
        "INSERT INTO t SELECT value, DATE '2024-01-02', 'x' || value::text FROM generate_series({from}, {})",
        to - 1
    );
    client.simple_query(&sql).await.unwrap();
}

const TABLE: &str = "CREATE TABLE t (id BIGINT, trade_date DATE, name TEXT) \
    WITH (partition_by = 'trade_date', sort_by = 'id', lookup = 'id')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_follow_the_writer_and_change_nothing() {
    let Some(postgres) = postgres_server::shared() else { return };
    let shared = Shared::on(postgres);
    let writer_process = shared.start("a", &[]);
    let reader_process = shared.start("b", &[]);
    assert!(writer_process.ready.ends_with(", as the writer)"), "{}", writer_process.ready);
    assert!(reader_process.ready.ends_with(", as a reader: another process writes)"), "{}", reader_process.ready);
    let (writer, reader) = (writer_process.connect().await, reader_process.connect().await);
    writer.simple_query(TABLE).await.unwrap();
    fill(&writer, 0, 1000).await;
    let count = "SELECT count(*) FROM t";
    until(&reader, count, 0).await;

    // What only the writer has in memory is not passed over in silence.
    let notices = || {
        let output = run(&mut zxq(&["sql", count, "--data", shared.data("b").to_str().unwrap()]));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let deadline = Instant::now() + SOON;
    loop {
        let notices = notices();
        if notices.contains("1000 rows of t lie in the memory of process") {
            assert!(notices.contains(&writer_process.address), "{notices}");
            break;
        }
        assert!(Instant::now() < deadline, "no notice: {notices}");
    }

    let all = "SELECT count(DISTINCT name) FROM t";
    for tier in ["warm", "cold"] {
        writer.simple_query(&format!("CALL zxq.migrate('t', '{tier}')")).await.unwrap();
        until(&reader, all, 1000).await;
        until(&reader, &format!("SELECT coalesce(sum(rows), 0) FROM zxq.tiers WHERE tier = '{tier}'"), 1000).await;
        // Who sees them where they have come to is not told any more that they are elsewhere.
        assert_eq!(notices(), "");
        verify(&reader).await;
    }

    for sql in [
        "INSERT INTO t VALUES (1, DATE '2024-01-02', 'y')",
        "CREATE TABLE u (x BIGINT)",
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN z BIGINT",
        "CALL zxq.migrate('t', 'warm')",
        "CALL zxq.maintain()",
        "CALL zxq.load('t', '/dev/null')",
    ] {
        let (code, text) = refusal(&reader, sql).await;
        assert_eq!(code, "25006", "{sql}: {text}");
        assert!(text.contains(&writer_process.address), "{sql}: {text}");
    }

    writer.simple_query("ALTER TABLE t ADD COLUMN z BIGINT").await.unwrap();
    until(&reader, "SELECT count(*) - count(z) FROM t", 1000).await;
    writer.simple_query("DROP TABLE t").await.unwrap();
    until(&reader, "SELECT count(*) FROM zxq.tables", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_writer_goes_on_with_all_it_had() {
    let Some(postgres) = postgres_server::shared() else { return };
    let shared = Shared::on(postgres);
    let first = shared.start("a", &[]);
    let writer = first.connect().await;
    writer.simple_query(TABLE).await.unwrap();
    fill(&writer, 0, 500).await;
    writer.simple_query("CALL zxq.migrate('t', 'warm')").await.unwrap();
    fill(&writer, 500, 700).await;
    first.kill();

    // Another directory may not go on without the rows in hot.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let text = shared.start_fails("b", &["role: writer", "writer_wait: 0"]);
    assert!(text.contains("lie nowhere else") && text.contains(shared.data("a").to_str().unwrap()), "{text}");
    assert!(!text.contains(&PASSWORD.replace(' ', "%20")), "{text}");

    let again = shared.start("a", &["role: writer"]);
    let writer = again.connect().await;
    assert_eq!(number(&writer, "SELECT count(DISTINCT name) FROM t").await, 700);
    fill(&writer, 700, 800).await;
    verify(&writer).await;

    // While it lives, nobody else writes.
    let text = shared.start_fails("b", &["role: writer", "writer_wait: 0"]);
    assert!(text.contains("is written by process") && text.contains(&again.address), "{text}");

    // After an end with nothing in hot, any directory may.
    writer.simple_query("CALL zxq.migrate('t', 'cold')").await.unwrap();
    drop(writer);
    again.stop();
    let other = shared.start("b", &["role: writer"]);
    let writer = other.connect().await;
    fill(&writer, 800, 900).await;
    assert_eq!(number(&writer, "SELECT count(DISTINCT name) FROM t").await, 900);
    drop(writer);
    other.kill();
    let other = shared.start("b", &["role: writer"]);
    assert_eq!(number(&other.connect().await, "SELECT count(DISTINCT name) FROM t").await, 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_writer_that_was_replaced_stops() {
    let Some(postgres) = postgres_server::shared() else { return };
    let shared = Shared::on(postgres);
    let stalled = shared.start("a", &[]);
    let old = stalled.connect().await;
    old.simple_query(TABLE).await.unwrap();
    fill(&old, 0, 100).await;
    old.simple_query("CALL zxq.migrate('t', 'cold')").await.unwrap();
    fill(&old, 100, 110).await;
    stalled.signal("STOP");
    let next = shared.start("b", &["role: writer", "take_over: true"]);
    let new = next.connect().await;
    // The ten rows were given up, and the start said so by demanding it.
    assert_eq!(number(&new, "SELECT count(*) FROM t").await, 100);
    fill(&new, 200, 250).await;
    stalled.signal("CONT");
    let deadline = Instant::now() + SOON;
    loop {
        let (code, text) = refusal(&old, "INSERT INTO t VALUES (1, DATE '2024-01-02', 'late')").await;
        // Until it has heard of the other, it only knows that its lease has run out.
        assert!(code == "25006" || code == "58030", "{code}: {text}");
        if code == "25006" {
            assert!(text.contains("not the catalog's writer"), "{text}");
            break;
        }
        assert!(Instant::now() < deadline, "{text}");
    }
    for sql in ["CREATE TABLE u (x BIGINT)", "CALL zxq.migrate('t', 'warm')", "SELECT count(*) FROM t"] {
        assert_eq!(refusal(&old, sql).await.0, "25006", "{sql}");
    }
    new.simple_query("CALL zxq.migrate('t', 'warm')").await.unwrap();
    assert_eq!(number(&new, "SELECT count(*) FROM t").await, 150);
    verify(&new).await;
    drop((old, new));
    stalled.kill();
    next.stop();
    // Its rows are not visible again, and not deleted either.
    let back = shared.start("a", &["role: writer"]);
    assert_eq!(number(&back.connect().await, "SELECT count(*) FROM t").await, 150);
    let left = std::fs::read_dir(shared.data("a")).unwrap();
    let left: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().any(|name| name.starts_with("wal.left-behind-")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_reader_reads_stays_until_it_has_read_it() {
    let Some(postgres) = postgres_server::shared() else { return };
    let shared = Shared::on(postgres);
    let writer_process = shared.start("a", &[]);
    let writer = writer_process.connect().await;
    writer.simple_query(TABLE).await.unwrap();
    fill(&writer, 0, 60_000).await;
    writer.simple_query("CALL zxq.migrate('t', 'cold')").await.unwrap();
    let reader_process = shared.start("b", &["role: reader"]);
    let mut reader = reader_process.connect().await;
    let files = || parquet_files(&shared.folder.path().join("cold"));
    let before = files();
    assert!(!before.is_empty());

    let transaction = reader.transaction().await.unwrap();
    let statement = transaction.prepare("SELECT id, name FROM t").await.unwrap();
    let portal = transaction.bind(&statement, &[]).await.unwrap();
    let mut read = transaction.query_portal(&portal, 10).await.unwrap().len();
    // Heartbeats go on while the statement waits.
    for tier in ["warm", "cold", "warm"] {
        writer.simple_query(&format!("CALL zxq.migrate('t', '{tier}')")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        writer.simple_query("CALL zxq.maintain()").await.unwrap();
    }
    assert!(before.iter().all(|file| file.exists()), "files were dropped under a reader");
    loop {
        let more = transaction.query_portal(&portal, 5000).await.unwrap().len();
        if more == 0 {
            break;
        }
        read += more;
    }
    assert_eq!(read, 60_000);
    drop(portal);
    transaction.commit().await.unwrap();
    until(&reader, "SELECT count(DISTINCT name) FROM t", 60_000).await;

    // Once nobody reads them, they go.
    let deadline = Instant::now() + SOON;
    while !files().is_empty() {
        assert!(Instant::now() < deadline, "never collected: {:?}", files());
        writer.simple_query("CALL zxq.maintain()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    verify(&writer).await;
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|e| e == "parquet") && !path.to_string_lossy().contains("_delta_log") {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_was_silent_too_long_says_so_and_goes_on() {
    let Some(postgres) = postgres_server::shared() else { return };
    let shared = Shared::on(postgres);
    let writer_process = shared.start("a", &[]);
    let writer = writer_process.connect().await;
    writer.simple_query(TABLE).await.unwrap();
    fill(&writer, 0, 60_000).await;
    writer.simple_query("CALL zxq.migrate('t', 'cold')").await.unwrap();
    let reader_process = shared.start("b", &["role: reader"]);
    let mut reader = reader_process.connect().await;
    let transaction = reader.transaction().await.unwrap();
    let statement = transaction.prepare("SELECT id, name FROM t").await.unwrap();
    let portal = transaction.bind(&statement, &[]).await.unwrap();
    assert_eq!(transaction.query_portal(&portal, 10).await.unwrap().len(), 10);
    reader_process.signal("STOP");
    tokio::time::sleep(Duration::from_secs(4)).await;
    // Collects what the reader held.
    writer.simple_query("CALL zxq.migrate('t', 'warm')").await.unwrap();
    reader_process.signal("CONT");
    let mut outcome = Ok(Vec::new());
    for _ in 0..20 {
        outcome = transaction.query_portal(&portal, 5000).await;
        if outcome.is_err() {
            break;
        }
    }
    let error = outcome.expect_err("it read what was dropped");
    assert_eq!(error.code().map(|code| code.code()), Some("72000"), "{error:?}");
    drop(portal);
    transaction.rollback().await.unwrap();
    until(&reader, "SELECT count(DISTINCT name) FROM t", 60_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_catalogs_server_is_survived() {
    let Some(postgres) = PostgresServer::start_another() else { return };
    let shared = Shared::on(&postgres);
    let (writer_process, reader_process) = (shared.start("a", &[]), shared.start("b", &["role: reader"]));
    let (writer, reader) = (writer_process.connect().await, reader_process.connect().await);
    writer.simple_query(TABLE).await.unwrap();
    fill(&writer, 0, 100).await;
    writer.simple_query("CALL zxq.migrate('t', 'cold')").await.unwrap();
    until(&reader, "SELECT count(*) FROM t", 100).await;
    postgres.crash();
    let (code, text) = refusal(&writer, "CREATE TABLE u (x BIGINT)").await;
    assert_eq!(code, "58030", "{text}");
    assert!(text.contains("catalog") && !text.contains("s3cret"), "{text}");
    // Longer than a lease: the writer stops taking rows, and says why.
    let deadline = Instant::now() + SOON;
    while writer.simple_query("INSERT INTO t VALUES (100, DATE '2024-01-02', 'x100')").await.is_ok() {
        assert!(Instant::now() < deadline, "rows are taken for ever without a lease");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (code, text) = refusal(&writer, "INSERT INTO t VALUES (1, DATE '2024-01-02', 'y')").await;
    assert!(code == "58030" && text.contains("lease could not be renewed"), "{code}: {text}");
    let (code, text) = refusal(&reader, "SELECT count(name) FROM t").await;
    assert_eq!(code, "72000", "{text}");
    postgres.start_again();
    let deadline = Instant::now() + SOON;
    while let Err(error) = writer.simple_query("CREATE TABLE u (x BIGINT)").await {
        assert!(Instant::now() < deadline, "{error:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    until(&writer, "SELECT count(*) FROM u", 0).await;
    until(&reader, "SELECT count(*) FROM u", 0).await;
    until(&reader, "SELECT count(name) FROM t", 100).await;
    verify(&writer).await;
    writer.simple_query("CALL zxq.migrate('t', 'warm')").await.unwrap();
    let kept = number(&writer, "SELECT count(*) FROM t").await;
    until(&reader, "SELECT count(*) FROM t", kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_cannot_be_says_why_and_shows_no_password() {
    let Some(postgres) = postgres_server::shared() else { return };
    let shared = Shared::on(postgres);
    let config = |text: String| {
        let file = shared.folder.path().join("bad.yaml");
        std::fs::write(&file, text).unwrap();
        serve_fails(&shared.data("x"), &file)
    };
    let admin = shared.start("a", &[]);
    let port = postgres.port();
    for (url, words) in [
        (format!("postgres://postgres:hunter2@127.0.0.1:{port}/postgres"), "password authentication failed"),
        ("postgres://postgres:hunter2@no-such-host.invalid/postgres".to_owned(), "no-such-host.invalid"),
        (postgres.url("postgres", PASSWORD, "nowhere"), "does not exist"),
    ] {
        let text = config(format!("catalog:\n  url: {url}\n"));
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("s3cret"), "{text}");
    }
    // A reader has to share what it reads.
    let (url, name) = (&shared.url, &shared.name);
    let text = config(format!("catalog:\n  url: {url}\n  schema: {name}\n  role: reader\n"));
    assert!(text.contains("DuckDB file cannot be shared"), "{text}");
    let warm = format!("warm:\n  url: {url}\n  schema: {name}_warm\n");
    let text = config(format!("{warm}catalog:\n  url: {url}\n  schema: {name}\n  role: reader\n"));
    assert!(text.contains("cold.folder"), "{text}");
    // A directory belongs to one catalog.
    admin.stop();
    let own = shared.folder.path().join("none.yaml");
    std::fs::write(&own, "").unwrap();
    let text = serve_fails(&shared.data("a"), &own);
    assert!(text.contains("belongs to the catalog in schema"), "{text}");
    assert_eq!(rows(&shared.start("a", &[]).connect().await, "SELECT 1").await, [["1"]]);
}
