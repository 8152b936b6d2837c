//! A move into a bucket, killed at each of its requests in turn, and done again.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_engine::{Engine, EngineConfig, FileFormat, LoadRequest, LoadSource, Tier};
use zxq_test_support::s3_server::S3Server;
use zxq_tests::placement::verify;
use zxq_tests::test_server::{close, test_config};

const ROWS: i64 = 1_000;

fn config(server: &S3Server, dir: &std::path::Path) -> EngineConfig {
    let mut config = test_config(dir);
    let mut options = server.options("cold");
    options.retry.max_retries = 0;
    config.cold.s3 = Some(options);
    // Several files.
    config.policy.segment_rows = 600;
    config
}

async fn number(engine: &Arc<Engine>, sql: &str) -> i64 {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

/// Files that the table's Delta log lists, by the rules of its protocol.
fn listed(server: &S3Server) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    // Versions are zero-padded, so names are in order.
    for key in server.keys("cold/").into_iter().filter(|key| key.contains("_delta_log") && key.ends_with(".json")) {
        let table = key.split("/_delta_log").next().unwrap().to_owned();
        for line in String::from_utf8(server.object(&key)).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            let path = |name: &str| action[name]["path"].as_str().map(|path| format!("{table}/{path}"));
            if let Some(path) = path("remove") {
                files.remove(&path);
            }
            if let Some(path) = path("add") {
                assert!(files.insert(path.clone()), "{path} is added twice");
            }
        }
    }
    files
}

/// All rows are there once, in cold; the bucket holds their files and nothing else, and its log says the same.
async fn check(engine: &Arc<Engine>, server: &S3Server, what: &str) {
    let state = engine.table("t").unwrap();
    let owned: u64 = state.tier(Tier::Cold).iter().map(|s| s.rows).sum();
    assert_eq!(i64::try_from(owned).unwrap(), ROWS, "{what}: rows in cold");
    assert_eq!(number(engine, "SELECT count(name) FROM t").await, ROWS, "{what}");
    assert_eq!(number(engine, "SELECT sum(id)::bigint FROM t").await, ROWS * (ROWS + 1) / 2, "{what}");
    verify(engine).await;
    let owners: BTreeSet<String> = state.tier(Tier::Cold).iter().map(|s| format!("cold/{}", s.location)).collect();
    let keys = server.keys("cold/").into_iter();
    let files: BTreeSet<String> = keys.filter(|k| k.ends_with(".parquet") && !k.contains("_delta_log")).collect();
    assert_eq!(files, owners, "{what}: files in the bucket");
    assert_eq!(listed(server), owners, "{what}: files in the log");
    assert_eq!(server.open_uploads(), 0, "{what}");
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kill {
    /// The request is not carried out, and the engine starts anew.
    Before,
    /// The request is carried out and its answer lost, and the engine starts anew.
    After,
    /// As `After`, and the same engine tries again before it starts anew.
    AndGoOn,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_killed_at_any_request_and_done_again_is_exact() {
    for kill in [Kill::Before, Kill::After, Kill::AndGoOn] {
        let mut requests = 0;
        loop {
            let what = format!("{kill:?} request {requests}");
            let server = S3Server::start();
            let dir = tempfile::tempdir().unwrap();
            let mut engine = Engine::open(config(&server, dir.path())).await.unwrap();
            let create = "CREATE TABLE t (id BIGINT NOT NULL, name TEXT, day DATE NOT NULL) \
                          WITH (partition_by = 'day', sort_by = 'id')";
            engine.sql(create).await.unwrap();
            let insert = format!(
                "INSERT INTO t SELECT value, 'name ' || value, DATE '2024-01-02' FROM generate_series(1, {ROWS})"
            );
            engine.sql(&insert).await.unwrap();
            server.die_after(requests, kill != Kill::Before);
            let outcome = engine.sql("CALL zxq.migrate('t', 'cold')").await;
            let died = server.is_dead();
            assert!(died || outcome.is_ok(), "{what}: {outcome:?}");
            if kill == Kill::AndGoOn {
                server.heal();
                engine.sql("CALL zxq.migrate('t', 'cold')").await.unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(number(&engine, "SELECT count(name) FROM t").await, ROWS, "{what}");
            }
            close(engine).await;
            server.heal();
            engine = Engine::open(config(&server, dir.path())).await.unwrap_or_else(|e| panic!("{what}: {e}"));
            engine.sql("CALL zxq.migrate('t', 'cold')").await.unwrap_or_else(|e| panic!("{what}: {e}"));
            check(&engine, &server, &what).await;
            close(engine).await;
            if !died {
                break;
            }
            requests += 1;
        }
        println!("{kill:?}: killed at each of {requests} requests");
        assert!(requests >= 6, "only {requests} requests in a move");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_fails_asks_no_store_that_it_has_not_written_to() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(config(&server, dir.path())).await.unwrap();
    engine.sql("CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL) WITH (partition_by = 'day')").await.unwrap();
    server.take_seen();
    let request = LoadRequest { tier: Some(Tier::Hot), ..LoadRequest::into_table("t") };
    let source = LoadSource::Stream {
        name: "stream".to_owned(),
        format: Some(FileFormat::Csv),
        reader: Box::new(std::io::Cursor::new("id,day\n1,2024-01-02\nnone,2024-01-02\n")),
    };
    engine.load(request, source, &|_| {}).await.expect_err("a row is no row of the table");
    assert_eq!(number(&engine, "SELECT count(*) FROM t").await, 0);
    let seen = server.take_seen();
    assert!(seen.is_empty(), "{seen:?}");
    close(engine).await;
}
