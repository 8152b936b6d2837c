#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{AsArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int16Type, Schema};

use super::*;

fn batch() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("extra", DataType::Int64, true),
        Field::new("n", DataType::Int32, true),
        Field::new("s", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(Int32Array::from(vec![Some(3), None])),
        Arc::new(StringArray::from(vec!["a", "b"])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[test]
fn columns_are_found_by_name_cast_and_filled() {
    let target: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("s", DataType::Utf8View, false),
        Field::new("missing", DataType::Float64, true),
        Field::new("n", DataType::Int16, true),
    ]));
    let adapted = adapt_batch(&batch(), &target).unwrap();
    assert_eq!(adapted.schema(), target);
    assert_eq!(adapted.column(0).as_string_view().value(1), "b");
    assert_eq!(adapted.column(1).null_count(), 2);
    assert_eq!(adapted.column(2).as_primitive::<Int16Type>().value(0), 3);
    assert!(Arc::ptr_eq(adapt_batch(&adapted, &target).unwrap().column(0), adapted.column(0)));
}

#[test]
fn a_missing_or_null_value_of_a_not_null_column_is_an_error() {
    for name in ["absent", "n"] {
        let target: SchemaRef = Arc::new(Schema::new(vec![Field::new(name, DataType::Int32, false)]));
        let error = adapt_batch(&batch(), &target).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_an_error_not_null() {
    let wide = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    let wide = RecordBatch::try_new(Arc::new(wide), vec![Arc::new(Int64Array::from(vec![70_000]))]).unwrap();
    let target: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int16, true)]));
    assert!(adapt_batch(&wide, &target).is_err());
}

#[test]
fn nanoseconds_go_down_to_the_microsecond() {
    use arrow::array::{TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray};
    let nanoseconds: ArrayRef =
        Arc::new(TimestampNanosecondArray::from(vec![Some(-1), Some(-1_001), Some(999), None]).with_timezone("UTC"));
    let expected = TimestampMicrosecondArray::from(vec![Some(-1), Some(-2), Some(0), None]).with_timezone("UTC");
    assert_eq!(in_micros(&nanoseconds).unwrap().as_ref(), &expected as &dyn Array);
    let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![-3]));
    let expected = TimestampMicrosecondArray::from(vec![-3_000_000]);
    assert_eq!(in_micros(&seconds).unwrap().as_ref(), &expected as &dyn Array);
    let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    assert!(in_micros(&far).unwrap_err().to_string().contains("out of the range"));
}
