//! UPDATE, DELETE and ON CONFLICT beside others: who waits for whom, what each sees, and what is there after a restart.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_engine::{Engine, EngineSession, ErrorKind, Outcome, Tier};
use zxq_tests::placement::verify;
use zxq_tests::test_server::{TestEngine, close, test_config};

const CREATE: &str = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL, day DATE NOT NULL) \
                      WITH (partition_by = 'day', sort_by = 'id')";
/// Three days of forty rows.
const FILL: &str =
    "INSERT INTO t SELECT value, 0, DATE '2024-01-01' + (value % 3)::int FROM generate_series(1, 120) AS s(value)";

async fn open() -> TestEngine {
    let test = TestEngine::open(|_| {}).await;
    for sql in [CREATE, FILL] {
        test.engine.sql(sql).await.unwrap();
    }
    test
}

async fn run(session: &EngineSession, sql: &str) -> String {
    match session.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")) {
        Outcome::Command { tag } => tag,
        Outcome::Rows { .. } => panic!("{sql} gave rows"),
    }
}

async fn numbers(session: &EngineSession, sql: &str) -> Vec<i64> {
    let rows = session.run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")).collect().await.unwrap();
    let first = rows.iter().find(|batch| batch.num_rows() > 0).expect("a row");
    first.columns().iter().map(|column| column.as_primitive::<Int64Type>().value(0)).collect()
}

const SUMS: &str = "SELECT count(*), sum(n)::bigint, sum(id)::bigint FROM t";

async fn reopened(test: TestEngine) -> (tempfile::TempDir, Arc<Engine>) {
    let dir = test.close().await;
    let engine = Engine::open(test_config(dir.path())).await.unwrap();
    (dir, engine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_waits_for_the_other_and_builds_on_what_it_did() {
    let test = open().await;
    let (a, b) = (test.engine.session(), test.engine.session());
    run(&a, "BEGIN").await;
    assert_eq!(run(&a, "UPDATE t SET n = n + 1 WHERE id <= 60").await, "UPDATE 60");
    assert_eq!(numbers(&a, SUMS).await, [120, 60, 7_260]);
    assert_eq!(numbers(&b, SUMS).await, [120, 0, 7_260], "nobody else sees it");
    // Who inserts waits for nobody, not into the same day either.
    assert_eq!(run(&b, "INSERT INTO t VALUES (1001, 5, '2024-01-01'), (1002, 5, '2024-02-01')").await, "INSERT 0 2");
    assert_eq!(numbers(&a, SUMS).await, [122, 70, 9_263]);
    let waiting = tokio::spawn(async move {
        let tag = run(&b, "UPDATE t SET n = n * 10 WHERE n > 0").await;
        (b, tag)
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "both correct the same table");
    run(&a, "COMMIT").await;
    let (b, tag) = waiting.await.unwrap();
    assert_eq!(tag, "UPDATE 62");
    assert_eq!(numbers(&b, SUMS).await, [122, 700, 9_263]);
    drop((a, b));
    let (_dir, engine) = reopened(test).await;
    assert_eq!(numbers(&engine.session(), SUMS).await, [122, 700, 9_263]);
    verify(&engine).await;
    close(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_meanwhile_into_a_corrected_day_stay() {
    let test = open().await;
    let (a, b) = (test.engine.session(), test.engine.session());
    run(&a, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    assert_eq!(numbers(&a, SUMS).await, [120, 0, 7_260]);
    for id in 0..20 {
        run(&b, &format!("INSERT INTO t VALUES ({}, 1, '2024-01-0{}')", 2_000 + id, id % 3 + 1)).await;
    }
    // Segments that were merged meanwhile hold rows that its snapshot does not show.
    match a.run("UPDATE t SET n = 100 WHERE day = '2024-01-02'").await {
        Ok(Outcome::Command { tag }) => {
            assert_eq!(tag, "UPDATE 40");
            assert_eq!(numbers(&a, SUMS).await, [120, 4_000, 7_260], "it keeps its snapshot");
            run(&a, "COMMIT").await;
            assert_eq!(numbers(&b, SUMS).await, [140, 4_020, 47_450]);
        }
        Ok(Outcome::Rows { .. }) => panic!("an UPDATE gave rows"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::FenceLost, "{error}");
            a.rollback().await;
            assert_eq!(numbers(&b, SUMS).await, [140, 20, 47_450]);
        }
    }
    let sums = numbers(&b, SUMS).await;
    drop((a, b));
    let (_dir, engine) = reopened(test).await;
    assert_eq!(numbers(&engine.session(), SUMS).await, sums);
    verify(&engine).await;
    close(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_rows_that_came_since_leave_hot_with_the_others_unseen() {
    let test = open().await;
    let (a, b) = (test.engine.session(), test.engine.session());
    run(&a, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    assert_eq!(numbers(&a, SUMS).await, [120, 0, 7_260]);
    // Too few to be merged.
    run(&b, "INSERT INTO t VALUES (2000, 1, '2024-01-02')").await;
    assert_eq!(run(&a, "UPDATE t SET n = 100 WHERE id = 1").await, "UPDATE 1");
    assert_eq!(run(&a, "DELETE FROM t WHERE day = '2024-01-01'").await, "DELETE 40");
    assert_eq!(numbers(&a, SUMS).await, [80, 100, 4_800], "it keeps its snapshot");
    assert_eq!(numbers(&b, SUMS).await, [121, 1, 9_260]);
    run(&a, "COMMIT").await;
    assert_eq!(numbers(&b, SUMS).await, [81, 101, 6_800]);
    let hot = test.engine.snapshot().table("t").unwrap().tier(Tier::Hot).totals().owned_rows;
    assert_eq!(
        hot, 40,
        "the day of row 1 left hot, with the row that came since; the day that nobody corrected did not"
    );
    drop((a, b));
    let (_dir, engine) = reopened(test).await;
    assert_eq!(numbers(&engine.session(), SUMS).await, [81, 101, 6_800]);
    verify(&engine).await;
    close(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_others_moved_since_the_snapshot_is_not_corrected() {
    let test = open().await;
    let (a, b) = (test.engine.session(), test.engine.session());
    run(&a, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    assert_eq!(numbers(&a, SUMS).await, [120, 0, 7_260]);
    assert_eq!(run(&b, "UPDATE t SET n = 1 WHERE id = 5").await, "UPDATE 1");
    let error = a.run("UPDATE t SET n = 2 WHERE id = 5").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::FenceLost, "{error}");
    a.rollback().await;
    assert_eq!(numbers(&b, SUMS).await, [120, 1, 7_260]);
    drop((a, b));
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_among_inserts_moves_and_corrections() {
    let test = open().await;
    let rounds = 25;
    let inserting = {
        let session = test.engine.session();
        tokio::spawn(async move {
            for id in 0..rounds * 4 {
                run(&session, &format!("INSERT INTO t VALUES ({}, 1, '2024-01-0{}')", 10_000 + id, id % 4 + 1)).await;
            }
        })
    };
    let moving = {
        let engine = Arc::clone(&test.engine);
        tokio::spawn(async move {
            for round in 0..rounds {
                let to = ["warm", "cold", "warm"][round as usize % 3];
                engine.sql(&format!("CALL zxq.migrate('t', '{to}')")).await.unwrap();
            }
        })
    };
    let correcting = {
        let session = test.engine.session();
        tokio::spawn(async move {
            for round in 0..rounds {
                // Each row is one more each time, and goes from day to day.
                assert_eq!(run(&session, "UPDATE t SET n = n + 1 WHERE id <= 120").await, "UPDATE 120");
                assert_eq!(
                    run(&session, &format!("UPDATE t SET day = day + 1 WHERE id = {}", round + 1)).await,
                    "UPDATE 1"
                );
            }
        })
    };
    for task in [inserting, moving, correcting] {
        task.await.unwrap();
    }
    let expected =
        [120 + rounds * 4, 120 * rounds + rounds * 4, 7_260 + (0..rounds * 4).map(|id| 10_000 + id).sum::<i64>()];
    assert_eq!(numbers(&test.engine.session(), SUMS).await, expected);
    verify(&test.engine).await;
    let (_dir, engine) = reopened(test).await;
    assert_eq!(numbers(&engine.session(), SUMS).await, expected);
    verify(&engine).await;
    close(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_of_one_key_that_come_at_once_are_one_row() {
    let test = open().await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let session = test.engine.session();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let upsert =
                        "INSERT INTO t VALUES (7000, 1, '2024-01-09') ON CONFLICT (id) DO UPDATE SET n = t.n + 1";
                    assert_eq!(run(&session, upsert).await, "INSERT 0 1");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let session = test.engine.session();
    assert_eq!(numbers(&session, "SELECT count(*), sum(n)::bigint FROM t WHERE id = 7000").await, [1, 40]);
    drop(session);
    test.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_wait_for_each_other_are_told_so() {
    let test = open().await;
    test.engine.sql("CREATE TABLE u (id BIGINT); INSERT INTO u VALUES (1)").await.unwrap();
    let (a, b) = (test.engine.session(), test.engine.session());
    run(&a, "BEGIN").await;
    run(&b, "BEGIN").await;
    run(&a, "UPDATE t SET n = 1 WHERE id = 1").await;
    run(&b, "UPDATE u SET id = 2").await;
    let crossing = tokio::spawn(async move {
        let outcome = b.run("UPDATE t SET n = 2 WHERE id = 1").await.map(|_| ()).map_err(|e| e.kind());
        b.rollback().await;
        outcome
    });
    let own = a.run("UPDATE u SET id = 3").await.map(|_| ()).map_err(|e| e.kind());
    a.rollback().await;
    let outcomes = [own, crossing.await.unwrap()];
    assert!(outcomes.contains(&Err(ErrorKind::Deadlock)), "{outcomes:?}");
    drop(a);
    test.close().await;
}
