#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{Float64Array, Int64Array, StringViewArray};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;

#[test]
fn only_repetitions_go() {
    let long = "longer than any text that a view holds itself";
    let batch = RecordBatch::try_from_iter_with_nullable(vec![
        ("t", Arc::new(StringViewArray::from(vec!["a", "a", "a", "b", "b", long, long, "a"])) as ArrayRef, false),
        (
            "n",
            Arc::new(Int64Array::from(vec![Some(1), Some(1), None, None, None, Some(0), Some(0), Some(0)])) as ArrayRef,
            true,
        ),
        ("x", Arc::new(Float64Array::from(vec![0.5, 0.5, 0.5, f64::NAN, f64::NAN, 1.0, 2.0, 2.0])) as ArrayRef, false),
    ])
    .unwrap();
    let left = without_repeated(batch).unwrap();
    let shown = pretty_format_batches(&[left]).unwrap().to_string();
    let rows: Vec<&str> = shown.lines().skip(3).filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 6, "{shown}");
}

/// The same answers with the rule and without it, over sorted and unsorted rows with NULLs.
#[tokio::test]
async fn answers_stay_the_same() {
    let rows = 40_000;
    let group = |i: i64| (i / 900) % 7;
    let batch = |from: i64| {
        let ids = from..from + 2_000;
        RecordBatch::try_from_iter_with_nullable(vec![
            (
                "g",
                Arc::new(
                    ids.clone().map(|i| (group(i) != 3).then(|| format!("g{}", group(i)))).collect::<StringViewArray>(),
                ) as ArrayRef,
                true,
            ),
            (
                "n",
                Arc::new(ids.clone().map(|i| (i % 5 != 0).then_some(i / 37)).collect::<Int64Array>()) as ArrayRef,
                true,
            ),
            ("r", Arc::new(ids.map(|i| Some((i * 7_919) % 101)).collect::<Int64Array>()) as ArrayRef, true),
        ])
        .unwrap()
    };
    let batches: Vec<RecordBatch> = (0..rows / 2_000).map(|i| batch(i * 2_000)).collect();
    let context = |ours: bool| {
        let mut state = SessionStateBuilder::new()
            .with_config(SessionConfig::new().with_target_partitions(2))
            .with_default_features();
        if ours {
            state = state.with_physical_optimizer_rule(Arc::new(SkipRepeatedRows));
        }
        let context = SessionContext::new_with_state(state.build());
        let table = MemTable::try_new(batches[0].schema(), vec![batches.clone()]).unwrap();
        context.register_table("t", Arc::new(table)).unwrap();
        context
    };
    let (plain, ours) = (context(false), context(true));
    for (sql, applies) in [
        ("SELECT g, count(DISTINCT n), count(DISTINCT r) FROM t GROUP BY g ORDER BY g", true),
        ("SELECT DISTINCT g, n FROM t ORDER BY g, n", true),
        ("SELECT g, min(n), max(r) FROM t GROUP BY g ORDER BY g", true),
        ("SELECT count(DISTINCT g), sum(DISTINCT n) FROM t", true),
        ("SELECT g, count(DISTINCT n) FILTER (WHERE r > 50) FROM t GROUP BY g ORDER BY g", true),
        ("SELECT g, count(*), count(DISTINCT n) FROM t GROUP BY g ORDER BY g", false),
        ("SELECT g, sum(n) FROM t GROUP BY g ORDER BY g", false),
    ] {
        let answer = async |context: &SessionContext| {
            let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
            pretty_format_batches(&batches).unwrap().to_string()
        };
        assert_eq!(answer(&ours).await, answer(&plain).await, "{sql}");
        let plan = ours.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        assert_eq!(text.contains("RepeatedRowsExec"), applies, "{sql}\n{text}");
    }
}
