//! Filters, limits and orders give what they give over the same rows in memory.

use std::sync::Arc;

use arrow::array::{Date32Array, Int32Array, StringViewArray};
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::displayable;
use datafusion::prelude::DataFrame;
use rand::Rng;
use zxq_catalog::{PartitionKey, Segment, TableDef};

use crate::data::{Rows, all_types, day};
use crate::harness::{Harness, assert_same_rows, lines, without};
use crate::predicates::Predicates;
use crate::query::Both;

/// Four segments in three partitions, one of them of NULLs.
async fn loaded(store: &Harness, seed: u64, extremes: bool) -> (TableDef, Vec<Segment>, Vec<RecordBatch>) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(seed);
    rows.extremes = extremes;
    let keys = [day(0, "FX"), day(0, "FX"), day(1, "A/B 'x'"), PartitionKey::default()];
    let parts: Vec<_> = keys.into_iter().map(|key| (key.clone(), rows.batch(&table, &key, 90))).collect();
    let segments = store.load(&table, &parts).await;
    (table, segments, parts.into_iter().map(|(_, rows)| rows).collect())
}

async fn plan_text(frame: &DataFrame) -> String {
    match frame.clone().create_physical_plan().await {
        Ok(plan) => displayable(plan.as_ref()).indent(false).to_string(),
        Err(e) => e.to_string(),
    }
}

/// Runs random predicates over the store and over memory. A predicate that fails over memory (an overflow, say) may do
/// what it likes over the store.
async fn random_predicates(store: Harness, seed: u64, extremes: bool) {
    let (table, segments, rows) = loaded(&store, seed, extremes).await;
    let both = Both::new(&store, &table, &segments, &rows);
    let all = arrow::compute::concat_batches(&table.schema(), &rows).unwrap();
    let mut rng = Rows::new(seed + 100).rng;
    let mut matching = 0;
    for round in 0..300 {
        let predicate = Predicates { rng: &mut rng, rows: &all }.any(2);
        let columns: Vec<usize> = (0..table.columns.len()).filter(|_| rng.random_bool(0.4)).collect();
        let names: Vec<String> = columns.iter().map(|c| table.columns[*c].name.clone()).collect();
        let frame = async |context: &datafusion::prelude::SessionContext| {
            let frame = context.table("t").await?.filter(predicate.clone())?;
            let chosen = names.iter().map(|n| datafusion::prelude::ident(n.as_str()));
            Ok::<_, DataFusionError>(if names.is_empty() { frame } else { frame.select(chosen.collect::<Vec<_>>())? })
        };
        let Ok(memory) = frame(&both.memory).await else { continue };
        let Ok(expected) = memory.collect().await else { continue };
        matching += usize::from(expected.iter().any(|b| b.num_rows() > 0));
        let stored = frame(&both.store).await.unwrap();
        let text = plan_text(&stored).await;
        let found = match stored.collect().await {
            Ok(found) => found,
            Err(e) => panic!("round {round}: {predicate}\n{text}\n{e}"),
        };
        assert_same_rows(&found, &expected, || format!("round {round}: {predicate}\n{text}"));
    }
    assert!(matching > 100, "only {matching} predicates matched anything: the test tests little");
}

pub async fn random_filters_lose_nothing(store: Harness) {
    random_predicates(store, 20, false).await;
}

pub async fn random_filters_over_extremes_lose_nothing(store: Harness) {
    random_predicates(store, 21, true).await;
}

/// Filters on a column that the projection leaves out, limits, orders and offsets.
pub async fn queries_give_what_memory_gives(store: Harness) {
    let (table, segments, rows) = loaded(&store, 22, true).await;
    let both = Both::new(&store, &table, &segments, &rows);
    for sql in [
        "SELECT price FROM t WHERE symbol = 'AAPL'",
        "SELECT count(*) FROM t",
        "SELECT count(*) FROM t WHERE asset_class = 'FX' AND trade_date = DATE '2024-01-01'",
        "SELECT count(*), count(price), min(ts), max(ts), min(symbol), max(price), min(size) FROM t",
        "SELECT min(trade_date), max(trade_date), min(asset_class), max(asset_class) FROM t",
        "SELECT asset_class, trade_date, count(*) FROM t GROUP BY asset_class, trade_date",
        "SELECT seq, symbol, ts FROM t ORDER BY symbol NULLS FIRST, ts, seq",
        "SELECT seq FROM t ORDER BY seq DESC LIMIT 7",
        "SELECT seq, ts FROM t ORDER BY ts DESC, seq LIMIT 5",
        "SELECT seq, price FROM t WHERE price > 0 ORDER BY price, seq LIMIT 9 OFFSET 3",
        "SELECT seq, symbol FROM t WHERE symbol IN ('AAPL', 'ESH24') ORDER BY symbol, ts, seq LIMIT 4",
        "SELECT seq, value FROM t ORDER BY value DESC NULLS LAST, seq LIMIT 20",
        "SELECT seq FROM t WHERE symbol IS NULL ORDER BY seq",
        "SELECT distinct symbol FROM t",
        "SELECT a.seq FROM t a JOIN (SELECT DISTINCT symbol, seq FROM t WHERE size > 3) b ON a.seq = b.seq",
        "SELECT symbol, seq, row_number() OVER (PARTITION BY symbol ORDER BY ts, seq) FROM t",
        "SELECT 1 FROM t WHERE false",
        "SELECT seq FROM t LIMIT 0",
    ] {
        let expected = both.memory.sql(sql).await.unwrap().collect().await.unwrap();
        let frame = both.store.sql(sql).await.unwrap();
        let text = plan_text(&frame).await;
        let found = frame.collect().await.unwrap_or_else(|e| panic!("{sql}\n{text}\n{e}"));
        if sql.contains("ORDER BY") && !sql.contains("OVER") {
            assert_eq!(lines(&found), lines(&expected), "{sql}\n{text}");
        }
        assert_same_rows(&found, &expected, || format!("{sql}\n{text}"));
    }
}

/// A limit may be exceeded, but never gives too few rows or rows that are not there.
pub async fn limits_give_enough_rows(store: Harness) {
    let (table, segments, rows) = loaded(&store, 23, true).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let total = rows.iter().map(RecordBatch::num_rows).sum::<usize>();
    for limit in [1, 2, 89, 90, 91, 200, total, total + 1] {
        for projection in [all.as_slice(), &[], &[3, 1]] {
            let plan = store.plan(&table, &segments, projection, vec![], Some(limit)).await.unwrap();
            let found = datafusion::physical_plan::collect(plan, store.context.task_ctx()).await.unwrap();
            let count = found.iter().map(RecordBatch::num_rows).sum::<usize>();
            assert!(count >= limit.min(total) && count <= total, "limit {limit} gave {count} of {total} rows");
            let expected: Vec<_> = rows.iter().map(|r| r.project(projection).unwrap()).collect();
            let strangers = without(&lines(&found), &lines(&expected));
            assert!(strangers.is_empty(), "limit {limit} gave rows that are not there: {strangers:?}");
        }
    }
}

/// Dates within a month's or a year's partition are told apart.
pub async fn filters_inside_coarse_partitions(store: Harness) {
    let mut table = all_types(7, "bars");
    table.partitioning.granularity = zxq_catalog::Granularity::Month;
    let mut rows = Rows::new(24);
    let february = PartitionKey { period: Some(crate::data::NEW_YEAR_2024 + 31), class: Some("FX".to_owned()) };
    let parts: Vec<_> =
        [day(0, "FX"), february].into_iter().map(|key| (key.clone(), rows.batch(&table, &key, 150))).collect();
    let segments = store.load(&table, &parts).await;
    let rows: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
    let both = Both::new(&store, &table, &segments, &rows);
    for predicate in [
        "trade_date = DATE '2024-01-17'",
        "trade_date >= DATE '2024-01-20' AND trade_date < DATE '2024-02-10'",
        "trade_date <> DATE '2024-01-01'",
        "trade_date IN (DATE '2024-01-31', DATE '2024-02-29')",
        "trade_date BETWEEN DATE '2024-02-01' AND DATE '2024-02-02' AND asset_class = 'FX'",
    ] {
        let sql = format!("SELECT seq, trade_date FROM t WHERE {predicate}");
        let expected = both.memory.sql(&sql).await.unwrap().collect().await.unwrap();
        let found = both.store.sql(&sql).await.unwrap().collect().await.unwrap();
        assert!(!lines(&expected).is_empty(), "{predicate} matches nothing");
        assert_same_rows(&found, &expected, || sql);
    }
}

/// Lookup columns with so many values that a store keeps an index or a bloom filter of them.
pub async fn lookups_find_every_row(store: Harness) {
    let mut table = all_types(7, "trades");
    table.lookup = vec!["symbol".to_owned(), "id".to_owned(), "expires".to_owned()];
    let mut rows = Rows::new(25);
    let mut parts = Vec::new();
    for d in 0..3 {
        let batch = rows.batch(&table, &day(d, "FX"), 2_000);
        let mut columns = batch.columns().to_vec();
        let at = |name: &str| table.column_index(name).unwrap();
        let number = |row: i32| (row * 7919 + d * 13) % 701;
        columns[at("symbol")] =
            Arc::new(StringViewArray::from_iter_values((0..2_000).map(|r| format!("S{}", number(r)))));
        columns[at("id")] = Arc::new(Int32Array::from_iter((0..2_000).map(|r| (r % 50 > 0).then(|| number(r) - 350))));
        columns[at("expires")] = Arc::new(Date32Array::from_iter_values((0..2_000).map(|r| 19_000 + number(r))));
        let batch = RecordBatch::try_new(table.schema(), columns).unwrap();
        parts.push((day(d, "FX"), zxq_providers::sort::sort_batch(&batch, &table.sort_by).unwrap()));
    }
    let segments = store.load(&table, &parts).await;
    let rows: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
    let both = Both::new(&store, &table, &segments, &rows);
    for predicate in [
        "symbol = 'S17'",
        "symbol = 'S700'",
        "symbol = 'S701'",
        "symbol = 'nobody'",
        "symbol = 'S5' AND ts > TIMESTAMP '2024-01-01 03:00:00'",
        "symbol IN ('S1', 'S2', 'S300', 'nobody')",
        "symbol = 'S17' OR id = 3",
        "symbol = 'S17' AND id IS NOT NULL AND size > 0",
        "symbol > 'S69' AND symbol <= 'S7'",
        "symbol LIKE 'S12%'",
        "id = -350",
        "id = 12 OR id = 13",
        "id IN (1, 2, 3, 4, 5, 1000)",
        "id = 5 AND symbol <> 'S355'",
        "id IS NULL AND symbol = 'S17'",
        "id IS NOT DISTINCT FROM 7",
        "expires = DATE '2023-01-01'",
        "expires = DATE '2023-01-01' AND trade_date = DATE '2024-01-02'",
    ] {
        let sql = format!("SELECT seq, symbol, id FROM t WHERE {predicate}");
        let expected = both.memory.sql(&sql).await.unwrap().collect().await.unwrap();
        let found = both.store.sql(&sql).await.unwrap().collect().await.unwrap();
        assert_same_rows(&found, &expected, || sql);
    }
}
