//! ALTER TABLE beside statements that bring rows in, and beside another ALTER TABLE.

use std::fmt::Write as _;

use zxq_engine::ErrorKind;

use crate::two_connections::{Pair, Side, failure, ids, meet_both_ways, must, rows};

const LAYOUT: &str = "WITH (partition_by = 'day', sort_by = 'id')";

/// A table with one row in warm and one in hot.
fn with_rows(t: &str) -> Vec<String> {
    vec![
        format!("CREATE TABLE {t} (id BIGINT NOT NULL, day DATE NOT NULL) {LAYOUT}"),
        format!("INSERT INTO {t} VALUES (1, '2024-01-01')"),
        format!("CALL zxq.migrate('{t}', 'warm')"),
        format!("INSERT INTO {t} VALUES (2, '2024-01-01')"),
    ]
}

fn add_column(t: &str) -> String {
    format!("ALTER TABLE {t} ADD COLUMN extra BIGINT DEFAULT 7")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_column_has_its_default_in_rows_that_come_meanwhile() {
    let pair = Pair {
        prepare: &with_rows,
        one: Side { job: "DDL", sql: &add_column },
        other: Side {
            job: "INSERT",
            sql: &|t: &str| format!("INSERT INTO {t} (id, day) VALUES (10, '2024-01-01'), (11, '2024-01-02')"),
        },
    };
    meet_both_ways(&pair, async |engine, t, met| {
        met.both_worked(t);
        must(engine, [format!("INSERT INTO {t} (id, day, extra) VALUES (20, '2024-01-01', 8)")]).await;
        let found = rows(engine, &format!("SELECT id, extra FROM {t} ORDER BY id")).await;
        assert_eq!(found, [["1", "7"], ["2", "7"], ["10", "7"], ["11", "7"], ["20", "8"]], "{t}: {met:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_row_breaks_a_check_that_is_added_meanwhile() {
    let bad = |t: &str| format!("INSERT INTO {t} VALUES (1, '2024-01-01', -5)");
    let pair = Pair {
        prepare: &|t: &str| {
            vec![format!("CREATE TABLE {t} (id BIGINT NOT NULL, day DATE NOT NULL, v BIGINT) {LAYOUT}")]
        },
        one: Side { job: "DDL", sql: &|t: &str| format!("ALTER TABLE {t} ADD CONSTRAINT positive CHECK (v > 0)") },
        other: Side { job: "INSERT", sql: &bad },
    };
    meet_both_ways(&pair, async |engine, t, met| match (failure(&met.one), failure(&met.other)) {
        // The row was late, and stays refused.
        (None, Some(ErrorKind::CheckViolation)) => {
            assert_eq!(ids(engine, t).await, Vec::<i64>::new(), "{t}: {met:?}");
            let again = engine.sql(&bad(t)).await.expect_err("the check holds");
            assert_eq!(again.kind(), ErrorKind::CheckViolation, "{t}: {again}");
        }
        // The row was there, so that the check could not be added.
        (Some(ErrorKind::FeatureNotSupported), None) => {
            assert_eq!(ids(engine, t).await, [1], "{t}: {met:?}");
            must(engine, [format!("INSERT INTO {t} VALUES (2, '2024-01-01', -6)")]).await;
        }
        _ => panic!("{t}: {met:?}"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_columns_added_at_once_are_both_there() {
    let pair = Pair {
        prepare: &with_rows,
        one: Side { job: "DDL", sql: &|t: &str| format!("ALTER TABLE {t} ADD COLUMN a BIGINT DEFAULT 1") },
        other: Side { job: "DDL", sql: &|t: &str| format!("ALTER TABLE {t} ADD COLUMN b BIGINT DEFAULT 2") },
    };
    meet_both_ways(&pair, async |engine, t, met| {
        met.both_worked(t);
        let found = rows(engine, &format!("SELECT id, a, b FROM {t} ORDER BY id")).await;
        assert_eq!(found, [["1", "1", "2"], ["2", "1", "2"]], "{t}: {met:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_column_has_its_default_in_rows_that_are_loaded_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    let mut text = "id,day\n".to_owned();
    for id in 10..130 {
        writeln!(text, "{id},2024-01-0{}", id % 2 + 1).unwrap();
    }
    std::fs::write(&file, text).unwrap();
    for tier in ["hot", "cold"] {
        let pair = Pair {
            prepare: &with_rows,
            one: Side { job: "DDL", sql: &add_column },
            other: Side {
                job: "CALL",
                sql: &|t: &str| format!("CALL zxq.load('{t}', '{}', '{tier}')", file.display()),
            },
        };
        meet_both_ways(&pair, async |engine, t, met| {
            met.both_worked(t);
            let found = rows(engine, &format!("SELECT id, extra FROM {t} ORDER BY id")).await;
            let expected: Vec<[String; 2]> =
                [1, 2].into_iter().chain(10..130).map(|id| [id.to_string(), "7".to_owned()]).collect();
            assert_eq!(found, expected, "{t}: {met:?}");
        })
        .await;
    }
}
