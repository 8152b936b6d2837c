//! Writing files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use parquet::basic::{Encoding, Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use zxq_catalog::{Granularity, JobId};

use super::fixture::{DAY, count, key, one, read_all, rows, store, table, write};
use crate::error::ProviderError;
use crate::lake::objects::durable_local::DurableLocalStore;
use crate::sort;
use crate::tier_store::TierStore;

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_as_they_went_in() {
    let (_folder, store) = store();
    let granularities = [(Granularity::Day, DAY), (Granularity::Month, DAY - 1), (Granularity::Year, DAY - 1)];
    for (id, (granularity, period)) in (1..).zip(granularities) {
        let table = table(granularity);
        let input = rows(&table, Some(DAY), Some("FX"), 4_321, 5);
        let segment = write(&store, &table, &JobId::new(), id, &key(Some(period), Some("FX")), &input).await.unwrap();
        let output = one(&read_all(&store, &table, &[segment]).await);
        assert_eq!(output.schema(), table.schema());
        assert_eq!(sort::sort_batch(&output, &table.sort_by).unwrap(), input, "{granularity:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn null_and_odd_partitions_keep_their_values() {
    let (_folder, store) = store();
    let table = table(Granularity::Day);
    for (id, class) in [(1, None), (2, Some("a/b c=%2F#é?")), (3, Some("..")), (4, Some("")), (5, Some("'\"\\*"))] {
        let date = if id == 1 { None } else { Some(DAY) };
        let input = rows(&table, date, class, 10, 2);
        let segment = write(&store, &table, &JobId::new(), id, &key(date, class), &input).await.unwrap();
        let output = one(&read_all(&store, &table, &[segment]).await);
        let classes = output.column_by_name("asset_class").unwrap().as_string_view();
        let dates = output.column_by_name("trade_date").unwrap().as_primitive::<Date32Type>();
        assert_eq!(output.num_rows(), 10);
        assert!(classes.iter().all(|c| c == class), "{class:?}");
        assert!(dates.iter().all(|d| d == date), "{class:?}");
    }
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_under(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn files_carry_what_readers_prune_with() {
    let (folder, store) = store();
    let table = table(Granularity::Day);
    let input = rows(&table, Some(DAY), Some("FX"), 5_000, 500);
    write(&store, &table, &JobId::new(), 1, &key(Some(DAY), Some("FX")), &input).await.unwrap();
    let files = files_under(folder.path());
    assert_eq!(files.len(), 1, "no staged files are left: {files:?}");
    let reader = SerializedFileReader::new(std::fs::File::open(&files[0]).unwrap()).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.num_row_groups(), 5);
    let group = metadata.row_group(0);
    let sorted: Vec<i32> = group.sorting_columns().unwrap().iter().map(|c| c.column_idx).collect();
    assert_eq!(sorted, [0, 1]);
    let column = |name: &str| group.columns().iter().find(|c| c.column_path().string() == name).unwrap();
    assert!(
        group.columns().iter().all(|c| !["trade_date", "asset_class"].contains(&c.column_path().string().as_str()))
    );
    assert_eq!(column("price").column_type(), Type::INT64);
    assert!(column("price").statistics().is_some());
    assert!(column("symbol").bloom_filter_offset().is_some() && column("trade_id").bloom_filter_offset().is_some());
    assert!(column("venue").bloom_filter_offset().is_none());
    assert!(column("trade_id").encodings().any(|e| e == Encoding::DELTA_BINARY_PACKED));
    assert!(group.columns().iter().all(|c| c.column_index_offset().is_some() && c.offset_index_offset().is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_partition_are_refused() {
    let (folder, store) = store();
    let table = table(Granularity::Day);
    let input = rows(&table, Some(DAY), Some("FX"), 10, 2);
    for wrong in [key(Some(DAY + 1), Some("FX")), key(Some(DAY), None), key(None, Some("FX"))] {
        let error = write(&store, &table, &JobId::new(), 1, &wrong, &input).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unsupported { .. }), "{error}");
    }
    assert!(files_under(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_write_replaces_the_file() {
    let (folder, store) = store();
    let table = table(Granularity::Day);
    let (job, key) = (JobId::new(), key(Some(DAY), Some("FX")));
    let first = write(&store, &table, &job, 1, &key, &rows(&table, Some(DAY), Some("FX"), 10, 2)).await.unwrap();
    assert_eq!(count(&read_all(&store, &table, &[first]).await), 10);
    let again = write(&store, &table, &job, 1, &key, &rows(&table, Some(DAY), Some("FX"), 10, 2)).await.unwrap();
    assert_eq!(files_under(folder.path()).len(), 1);
    assert_eq!(count(&read_all(&store, &table, &[again]).await), 10);
}

#[tokio::test]
async fn a_conditional_put_refuses_a_taken_name() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(DurableLocalStore::open());
    let path = object_store::path::Path::from_absolute_path(folder.path().join("a/b/c.json")).unwrap();
    store.put_opts(&path, "1".into(), PutMode::Create.into()).await.unwrap();
    let taken = store.put_opts(&path, "2".into(), PutMode::Create.into()).await.unwrap_err();
    assert!(matches!(taken, object_store::Error::AlreadyExists { .. }));
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "1");
    store.put(&path, "3".into()).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "3");
    assert_eq!(files_under(folder.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_segments_and_foreign_types_are_refused() {
    let (_folder, store) = store();
    let mut table = table(Granularity::Day);
    let key = key(Some(DAY), Some("FX"));
    let empty = RecordBatch::new_empty(table.schema());
    assert!(store.write_segment(&table, &JobId::new(), 1, &key, vec![empty]).await.is_err());
    table.columns[5].data_type = arrow::datatypes::DataType::Duration(arrow::datatypes::TimeUnit::Second);
    let message = store.create_table(&table).await.unwrap_err().to_string();
    assert!(message.contains("\"size\""), "{message}");
    table = super::fixture::table(Granularity::Day);
    table.options.insert("cold_compression".to_owned(), "brotli".to_owned());
    assert!(store.create_table(&table).await.unwrap_err().to_string().contains("brotli"));
}
