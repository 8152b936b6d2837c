use arrow::array::{AsArray, StringViewArray};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::physical_expr::expressions::col as physical_col;
use datafusion::physical_plan::displayable;
use datafusion::prelude::{col, lit};

use super::*;
use crate::row_hash::hash_batch;
use crate::scalar::constant_default;

/// The same rows, bit for bit.
fn assert_same(given: &[RecordBatch], expected: &[RecordBatch]) {
    assert_eq!(sorted_texts(given), sorted_texts(expected));
    let hash = |batches: &[RecordBatch]| {
        batches.iter().fold(RowHash::default(), |sum, batch| sum.combine(hash_batch(batch).unwrap()))
    };
    assert_eq!(hash(given), hash(expected));
}

#[tokio::test]
async fn every_type_comes_back_as_it_was() {
    let mut fixture = Fixture::new();
    let batches = [random_batch(1, 5000, Floats::Any), random_batch(2, 2049, Floats::Any)];
    for batch in &batches {
        fixture.write(batch).await;
    }
    let plan = fixture.scan_all().await;
    assert_eq!(plan.schema(), fixture.table.schema());
    let found = fixture.collect(&plan).await;
    assert!(found.iter().all(|b| b.schema() == fixture.table.schema()));
    assert_same(&found, &batches);
    // Chunks are gathered into the session's batch size.
    assert!(found.iter().filter(|b| b.num_rows() < 1000).count() <= 1, "{:?}", found.iter().map(|b| b.num_rows()));
}

#[tokio::test]
async fn extreme_values_come_back_as_they_were() {
    let mut fixture = Fixture::new();
    let template = random_batch(1, 4, Floats::Any);
    let mut columns = template.columns().to_vec();
    let set = |columns: &mut Vec<ArrayRef>, name: &str, array: ArrayRef| {
        columns[template.schema().index_of(name).unwrap()] = array;
    };
    let long = "x".repeat(300_000);
    set(
        &mut columns,
        "symbol",
        Arc::new(StringViewArray::from(vec!["a\0b", "\u{10FFFF}", long.as_str(), "12 bytes long"])),
    );
    let instants = TimestampMicrosecondArray::from(vec![i64::MIN + 2, i64::MAX - 1, -1, 0]);
    set(&mut columns, "ts", Arc::new(instants.with_timezone("UTC")));
    set(&mut columns, "size", Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX, 0, -1])));
    set(&mut columns, "i32", Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX, 0, -1])));
    set(&mut columns, "i16", Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX, 0, -1])));
    let nines = 10_i128.pow(38) - 1;
    let wide = Decimal128Array::from(vec![nines, -nines, 0, 1]).with_precision_and_scale(38, 10).unwrap();
    set(&mut columns, "notional", Arc::new(wide));
    set(&mut columns, "day", Arc::new(Date32Array::from(vec![i32::MIN + 2, i32::MAX - 1, 0, -719_162])));
    let batch = RecordBatch::try_new(template.schema(), columns).unwrap();
    fixture.write(&batch).await;
    assert_same(&fixture.collect(&fixture.scan_all().await).await, &[batch]);
}

#[tokio::test]
async fn reads_only_what_is_asked_for() {
    let mut fixture = Fixture::new();
    let batch = random_batch(3, 3000, Floats::Finite);
    fixture.write(&batch).await;

    let plan = fixture.scan(vec![4, 1], Vec::new(), None).await;
    let expected = batch.project(&[4, 1]).unwrap();
    assert_same(&fixture.collect(&plan).await, &[expected]);

    let plan = fixture.scan(vec![0], Vec::new(), Some(17)).await;
    assert_eq!(texts(&fixture.collect(&plan).await).len(), 17);
    assert!(sql_of(&plan).ends_with("LIMIT 17"), "{}", sql_of(&plan));

    // No columns: only the number of rows matters.
    let count = |batches: Vec<RecordBatch>| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let plan = fixture.scan(Vec::new(), Vec::new(), None).await;
    assert_eq!(count(fixture.collect(&plan).await), 3000);
    let plan = fixture.scan(Vec::new(), vec![col("flag")], Some(2500)).await;
    let flags = batch.column_by_name("flag").unwrap().as_boolean().true_count();
    assert_eq!(count(fixture.collect(&plan).await), flags);
    let plan = fixture.scan(Vec::new(), Vec::new(), Some(12)).await;
    assert_eq!(count(fixture.collect(&plan).await), 12);
}

#[tokio::test]
async fn hundreds_of_segments_are_one_statement_and_can_be_sorted_in_it() {
    let mut fixture = Fixture::new();
    let batches: Vec<RecordBatch> = (0..320).map(|seed| random_batch(seed, 23, Floats::Finite)).collect();
    for batch in &batches {
        fixture.write(batch).await;
    }
    let plan = fixture.scan_all().await;
    assert_eq!(plan.properties().output_partitioning().partition_count(), 1);
    assert_eq!(sql_of(&plan).matches("UNION ALL").count(), 319);
    assert_same(&fixture.collect(&plan).await, &batches);
    let shown = displayable(plan.as_ref()).one_line().to_string();
    assert!(shown.contains("segments=320") && shown.contains("317 more segments"), "{shown}");

    let order = |name: &str, descending, nulls_first| datafusion::physical_expr::PhysicalSortExpr {
        expr: physical_col(name, &plan.schema()).unwrap(),
        options: arrow::compute::SortOptions { descending, nulls_first },
    };
    let keys = [order("symbol", false, true), order("ts", true, false), order("id", false, true)];
    let Some(sorted) = plan.try_pushdown_sort(&keys).unwrap().into_inner() else { panic!("not pushed down") };
    assert!(sorted.properties().output_ordering().is_some());
    let top = sorted.with_fetch(Some(500)).unwrap();
    let found = texts(&fixture.collect(&top).await);

    let schema = fixture.table.schema();
    let all = arrow::compute::concat_batches(&schema, &batches).unwrap();
    let columns: Vec<_> = keys
        .iter()
        .map(|k| arrow::compute::SortColumn {
            values: k.expr.evaluate(&all).unwrap().into_array(all.num_rows()).unwrap(),
            options: Some(k.options),
        })
        .collect();
    let indices = arrow::compute::lexsort_to_indices(&columns, Some(500)).unwrap();
    let expected = arrow::compute::take_record_batch(&all, &indices).unwrap();
    assert_eq!(found, texts(&[expected]));
    // Floats sort differently in the two engines, and rows cannot be sorted after they were limited.
    assert!(plan.try_pushdown_sort(&[order("f64", false, true)]).unwrap().into_inner().is_none());
    let limited = plan.with_fetch(Some(5)).unwrap();
    assert!(limited.try_pushdown_sort(&keys).unwrap().into_inner().is_none());
}

#[tokio::test]
async fn segments_older_than_a_column_give_its_default() {
    let mut fixture = Fixture::new();
    fixture.write(&random_batch(1, 10, Floats::Finite)).await;
    let mut def = table();
    let with_default = |name: &str, data_type, default: &str| ColumnDef {
        default: Some(default.to_owned()),
        ..column(name, data_type)
    };
    def.columns.push(column("added", DataType::Float64));
    def.columns.push(with_default("venue", DataType::Utf8View, "'X''Y'"));
    def.columns.push(with_default("fee", DataType::Decimal128(10, 3), "-1.5"));
    fixture.table = Arc::new(def);
    fixture.store.alter_table(&fixture.table).await.unwrap();
    let old = random_batch(2, 5, Floats::Finite);
    let mut columns = old.columns().to_vec();
    columns.push(Arc::new(Float64Array::from(vec![1.5; 5])));
    columns.push(Arc::new(StringViewArray::from(vec!["new"; 5])));
    columns.push(ScalarValue::Decimal128(Some(7), 10, 3).to_array_of_size(5).unwrap());
    let new = RecordBatch::try_new(fixture.table.schema(), columns).unwrap();
    fixture.write(&new).await;

    let plan = fixture.scan(vec![15, 16, 17], Vec::new(), None).await;
    let found = sorted_texts(&fixture.collect(&plan).await);
    let expected: Vec<String> = std::iter::repeat_n("1.5 | new | 0.007", 5)
        .chain(std::iter::repeat_n("NULL | X'Y | -1.500", 10))
        .map(str::to_owned)
        .collect();
    assert_eq!(found, expected);
    let filter = col("venue").eq(lit(constant_default(&fixture.table.columns[16]).unwrap()));
    let plan = fixture.scan(vec![0], vec![filter], None).await;
    assert_eq!(texts(&fixture.collect(&plan).await).len(), 10);
}

#[tokio::test]
async fn statistics_are_exact_until_rows_are_filtered() {
    let mut fixture = Fixture::new();
    let batch = random_batch(5, 100, Floats::Finite);
    fixture.write(&batch).await;
    fixture.write(&random_batch(6, 50, Floats::Finite)).await;
    let plan = fixture.scan(vec![0, 2], Vec::new(), None).await;
    let statistics = plan.partition_statistics(None).unwrap();
    assert_eq!(statistics.num_rows, Precision::Exact(150));
    assert!(matches!(statistics.column_statistics[1].min_value, Precision::Exact(_)));
    let plan = fixture.scan(vec![0], vec![col("flag")], None).await;
    assert!(matches!(plan.partition_statistics(None).unwrap().num_rows, Precision::Inexact(_)));
}

#[tokio::test]
async fn zones_are_attached_and_nan_kept() {
    let mut fixture = Fixture::new();
    let batch = random_batch(8, 200, Floats::Any);
    fixture.write(&batch).await;
    let found = fixture.collect(&fixture.scan(vec![0, 2, 9], Vec::new(), None).await).await;
    let zoned = found.iter().all(|b| b.column(1).as_primitive::<TimestampMicrosecondType>().timezone() == Some("UTC"));
    assert!(zoned);
    let count = |b: &RecordBatch, i: usize| {
        b.column(i).as_primitive::<Float64Type>().iter().flatten().filter(|v| v.is_nan()).count()
    };
    assert_eq!(found.iter().map(|b| count(b, 2)).sum::<usize>(), count(&batch, 9));
}
