#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use zxq_catalog::ColumnDef;

use super::*;
use crate::hot::memory::{allocated_bytes, compact};
use crate::hot::segment::RowSet;
use crate::hot::testing::{insert, many, rows, store, trades};

fn small(limit: u64) -> HotStore {
    HotStore::new(HotOptions { memory_limit_bytes: limit })
}

fn id_of(row: &RecordBatch) -> i64 {
    assert_eq!(row.num_rows(), 1);
    row.column_by_name("trade_id").unwrap().as_primitive::<Int64Type>().value(0)
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn sorted(batch: &RecordBatch) -> RecordBatch {
    crate::sort::sort_batch(batch, &trades().sort_by).unwrap()
}

#[test]
fn memory_is_counted_limited_and_given_back() {
    let store = small(100_000);
    let rows = sorted(&many(0, 1000));
    let written = store.insert_segment(1, &trades(), rows.clone()).unwrap();
    assert!(written.bytes >= 1000 * (16 + 8 + 8 + 8) && written.bytes < 60_000, "{}", written.bytes);
    assert_eq!(store.used(), written.bytes);
    // The same id again replaces.
    store.insert_segment(1, &trades(), rows.clone()).unwrap();
    assert_eq!(store.used(), written.bytes);
    store.insert_segment(2, &trades(), rows.clone()).unwrap();
    let full = store.insert_segment(3, &trades(), rows.clone()).unwrap_err();
    assert!(matches!(full, ProviderError::OutOfMemory { used, limit: 100_000, .. } if used == 2 * written.bytes));
    assert!(store.segment(3).is_none());
    // What is logged already goes in whatever the limit says.
    let reservation = store.reserve(10).unwrap();
    store.insert_reserved(reservation, 3, &trades(), rows).unwrap();
    assert_eq!(store.used(), 3 * written.bytes);
    // A reader keeps its segment, and its memory.
    let reader = store.segment(1).unwrap();
    store.remove_where(|_| true);
    assert_eq!(store.used(), written.bytes);
    drop(reader);
    assert_eq!(store.used(), 0);
}

#[test]
fn a_reservation_counts_until_it_is_dropped() {
    let store = small(100);
    let held = store.reserve(60).unwrap();
    assert_eq!((held.bytes(), store.used()), (60, 60));
    assert!(store.reserve(41).is_err());
    drop(store.reserve(40).unwrap());
    drop(held);
    assert_eq!(store.used(), 0);
    assert_eq!(store.reserve_always(1000).bytes(), 1000);
    assert_eq!((store.used(), store.limit()), (0, 100));
}

#[test]
fn a_slice_of_a_large_batch_is_copied_out_of_it() {
    let store = small(1 << 30);
    let long: Vec<String> = (0..10_000).map(|i| format!("a symbol longer than a view holds, number {i:06}")).collect();
    let of: Vec<_> = long.iter().map(|s| (Some(s.as_str()), Some(1), 1)).collect();
    let big = rows(&of);
    let written = store.insert_segment(1, &trades(), big.slice(500, 10)).unwrap();
    assert!(written.bytes < 5_000, "{} bytes for ten rows", written.bytes);
    let kept = store.segment(1).unwrap();
    assert_eq!(kept.batches()[0], big.slice(500, 10));
    // Rows that share nothing are kept as they are, without a copy.
    let own = sorted(&many(0, 1000));
    store.insert_segment(2, &trades(), own.clone()).unwrap();
    assert!(Arc::ptr_eq(store.segment(2).unwrap().batches()[0].column(1), own.column(1)));
}

#[tokio::test]
async fn who_waits_for_memory_is_told_when_a_segment_is_dropped() {
    let store = small(100_000);
    let facts = insert(&store, &trades(), 1, &many(0, 2000));
    assert!(matches!(store.reserve(90_000), Err(ProviderError::OutOfMemory { .. })));
    let mut freed = std::pin::pin!(store.freed());
    assert!(!freed.as_mut().enable());
    assert!(futures::poll!(freed.as_mut()).is_pending());
    store.drop_segments("trades_7", &[facts.as_ref().clone()]).await.unwrap();
    freed.await;
    assert_eq!(store.reserve(90_000).unwrap().bytes(), 90_000);
}

#[test]
fn a_reservation_is_split_without_a_change_of_the_whole() {
    let store = small(100);
    let mut whole = store.reserve(60).unwrap();
    let part = whole.split(20);
    assert_eq!((whole.bytes(), part.bytes(), store.used()), (40, 20, 60));
    let rest = whole.split(1000);
    assert_eq!((whole.bytes(), rest.bytes(), store.used()), (0, 40, 60));
    drop(part);
    assert_eq!(store.used(), 40);
    drop((whole, rest));
    assert_eq!(store.used(), 0);
}

/// Rows of a partition among many share the buffers of the batch they came in.
#[test]
fn rows_in_memory_of_their_own_count_for_what_they_need() {
    let long: Vec<String> = (0..6_000).map(|i| format!("a symbol longer than a view holds, number {i:06}")).collect();
    let of: Vec<_> = long.iter().map(|s| (Some(s.as_str()), Some(1), 1)).collect();
    let big = rows(&of);
    let whole = allocated_bytes(std::slice::from_ref(&big));
    let parts: Vec<_> = (0..60).map(|at| compact(&big.slice(at * 100, 100)).unwrap()).collect();
    let sum: u64 = parts.iter().map(|part| allocated_bytes(std::slice::from_ref(part))).sum();
    assert!(sum <= whole + whole / 4 + 60 * 4096, "{sum} bytes in parts, {whole} as a whole");
    // What is counted is what is kept: nothing is taken beyond what was promised.
    let store = small(1 << 30);
    let wanted = allocated_bytes(&parts[..1]);
    let promised = store.reserve(wanted).unwrap();
    let written = store.insert_reserved(promised, 1, &trades(), parts[0].clone()).unwrap();
    assert_eq!((written.bytes, store.used()), (wanted, wanted));
}

#[test]
fn unsorted_rows_are_refused() {
    let store = small(1 << 20);
    let error = store.insert_segment(1, &trades(), many(0, 10)).unwrap_err().to_string();
    assert!(error.contains("sorted by (symbol, ts)"), "{error}");
    assert_eq!(store.used(), 0);
    // Also where only the border between two batches is out of order.
    let (a, b) = (rows(&[(Some("B"), Some(1), 1)]), rows(&[(Some("A"), Some(1), 1)]));
    assert!(store.insert(None, 1, &trades(), None, vec![a.clone(), b.clone()]).is_err());
    assert!(store.insert(None, 1, &trades(), None, vec![b, a]).is_ok());
}

#[test]
fn lookups_find_exactly_the_rows() {
    let store = small(1 << 30);
    let batch = sorted(&rows(&[
        (None, Some(1), 50),
        (Some("A"), None, 10),
        (Some("A"), Some(2), 11),
        (Some("B"), Some(1), 50),
        (Some("B"), Some(1), 12),
    ]));
    // In one batch and in three.
    let cut = vec![batch.slice(0, 2), batch.slice(2, 0), batch.slice(2, 1), batch.slice(3, 2)];
    for parts in [vec![batch.clone()], cut] {
        store.insert(None, 1, &trades(), None, parts).unwrap();
        let segment = store.segment(1).unwrap();
        assert_eq!(segment.lookup("symbol", &text("A")).unwrap(), RowSet::Range(1..3));
        assert_eq!(segment.lookup("symbol", &text("B")).unwrap(), RowSet::Range(3..5));
        assert!(segment.lookup("symbol", &text("AB")).unwrap().is_empty());
        assert_eq!(segment.lookup("trade_id", &Value::Int(50)).unwrap(), RowSet::Rows(vec![0, 3]));
        assert!(segment.lookup("trade_id", &Value::Int(51)).unwrap().is_empty());
        let ts = Value::TimestampMicros(1);
        assert_eq!(segment.lookup("ts", &ts).unwrap(), RowSet::Rows(vec![0, 3, 4]));
        assert_eq!(segment.gather(&[0, 4]).unwrap().num_rows(), 2);
        assert!(segment.lookup("nope", &ts).is_err());
        assert!(segment.lookup("price", &Value::Float(1.0)).is_err());
        assert!(segment.lookup("symbol", &ts).is_err(), "a value of another kind is an error, not an empty answer");
    }
}

#[test]
fn an_index_is_counted_as_memory() {
    let store = small(1 << 30);
    let facts = insert(&store, &trades(), 1, &many(0, 10_000));
    store.segment(1).unwrap().lookup("trade_id", &Value::Int(7)).unwrap();
    assert!(store.used() >= facts.bytes + 80_000);
    store.remove_where(|_| true);
    assert_eq!(store.used(), 0);
}

#[test]
fn the_last_row_is_the_newest_over_all_segments() {
    let store = small(1 << 30);
    let table = trades();
    insert(&store, &table, 1, &rows(&[(Some("A"), Some(5), 15), (Some("A"), Some(9), 19), (Some("B"), Some(9), 29)]));
    insert(&store, &table, 2, &rows(&[(Some("A"), Some(7), 17), (Some("A"), None, 10)]));
    insert(&store, &table, 3, &rows(&[(Some("A"), Some(9), 99), (Some("C"), None, 30)]));
    let last = |ids: &[u64], column: &str, value: Value| {
        store.last_row(&table, ids.iter().copied(), column, &value).unwrap().map(|(time, row)| (time, id_of(&row)))
    };
    assert_eq!(last(&[2, 1], "symbol", text("A")), Some((9, 19)), "a late segment does not hide a newer row");
    assert_eq!(last(&[3, 2, 1], "symbol", text("A")), Some((9, 99)), "of equal times the newer segment's");
    assert_eq!(last(&[3, 2, 1], "symbol", text("B")), Some((9, 29)));
    assert_eq!(last(&[3, 2, 1], "symbol", text("C")), Some((i64::MIN, 30)));
    assert_eq!(last(&[3, 2, 1], "symbol", text("D")), None);
    assert_eq!(last(&[3, 2, 1], "trade_id", Value::Int(17)), Some((7, 17)));
    assert!(matches!(store.last_row(&table, [8], "symbol", &text("A")), Err(ProviderError::Missing { .. })));
}

#[test]
fn the_last_row_of_an_unsorted_key_is_the_newest_too() {
    let store = small(1 << 30);
    let mut table = trades();
    table.sort_by = vec!["trade_id".into()];
    insert(&store, &table, 1, &rows(&[(Some("A"), Some(9), 1), (Some("A"), Some(3), 2), (Some("B"), Some(4), 3)]));
    let (time, row) = store.last_row(&table, [1], "symbol", &text("A")).unwrap().unwrap();
    assert_eq!((time, id_of(&row)), (9, 1));
    table.time_column = None;
    let (time, row) = store.last_row(&table, [1], "symbol", &text("A")).unwrap().unwrap();
    assert_eq!((time, id_of(&row)), (i64::MIN, 2), "without time, the last in row order");
}

#[test]
fn a_column_added_later_is_its_default() {
    let store = small(1 << 30);
    let mut table = trades();
    insert(&store, &table, 1, &rows(&[(Some("A"), Some(1), 1)]));
    let added = |name: &str, default: Option<&str>| ColumnDef {
        name: name.into(),
        data_type: DataType::Int64,
        default: default.map(str::to_owned),
        ..table.columns[0].clone()
    };
    let new = [added("lots", Some("5")), added("note", None)];
    table.columns.extend(new);
    let (_, row) = store.last_row(&table, [1], "symbol", &text("A")).unwrap().unwrap();
    assert_eq!(row.schema(), table.schema());
    assert_eq!(row.column(4).as_primitive::<Int64Type>().value(0), 5);
    assert_eq!(row.column(5).null_count(), 1);
}

#[tokio::test]
async fn tables_jobs_and_closing_drop_their_segments() {
    let store = store();
    let table = trades();
    let mut other = trades();
    other.id = 17;
    let (mine, theirs) = (JobId("mine".into()), JobId("theirs".into()));
    let batch = sorted(&many(0, 10));
    let partition = PartitionKey::default();
    for (id, table, job) in [(1, &table, &mine), (2, &table, &theirs), (3, &other, &mine)] {
        store.write_segment(table, job, id, &partition, vec![batch.clone()]).await.unwrap();
    }
    store.sweep_job(&table.storage_name(), &mine).await.unwrap();
    assert_eq!(store.segment_ids(), [2, 3]);
    store.drop_table("renamed_since_7").await.unwrap();
    assert_eq!(store.segment_ids(), [3]);
    assert!(!store.is_published(&table, &mine).await.unwrap());
    store.close().await.unwrap();
    assert_eq!((store.segment_ids(), store.used()), (vec![], 0));
}
