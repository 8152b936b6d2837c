use std::collections::HashMap;
use std::sync::Arc;

use ::iceberg::spec::{MappedField, NameMapping};
use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::external::columns::{FileColumns, Numbers};

fn numbered(name: &str, data_type: DataType, number: i32) -> Field {
    let number = (PARQUET_FIELD_ID_META_KEY.to_owned(), number.to_string());
    Field::new(name, data_type, true).with_metadata(HashMap::from([number]))
}

/// What the file's rows have in a column of the table.
fn values(columns: &FileColumns, table: &Schema, batch: &RecordBatch, name: &str) -> ArrayRef {
    let adapter = columns.create(Arc::new(table.clone()), batch.schema()).unwrap();
    let expr: Arc<dyn PhysicalExpr> = adapter.rewrite(col(name, table).unwrap()).unwrap();
    expr.evaluate(batch).unwrap().into_array(batch.num_rows()).unwrap()
}

#[test]
fn columns_go_by_number_and_missing_ones_have_their_default() {
    let table = Schema::new(vec![
        Field::new("b", DataType::Int64, true),
        Field::new("a", DataType::Int64, true),
        Field::new("added", DataType::Int64, true),
        Field::new("none", DataType::Utf8, true),
    ]);
    let numbers = Numbers {
        of_columns: [("a", 1), ("b", 2), ("added", 3), ("none", 4)].map(|(n, i)| (n.to_owned(), i)).into(),
        mapping: None,
    };
    let defaults = HashMap::from([("added".to_owned(), ScalarValue::Int64(Some(7)))]);
    let columns = FileColumns { numbers: Some(numbers), defaults };
    // The two have changed their names since, one is narrower, and a dropped column has the name of an added one.
    let file = Schema::new(vec![
        numbered("b", DataType::Int32, 1),
        numbered("a", DataType::Int32, 2),
        numbered("none", DataType::Utf8, 9),
    ]);
    let batch = RecordBatch::try_new(
        Arc::new(file),
        vec![
            Arc::new(Int32Array::from(vec![10])),
            Arc::new(Int32Array::from(vec![20])),
            Arc::new(StringArray::from(vec!["dropped"])),
        ],
    )
    .unwrap();
    let number = |name: &str| values(&columns, &table, &batch, name).as_primitive::<Int64Type>().value(0);
    assert_eq!((number("a"), number("b"), number("added")), (10, 20, 7));
    assert!(values(&columns, &table, &batch, "none").is_null(0));
}

#[test]
fn files_without_numbers_go_by_the_mapping_or_by_place() {
    let mapping = NameMapping::new(vec![
        MappedField::new(Some(1), vec!["key".to_owned(), "old_key".to_owned()], vec![]),
        MappedField::new(Some(2), vec!["value".to_owned()], vec![]),
    ]);
    let file = Schema::new(vec![
        Field::new("value", DataType::Int64, true),
        Field::new("other", DataType::Int64, true),
        Field::new("old_key", DataType::Int64, true),
    ]);
    let mapped = Numbers { of_columns: HashMap::new(), mapping: Some(Arc::new(mapping)) };
    assert_eq!(mapped.in_file(&file), [Some(2), None, Some(1)]);
    let plain = Numbers { of_columns: HashMap::new(), mapping: None };
    assert_eq!(plain.in_file(&file), [Some(1), Some(2), Some(3)]);
}

#[test]
fn times_are_in_microseconds_and_names_are_there_once() {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let table = Schema::new(vec![Field::new("ts", micros, true)]);
    let batch =
        RecordBatch::try_from_iter(vec![("ts", Arc::new(TimestampNanosecondArray::from(vec![-1, 1_999])) as ArrayRef)])
            .unwrap();
    let found = values(&FileColumns::default(), &table, &batch, "ts");
    assert_eq!(found.as_primitive::<TimestampMicrosecondType>().values(), &[-1, 1]);

    let field = Field::new("ts", DataType::Int64, true);
    let twice = Arc::new(Schema::new(vec![field.clone(), field]));
    let error = FileColumns::default().create(Arc::new(table), twice).unwrap_err();
    assert!(error.to_string().contains("two columns \"ts\""), "{error}");
}
