//! DROP TABLE beside moves, loads, INSERT and maintenance: the table is gone with all that is its own, and its name is free.

use std::sync::Arc;

use zxq_engine::{Engine, ErrorKind, Result};

use crate::two_connections::{First, Met, Pair, Side, failure, ids, meet_both_ways, meet_everywhere, must};

/// A table with a hundred rows of one day, so that a move writes two segments.
fn table(t: &str, options: &str) -> Vec<String> {
    vec![
        format!(
            "CREATE TABLE {t} (id BIGINT NOT NULL, day DATE NOT NULL) WITH (partition_by = 'day', sort_by = 'id'{options})"
        ),
        format!("INSERT INTO {t} SELECT value, DATE '2024-01-01' FROM generate_series(1, 100) AS s(value)"),
    ]
}

fn in_hot(t: &str) -> Vec<String> {
    table(t, "")
}

fn in_cold(t: &str) -> Vec<String> {
    let mut statements = table(t, "");
    statements.push(format!("CALL zxq.migrate('{t}', 'cold')"));
    statements
}

const DROP: Side<'static> = Side { job: "DDL", sql: &|t: &str| format!("DROP TABLE {t}") };

/// What the other statement says: that it worked, when it was first, or that there is no such table.
fn worked_or_found_nothing(t: &str, outcome: &Result<()>) {
    assert!(matches!(failure(outcome), None | Some(ErrorKind::UndefinedTable)), "{t}: {outcome:?}");
}

/// The table is gone, and another one of its name is empty and takes rows.
async fn is_gone(engine: &Arc<Engine>, t: &str, met: &Met) {
    assert!(met.other.is_ok(), "{t}: {met:?}");
    let error = engine.table(t).map(drop).expect_err("it was dropped");
    assert_eq!(error.kind(), ErrorKind::UndefinedTable, "{t}: {error}");
    assert!(engine.sql(&format!("SELECT * FROM {t}")).await.is_err(), "{t}: {met:?}");
    must(engine, [format!("CREATE TABLE {t} (id BIGINT NOT NULL)")]).await;
    assert_eq!(ids(engine, t).await, Vec::<i64>::new(), "{t}: {met:?}");
    must(engine, [format!("INSERT INTO {t} VALUES (1000)")]).await;
    assert_eq!(ids(engine, t).await, [1000], "{t}: {met:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_is_dropped_while_it_moves_to_cold() {
    let migrate = Side { job: "CALL", sql: &|t: &str| format!("CALL zxq.migrate('{t}', 'cold')") };
    meet_both_ways(&Pair { prepare: &in_hot, one: migrate, other: DROP }, async |engine, t, met| {
        worked_or_found_nothing(t, &met.one);
        is_gone(engine, t, met).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_is_dropped_while_it_moves_out_of_cold() {
    let migrate = Side { job: "CALL", sql: &|t: &str| format!("CALL zxq.migrate('{t}', 'warm')") };
    let pair = Pair { prepare: &in_cold, one: migrate, other: DROP };
    meet_everywhere(&pair, First::One, &async |engine, t, met| {
        worked_or_found_nothing(t, &met.one);
        is_gone(engine, t, met).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_is_dropped_while_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    let lines: Vec<String> = (200..350).map(|id| format!("{id},2024-01-0{}", id % 3 + 1)).collect();
    std::fs::write(&file, format!("id,day\n{}\n", lines.join("\n"))).unwrap();
    for tier in ["hot", "cold"] {
        let load =
            Side { job: "CALL", sql: &|t: &str| format!("CALL zxq.load('{t}', '{}', '{tier}')", file.display()) };
        meet_both_ways(&Pair { prepare: &in_hot, one: load, other: DROP }, async |engine, t, met| {
            worked_or_found_nothing(t, &met.one);
            is_gone(engine, t, met).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_is_dropped_while_rows_are_inserted() {
    let insert = Side { job: "INSERT", sql: &|t: &str| format!("INSERT INTO {t} VALUES (200, '2024-01-01')") };
    meet_both_ways(&Pair { prepare: &in_cold, one: insert, other: DROP }, async |engine, t, met| {
        worked_or_found_nothing(t, &met.one);
        is_gone(engine, t, met).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_is_dropped_while_maintenance_moves_it() {
    let pair = Pair {
        // All of it is old enough for cold at once.
        prepare: &|t: &str| table(t, ", hot_to_warm_age = '0', warm_to_cold_age = '0'"),
        one: Side { job: "CALL", sql: &|_: &str| "CALL zxq.maintain()".to_owned() },
        other: DROP,
    };
    meet_both_ways(&pair, async |engine, t, met| {
        // Maintenance takes what is no more as done.
        met.both_worked(t);
        is_gone(engine, t, met).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_is_dropped_while_retention_deletes_its_rows() {
    let pair = Pair {
        prepare: &|t: &str| {
            let mut statements =
                table(t, ", retention = '5 days', hot_to_warm_age = 'never', warm_to_cold_age = 'never'");
            statements.push(format!("CALL zxq.migrate('{t}', 'cold')"));
            statements.push(format!("INSERT INTO {t} VALUES (200, '2024-01-20')"));
            statements
        },
        one: Side { job: "CALL", sql: &|_: &str| "CALL zxq.maintain()".to_owned() },
        other: DROP,
    };
    meet_both_ways(&pair, async |engine, t, met| {
        met.both_worked(t);
        is_gone(engine, t, met).await;
    })
    .await;
}
