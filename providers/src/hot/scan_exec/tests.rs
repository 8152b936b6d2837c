#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::physical_plan::{collect, execute_stream_partitioned};
use futures::StreamExt;

use super::*;
use crate::hot::store::HotStore;
use crate::hot::testing::{insert, many, query, rows, scan_line, session, store, trades};

/// Three segments of 20,000 rows each, one after the other in time.
fn three(store: &HotStore) -> Vec<Arc<Segment>> {
    (0..3).map(|i| insert(store, &trades(), i + 1, &many(i as i64 * 20_000, 20_000))).collect()
}

#[tokio::test]
async fn all_rows_are_slices_of_what_is_stored() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts[..1], 1);
    let plan = context.sql("SELECT ts, symbol FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let batches = collect(plan, context.task_ctx()).await.unwrap();
    assert_eq!(batches.len(), 5, "slices of four batches of the session's size");
    let segment = store.segment(1).unwrap();
    let stored = segment.batches()[0].column(1).as_primitive::<TimestampMicrosecondType>();
    for (number, batch) in batches.iter().enumerate() {
        let part = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let expected = stored.values()[number * 4000..].as_ptr();
        assert_eq!(part.values().as_ptr(), expected, "the same memory");
    }
}

#[tokio::test]
async fn dropped_segments_stay_readable_for_plans_that_hold_them() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 2);
    let plan = context.sql("SELECT trade_id FROM t").await.unwrap().create_physical_plan().await.unwrap();
    let mut streams = execute_stream_partitioned(plan, context.task_ctx()).unwrap();
    let mut count = streams[0].next().await.unwrap().unwrap().num_rows();
    let gone: Vec<Segment> = facts.iter().map(|f| f.as_ref().clone()).collect();
    crate::TierStore::drop_segments(store.as_ref(), "trades_7", &gone).await.unwrap();
    for mut stream in streams {
        while let Some(batch) = stream.next().await {
            count += batch.unwrap().num_rows();
        }
    }
    assert_eq!(count, 60_000);
    assert!(context.sql("SELECT * FROM t").await.unwrap().collect().await.is_err(), "a new plan finds them missing");
}

#[tokio::test]
async fn an_equality_on_the_sort_key_reads_only_its_rows_and_keeps_their_order() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 2);
    let sql = "SELECT ts FROM t WHERE symbol = 'CCC' AND ts >= to_timestamp_micros(19990) \
               AND ts < to_timestamp_micros(20010) ORDER BY ts";
    let (answer, plan) = query(&context, sql).await;
    assert_eq!(answer.matches("1970").count(), 4, "{answer}");
    assert!(plan.contains("HotScanExec: segments=2, pruned=1, rows=4, partitions=1"), "{plan}");
    assert!(!plan.contains("SortExec"), "{plan}");
    // Several values at once.
    let (_, plan) = query(&context, "SELECT count(ts) FROM t WHERE symbol IN ('AAA', 'EEE', 'nope', 'x', 'y')").await;
    assert!(plan.contains("rows=24000"), "{plan}");
    // Nothing at all.
    let (answer, plan) = query(&context, "SELECT ts FROM t WHERE symbol = 'BBC'").await;
    assert!(!answer.contains("1970"));
    assert!(plan.contains("segments=0, pruned=3, rows=0"), "{plan}");
}

#[tokio::test]
async fn a_lookup_column_hands_out_single_rows() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 1);
    let (answer, plan) = query(&context, "SELECT trade_id, symbol FROM t WHERE trade_id IN (7, 20008, 59999)").await;
    for id in ["| 7 ", "| 20008 ", "| 59999 "] {
        assert!(answer.contains(id), "{answer}");
    }
    assert!(scan_line(&plan).contains("output_rows=3,"), "{plan}");
    // Together with the sort key, and where nothing is found.
    let (answer, plan) = query(&context, "SELECT price FROM t WHERE trade_id = 20008 AND symbol >= 'BBB'").await;
    assert!(answer.contains("2000.8") && scan_line(&plan).contains("output_rows=1,"), "{answer}\n{plan}");
    let (_, plan) = query(&context, "SELECT price FROM t WHERE trade_id = 20008 AND symbol < 'DDD'").await;
    assert!(scan_line(&plan).contains("output_rows=0,"), "{plan}");
}

#[tokio::test]
async fn a_join_on_a_lookup_column_reads_single_rows() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 1);
    let sql = "SELECT t.price FROM (VALUES (7), (20008), (60001)) AS w(i) JOIN t ON t.trade_id = w.i ORDER BY 1";
    let (answer, plan) = query(&context, sql).await;
    assert!(answer.contains("| 0.7 ") && answer.contains("| 2000.8 "), "{answer}");
    assert!(scan_line(&plan).contains("output_rows=2,"), "{plan}");
}

#[tokio::test]
async fn the_newest_segments_are_read_first_for_a_top_list() {
    let store = store();
    let facts: Vec<_> = (0..20).map(|i| insert(&store, &trades(), i + 1, &many(i as i64 * 2000, 2000))).collect();
    for partitions in [1, 3] {
        let context = session(&store, &trades(), &facts, partitions);
        let (answer, plan) = query(&context, "SELECT ts, trade_id FROM t ORDER BY ts DESC LIMIT 3").await;
        let positions: Vec<_> = ["39999", "39998", "39997"].iter().map(|id| answer.find(id).unwrap()).collect();
        assert!(positions.is_sorted(), "{answer}");
        let pruned = scan_line(&plan).split("segments_pruned=").nth(1).unwrap();
        let pruned: usize = pruned.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        assert!(pruned >= 20 - 2 * partitions, "{plan}");
    }
}

#[tokio::test]
async fn a_joins_dynamic_filter_narrows_the_scan() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 1);
    let sql = "SELECT count(t.ts), sum(t.trade_id) FROM (VALUES ('BBB')) AS w(s) JOIN t ON t.symbol = w.s";
    let (answer, plan) = query(&context, sql).await;
    assert!(answer.contains("12000"), "{answer}");
    let rows = scan_line(&plan).split("output_rows=").nth(1).unwrap();
    assert!(rows.starts_with("12.00 K"), "{plan}");
}

#[tokio::test]
async fn limits_projections_and_counts() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 1);
    let (answer, plan) = query(&context, "SELECT trade_id FROM t LIMIT 5").await;
    assert_eq!(answer.lines().count(), 3 + 5 + 1);
    assert!(scan_line(&plan).contains("fetch=5"), "{plan}");
    // Over several output partitions it is one limit, not one for each of them.
    let spread = session(&store, &trades(), &facts, 3);
    let (answer, plan) = query(&spread, "SELECT trade_id FROM t LIMIT 5").await;
    assert_eq!(answer.lines().count(), 3 + 5 + 1, "{plan}");
    assert!(scan_line(&plan).contains("partitions=3"), "{plan}");
    let (answer, _) = query(&spread, "SELECT trade_id FROM t LIMIT 5 OFFSET 59997").await;
    assert_eq!(answer.lines().count(), 3 + 3 + 1);
    let (answer, _) = query(&spread, "SELECT trade_id FROM t WHERE symbol = 'BBB' LIMIT 7 OFFSET 2").await;
    assert_eq!(answer.lines().count(), 3 + 7 + 1);
    // Counts come from the statistics.
    let (answer, plan) = query(&context, "SELECT count(*), min(trade_id), max(trade_id) FROM t").await;
    assert!(answer.contains("60000") && answer.contains("59999"), "{answer}");
    assert!(!plan.contains("HotScanExec"), "{plan}");
    // With a filter they do not.
    let (answer, _) = query(&context, "SELECT count(*) FROM t WHERE trade_id % 2 = 0").await;
    assert!(answer.contains("30000"), "{answer}");
    // No columns at all.
    let (answer, _) = query(&context, "SELECT count(*) FROM (SELECT 1 FROM t LIMIT 777)").await;
    assert!(answer.contains("777"), "{answer}");
}

#[tokio::test]
async fn what_stands_above_a_limit_does_not_change_which_rows_it_keeps() {
    let store = store();
    let segment = |id: u64, symbol: &'static str| {
        let first = id as i64 * 1000;
        let of: Vec<_> = (first..first + 500).map(|n| (Some(symbol), Some(n), n)).collect();
        insert(&store, &trades(), id, &rows(&of))
    };
    let facts = [segment(1, "AAA"), segment(2, "BBB")];
    let context = session(&store, &trades(), &facts, 1);
    let first = "(SELECT * FROM t ORDER BY symbol, ts LIMIT 300)";
    let (answer, plan) = query(&context, &format!("SELECT trade_id FROM {first} ORDER BY ts DESC LIMIT 1")).await;
    assert!(scan_line(&plan).contains("fetch=300"), "the limit is in the scan: {plan}");
    assert!(answer.contains("| 1299 "), "{answer}\n{plan}");
    // A join's filter arrives after the limit has been pushed into the scan.
    let joined = format!("SELECT count(*) AS n FROM (VALUES ('BBB')) AS w(s) JOIN {first} AS f ON f.symbol = w.s");
    let (answer, plan) = query(&context, &joined).await;
    let from_join = plan.find("DataSourceExec").unwrap() < plan.find("HotScanExec").unwrap();
    assert!(from_join && scan_line(&plan).contains("fetch=300"), "the join filters the scan: {plan}");
    assert!(answer.contains("| 0 |"), "{answer}\n{plan}");
    let (answer, plan) = query(&context, &format!("SELECT count(*) AS n FROM {first} WHERE symbol = 'BBB'")).await;
    assert!(answer.contains("| 0 |"), "{answer}\n{plan}");
}

#[tokio::test]
async fn order_by_the_sort_key_needs_no_sort() {
    let store = store();
    let mut facts = three(&store);
    facts.push(insert(
        &store,
        &trades(),
        9,
        &rows(&[(None, Some(1), 1), (Some("AAA"), None, 2), (Some("ZZZ"), None, 3)]),
    ));
    let context = session(&store, &trades(), &facts, 2);
    let sql = "SELECT symbol, ts, trade_id FROM t ORDER BY symbol NULLS FIRST, ts NULLS FIRST";
    let (_, plan) = query(&context, "SELECT symbol, ts FROM t ORDER BY symbol, ts").await;
    assert!(plan.contains("SortExec"), "with NULLs, they are not last: {plan}");
    let no_nulls = session(&store, &trades(), &facts[..3], 2);
    let (_, plan) = query(&no_nulls, "SELECT symbol, ts FROM t ORDER BY symbol, ts").await;
    assert!(!plan.contains("SortExec"), "without NULLs, first and last are the same: {plan}");
    let (_, plan) = query(&context, sql).await;
    assert!(!plan.contains("SortExec") && plan.contains("SortPreservingMergeExec"), "{plan}");
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(all.num_rows(), 60_003);
    assert!(crate::sort::is_sorted(&all, &trades().sort_by).unwrap());
    assert!(all.column(0).is_null(0));
    // Without the first key column in the output there is no order to claim.
    let (_, plan) = query(&context, "SELECT ts FROM t ORDER BY ts NULLS FIRST").await;
    assert!(plan.contains("SortExec") && !scan_line(&plan).contains("output_ordering"), "{plan}");
}

#[tokio::test]
async fn random_queries_give_what_a_plain_table_gives() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    let mut random = StdRng::seed_from_u64(7);
    let store = store();
    let symbols = [None, Some("A"), Some("BB"), Some("a symbol longer than a view"), Some("Z")];
    let mut facts = Vec::new();
    let mut plain = Vec::new();
    for id in 0..6 {
        let of: Vec<_> = (0..random.random_range(1..12_000))
            .map(|_| {
                let symbol = symbols[random.random_range(0..5)];
                let ts = random.random_bool(0.9).then(|| random.random_range(0..500));
                (symbol, ts, random.random_range(0..2000))
            })
            .collect();
        let batch = rows(&of);
        facts.push(insert(&store, &trades(), id + 1, &batch));
        plain.push(batch);
    }
    let context = session(&store, &trades(), &facts, 3);
    let all = datafusion::datasource::MemTable::try_new(trades().schema(), vec![plain]).unwrap();
    context.register_table("plain", Arc::new(all)).unwrap();
    for _ in 0..150 {
        let mut conditions = Vec::new();
        for _ in 0..random.random_range(1..4) {
            let n = random.random_range(0..600);
            conditions.push(match random.random_range(0..8) {
                0 => "symbol = 'BB'".to_owned(),
                1 => "symbol IN ('A', 'Z', 'a symbol longer than a view', 'q')".to_owned(),
                2 => format!("ts >= to_timestamp_micros({n})"),
                3 => format!("to_timestamp_micros({n}) > ts"),
                4 => format!("trade_id = {}", n * 3),
                5 => format!("trade_id IN ({n}, {}, {})", n + 1, n * 2),
                6 => "symbol IS NULL".to_owned(),
                _ => format!("symbol >= 'B' AND (ts IS NULL OR price > {n})"),
            });
        }
        let tail = [
            "",
            " ORDER BY symbol NULLS FIRST, ts NULLS FIRST, trade_id",
            " ORDER BY trade_id DESC, ts, symbol LIMIT 9",
        ];
        let (what, tail) = if random.random_bool(0.5) {
            ("count(*) AS a, sum(trade_id) AS b, min(ts) AS c, max(symbol) AS d", "")
        } else {
            ("symbol, ts, trade_id", tail[random.random_range(1..3)])
        };
        let filter = conditions.join(" AND ");
        let sql = |table: &str| format!("SELECT {what} FROM {table} WHERE {filter}{tail}");
        let (hot, plan) = query(&context, &sql("t")).await;
        let (expected, _) = query(&context, &sql("plain")).await;
        assert_eq!(hot, expected, "{}\n{plan}", sql("t"));
    }
}

#[tokio::test]
async fn explain_tells_what_is_read() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 2);
    let (_, plan) = query(&context, "SELECT ts, price FROM t WHERE symbol = 'AAA' AND price > 3").await;
    let line = scan_line(&plan);
    for part in ["segments=3", "rows=12000", "projection=[symbol, ts, price]", "filters=[symbol@0 = AAA", "price@2 > 3"]
    {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn a_plan_can_run_again_without_the_filters_of_its_first_run() {
    let store = store();
    let facts = three(&store);
    let context = session(&store, &trades(), &facts, 1);
    let sql = "SELECT ts FROM t ORDER BY trade_id LIMIT 2";
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let first = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    let again = datafusion::physical_plan::execution_plan::reset_plan_states(plan).unwrap();
    assert_eq!(collect(again, context.task_ctx()).await.unwrap(), first);
    let ids = context.sql("SELECT trade_id FROM t ORDER BY trade_id LIMIT 2").await.unwrap().collect().await.unwrap();
    assert_eq!(ids[0].column(0).as_primitive::<Int64Type>().values(), &[0, 1]);
}
