//! Reading files.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::common::stats::Precision;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, collect};
use datafusion::prelude::{col, lit};
use datafusion::scalar::ScalarValue;
use zxq_catalog::{Granularity, JobId, Segment};

use super::fixture::{
    DAY, column, count, key, one, plan, publish_day, read, read_all, rows, session, store, table, write,
};
use crate::lake::delta::{DeltaOptions, DeltaStore};
use crate::tier_store::{ScanRequest, TierStore};

fn metric(plan: &Arc<dyn ExecutionPlan>, name: &str) -> String {
    plan.metrics().unwrap().aggregate_by_name().iter().find(|m| m.value().name() == name).unwrap().value().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_and_counts() {
    let (_folder, store) = store();
    let table = table(Granularity::Day);
    let segment = publish_day(&store, &table, 1, &rows(&table, Some(DAY), Some("FX"), 3_000, 3)).await;
    let session = session();
    let some = plan(&store, &session, &table, std::slice::from_ref(&segment), &[6, 3, 0], Vec::new()).await.unwrap();
    let output = one(&collect(some, session.task_ctx()).await.unwrap());
    assert_eq!(output.schema().as_ref(), &table.schema().project(&[6, 3, 0]).unwrap());
    let none = plan(&store, &session, &table, &[segment], &[], Vec::new()).await.unwrap();
    let statistics = none.partition_statistics(None).unwrap();
    assert_eq!(statistics.num_rows, Precision::Exact(3_000));
    let output = collect(none, session.task_ctx()).await.unwrap();
    assert_eq!((count(&output), output[0].num_columns()), (3_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_prune_files_row_groups_and_by_bloom() {
    let (_folder, store) = store();
    let table = table(Granularity::Day);
    let segment = publish_day(&store, &table, 1, &rows(&table, Some(DAY), Some("FX"), 5_000, 5)).await;
    let session = session();
    let all: Vec<usize> = (0..8).collect();
    let segments = [segment];
    let run = async |filter| {
        let plan = plan(&store, &session, &table, &segments, &all, vec![filter]).await.unwrap();
        let rows = count(&collect(Arc::clone(&plan), session.task_ctx()).await.unwrap());
        (plan, rows)
    };
    let (plan, found) = run(col("symbol").eq(lit(ScalarValue::Utf8View(Some("S002".into()))))).await;
    assert_eq!(found, 1_000, "one of five row groups");
    assert!(
        metric(&plan, "row_groups_pruned_statistics").contains("1 matched"),
        "{}",
        metric(&plan, "row_groups_pruned_statistics")
    );
    let (_, found) = run(col("asset_class").eq(lit(ScalarValue::Utf8View(Some("BOND".into()))))).await;
    assert_eq!(found, 0, "the folder tells");
    let (plan, found) = run(col("trade_id").eq(lit(500_001_i64))).await;
    assert_eq!(found, 0, "{}", metric(&plan, "row_groups_pruned_bloom_filter"));
    let (_, found) = run(col("trade_id").eq(lit(7_919_i64))).await;
    assert!(found > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sort_order_is_declared_only_where_it_holds() {
    let (_folder, store) = store();
    let mut table = table(Granularity::Day);
    table.sort_by = vec!["ts".to_owned()];
    let mut days = Vec::new();
    for day in 0..5 {
        let input = rows(&table, Some(DAY + day), Some("FX"), 100, 1);
        let key = key(Some(DAY + day), Some("FX"));
        days.push(write(&store, &table, &JobId::new(), u64::try_from(day).unwrap(), &key, &input).await.unwrap());
    }
    days.reverse();
    let session = session();
    let all: Vec<usize> = (0..8).collect();
    let ordered = async |segments: &[Segment]| {
        let plan = plan(&store, &session, &table, segments, &all, Vec::new()).await.unwrap();
        assert!(plan.output_partitioning().partition_count() <= 2);
        plan
    };
    let chained = ordered(&days).await;
    assert!(chained.output_ordering().is_some(), "five days in two chains");
    for partition in 0..2 {
        let stream = chained.execute(partition, session.task_ctx()).unwrap();
        let batches: Vec<RecordBatch> = datafusion::physical_plan::common::collect(stream).await.unwrap();
        assert!(crate::sort::is_sorted(&one(&batches), &table.sort_by).unwrap());
    }
    assert!(ordered(&days[..2]).await.output_ordering().is_some(), "one file each");
    let mut unsorted = days.clone();
    unsorted[1].sorted = false;
    assert!(ordered(&unsorted).await.output_ordering().is_none());
    let overlapping: Vec<Segment> = (0..5).map(|i| Segment { id: 100 + i, ..days[0].clone() }).collect();
    assert!(ordered(&overlapping).await.output_ordering().is_none());
    let mut with_nulls = days;
    with_nulls[0].stats.get_mut("ts").unwrap().null_count = 1;
    assert!(ordered(&with_nulls).await.output_ordering().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_pushed_and_statistics_then_estimate() {
    let (_folder, store) = store();
    let table = table(Granularity::Day);
    let segment = publish_day(&store, &table, 1, &rows(&table, Some(DAY), Some("FX"), 3_000, 3)).await;
    let session = session();
    let request = ScanRequest {
        state: &session.state(),
        table: Arc::new(table),
        segments: vec![Arc::new(segment)],
        projection: vec![1],
        filters: Vec::new(),
        limit: Some(5),
    };
    let plan = store.scan(request).await.unwrap();
    assert_eq!(count(&collect(plan, session.task_ctx()).await.unwrap()), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_added_later_give_null_or_their_default() {
    let (_folder, store) = store();
    let mut table = table(Granularity::Day);
    let old = publish_day(&store, &table, 1, &rows(&table, Some(DAY), Some("FX"), 10, 1)).await;
    table.columns.push(column("note", DataType::Utf8View, true));
    table.columns.push(column("lot", DataType::Int32, false));
    table.columns[9].default = Some("100".to_owned());
    let output = one(&read_all(&store, &table, std::slice::from_ref(&old)).await);
    assert_eq!(output.schema(), table.schema());
    assert_eq!(output.column(8).logical_null_count(), 10);
    assert!(output.column(9).as_primitive::<Int32Type>().values().iter().all(|lot| *lot == 100));
    let session = session();
    let filter = vec![col("lot").eq(lit(100_i32))];
    let plan = plan(&store, &session, &table, &[old], &[6], filter).await.unwrap();
    let output = one(&collect(plan, session.task_ctx()).await.unwrap());
    assert_eq!(output.column(0).as_primitive::<Int64Type>().len(), 10, "the filter is true for old rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_damaged_file_is_named() {
    let (folder, writer) = store();
    let table = table(Granularity::Day);
    let segment = publish_day(&writer, &table, 1, &rows(&table, Some(DAY), Some("FX"), 3_000, 3)).await;
    let path = folder.path().join(&segment.location);
    let intact = std::fs::read(&path).unwrap();
    let fail = async || {
        // A fresh store: the footer is not in memory.
        let store = DeltaStore::open(DeltaOptions::at(folder.path())).unwrap();
        let error = read(&store, &table, std::slice::from_ref(&segment)).await.unwrap_err().to_string();
        assert!(error.contains("asset_class=FX/1-"), "{error}");
        error
    };
    std::fs::write(&path, &intact[..intact.len() / 2]).unwrap();
    assert!(fail().await.contains("damaged"));
    let mut pages = intact.clone();
    for byte in &mut pages[100..intact.len() / 3] {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, &pages).unwrap();
    assert!(fail().await.contains("damaged"));
    std::fs::write(&path, &intact).unwrap();
    let store = DeltaStore::open(DeltaOptions::at(folder.path())).unwrap();
    let short = Segment { rows: 3_001, ..segment.clone() };
    let error = read(&store, &table, &[short]).await.unwrap_err().to_string();
    assert!(error.contains("in it: 3000,") && error.contains("catalog: 3001"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert!(fail().await.contains("missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_may_run_while_decoding() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = DeltaOptions::at(folder.path());
    options.pushdown_filters = true;
    let store = DeltaStore::open(options).unwrap();
    let table = table(Granularity::Day);
    let segment = publish_day(&store, &table, 1, &rows(&table, Some(DAY), Some("FX"), 3_000, 3)).await;
    let session = session();
    let filter = vec![col("trade_id").eq(lit(7_919_i64))];
    let plan = plan(&store, &session, &table, &[segment], &[6], filter).await.unwrap();
    assert_eq!(count(&collect(plan, session.task_ctx()).await.unwrap()), 1);
}
