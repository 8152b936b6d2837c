//! Statements that are short and mean much: what nests in them doubles, in the parser's time or in memory, or is deeper than any
//! stack.

use std::time::Instant;

use super::{SOON, code, connect};
use crate::support::{Place, Server};

fn nested(open: &str, close: &str, times: usize) -> String {
    format!("SELECT {}1{}", open.repeat(times), close.repeat(times))
}

/// The statements, none of which may take long or end anything.
fn statements() -> Vec<String> {
    let listed = vec!["'a'"; 100].join(", ");
    let chain = "||'a'".repeat(1_900);
    vec![
        nested("cast(", " AS x y)", 40),
        nested("position(", ")", 60),
        nested("substring(", ", 1)", 60),
        format!("SELECT {}", "interval ".repeat(50_000)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(100_000)),
        format!("SELECT {}", "CASE WHEN true THEN ".repeat(100_000)),
        format!("SELECT 1 FROM (SELECT 1 AS a) AS s GROUP BY CUBE({})", vec!["a"; 30].join(", ")),
        format!("SELECT 1{}", " BETWEEN SYMMETRIC 0 AND 1".repeat(40)),
        nested("(", &format!(" LIKE ANY (ARRAY[{listed}]))::text"), 12),
        nested("((", ", 2)::text, 1) < ('3', 2)", 40),
        nested("(", &format!("{chain})"), 200),
        format!("SELECT 'a'{}", " LIKE 'a'".repeat(300_000)),
        format!("SELECT 1{}", " NOTNULL".repeat(300_000)),
        format!("SELECT 1 FROM (VALUES (1)) AS t{}", ", (VALUES (1)) AS t".repeat(50_000)),
        format!("SELECT CAST(1 AS {}int{})", "array<".repeat(50_000), ">".repeat(50_000)),
        format!("SELECT * FROM JSON_TABLE('1', '$' COLUMNS({}", "NESTED PATH '$' COLUMNS(".repeat(50_000)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_doubles_with_each_level_is_refused_at_once() {
    let place = Place::new();
    let server = Server::start(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    let client = connect(&server).await;
    for sql in statements() {
        let shown: String = sql.chars().take(60).collect();
        let started = Instant::now();
        assert_eq!(code(&client, &sql).await, "54000", "{shown}");
        assert!(started.elapsed() < SOON, "{shown}: {:?}", started.elapsed());
    }
    // Views multiply what their texts say, and nest it.
    let each = "(".repeat(200);
    client.simple_query("CREATE VIEW v0 AS SELECT 1 AS a").await.unwrap();
    for at in 1..=6 {
        let (before, end) = (at - 1, ")".repeat(200));
        let doubled = format!("CREATE VIEW v{at} AS SELECT {each}x.a{end} AS a FROM v{before} AS x, v{before} AS y");
        client.simple_query(&doubled).await.unwrap();
    }
    let many: Vec<String> = (0..8).map(|at| format!("v6 AS t{at}")).collect();
    assert_eq!(code(&client, &format!("SELECT t0.a FROM {}", many.join(", "))).await, "54000");
    let doubling: Vec<String> =
        (1..30).map(|at| format!("c{at} AS (SELECT x.a FROM c{0} AS x, c{0} AS y)", at - 1)).collect();
    let doubling = format!("WITH c0 AS (SELECT 1 AS a), {} SELECT a FROM c29", doubling.join(", "));
    assert_eq!(code(&client, &doubling).await, "54000");
    assert!(client.simple_query("SELECT a FROM v5").await.is_ok());
    assert!(server.peak_mib() < 2_048, "{} MiB", server.peak_mib());
    assert_eq!(server.end_with("TERM").code(), Some(0));
}
