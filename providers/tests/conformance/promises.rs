//! What a plan promises about its rows is true: order, statistics, and that it can run again.

use arrow::array::ArrayRef;
use arrow::compute::{LexicographicalComparator, SortColumn, concat_batches};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, collect, execute_stream_partitioned};
use futures::{StreamExt, TryStreamExt};
use std::cmp::Ordering;
use std::sync::Arc;
use zxq_catalog::{Segment, TableDef};

use crate::data::{Rows, all_types, day};
use crate::harness::{Harness, assert_same_rows};

async fn loaded(store: &Harness, seed: u64) -> (TableDef, Vec<Segment>, Vec<RecordBatch>) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(seed);
    let keys = [day(0, "FX"), day(0, "FX"), day(0, "CRYPTO"), day(1, "FX"), day(2, "FX"), day(2, "FX"), day(3, "FX")];
    let parts: Vec<_> = keys.into_iter().map(|key| (key.clone(), rows.batch(&table, &key, 70))).collect();
    let segments = store.load(&table, &parts).await;
    (table, segments, parts.into_iter().map(|(_, rows)| rows).collect())
}

/// Every ordering a plan declares holds in each of its output partitions.
pub async fn declared_orderings_are_true(store: Harness) {
    let (table, segments, _) = loaded(&store, 30).await;
    let at = |name: &str| table.column_index(name).unwrap();
    let projections: [Vec<usize>; 5] = [
        (0..table.columns.len()).collect(),
        vec![at("symbol"), at("ts")],
        vec![at("ts"), at("price"), at("symbol")],
        vec![at("ts")],
        vec![at("seq"), at("symbol")],
    ];
    let filters: [Vec<Expr>; 3] = [
        vec![],
        vec![col("symbol").eq(lit("AAPL"))],
        vec![col("asset_class").eq(lit("FX")), col("size").gt(lit(0i64))],
    ];
    for chosen in [&segments[..], &segments[..1], &segments[..2], &segments[3..]] {
        for projection in &projections {
            for filters in &filters {
                let plan = store.plan(&table, chosen, projection, filters.clone(), None).await.unwrap();
                check_orderings(&store, &plan).await;
            }
        }
    }
}

async fn check_orderings(store: &Harness, plan: &Arc<dyn ExecutionPlan>) {
    let orderings: Vec<LexOrdering> = plan.equivalence_properties().oeq_class().iter().cloned().collect();
    let streams = execute_stream_partitioned(Arc::clone(plan), store.context.task_ctx()).unwrap();
    assert_eq!(streams.len(), plan.output_partitioning().partition_count());
    for (number, stream) in streams.into_iter().enumerate() {
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        let batch = concat_batches(&plan.schema(), &batches).unwrap();
        for ordering in &orderings {
            assert!(in_order(&batch, ordering), "output partition {number} is not in order {ordering}: {plan:?}");
        }
    }
}

fn in_order(batch: &RecordBatch, ordering: &LexOrdering) -> bool {
    let columns: Vec<SortColumn> = ordering
        .iter()
        .map(|key| SortColumn {
            values: key.expr.evaluate(batch).unwrap().into_array(batch.num_rows()).unwrap(),
            options: Some(key.options),
        })
        .collect();
    let comparator = LexicographicalComparator::try_new(&columns).unwrap();
    (1..batch.num_rows()).all(|row| comparator.compare(row - 1, row) != Ordering::Greater)
}

/// Statistics that call themselves exact are.
pub async fn exact_statistics_are_exact(store: Harness) {
    let (table, segments, rows) = loaded(&store, 31).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let filters: [Vec<Expr>; 3] = [vec![], vec![col("symbol").eq(lit("AAPL"))], vec![col("size").gt(lit(3i64))]];
    for filters in filters {
        for (chosen, rows) in [(&segments[..], &rows[..]), (&segments[2..3], &rows[2..3])] {
            let plan = store.plan(&table, chosen, &all, filters.clone(), None).await.unwrap();
            if filters.is_empty() {
                let expected: usize = rows.iter().map(RecordBatch::num_rows).sum();
                let known = *plan.partition_statistics(None).unwrap().num_rows.get_value().unwrap();
                assert_eq!(known, expected, "a scan without filters knows its row count");
            }
            check_statistics(&plan, None, &collect(Arc::clone(&plan), store.context.task_ctx()).await.unwrap());
            let streams = execute_stream_partitioned(Arc::clone(&plan), store.context.task_ctx()).unwrap();
            for (number, stream) in streams.into_iter().enumerate() {
                check_statistics(&plan, Some(number), &stream.try_collect::<Vec<_>>().await.unwrap());
            }
        }
    }
}

fn check_statistics(plan: &Arc<dyn ExecutionPlan>, partition: Option<usize>, found: &[RecordBatch]) {
    let statistics = plan.partition_statistics(partition).unwrap();
    let found = concat_batches(&plan.schema(), found).unwrap();
    if let Precision::Exact(rows) = statistics.num_rows {
        assert_eq!(rows, found.num_rows(), "row count of {partition:?}");
    }
    assert_eq!(statistics.column_statistics.len(), found.num_columns());
    for ((column, array), field) in
        statistics.column_statistics.iter().zip(found.columns()).zip(found.schema().fields())
    {
        let name = field.name();
        if let Precision::Exact(nulls) = column.null_count {
            assert_eq!(nulls, array.null_count(), "NULLs of {name} in {partition:?}");
        }
        if let Precision::Exact(min) = &column.min_value {
            assert_eq!(Some(min), extreme(array, Ordering::Less).as_ref(), "min of {name} in {partition:?}");
        }
        if let Precision::Exact(max) = &column.max_value {
            assert_eq!(Some(max), extreme(array, Ordering::Greater).as_ref(), "max of {name} in {partition:?}");
        }
    }
}

/// The smallest or largest value; NULL of the array's type when there is none.
fn extreme(array: &ArrayRef, wanted: Ordering) -> Option<ScalarValue> {
    let mut best = ScalarValue::try_new_null(array.data_type()).ok()?;
    for row in 0..array.len() {
        let value = ScalarValue::try_from_array(array, row).ok()?;
        if !value.is_null() && (best.is_null() || value.partial_cmp(&best) == Some(wanted)) {
            best = value;
        }
    }
    Some(best)
}

/// A plan gives the same rows each time it runs, also after a stream was dropped half way. (Plans may share work between
/// their streams, so DataFusion asks for a reset before each run.)
pub async fn plans_run_again(store: Harness) {
    let (table, segments, rows) = loaded(&store, 32).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let mut plan = store.plan(&table, &segments, &all, vec![], None).await.unwrap();
    for _ in 0..2 {
        let found = collect(Arc::clone(&plan), store.context.task_ctx()).await.unwrap();
        assert_same_rows(&found, &rows, || "a plan run again".to_owned());
        plan = reset_plan_states(plan).unwrap();
        let mut stream = plan.execute(0, store.context.task_ctx()).unwrap();
        assert!(stream.next().await.unwrap().is_ok());
        drop(stream);
        plan = reset_plan_states(plan).unwrap();
    }
}

/// Reading goes on while others write, publish and drop.
pub async fn readers_and_writers_do_not_disturb_each_other(store: Harness) {
    let (table, segments, rows) = loaded(&store, 33).await;
    let writers = (0..4u64).map(|writer| {
        let (store, table) = (&store, &table);
        async move {
            for _ in 0..3 {
                let key = day(writer as i32, "NEW");
                let batch = Rows::new(40 + writer).batch(table, &key, 30);
                let job = zxq_catalog::JobId::new();
                let segment = store.write(table, &job, &key, &batch).await;
                store.publish(table, &job, std::slice::from_ref(&segment), &[]).await;
                store.assert_rows(table, std::slice::from_ref(&segment), &[batch]).await;
                let job = zxq_catalog::JobId::new();
                store.publish(table, &job, &[], std::slice::from_ref(&segment)).await;
                store.store.drop_segments(&table.storage_name(), &[segment]).await.unwrap();
            }
        }
    });
    let readers = async {
        for _ in 0..10 {
            store.assert_rows(&table, &segments, &rows).await;
        }
    };
    futures::join!(futures::future::join_all(writers), readers);
    if let Some(public) = store.public_rows(&table).await {
        assert_eq!(public, segments.iter().map(|s| s.rows).sum::<u64>());
    }
}
