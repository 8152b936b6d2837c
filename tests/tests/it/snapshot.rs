//! Readers, writers and moves at once: every statement sees one state of the table, whole batches only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_engine::Engine;
use zxq_tests::placement::verify;
use zxq_tests::test_server::TestEngine;

const BATCH: i64 = 10;
const LASTS: Duration = Duration::from_secs(8);

/// The integers in the first row of a query.
async fn numbers(engine: &Arc<Engine>, sql: &str) -> Vec<i64> {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batch = batches.iter().find(|b| b.num_rows() > 0).expect("a row");
    (0..batch.num_columns()).map(|i| batch.column(i).as_primitive::<Int64Type>().value(0)).collect()
}

/// One batch of ten rows spread over three days, whose ids sum to `10 * n + 45` for the n-th batch (`first = 10 n`).
fn insert(first: i64) -> String {
    let rows: Vec<String> =
        (0..BATCH).map(|i| format!("({}, 'S{}', DATE '2024-01-0{}', {})", first + i, i % 4, i % 3 + 1, i)).collect();
    format!("INSERT INTO t VALUES {}", rows.join(", "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn statements_see_one_state_while_rows_move() {
    let test = TestEngine::open(|config| config.policy.segment_rows = 64).await;
    let engine = &test.engine;
    engine
        .sql("CREATE TABLE t (id BIGINT NOT NULL, symbol TEXT, day DATE NOT NULL, v BIGINT) WITH (partition_by = 'day', sort_by = 'symbol, id')")
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicI64::new(0));
    let mut tasks = tokio::task::JoinSet::new();

    let (writer, done, counter) = (Arc::clone(engine), Arc::clone(&stop), Arc::clone(&acknowledged));
    tasks.spawn(async move {
        let mut first = 0;
        while !done.load(Ordering::Relaxed) {
            writer.sql(&insert(first)).await.expect("insert");
            first += BATCH;
            counter.store(first, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });

    let (mover, done) = (Arc::clone(engine), Arc::clone(&stop));
    tasks.spawn(async move {
        let moves = [
            "CALL zxq.migrate('t', 'warm', 'hot')",
            "CALL zxq.migrate('t', 'hot', 'warm', '2024-01-02')",
            "CALL zxq.migrate('t', 'cold', 'warm')",
            "CALL zxq.migrate('t', 'hot', 'cold', '2024-01-01')",
            "CALL zxq.migrate('t', 'warm', 'cold', '2024-01-03')",
            "CALL zxq.migrate('t', 'cold', 'hot')",
        ];
        let mut turns = 0;
        while !done.load(Ordering::Relaxed) {
            for sql in moves {
                // A partition may not be there yet.
                if let Err(error) = mover.sql(sql).await {
                    assert!(error.to_string().contains("no partition"), "{sql}: {error}");
                }
            }
            turns += 1;
        }
        assert!(turns > 1, "the moves never came round");
    });

    for reader in 0..3 {
        let (engine, done, counter) = (Arc::clone(engine), Arc::clone(&stop), Arc::clone(&acknowledged));
        tasks.spawn(async move {
            let mut last = 0;
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let before = counter.load(Ordering::SeqCst);
                let found = match reader {
                    0 => numbers(&engine, "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM t)").await,
                    // Not answered from the catalog: rows are read, and each id is there once.
                    1 => {
                        let all = numbers(
                            &engine,
                            "SELECT count(v), sum(id)::bigint, count(DISTINCT id) FROM t WHERE v >= 0",
                        )
                        .await;
                        assert_eq!(all[1], all[0] * (all[0] - 1) / 2, "{all:?}: the sum of the ids 0..{}", all[0]);
                        vec![all[0], all[2]]
                    }
                    _ => numbers(&engine, "SELECT count(*), count(b.id) FROM t a LEFT JOIN t b ON a.id = b.id").await,
                };
                assert_eq!(found[0], found[1], "reader {reader}: two counts of one statement differ");
                assert_eq!(found[0] % BATCH, 0, "reader {reader} saw part of an insert: {found:?}");
                assert!(found[0] >= before, "reader {reader} saw {found:?} after {before} rows were acknowledged");
                assert!(found[0] >= last, "reader {reader} saw rows vanish: {last}, then {found:?}");
                last = found[0];
                reads += 1;
            }
            assert!(reads > 3, "reader {reader} read {reads} times");
        });
    }

    let started = Instant::now();
    while started.elapsed() < LASTS && tasks.try_join_next().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no task failed");
    }
    let total = acknowledged.load(Ordering::SeqCst);
    assert_eq!(numbers(engine, "SELECT count(*), count(DISTINCT id) FROM t").await, [total, total]);
    verify(engine).await;
    engine.shutdown().await.unwrap();
}

/// A reader that takes its time keeps what it reads in place, also when everything moves on and is collected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_keeps_its_snapshot() {
    use futures::StreamExt;
    let test = TestEngine::open(|config| config.policy.segment_rows = 1_000).await;
    let engine = &test.engine;
    engine
        .sql("CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL) WITH (partition_by = 'day', sort_by = 'id')")
        .await
        .unwrap();
    engine.sql("INSERT INTO t SELECT value, DATE '2024-01-01' FROM generate_series(1, 40000)").await.unwrap();
    let route = ["warm", "cold", "warm", "cold"];
    for (turn, to) in route.into_iter().enumerate() {
        let session = engine.session();
        let zxq_engine::Outcome::Rows { mut stream, .. } = session.run("SELECT id FROM t").await.unwrap() else {
            panic!("a query gives rows");
        };
        let mut sum = 0;
        let first = stream.next().await.expect("a batch").unwrap();
        sum += first.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        engine.sql(&format!("CALL zxq.migrate('t', '{to}')")).await.unwrap();
        engine
            .sql(&format!("INSERT INTO t SELECT value, DATE '2024-01-02' FROM generate_series(1, {})", 10 * (turn + 1)))
            .await
            .unwrap();
        while let Some(batch) = stream.next().await {
            sum += batch.unwrap().column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        }
        let late: i64 = (1..=turn as i64).map(|t| 10 * t * (10 * t + 1) / 2).sum();
        assert_eq!(sum, 40_000 * 40_001 / 2 + late, "while moving to {to}");
    }
    verify(engine).await;
    engine.shutdown().await.unwrap();
}

/// A table can be dropped while it is read; the reader ends well and nothing of the table stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_table_is_read_to_the_end() {
    use futures::TryStreamExt;
    let test = TestEngine::open(|config| config.policy.segment_rows = 1_000).await;
    let engine = &test.engine;
    for tier in ["hot", "warm", "cold"] {
        engine.sql("CREATE TABLE t (id BIGINT NOT NULL) WITH (sort_by = 'id')").await.unwrap();
        engine.sql("INSERT INTO t SELECT value FROM generate_series(1, 30000)").await.unwrap();
        if tier != "hot" {
            engine.sql(&format!("CALL zxq.migrate('t', '{tier}')")).await.unwrap();
        }
        let session = engine.session();
        let zxq_engine::Outcome::Rows { stream, .. } = session.run("SELECT id FROM t WHERE id > 0").await.unwrap()
        else {
            panic!("a query gives rows");
        };
        engine.sql("DROP TABLE t").await.unwrap();
        assert!(engine.sql("SELECT * FROM t").await.is_err());
        let batches: Vec<_> = stream.try_collect().await.unwrap_or_else(|e| panic!("{tier}: {e}"));
        assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 30_000, "{tier}");
    }
    engine.shutdown().await.unwrap();
}
