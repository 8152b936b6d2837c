use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;

use super::{file, parquet_bytes};

#[tokio::test]
async fn only_what_can_be_trusted_of_statistics_and_filters_is_kept() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![3, 1, 2]))),
        ("v", Arc::new(Float64Array::from(vec![0.0, f64::NAN, 7.5]))),
        ("dec", Arc::new(Decimal128Array::from(vec![1, 2, 3]).with_precision_and_scale(20, 2).unwrap())),
        ("s", Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_bloom_filter_enabled(true)
        .build();
    let (files, meta) = file(parquet_bytes(&[batch], properties), false).await;
    let footer = files.footer(&meta).await.unwrap();
    let group = footer.row_group(0);

    let Some(Statistics::Int64(id)) = group.column(0).statistics() else { panic!("no bounds of integers") };
    assert_eq!((id.min_opt(), id.max_opt()), (Some(&1), Some(&3)));
    let Some(Statistics::Double(v)) = group.column(1).statistics() else { panic!("no counts of floats") };
    // NaN is above 7.5, and -0.0 is no smaller than 0.0.
    assert_eq!(v.max_opt(), None);
    assert!(v.min_opt().unwrap().is_sign_negative());
    assert_eq!(v.null_count_opt(), Some(0));
    let Some(Statistics::ByteArray(s)) = group.column(3).statistics() else { panic!("no bounds of texts") };
    assert_eq!(s.max_opt().unwrap().data(), b"c");

    let has_filter: Vec<bool> = group.columns().iter().map(|c| c.bloom_filter_offset().is_some()).collect();
    assert_eq!(has_filter, [true, false, false, true]);
    let has_index: Vec<bool> =
        footer.column_index().unwrap()[0].iter().map(|index| !matches!(index, ColumnIndexMetaData::NONE)).collect();
    assert_eq!(has_index, [true, false, true, true]);
}
