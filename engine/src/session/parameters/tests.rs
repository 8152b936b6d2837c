//! Types of parameters as PostgreSQL infers them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use datafusion::prelude::SessionContext;

use super::*;

async fn types(sql: &str, hints: &[Option<DataType>]) -> Result<Vec<DataType>> {
    let context = SessionContext::new();
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("n", DataType::Int32, true),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("name", DataType::Utf8View, true),
        Field::new("ok", DataType::Boolean, true),
    ]);
    context.register_batch("t", RecordBatch::new_empty(Arc::new(schema))).unwrap();
    let plan = context.state().create_logical_plan(sql).await?;
    Ok(settle(plan, hints)?.fields.iter().map(|field| field.data_type().clone()).collect())
}

#[tokio::test]
async fn what_stands_beside_a_parameter_gives_its_type() {
    use DataType::{Boolean, Decimal128, Int32, Int64, Utf8, Utf8View};
    for (sql, wanted) in [
        ("SELECT id FROM t WHERE n = $2 AND (id = $1 OR id > $1)", vec![Int64, Int32]),
        // The first place decides.
        ("SELECT id FROM t WHERE n = $1 OR id = $1", vec![Int32]),
        ("SELECT id FROM t LIMIT $1 OFFSET $2", vec![Int64, Int64]),
        ("SELECT $1::int, $2::text", vec![Int32, Utf8View]),
        ("SELECT CASE WHEN n > $1 THEN $2 ELSE 'x' END FROM t", vec![Int32, Utf8]),
        ("SELECT coalesce(n, $1), upper($2) FROM t WHERE ok = $3", vec![Int32, Utf8View, Boolean]),
        ("SELECT $1 AS x", vec![Utf8View]),
        ("SELECT price - $1 FROM t", vec![Decimal128(10, 2)]),
    ] {
        assert_eq!(types(sql, &[]).await.unwrap(), wanted, "{sql}");
    }
}

#[tokio::test]
async fn declared_types_count_where_values_would_not_fit() {
    let declared = [Some(DataType::Int64)];
    assert_eq!(types("SELECT id FROM t WHERE n = $1", &declared).await.unwrap(), declared.clone().map(Option::unwrap));
    assert_eq!(types("SELECT $1", &declared).await.unwrap(), [DataType::Int64]);
    // A constant is of any length.
    let short = [Some(DataType::Int32)];
    for sql in ["SELECT $1 * 100000", "SELECT abs(-5 - $1)"] {
        assert_eq!(types(sql, &short).await.unwrap(), [DataType::Int32], "{sql}");
    }
    assert_eq!(types("SELECT id FROM t WHERE id = $1", &short).await.unwrap(), [DataType::Int64]);
    assert_eq!(types("SELECT price / $1::boolean::int FROM t", &short).await.unwrap(), [DataType::Boolean]);
    let narrow = [Some(DataType::Int16)];
    assert_eq!(types("SELECT id FROM t WHERE n = $1", &narrow).await.unwrap(), [DataType::Int32]);
}

#[tokio::test]
async fn what_nothing_tells_is_refused() {
    for sql in ["SELECT $1 IS NULL", "SELECT $2::int"] {
        assert_eq!(types(sql, &[]).await.unwrap_err().kind(), ErrorKind::IndeterminateType, "{sql}");
    }
}
