#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, IntervalMonthDayNanoArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, TimeUnit};
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool, UnboundedMemoryPool};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn rows() -> RecordBatch {
    let columns: [(&str, ArrayRef); 5] = [
        (
            "price",
            Arc::new(Decimal128Array::from(vec![Some(15_000_000_001), None]).with_precision_and_scale(20, 8).unwrap()),
        ),
        ("symbol", Arc::new(StringViewArray::from(vec![Some("a symbol that is longer than twelve"), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("Europe/Berlin"))),
        ("ratio", Arc::new(Float64Array::from(vec![Some(f64::NAN), None]))),
        ("age", Arc::new(IntervalMonthDayNanoArray::from(vec![Some(IntervalMonthDayNano::new(1, 2, 3_000)), None]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true))).unwrap()
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn unlimited() -> Arc<dyn MemoryPool> {
    Arc::new(UnboundedMemoryPool::default())
}

fn encode(format: ExportFormat, batches: &[RecordBatch], pool: &Arc<dyn MemoryPool>) -> Bytes {
    let mut encoder = Encoder::new(format, &names(&batches[0]), &batches[0].schema(), pool).unwrap();
    let mut bytes = Vec::new();
    for batch in batches {
        bytes.extend_from_slice(&encoder.write(batch).unwrap());
    }
    bytes.extend_from_slice(&encoder.finish().unwrap());
    Bytes::from(bytes)
}

#[test]
fn parquet_has_the_types_that_other_programs_read() {
    let bytes = encode(ExportFormat::parquet(None).unwrap(), &[rows()], &unlimited());
    assert_eq!(rows_in_parquet(&bytes), Some(2));
    assert_eq!(rows_in_parquet(&bytes[..bytes.len() - 1]), None);
    assert_eq!(rows_in_parquet(&bytes[bytes.len() - 20..]), None, "only a part of the footer");
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    assert!(columns[3].statistics().is_none(), "bounds beside a NaN");
    assert!(columns[0].statistics().is_some());
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let types: Vec<DataType> = batch.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let moments = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(types, [DataType::Decimal128(20, 8), DataType::Utf8, moments, DataType::Float64, DataType::Utf8]);
    assert_eq!(batch.column(4).as_string::<i32>().value(0), "1 mons 2 days 00:00:00.000003");
    assert!(batch.columns().iter().all(|column| column.is_null(1)));
}

#[test]
fn arrow_streams_are_read_back() {
    for compression in [None, Some("zstd"), Some("LZ4"), Some("none")] {
        let bytes = encode(ExportFormat::arrow(compression).unwrap(), &[rows(), rows()], &unlimited());
        let batches: Vec<RecordBatch> =
            StreamReader::try_new(Cursor::new(bytes), None).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(batches.len(), 2, "{compression:?}");
        assert_eq!(batches[0].column(0), rows().column(0));
        assert_eq!(batches[0].column(4), rows().column(4), "Arrow has intervals");
    }
}

#[test]
fn no_rows_are_a_whole_file() {
    let empty = rows().slice(0, 0);
    let parquet = encode(ExportFormat::parquet(Some("snappy")).unwrap(), std::slice::from_ref(&empty), &unlimited());
    let reader = ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap();
    assert_eq!((reader.schema().fields().len(), reader.metadata().file_metadata().num_rows()), (5, 0));
    let arrow = encode(ExportFormat::arrow(None).unwrap(), &[empty], &unlimited());
    let mut reader = StreamReader::try_new(Cursor::new(arrow), None).unwrap();
    assert_eq!(reader.schema().fields().len(), 5);
    assert!(reader.next().is_none());
}

#[test]
fn little_memory_makes_small_row_groups() {
    let numbers = |from: i64| {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values((from..from + 8_192).map(|n| n * 2_654_435_761)));
        RecordBatch::try_from_iter([("n", values)]).unwrap()
    };
    let batches: Vec<RecordBatch> = (0..20).map(|batch| numbers(batch * 8_192)).collect();
    let groups = |pool: Arc<dyn MemoryPool>| {
        let bytes = encode(ExportFormat::parquet(None).unwrap(), &batches, &pool);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 20 * 8_192);
        reader.metadata().num_row_groups()
    };
    let (usual, tight) = (groups(unlimited()), groups(Arc::new(GreedyMemoryPool::new(512 * 1024))));
    assert_eq!(usual, 2);
    assert!(tight > usual, "{tight}");
}

#[test]
fn what_a_file_cannot_hold_is_refused_by_name() {
    let refusal = |fields: Vec<Field>| {
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let format = ExportFormat::parquet(None).unwrap();
        Encoder::new(format, &names, &Schema::new(fields), &unlimited()).unwrap_err()
    };
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let twice = refusal(vec![number("a"), number("b"), number("a")]);
    assert_eq!(twice.kind(), ErrorKind::DuplicateColumn);
    assert!(twice.message().contains("\"a\""), "{twice}");
    assert_eq!(refusal(Vec::new()).kind(), ErrorKind::InvalidDefinition);
    let intervals = DataType::new_list(DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano), true);
    let nested = refusal(vec![Field::new("spans", intervals, true)]);
    assert_eq!(nested.kind(), ErrorKind::FeatureNotSupported);
    assert!(nested.message().contains("\"spans\""), "{nested}");
    assert_eq!(ExportFormat::parquet(Some("rar")).unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert_eq!(ExportFormat::arrow(Some("snappy")).unwrap_err().kind(), ErrorKind::InvalidParameter);
}
