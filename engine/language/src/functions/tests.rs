#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::context::{SessionConfig, SessionContext};

use super::*;

async fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(3).with_batch_size(2);
    config.options_mut().execution.time_zone = Some("UTC".to_owned());
    let context = SessionContext::new_with_config(config);
    register(&context);
    let trades = "CREATE TABLE trades AS SELECT column1 AS symbol, column2::timestamptz AS ts,
         column3::decimal(20,8) AS price, column4::bigint AS size, column5::varchar AS side, column6::boolean AS ok,
         column7::date AS day FROM (VALUES
         ('A', '2024-01-02T00:00:01Z', 10.5, 100, 'B', true, '2024-01-02'),
         ('A', '2024-01-02T00:06:00Z', 11.5, 300, 'a side longer than twelve bytes', false, '2024-01-03'),
         ('A', NULL, 99.0, 5, 'lost', true, NULL),
         ('B', '2024-01-02T00:09:59Z', 1.0, 0, NULL, NULL, '2024-01-09'),
         ('A', '2024-01-01T23:59:59Z', 9.5, NULL, 'earliest', false, '2024-01-01'))";
    context.sql(trades).await.unwrap().collect().await.unwrap();
    context
}

async fn run(sql: &str) -> Vec<String> {
    let batches = context().await.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")).collect().await;
    let text = pretty_format_batches(&batches.unwrap_or_else(|e| panic!("{sql}: {e}"))).unwrap().to_string();
    let rows = text.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()).collect()
}

async fn error(sql: &str) -> String {
    match context().await.sql(sql).await {
        Ok(frame) => frame.collect().await.map(|_| ()).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn times_fall_into_buckets() {
    for (call, expected) in [
        ("time_bucket('5 minutes', timestamp '2024-01-02 00:07:30')", "2024-01-02T00:05:00"),
        ("time_bucket(interval '5 minutes', timestamp '2024-01-02 00:07:30')", "2024-01-02T00:05:00"),
        ("time_bucket('60.000s', timestamp '2024-01-02 00:07:30')", "2024-01-02T00:07:00"),
        ("time_bucket('1 day', timestamp '1969-12-31 23:00:00')", "1969-12-31T00:00:00"),
        // Weeks start on Mondays, as in TimescaleDB.
        ("time_bucket('1 week', timestamp '2024-01-07 12:00:00')", "2024-01-01T00:00:00"),
        ("time_bucket('1 week', date '2024-01-07')", "2024-01-01"),
        ("time_bucket('1 month', date '2024-02-29')", "2024-02-01"),
        ("time_bucket('3 months', timestamp '2024-12-31 12:00:00')", "2024-10-01T00:00:00"),
        ("time_bucket('1 year', timestamp '1999-06-01 00:00:00')", "1999-01-01T00:00:00"),
        (
            "time_bucket('1 month', timestamp '2024-03-10 00:00:00', timestamp '2020-01-15 00:00:00')",
            "2024-02-15T00:00:00",
        ),
        ("time_bucket('1 day', timestamp '2024-01-02 16:59:00', interval '17 hours')", "2024-01-01T17:00:00"),
        ("time_bucket('1 day', timestamp '2024-01-02 17:00:00', '2000-01-01 17:00:00')", "2024-01-02T17:00:00"),
        ("time_bucket('1 hour', timestamptz '2024-01-02T05:30:00Z')", "2024-01-02T05:00:00Z"),
        ("time_bucket('1 hour', NULL)", ""),
        ("time_bucket(NULL::interval, timestamp '2024-01-02 00:07:30')", ""),
        ("arrow_typeof(time_bucket('1 day', date '2024-01-01'))", "Date32"),
    ] {
        assert_eq!(run(&format!("SELECT {call}")).await, [expected], "{call}");
    }
    for (call, part) in [
        ("time_bucket('0 s', timestamp '2024-01-01')", "at least a microsecond"),
        ("time_bucket('soon', timestamp '2024-01-01')", "no interval"),
        ("time_bucket('1 month 1 day', timestamp '2024-01-01')", "months cannot have days"),
        ("time_bucket('1 day', 5)", "must be a timestamp or a date"),
        ("time_bucket('1 day', timestamp '2024-01-01', 'Europe/Berlin')", "a time zone belongs to a TIMESTAMPTZ"),
    ] {
        let error = error(&format!("SELECT {call}")).await;
        assert!(error.contains(part), "{call}: {error}");
    }
}

#[tokio::test]
async fn buckets_group_rows_and_keep_order() {
    let rows = run(
        "SELECT time_bucket('5 minutes', ts) AS b, count(*) FROM trades WHERE ts IS NOT NULL GROUP BY b ORDER BY b",
    )
    .await;
    assert_eq!(rows, ["2024-01-01T23:55:00Z 1", "2024-01-02T00:00:00Z 1", "2024-01-02T00:05:00Z 2"]);
    let plan = run(
        "EXPLAIN SELECT time_bucket('1 hour', ts) AS b FROM (SELECT ts FROM trades ORDER BY ts LIMIT 3) ORDER BY b",
    )
    .await;
    let physical = plan.join("\n");
    assert_eq!(physical.matches("SortExec").count(), 1, "{physical}");
}

#[tokio::test]
async fn first_and_last_follow_time() {
    let query = |group: &str| {
        format!(
            "SELECT first(price, ts), last(price, ts), first(side, ts), last(side, ts), last(ok, ts), first(size, ts),
             last(symbol, day) FROM trades {group}"
        )
    };
    assert_eq!(
        run(&query("WHERE symbol = 'A'")).await,
        ["9.50000000 11.50000000 earliest a side longer than twelve bytes false  A"]
    );
    assert_eq!(
        run(&query("GROUP BY symbol ORDER BY symbol")).await,
        ["9.50000000 11.50000000 earliest a side longer than twelve bytes false  A", "1.00000000 1.00000000    0 B"]
    );
    assert_eq!(run("SELECT first(price, ts) FROM trades WHERE false").await, [""]);
    assert_eq!(run("SELECT last(price, ts) FROM trades WHERE ts IS NULL GROUP BY symbol").await, [""]);
    assert_eq!(
        run("SELECT first(price, ts) FILTER (WHERE size > 100) FROM trades GROUP BY symbol ORDER BY symbol").await,
        ["11.50000000", ""]
    );
    assert!(error("SELECT first(price, side) FROM trades").await.contains("must be a timestamp"));
}

#[tokio::test]
async fn vwap_weighs_prices_by_size() {
    assert_eq!(
        run("SELECT symbol, vwap(price, size) FROM trades GROUP BY symbol ORDER BY symbol").await,
        ["A 12.33333333333333".to_owned() + "4", "B".to_owned()]
    );
    assert_eq!(run("SELECT vwap(price, size) FROM trades WHERE ts IS NOT NULL AND symbol = 'A'").await, ["11.25"]);
    assert_eq!(run("SELECT vwap(price, size) FROM trades WHERE false").await, [""]);
    let window = "SELECT vwap(price, size) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM trades
         WHERE size > 0 AND ts IS NOT NULL ORDER BY ts";
    assert_eq!(run(window).await, ["10.5", "11.25"]);
}

#[tokio::test]
async fn clients_see_a_postgres_version() {
    let rows = run("SELECT version()").await;
    assert!(rows[0].starts_with("PostgreSQL 15.7 (zxq "), "{rows:?}");
}

#[tokio::test]
async fn medians_of_decimals_are_right() {
    let rows = run("SELECT avg(price), percentile_cont(0.5) WITHIN GROUP (ORDER BY price), max(price) FROM trades
         GROUP BY symbol ORDER BY symbol")
    .await;
    assert_eq!(rows[0], "32.625000000000 11 99.00000000".replace(" 11 ", " 11.0 "));
}
