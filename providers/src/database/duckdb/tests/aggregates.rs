use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, TableProviderFilterPushDown, Volatility, create_udf};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::union::UnionExec;

use super::*;
use crate::database::sql::aggregate_exec::SqlAggregateExec;
use crate::tier_store::testing::StoreTable;

struct Queries {
    context: SessionContext,
    store: Arc<DuckDbStore>,
    _folder: TempDir,
}

impl Queries {
    async fn new(floats: Floats) -> Queries {
        Queries::over((1..4).map(|seed| random_batch(seed, 700, floats)).collect()).await
    }

    async fn over(batches: Vec<RecordBatch>) -> Queries {
        let mut fixture = Fixture::new();
        for batch in &batches {
            fixture.write(batch).await;
        }
        let config = SessionConfig::new().with_target_partitions(1).with_batch_size(1000);
        // Without the rule that answers count(*), min and max from statistics.
        let default = SessionContext::new().state();
        let rules = default.physical_optimizers().iter().filter(|r| r.name() != "aggregate_statistics").cloned();
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_physical_optimizer_rules(rules.collect());
        let context = SessionContext::new_with_state(state.build());
        let memory = MemTable::try_new(fixture.table.schema(), batches.into_iter().map(|b| vec![b]).collect()).unwrap();
        context.register_table("m", Arc::new(memory)).unwrap();
        let store = Arc::new(fixture.store);
        let provider = StoreTable {
            store: Arc::clone(&store) as Arc<dyn TierStore>,
            table: fixture.table,
            segments: fixture.segments,
            filters: TableProviderFilterPushDown::Unsupported,
        };
        context.register_table("t", Arc::new(provider)).unwrap();
        Queries { context, store, _folder: fixture.folder }
    }

    /// The first aggregation of the query over `t`.
    async fn aggregation(&self, sql: &str) -> AggregateExec {
        let plan = self.context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let mut found = None;
        plan.apply(|node| {
            if let Some(aggregate) = node.downcast_ref::<AggregateExec>()
                && aggregate.input().is::<SqlScanExec>()
            {
                found = Some(aggregate.clone());
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
        found.unwrap_or_else(|| panic!("no aggregation over the scan: {sql}"))
    }

    fn partial(&self, aggregate: &AggregateExec) -> Arc<AggregateExec> {
        let parts = AggregateExec::try_new(
            AggregateMode::Partial,
            aggregate.group_expr().clone(),
            aggregate.aggr_expr().to_vec(),
            aggregate.filter_expr().to_vec(),
            Arc::clone(aggregate.input()),
            aggregate.input_schema(),
        );
        Arc::new(parts.unwrap())
    }

    async fn finished(&self, aggregate: &AggregateExec, partial: Arc<dyn ExecutionPlan>) -> Vec<String> {
        let merged = AggregateExec::try_new(
            AggregateMode::Final,
            aggregate.group_expr().as_final(),
            aggregate.aggr_expr().to_vec(),
            aggregate.filter_expr().to_vec(),
            Arc::new(CoalescePartitionsExec::new(partial)),
            aggregate.input_schema(),
        );
        sorted_texts(&collect(Arc::new(merged.unwrap()), self.context.task_ctx()).await.unwrap())
    }

    /// Checks that DuckDB's partial states can stand for, and be mixed with, DataFusion's.
    async fn check(&self, sql: &str) {
        let aggregate = self.aggregation(sql).await;
        let partial = self.partial(&aggregate);
        let pushed = self.store.pushdown().unwrap().partial_aggregate(&partial, partial.input());
        let pushed = pushed.unwrap_or_else(|| panic!("not pushed: {sql}"));
        assert!(pushed.is::<SqlAggregateExec>());
        assert_eq!(pushed.schema(), partial.schema(), "{sql}");
        let partial: Arc<dyn ExecutionPlan> = partial;
        assert_eq!(
            self.finished(&aggregate, Arc::clone(&pushed)).await,
            self.finished(&aggregate, Arc::clone(&partial)).await,
            "{sql}"
        );
        let states = async |plan: &Arc<dyn ExecutionPlan>| {
            let one = Arc::new(CoalescePartitionsExec::new(Arc::clone(plan)));
            sorted_texts(&collect(one, self.context.task_ctx()).await.unwrap())
        };
        assert_eq!(states(&pushed).await, states(&partial).await, "{sql}");
        let twice = |a: &Arc<dyn ExecutionPlan>, b: &Arc<dyn ExecutionPlan>| {
            UnionExec::try_new(vec![Arc::clone(a), Arc::clone(b)]).unwrap()
        };
        assert_eq!(
            self.finished(&aggregate, twice(&pushed, &partial)).await,
            self.finished(&aggregate, twice(&partial, &partial)).await,
            "{sql}"
        );
        // And the whole query over DataFusion's own table.
        let memory = self.context.sql(&sql.replace("FROM t", "FROM m")).await.unwrap().collect().await.unwrap();
        assert_eq!(self.finished(&aggregate, pushed).await, sorted_texts(&memory), "{sql}");
    }

    async fn refuses(&self, sql: &str) {
        let partial = self.partial(&self.aggregation(sql).await);
        assert!(self.store.pushdown().unwrap().partial_aggregate(&partial, partial.input()).is_none(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_equal_datafusions_own() {
    let queries = Queries::new(Floats::Finite).await;
    for sql in [
        "SELECT count(*) FROM t",
        "SELECT count(*), count(price) FROM t",
        "SELECT sum(size), sum(i32), sum(i16), sum(price), sum(small), sum(f64), sum(f32) FROM t",
        "SELECT avg(size), avg(i32), avg(price), avg(f64), avg(f32), avg(small) FROM t",
        "SELECT min(symbol), max(symbol), min(ts), max(ts), min(\"local ts\"), max(day), min(price), max(f64) FROM t",
        "SELECT min(notional), max(notional), min(flag), max(flag), max(raw), max(i16), min(f32) FROM t",
        "SELECT symbol, count(*), sum(price), avg(price), avg(f64), min(ts), max(symbol), sum(size) FROM t GROUP BY symbol",
        "SELECT symbol, flag, day, count(size) FROM t GROUP BY symbol, flag, day",
        "SELECT id, avg(price), avg(f64), sum(size), sum(f64), min(day), count(flag) FROM t GROUP BY id",
        "SELECT raw, price, notional, \"local ts\", i16, count(*) FROM t GROUP BY raw, price, notional, \"local ts\", i16",
        "SELECT DISTINCT symbol, i16 FROM t",
        "SELECT symbol, sum(price * size), sum(f64 * f32), sum(price * small) FROM t GROUP BY symbol",
        "SELECT symbol, sum(price - small), sum(size * i32 + 3), avg(f64 - 0.5) FROM t GROUP BY symbol",
        "SELECT date_bin(INTERVAL '7 minutes', ts), count(*) FROM t GROUP BY 1",
        "SELECT date_bin(INTERVAL '11 seconds', ts, TIMESTAMP '2001-01-01 00:00:03'), symbol, sum(f64) FROM t GROUP BY 1, 2",
        "SELECT date_bin(INTERVAL '90 minutes', \"local ts\", TIMESTAMP '1960-03-01 00:20:00'), count(*) FROM t GROUP BY 1",
        // Weeks of date_bin begin on Thursdays, like 1970; DuckDB's own buckets would begin on Mondays.
        "SELECT date_bin(INTERVAL '7 days', ts), date_bin(INTERVAL '1 week', \"local ts\"), count(*) FROM t GROUP BY 1, 2",
        "SELECT date_bin(INTERVAL '7 seconds', \"local ts\"), date_bin(INTERVAL '3 seconds', ts), count(*) FROM t GROUP BY 1, 2",
        "SELECT date_bin(INTERVAL '1 day 1 second', ts, TIMESTAMP '2200-01-01 00:00:00'), max(ts) FROM t GROUP BY 1",
        "SELECT date_trunc('minute', ts), max(price) FROM t GROUP BY 1",
        "SELECT date_trunc('hour', ts), date_trunc('week', ts), date_trunc('day', \"local ts\"), count(*) FROM t GROUP BY 1, 2, 3",
    ] {
        queries.check(sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proven_equal_stays_with_datafusion() {
    let queries = Queries::new(Floats::Any).await;
    queries.check("SELECT symbol, count(f64), sum(price) FROM t GROUP BY symbol").await;
    for sql in [
        // NaN and infinities.
        "SELECT sum(f64) FROM t",
        "SELECT min(f64) FROM t",
        "SELECT avg(f32) FROM t",
        "SELECT f64, count(*) FROM t GROUP BY f64",
        // Could overflow.
        "SELECT sum(notional * price) FROM t",
        "SELECT sum(id * id * id) FROM t",
        "SELECT count(size) FILTER (WHERE flag) FROM t",
        "SELECT count(DISTINCT size), count(DISTINCT i16) FROM t",
        "SELECT median(size) FROM t",
        "SELECT first_value(price ORDER BY ts) FROM t",
        "SELECT symbol, i16, count(*) FROM t GROUP BY ROLLUP (symbol, i16)",
        "SELECT date_trunc('month', ts), count(*) FROM t GROUP BY 1",
        // Months are not of one width; a nanosecond is finer than what is stored.
        "SELECT date_bin(INTERVAL '1 month', ts), count(*) FROM t GROUP BY 1",
        "SELECT date_bin(INTERVAL '1 month', \"local ts\", TIMESTAMP '2000-01-01 00:00:00'), count(*) FROM t GROUP BY 1",
        "SELECT date_bin(INTERVAL '1500 nanoseconds', ts), count(*) FROM t GROUP BY 1",
        "SELECT date_bin(INTERVAL '1 day', ts, TIMESTAMP '2000-01-01 00:00:00.000000001'), count(*) FROM t GROUP BY 1",
        "SELECT upper(symbol), count(*) FROM t GROUP BY 1",
    ] {
        queries.refuses(sql).await;
    }
}

/// Stands for the engine's `time_bucket`, of widths that are needed here: buckets count from Monday 2000-01-03.
fn time_bucket() -> ScalarUDF {
    let instants = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let call = |args: &[ColumnarValue]| {
        let width = match &args[0] {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) if text == "1 week" => 7 * 86_400_000_000,
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) if text == "11 minutes" => 660_000_000,
            other => panic!("{other:?}"),
        };
        let monday = 946_857_600_000_000_i64;
        let times = args[1].clone().into_array(1)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let bucket = |t: i64| t - (t - monday).rem_euclid(width);
        let buckets: TimestampMicrosecondArray = times.iter().map(|t| t.map(bucket)).collect();
        Ok(ColumnarValue::Array(Arc::new(buckets.with_timezone("UTC"))))
    };
    create_udf("time_bucket", vec![DataType::Utf8, instants.clone()], instants, Volatility::Immutable, Arc::new(call))
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_count_from_a_monday() {
    let queries = Queries::new(Floats::Finite).await;
    queries.context.register_udf(time_bucket());
    queries.check("SELECT time_bucket('1 week', ts), count(*) FROM t GROUP BY 1").await;
    queries.check("SELECT time_bucket('11 minutes', ts), symbol, sum(size) FROM t GROUP BY 1, 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_nanoseconds_cannot_hold_stay_with_datafusion() {
    for year in [-400_i64, 1000] {
        let batch = random_batch(1, 10, Floats::Finite);
        let times = vec![year * 365 * 86_400_000_000; 10];
        let mut columns = batch.columns().to_vec();
        columns[2] = Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("UTC"));
        columns[3] = Arc::new(TimestampMicrosecondArray::from(times));
        let queries = Queries::over(vec![RecordBatch::try_new(batch.schema(), columns).unwrap()]).await;
        queries.refuses("SELECT date_bin(INTERVAL '1 hour', ts), count(*) FROM t GROUP BY 1").await;
        queries.refuses("SELECT date_bin(INTERVAL '1 hour', \"local ts\"), count(*) FROM t GROUP BY 1").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_the_scan_are_kept() {
    let queries = Queries::new(Floats::Finite).await;
    let aggregate = queries.aggregation("SELECT symbol, sum(size) FROM t GROUP BY symbol").await;
    let schema = aggregate.input().schema();
    let column = datafusion::physical_expr::expressions::col("symbol", &schema).unwrap();
    let value =
        datafusion::physical_expr::expressions::lit(datafusion::common::ScalarValue::Utf8View(Some("AAPL".into())));
    let filter = datafusion::physical_expr::expressions::binary(
        column,
        datafusion::logical_expr::Operator::GtEq,
        value,
        &schema,
    );
    let pushdown = queries.store.pushdown().unwrap();
    let scan = pushdown.exact_filter(aggregate.input(), &filter.unwrap()).unwrap();
    let partial = queries.partial(&aggregate);
    let pushed = pushdown.partial_aggregate(&partial, &scan).unwrap();
    let expected = "SELECT symbol, sum(size) FROM m WHERE symbol >= 'AAPL' GROUP BY symbol";
    let expected = queries.context.sql(expected).await.unwrap().collect().await.unwrap();
    assert_eq!(queries.finished(&aggregate, pushed).await, sorted_texts(&expected));
    let limited = scan.with_fetch(Some(10)).unwrap();
    assert!(pushdown.partial_aggregate(&partial, &limited).is_none());
}
