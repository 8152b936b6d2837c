//! Hot that is full: what policy would move next leaves it at once, ingest waits for that and is refused only where nothing can
//! be moved; the limit holds all the while.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use zxq_engine::{Engine, EngineConfig, ErrorKind, MIB, Tier};
use zxq_tests::placement::verify;
use zxq_tests::test_server::TestEngine;

const LIMIT: u64 = 4 * MIB;
/// What nothing in a test takes.
const VERY_LONG: Duration = Duration::from_secs(3600);
const TABLES: [&str; 2] = [
    "CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT) WITH (partition_by = 'day', sort_by = 'id')",
    "CREATE TABLE u (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT) WITH (partition_by = 'day', sort_by = 'id')",
];

/// An engine with little memory, on which nothing is done by the clock.
async fn open(adjust: impl FnOnce(&mut EngineConfig)) -> TestEngine {
    let test = TestEngine::open(|config| {
        config.hot.memory_limit_bytes = LIMIT;
        config.policy.maintenance_interval = VERY_LONG;
        adjust(config);
    })
    .await;
    for table in TABLES {
        test.engine.sql(table).await.unwrap();
    }
    test
}

/// Rows of more than two hundred bytes each.
fn rows(first: i64, count: i64, day: i32) -> RecordBatch {
    let ids = Int64Array::from_iter_values(first..first + count);
    let days = Date32Array::from_iter_values((0..count).map(|_| 19_723 + day));
    let names = StringArray::from_iter_values((0..count).map(|at| format!("{:0>200}", first + at)));
    RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as ArrayRef),
        ("day", Arc::new(days) as ArrayRef),
        ("name", Arc::new(names) as ArrayRef),
    ])
    .unwrap()
}

async fn number(engine: &Arc<Engine>, sql: &str) -> i64 {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

async fn hot_bytes(engine: &Arc<Engine>) -> u64 {
    number(engine, "SELECT bytes FROM zxq.tiers WHERE tier = 'hot'").await.unsigned_abs()
}

fn rows_in(engine: &Engine, table: &str, tier: Tier) -> u64 {
    engine.table(table).unwrap().tier(tier).iter().map(|segment| segment.rows).sum()
}

/// Whoever waits for a thing that never comes fails instead.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), work).await.expect("it never comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sustained_ingest_is_slowed_and_never_refused() {
    let test = open(|_| {}).await;
    let engine = &test.engine;
    // A copy in hot of rows that lie in warm: it goes first.
    engine.ingest("u", vec![rows(0, 500, 0)]).await.unwrap();
    engine.sql("CALL zxq.migrate('u', 'warm')").await.unwrap();
    engine.sql("CALL zxq.migrate('u', 'hot')").await.unwrap();
    assert_eq!(rows_in(engine, "u", Tier::Hot), 500);
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let engine = Arc::clone(engine);
            tokio::spawn(async move {
                for turn in 0..25_i64 {
                    let first = (client * 25 + turn) * 500;
                    let day = i32::try_from(turn % 5).unwrap();
                    let report = engine.ingest("t", vec![rows(first, 500, day)]).await;
                    assert_eq!(report.expect("it is not refused").rows, 500);
                    let bytes = hot_bytes(&engine).await;
                    assert!(bytes <= LIMIT, "{bytes} bytes in hot");
                }
            })
        })
        .collect();
    for client in clients {
        in_time(client).await.unwrap();
    }
    assert_eq!(number(engine, "SELECT count(DISTINCT id) FROM t").await, 100_000);
    assert!(rows_in(engine, "t", Tier::Warm) > 0, "what did not fit went to warm");
    assert_eq!((rows_in(engine, "u", Tier::Hot), rows_in(engine, "u", Tier::Warm)), (0, 500));
    verify(engine).await;
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_rows_leave_first_and_no_more_than_has_to() {
    let test = open(|_| {}).await;
    let engine = &test.engine;
    for day in [2, 0, 1] {
        engine.ingest("t", vec![rows(i64::from(day) * 4500, 4500, day)]).await.unwrap();
    }
    assert_eq!(rows_in(engine, "t", Tier::Warm), 0);
    in_time(engine.ingest("t", vec![rows(15_000, 6000, 3)])).await.unwrap();
    let state = engine.table("t").unwrap();
    let mut warm: Vec<String> =
        state.tier(Tier::Warm).iter().map(|segment| segment.partition.text(&state.def.partitioning)).collect();
    warm.sort();
    warm.dedup();
    assert!(warm.starts_with(&["2024-01-01".to_owned()]) && warm.len() < 3, "{warm:?}");
    assert_eq!(number(engine, "SELECT count(*) FROM t").await, 19_500);
    verify(engine).await;
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_looks_again_when_a_reader_ends() {
    let test = open(|config| config.hot.full_wait = VERY_LONG).await;
    let engine = &test.engine;
    engine.ingest("t", vec![rows(0, 10_000, 0)]).await.unwrap();
    let reader = engine.session();
    reader.run("START TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    reader.run("SELECT count(*) FROM t").await.unwrap().collect().await.unwrap();
    let waits = {
        let engine = Arc::clone(engine);
        tokio::spawn(async move { engine.ingest("u", vec![rows(0, 15_000, 0)]).await })
    };
    in_time(async {
        while rows_in(engine, "t", Tier::Hot) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(!waits.is_finished(), "the rows have moved, and their memory belongs to the reader");
    reader.run("COMMIT").await.unwrap();
    assert_eq!(in_time(waits).await.unwrap().unwrap().rows, 15_000);
    verify(engine).await;
    drop(reader);
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_refused_where_nothing_can_be_moved() {
    let test = open(|_| {}).await;
    let engine = &test.engine;
    let sessions = [engine.session(), engine.session()];
    for session in &sessions {
        session.run("BEGIN").await.unwrap();
        let insert =
            "INSERT INTO u SELECT value, DATE '2024-01-01', repeat('x', 200) FROM generate_series(1, 7000) AS s(value)";
        session.run(insert).await.unwrap();
    }
    let error = in_time(engine.ingest("t", vec![rows(0, 7000, 0)])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    assert!(error.to_string().contains("belong to transactions"), "{error}");
    sessions[0].run("ROLLBACK").await.unwrap();
    in_time(engine.ingest("t", vec![rows(0, 7000, 0)])).await.unwrap();
    sessions[1].run("COMMIT").await.unwrap();
    assert_eq!(number(engine, "SELECT count(*) FROM u").await, 7000);
    assert_eq!(number(engine, "SELECT count(*) FROM t").await, 7000);
    verify(engine).await;
    drop(sessions);
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_holds_a_snapshot_does_not_wait_for_its_own_end() {
    // Nothing moves by itself.
    let test = open(|config| config.policy.maintenance_interval = Duration::ZERO).await;
    let engine = &test.engine;
    let mut first = 0;
    while let Ok(report) = engine.ingest("t", vec![rows(first, 500, 0)]).await {
        first += i64::try_from(report.rows).unwrap();
    }
    engine.sql("INSERT INTO u SELECT * FROM t WHERE id < 1000").await.unwrap();
    assert_eq!((rows_in(engine, "u", Tier::Hot), rows_in(engine, "u", Tier::Warm)), (0, 1000));
    assert_eq!(number(engine, "SELECT count(*) FROM t").await, first);
    verify(engine).await;
    test.close().await;
}
