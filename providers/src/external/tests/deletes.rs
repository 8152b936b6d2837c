use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::prelude::SessionContext;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::properties::WriterProperties;

use super::{file, parquet_bytes};
use crate::external::columns::Numbers;
use crate::external::iceberg_deletes::{DeletedValues, Positions, WithoutDeleted};

fn ids(values: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter(vec![("id", Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)]).unwrap()
}

#[tokio::test]
async fn rows_are_deleted_by_their_places_over_row_groups() {
    let data = parquet_bytes(&[ids(0..4), ids(4..6), ids(6..9)], WriterProperties::default());
    let (data_files, data) = file(data, false).await;
    let footer = data_files.footer(&data).await.unwrap();
    let deletes = RecordBatch::try_from_iter(vec![
        ("file_path", Arc::new(StringArray::from(vec!["x", "y", "x", "x", "x", "x"])) as ArrayRef),
        // The same row twice, and one past the end.
        ("pos", Arc::new(Int64Array::from(vec![1, 0, 4, 5, 1, 99])) as ArrayRef),
    ])
    .unwrap();
    let (files, deletes) = file(parquet_bytes(&[deletes], WriterProperties::default()), true).await;
    let mut positions = Positions::default();
    positions.read(&files, &deletes, &HashSet::from(["x"])).await.unwrap();
    let (select, skip) = (RowSelector::select, RowSelector::skip);
    let expected = ParquetAccessPlan::new(vec![
        RowGroupAccess::Selection(RowSelection::from(vec![select(1), skip(1), select(2)])),
        RowGroupAccess::Skip,
        RowGroupAccess::Scan,
    ]);
    assert_eq!(positions.left("x", &footer), Some(expected));
    assert_eq!(positions.left("y", &footer), None);
}

#[tokio::test]
async fn deleted_values_match_null_only_where_null_is_deleted() {
    let number = |name: &str, number: i32| {
        let number = (PARQUET_FIELD_ID_META_KEY.to_owned(), number.to_string());
        Field::new(name, DataType::Utf8, true).with_metadata(HashMap::from([number]))
    };
    let schema = Arc::new(Schema::new(vec![number("was", 2), number("beside", 5)]));
    let keys = |values: Vec<Option<&str>>| {
        let beside: ArrayRef = Arc::new(StringArray::from(vec![Some("other"); values.len()]));
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringArray::from(values)), beside]).unwrap()
    };
    let rows = RecordBatch::try_from_iter(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        ("status", Arc::new(StringArray::from(vec![Some("done"), None, Some("open")])) as ArrayRef),
    ])
    .unwrap();
    let names = Numbers { of_columns: [("id".to_owned(), 1), ("status".to_owned(), 2)].into(), mapping: None };
    for (deleted, left) in
        [(vec![Some("done")], vec![2, 3]), (vec![None], vec![1, 3]), (vec![None, Some("done")], vec![3])]
    {
        let (files, meta) = file(parquet_bytes(&[keys(deleted)], WriterProperties::default()), true).await;
        let mut values = DeletedValues::new(vec![2], vec![1], &rows.schema()).unwrap();
        values.read(&files, &meta, &names, &rows.schema()).await.unwrap();
        let input = MemorySourceConfig::try_new_exec(&[vec![rows.clone()]], rows.schema(), None).unwrap();
        let plan = WithoutDeleted::plan(input, vec![values], 1).unwrap();
        let found = datafusion::physical_plan::collect(plan, SessionContext::new().task_ctx()).await.unwrap();
        assert_eq!(found[0].num_columns(), 1);
        assert_eq!(found[0].column(0).as_primitive::<Int64Type>().values(), left.as_slice());
    }
}
