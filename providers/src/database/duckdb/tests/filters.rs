use arrow::array::AsArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::functions::expr_fn::lower;
use datafusion::logical_expr::{Operator, binary_expr, not};
use datafusion::physical_expr::expressions::{DynamicFilterPhysicalExpr, lit as physical_lit};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterPushdownResult, ChildPushdownResult, FilterPushdownPhase, PushedDown,
};
use datafusion::prelude::{Column, col, lit};

use super::*;
use crate::database::duckdb::dialect::DUCKDB;
use crate::database::sql::facts::Facts;
use crate::database::sql::filter::translate;
use crate::database::sql::source::SqlPushdown;
use crate::tier_store::Pushdown;

fn name(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// A predicate over random columns, with constants taken from the data so that it often holds.
fn random_predicate(r: &mut SmallRng, batch: &RecordBatch, depth: usize) -> Expr {
    if depth > 0 && r.random_bool(0.6) {
        let left = random_predicate(r, batch, depth - 1);
        return match r.random_range(0..5) {
            0 => not(left),
            1 | 2 => left.and(random_predicate(r, batch, depth - 1)),
            _ => left.or(random_predicate(r, batch, depth - 1)),
        };
    }
    let position = r.random_range(0..batch.num_columns());
    let schema = batch.schema();
    let column = name(schema.field(position).name());
    let value = |r: &mut SmallRng| {
        let row = r.random_range(0..batch.num_rows());
        lit(ScalarValue::try_from_array(batch.column(position), row).unwrap())
    };
    let ops = [
        Operator::Eq,
        Operator::NotEq,
        Operator::Lt,
        Operator::LtEq,
        Operator::Gt,
        Operator::GtEq,
        Operator::IsDistinctFrom,
        Operator::IsNotDistinctFrom,
    ];
    match r.random_range(0..12) {
        0 => column.is_null(),
        1 => column.is_not_null(),
        2 => column.between(value(r), value(r)),
        3 => column.not_between(value(r), value(r)),
        4 | 5 => {
            let values = (0..r.random_range(1..6)).map(|_| value(r)).collect();
            column.in_list(values, r.random_bool(0.5))
        }
        6 => {
            let patterns = ["A%", "%a%", "%", "O'%", "%b\\_c%", "a_%", "", "%Ž%v", "AAPL"];
            let pattern = lit(ScalarValue::Utf8View(Some(patterns[r.random_range(0..patterns.len())].to_owned())));
            if r.random_bool(0.5) { name("symbol").like(pattern) } else { name("symbol").not_like(pattern) }
        }
        // Not on the list.
        7 => lower(name("symbol")).eq(lit(ScalarValue::Utf8View(Some("aapl".to_owned())))),
        8 => {
            let twin = if r.random_bool(0.5) { name("ts") } else { name("local ts") };
            binary_expr(twin.clone(), ops[r.random_range(0..ops.len())], twin)
        }
        9 if r.random_bool(0.3) => name("flag"),
        10 => binary_expr(value(r), ops[r.random_range(0..ops.len())], column),
        _ => binary_expr(column, ops[r.random_range(0..ops.len())], value(r)),
    }
}

fn ids(batches: &[RecordBatch]) -> std::collections::BTreeSet<i64> {
    batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_predicates_keep_every_row_that_datafusion_keeps() {
    let (mut exact, mut pushed, mut all) = (0, 0, 0);
    for (seed, floats) in [(1, Floats::Finite), (2, Floats::Any)] {
        let mut fixture = Fixture::new();
        let batch = random_batch(seed, 400, floats);
        fixture.write(&batch).await;
        let schema = DFSchema::try_from(fixture.table.schema()).unwrap();
        let state = fixture.context.state();
        let mut r = SmallRng::seed_from_u64(seed + 10);
        for _ in 0..700 {
            let predicate = random_predicate(&mut r, &batch, 3);
            let physical = state.create_physical_expr(predicate.clone(), &schema).unwrap();
            let mask = physical.evaluate(&batch).unwrap().into_array(batch.num_rows()).unwrap();
            let kept = ids(&[filter_record_batch(&batch, mask.as_boolean()).unwrap()]);

            let plan = fixture.scan(vec![0], vec![predicate.clone()], None).await;
            let found = ids(&fixture.collect(&plan).await);
            assert!(kept.is_subset(&found), "{predicate}\n{}", sql_of(&plan));

            let segments: Vec<&Arc<Segment>> = fixture.segments.iter().collect();
            let translated = translate(&physical, &Facts::new(&DUCKDB, &fixture.table, &segments));
            all += 1;
            pushed += usize::from(translated.is_some());
            if translated.is_some_and(|t| t.exact) {
                exact += 1;
                assert_eq!(kept, found, "{predicate}\n{}", sql_of(&plan));
                let bare = fixture.scan(vec![0], Vec::new(), None).await;
                let filtered = SqlPushdown.exact_filter(&bare, &physical).unwrap();
                assert_eq!(kept, ids(&fixture.collect(&filtered).await), "{predicate}");
            }
        }
    }
    // Most can be said in SQL, and some must not.
    assert!(exact * 3 > all && pushed > exact && pushed < all, "{exact} of {pushed} of {all}");
}

#[tokio::test]
async fn what_the_engines_see_differently_stays_with_datafusion() {
    let mut fixture = Fixture::new();
    fixture.write(&random_batch(1, 50, Floats::Any)).await;
    let mut finite = Fixture::new();
    finite.write(&random_batch(1, 50, Floats::Finite)).await;
    let text = |s: &str| lit(ScalarValue::Utf8View(Some(s.to_owned())));
    let sql = async |fixture: &Fixture, filter: Expr| sql_of(&fixture.scan(vec![0], vec![filter], None).await);

    assert!(sql(&finite, col("f64").gt(lit(1.5))).await.contains("WHERE (\"f64\" > CAST('1.5' AS DOUBLE))"));
    assert!(sql(&finite, col("f64").gt(lit(0.0))).await.contains("WHERE"));
    for filter in [col("f64").gt_eq(lit(0.0)), col("f64").eq(lit(-0.0)), col("f64").gt(lit(f64::NAN))] {
        assert!(!sql(&finite, filter).await.contains("WHERE"));
    }
    assert!(!sql(&fixture, col("f64").gt(lit(1.5))).await.contains("WHERE"));
    for filter in [
        col("symbol").like(text("a_c%")),
        col("symbol").like(text("50\\%")),
        col("symbol").ilike(text("a%")),
        col("symbol").eq(text("nul\0")),
        lower(col("symbol")).eq(text("x")).or(col("id").gt(lit(5_i64))),
        not(lower(col("symbol")).eq(text("x")).and(col("id").gt(lit(5_i64)))),
    ] {
        assert!(!sql(&fixture, filter.clone()).await.contains("WHERE"), "{filter}");
    }
    let half = lower(col("symbol")).eq(text("x")).and(col("id").gt(lit(5_i64)));
    assert!(sql(&fixture, half).await.ends_with("WHERE (\"id\" > 5)"));
    let quoted = sql(&fixture, col("symbol").eq(text("it's"))).await;
    assert!(quoted.ends_with("WHERE (\"symbol\" = 'it''s')"), "{quoted}");
}

fn offer(filters: Vec<Arc<dyn PhysicalExpr>>) -> ChildPushdownResult {
    let parent_filters =
        filters.into_iter().map(|filter| ChildFilterPushdownResult { filter, child_results: Vec::new() }).collect();
    ChildPushdownResult { parent_filters, self_filters: Vec::new() }
}

#[tokio::test]
async fn takes_over_filters_of_the_physical_plan() {
    let mut fixture = Fixture::new();
    let batch = random_batch(1, 500, Floats::Finite);
    fixture.write(&batch).await;
    let schema = DFSchema::try_from(fixture.table.schema()).unwrap();
    let physical = |e: Expr| fixture.context.state().create_physical_expr(e, &schema).unwrap();
    let plan = fixture.scan(vec![0, 1], Vec::new(), None).await;
    let exact = physical(col("id").lt(lit(1_000_100_i64)));
    let other = physical(lower(col("symbol")).eq(lit(ScalarValue::Utf8View(Some("aapl".to_owned())))));
    let options = ConfigOptions::new();
    let result =
        plan.handle_child_pushdown_result(FilterPushdownPhase::Pre, offer(vec![exact, other]), &options).unwrap();
    assert!(matches!(result.filters.as_slice(), [PushedDown::Yes, PushedDown::No]));
    assert_eq!(ids(&fixture.collect(&result.updated_node.unwrap()).await).len(), 100);
}

#[tokio::test]
async fn dynamic_filters_are_read_when_the_scan_starts() {
    let mut fixture = Fixture::new();
    for seed in 1..60 {
        fixture.write(&random_batch(seed, 10, Floats::Finite)).await;
    }
    let schema = DFSchema::try_from(fixture.table.schema()).unwrap();
    let physical = |e: Expr| fixture.context.state().create_physical_expr(e, &schema).unwrap();
    let plan = fixture.scan(vec![0], Vec::new(), None).await;
    let column = physical(col("id"));
    let dynamic = Arc::new(DynamicFilterPhysicalExpr::new(vec![column], physical_lit(true)));
    let offered = offer(vec![Arc::clone(&dynamic) as Arc<dyn PhysicalExpr>]);
    let result = plan.handle_child_pushdown_result(FilterPushdownPhase::Post, offered, &ConfigOptions::new()).unwrap();
    assert!(matches!(result.filters.as_slice(), [PushedDown::No]));
    let plan = result.updated_node.unwrap();
    assert_eq!(ids(&fixture.collect(&plan).await).len(), 590);
    // One segment and a half are left; the others are not even named.
    dynamic.update(physical(col("id").lt(lit(2_000_005_i64)))).unwrap();
    assert_eq!(ids(&fixture.collect(&plan).await).len(), 15);
    dynamic.update(physical(col("id").lt(lit(0_i64)))).unwrap();
    assert!(ids(&fixture.collect(&plan).await).is_empty());
    let limited = plan.with_fetch(Some(25)).unwrap();
    dynamic.update(physical(col("id").gt(lit(3_000_005_i64)))).unwrap();
    assert_eq!(ids(&fixture.collect(&limited).await).len(), 25);
}
