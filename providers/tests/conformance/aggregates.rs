//! Partial aggregates computed inside a store give what DataFusion's own give.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};

use crate::data::{Rows, all_types, day};
use crate::harness::{Harness, assert_same_rows};
use crate::query::Both;

const QUERIES: &[&str] = &[
    "SELECT count(*) FROM t WHERE size > 2",
    "SELECT count(*), count(price), count(symbol) FROM t WHERE symbol <> 'A'",
    "SELECT symbol, count(*) FROM t GROUP BY symbol",
    "SELECT symbol, sum(price), sum(size), sum(tiny), sum(id), sum(cents) FROM t GROUP BY symbol",
    "SELECT symbol, avg(price), avg(cents), avg(size), avg(tiny) FROM t GROUP BY symbol",
    "SELECT symbol, min(price), max(price), min(ts), max(ts), min(expires), max(local_ts) FROM t GROUP BY symbol",
    "SELECT min(symbol), max(symbol), min(\"note \"\"x\"\"\"), max(size), min(active), max(active) FROM t WHERE size > 0",
    "SELECT min(value), max(value), min(ratio), max(ratio) FROM t WHERE size > 0",
    "SELECT value, count(*) FROM t GROUP BY value",
    "SELECT asset_class, trade_date, active, count(*), sum(price) FROM t GROUP BY asset_class, trade_date, active",
    "SELECT date_trunc('hour', ts) AS h, sum(price), count(*) FROM t GROUP BY h",
    "SELECT date_bin(INTERVAL '15 minutes', ts) AS b, max(price) FROM t WHERE symbol = 'AAPL' GROUP BY b",
    "SELECT date_trunc('month', local_ts) AS m, count(*) FROM t GROUP BY m",
    "SELECT symbol, sum(price * size) FROM t WHERE size BETWEEN -10 AND 100 AND price BETWEEN -10 AND 10 GROUP BY symbol",
    "SELECT symbol, count(DISTINCT size) FROM t GROUP BY symbol",
    "SELECT symbol, sum(size) FILTER (WHERE price > 0) FROM t GROUP BY symbol",
    "SELECT id % 3 AS k, sum(id) FROM t WHERE id BETWEEN -100 AND 100 GROUP BY k",
    "SELECT upper(symbol) AS u, count(*) FROM t GROUP BY u",
    "SELECT sum(size), avg(size), max(price) FROM t WHERE symbol = 'nobody'",
    "SELECT symbol, sum(size) FROM t WHERE symbol = 'nobody' GROUP BY symbol",
    "SELECT symbol, stddev_samp(tiny), first_value(seq ORDER BY ts, seq) FROM t GROUP BY symbol",
];

/// The queries over the store, with each partial aggregate offered to it.
async fn compare(store: Harness, seed: u64, extremes: bool) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(seed);
    rows.extremes = extremes;
    let keys = [day(0, "FX"), day(0, "FX"), day(1, "CRYPTO"), day(2, "A'B")];
    let parts: Vec<_> = keys.into_iter().map(|key| (key.clone(), rows.batch(&table, &key, 120))).collect();
    let segments = store.load(&table, &parts).await;
    let rows: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
    let both = Both::new(&store, &table, &segments, &rows);
    for sql in QUERIES {
        // Sums of extreme values overflow; what happens then is nobody's promise.
        let Ok(expected) = both.memory.sql(sql).await.unwrap().collect().await else { continue };
        let plan = both.store.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let plan = offer(&store, plan);
        let text = displayable(plan.as_ref()).indent(false).to_string();
        let found = collect(plan, both.store.task_ctx()).await.unwrap_or_else(|e| panic!("{sql}\n{text}\n{e}"));
        assert_same_rows(&rounded(&found), &rounded(&expected), || format!("{sql}\n{text}"));
    }
}

/// Doubles to nine digits: their sums depend on the order of the rows, which nobody promises.
fn rounded(batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let round = |array: &ArrayRef| match array.data_type() {
        DataType::Float64 => {
            let texts = array.as_primitive::<Float64Type>().iter().map(|v| v.map(|v| format!("{v:.9e}")));
            Arc::new(StringArray::from_iter(texts)) as ArrayRef
        }
        _ => Arc::clone(array),
    };
    let names = |batch: &RecordBatch| (0..batch.num_columns()).map(|i| i.to_string()).collect::<Vec<_>>();
    let rounded = |batch: &RecordBatch| {
        RecordBatch::try_from_iter(names(batch).into_iter().zip(batch.columns().iter().map(round))).unwrap()
    };
    batches.iter().map(rounded).collect()
}

fn offer(store: &Harness, plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let replace = |node: Arc<dyn ExecutionPlan>| {
        let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return Ok(Transformed::no(node)) };
        if *aggregate.mode() != AggregateMode::Partial {
            return Ok(Transformed::no(node));
        }
        let pushdown = store.store.pushdown();
        match pushdown.and_then(|pushdown| pushdown.partial_aggregate(aggregate, aggregate.input())) {
            Some(inside) => {
                assert_eq!(inside.schema(), node.schema(), "schema of a partial aggregate");
                Ok(Transformed::yes(inside))
            }
            None => Ok(Transformed::no(node)),
        }
    };
    plan.transform_up(replace).unwrap().data
}

pub async fn partial_aggregates_agree(store: Harness) {
    compare(store, 70, false).await;
}

pub async fn partial_aggregates_of_extremes_agree(store: Harness) {
    compare(store, 71, true).await;
}
