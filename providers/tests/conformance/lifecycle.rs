//! Publishing, dropping, sweeping, altering, reopening: each call does what it says, once, however often it is made.

use arrow::array::new_null_array;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{col, lit};
use zxq_catalog::{JobId, PartitionKey, Segment, TableDef};

use crate::data::{Rows, all_types, column, day, plain};
use crate::harness::{Harness, assert_same_rows};
use crate::query::Both;

/// What another program sees, where the store has a public log.
async fn assert_public(store: &Harness, table: &TableDef, rows: u64) {
    if let Some(public) = store.public_rows(table).await {
        assert_eq!(public, rows, "rows in the public log");
    }
}

pub async fn publishing_makes_public_once(store: Harness) {
    let table = all_types(7, "trades");
    store.store.create_table(&table).await.unwrap();
    store.store.create_table(&table).await.unwrap();
    let has_log = store.public_rows(&table).await.is_some();
    let (job, other) = (JobId::new(), JobId::new());
    let rows = Rows::new(50).batch(&table, &day(0, "FX"), 40);
    let segment = store.write(&table, &job, &day(0, "FX"), &rows).await;
    assert_public(&store, &table, 0).await;
    assert!(!store.store.is_published(&table, &job).await.unwrap());
    for _ in 0..3 {
        store.publish(&table, &job, std::slice::from_ref(&segment), &[]).await;
        assert_public(&store, &table, 40).await;
        assert_eq!(store.store.is_published(&table, &job).await.unwrap(), has_log);
        assert!(!store.store.is_published(&table, &other).await.unwrap());
    }
    store.assert_rows(&table, &[segment], &[rows]).await;
}

/// A crash between write and publish: the write is made again.
pub async fn writing_again_does_not_double(store: Harness) {
    let table = all_types(7, "trades");
    store.store.create_table(&table).await.unwrap();
    let job = JobId::new();
    let rows = Rows::new(51).batch(&table, &day(0, "FX"), 40);
    store.write_as(5, &table, &job, &day(0, "FX"), &rows).await;
    let again = store.write_as(5, &table, &job, &day(0, "FX"), &rows).await;
    store.publish(&table, &job, std::slice::from_ref(&again), &[]).await;
    store.assert_rows(&table, &[again], &[rows]).await;
    assert_public(&store, &table, 40).await;
}

pub async fn compaction_swaps_and_old_segments_stay_readable(store: Harness) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(52);
    let parts: Vec<_> = (0..3).map(|_| (day(0, "FX"), rows.batch(&table, &day(0, "FX"), 20))).collect();
    let old = store.load(&table, &parts).await;
    let batches: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
    let merged = zxq_providers::sort::merge_sorted(&batches, &table.sort_by).unwrap();
    let job = JobId::new();
    let new = store.write(&table, &job, &day(0, "FX"), &merged).await;
    for _ in 0..2 {
        store.publish(&table, &job, std::slice::from_ref(&new), &old).await;
        assert_public(&store, &table, 60).await;
    }
    // Readers that pinned the old snapshot still read the old segments.
    store.assert_rows(&table, &old, &batches).await;
    store.store.drop_segments(&table.storage_name(), &old).await.unwrap();
    store.assert_rows(&table, &[new], &batches).await;
    assert_public(&store, &table, 60).await;
}

pub async fn dropping_segments_twice_is_dropping_once(store: Harness) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(53);
    let parts: Vec<_> = (0..3).map(|_| (day(0, "FX"), rows.batch(&table, &day(0, "FX"), 20))).collect();
    let segments = store.load(&table, &parts).await;
    store.publish(&table, &JobId::new(), &[], &segments[..2]).await;
    assert_public(&store, &table, 20).await;
    for _ in 0..2 {
        store.store.drop_segments(&table.storage_name(), &segments[..2]).await.unwrap();
        store.assert_missing(&table, &segments[0]).await;
        store.assert_missing(&table, &segments[1]).await;
        store.assert_rows(&table, &segments[2..], &[parts[2].1.clone()]).await;
    }
    store.store.drop_segments(&table.storage_name(), &[]).await.unwrap();
    store.store.drop_segments("never_seen_99", &segments[..1]).await.unwrap();
    store.assert_rows(&table, &segments[2..], &[parts[2].1.clone()]).await;
}

pub async fn segments_written_together_come_and_go_one_by_one(store: Harness) {
    let table = all_types(7, "trades");
    store.store.create_table(&table).await.unwrap();
    let mut rows = Rows::new(58);
    // Small ones of many partitions, some of them in one, and one that is not small.
    let mut part = |n: usize| {
        let (key, count) = (day(n as i32 / 2, ["FX", "A'B"][n % 2]), if n == 20 { 20_000 } else { 1 + n % 7 });
        let rows = rows.batch(&table, &key, count);
        (key, rows)
    };
    let parts: Vec<(PartitionKey, RecordBatch)> = (0..40).map(&mut part).collect();
    let litter: Vec<(PartitionKey, RecordBatch)> = (0..12).map(&mut part).collect();
    let (job, dead) = (JobId::new(), JobId::new());
    let segments = store.write_together(&table, &job, &parts).await;
    let left = store.write_together(&table, &dead, &litter).await;
    store.publish(&table, &job, &segments, &[]).await;
    let store = store.reopen().await;
    if !store.keeps_rows() {
        return;
    }
    let of = |chosen: &[usize]| -> (Vec<Segment>, Vec<RecordBatch>) {
        chosen.iter().map(|n| (segments[*n].clone(), parts[*n].1.clone())).unzip()
    };
    let all: Vec<usize> = (0..parts.len()).collect();
    for chosen in [all.as_slice(), &[3], &[39, 0], &[4, 5, 6, 7, 20, 30, 31, 8]] {
        let (segments, rows) = of(chosen);
        store.assert_rows(&table, &segments, &rows).await;
    }
    for _ in 0..2 {
        store.store.sweep_job(&table.storage_name(), &dead).await.unwrap();
        store.assert_missing(&table, &left[0]).await;
    }
    // Half of them go, in any order; then all.
    let (gone, stays): (Vec<usize>, Vec<usize>) = all.iter().partition(|n| *n % 3 != 0);
    let (dropped, _) = of(&gone);
    store.publish(&table, &JobId::new(), &[], &dropped).await;
    for _ in 0..2 {
        store.store.drop_segments(&table.storage_name(), &dropped).await.unwrap();
        store.assert_missing(&table, &dropped[0]).await;
        store.assert_missing(&table, &dropped[dropped.len() - 1]).await;
        let (segments, rows) = of(&stays);
        store.assert_rows(&table, &segments, &rows).await;
    }
    let (segments, _) = of(&stays);
    store.publish(&table, &JobId::new(), &[], &segments).await;
    store.store.drop_segments(&table.storage_name(), &segments).await.unwrap();
    for segment in &segments {
        store.assert_missing(&table, segment).await;
    }
}

pub async fn sweeping_removes_one_job_only(store: Harness) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(54);
    let mut batch = |class: &str| rows.batch(&table, &day(0, class), 20);
    let kept = (day(0, "FX"), batch("FX"));
    let live = store.load(&table, std::slice::from_ref(&kept)).await;
    let (dead, running) = (JobId::new(), JobId::new());
    let litter = [
        store.write(&table, &dead, &day(0, "FX"), &batch("FX")).await,
        store.write(&table, &dead, &day(0, "A/B"), &batch("A/B")).await,
    ];
    let unfinished = batch("FX");
    let other = store.write(&table, &running, &day(0, "FX"), &unfinished).await;
    for _ in 0..2 {
        store.store.sweep_job(&table.storage_name(), &dead).await.unwrap();
        store.assert_missing(&table, &litter[0]).await;
        store.assert_missing(&table, &litter[1]).await;
        store.assert_rows(&table, &[live[0].clone(), other.clone()], &[kept.1.clone(), unfinished.clone()]).await;
    }
    store.store.sweep_job("never_seen_99", &dead).await.unwrap();
    store.publish(&table, &running, std::slice::from_ref(&other), &[]).await;
    assert_public(&store, &table, 40).await;
}

pub async fn added_columns_are_null_in_old_segments(store: Harness) {
    let table = all_types(7, "trades");
    let old_rows = Rows::new(55).batch(&table, &day(0, "FX"), 30);
    let mut segments = store.load(&table, &[(day(0, "FX"), old_rows.clone())]).await;

    let mut wider = table.clone();
    wider.columns.push(column("venue", DataType::Utf8View, "TEXT"));
    wider.columns.push(column("fee", DataType::Decimal128(20, 8), "DECIMAL(20,8)"));
    store.store.alter_table(&wider).await.unwrap();
    store.store.alter_table(&wider).await.unwrap();
    let mut rows = Rows::new(56);
    rows.extremes = false;
    let new_rows = rows.batch(&wider, &day(0, "FX"), 30);
    let job = JobId::new();
    segments.push(store.write(&wider, &job, &day(0, "FX"), &new_rows).await);
    store.publish(&wider, &job, &segments[1..], &[]).await;

    let mut columns = old_rows.columns().to_vec();
    for added in &wider.columns[table.columns.len()..] {
        columns.push(new_null_array(&added.data_type, old_rows.num_rows()));
    }
    let widened = RecordBatch::try_new(wider.schema(), columns).unwrap();
    let expected = [widened, new_rows];
    store.assert_rows(&wider, &segments[..1], &expected[..1]).await;
    store.assert_rows(&wider, &segments, &expected).await;
    assert_public(&store, &wider, 60).await;

    let both = Both::new(&store, &wider, &segments, &expected);
    for filter in [
        col("venue").is_null(),
        col("venue").is_not_null(),
        col("venue").eq(lit("AAPL")),
        col("venue").not_eq(lit("AAPL")),
        col("fee").gt(lit(0i64)).or(col("venue").is_null().and(col("size").gt(lit(2i64)))),
    ] {
        let run = async |context: &datafusion::prelude::SessionContext| {
            context.table("t").await.unwrap().filter(filter.clone()).unwrap().collect().await.unwrap()
        };
        assert_same_rows(&run(&both.store).await, &run(&both.memory).await, || filter.to_string());
    }
    for sql in
        ["SELECT count(venue), count(fee), min(fee), max(venue) FROM t", "SELECT fee, venue FROM t ORDER BY 1, 2"]
    {
        let found = both.store.sql(sql).await.unwrap().collect().await.unwrap();
        let expected = both.memory.sql(sql).await.unwrap().collect().await.unwrap();
        assert_same_rows(&found, &expected, || sql.to_owned());
    }
}

/// Dropping a table takes all of it, and nothing of tables with names alike.
pub async fn dropping_a_table_takes_nothing_else(store: Harness) {
    let key = PartitionKey::default();
    let tables = [plain(1, "t"), plain(11, "t"), plain(2, "t_1"), plain(3, "T")];
    let mut rows = Rows::new(57);
    let mut loaded: Vec<(TableDef, Vec<Segment>, RecordBatch)> = Vec::new();
    for table in tables {
        let batch = rows.batch(&table, &key, 10);
        let segments = store.load(&table, &[(key.clone(), batch.clone())]).await;
        loaded.push((table, segments, batch));
    }
    let (gone, rest) = loaded.split_first().unwrap();
    for _ in 0..2 {
        store.store.drop_table(&gone.0.storage_name()).await.unwrap();
        store.assert_missing(&gone.0, &gone.1[0]).await;
        for (table, segments, batch) in rest {
            store.assert_rows(table, segments, std::slice::from_ref(batch)).await;
        }
    }
    store.store.drop_table("never_seen_99").await.unwrap();
    // Collection may come later than the drop.
    store.store.drop_segments(&gone.0.storage_name(), &gone.1).await.unwrap();
    store.store.sweep_job(&gone.0.storage_name(), &JobId::new()).await.unwrap();
}

pub async fn rows_are_there_after_reopening(store: Harness) {
    if !store.keeps_rows() {
        return;
    }
    let table = all_types(7, "trades");
    let mut rows = Rows::new(58);
    let parts: Vec<_> = (0..2).map(|d| (day(d, "A/B"), rows.batch(&table, &day(d, "A/B"), 40))).collect();
    let mut segments = store.load(&table, &parts).await;
    let (published, unpublished) = (segments[0].job.clone(), JobId::new());
    let has_log = store.public_rows(&table).await.is_some();
    let late = rows.batch(&table, &day(0, "A/B"), 15);
    let litter = store.write(&table, &unpublished, &day(0, "A/B"), &late).await;
    let before = store.store.bytes_used().await.unwrap();
    assert!(before > 0);

    let store = store.reopen().await;
    let mut batches: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
    store.assert_rows(&table, &segments, &batches).await;
    assert!(store.store.bytes_used().await.unwrap() > 0);
    assert_public(&store, &table, 80).await;
    assert_eq!(store.store.is_published(&table, &published).await.unwrap(), has_log);
    assert!(!store.store.is_published(&table, &unpublished).await.unwrap());

    // The unfinished job can be completed, and publishing the finished one again changes nothing.
    store.publish(&table, &published, &segments, &[]).await;
    store.publish(&table, &unpublished, std::slice::from_ref(&litter), &[]).await;
    assert_public(&store, &table, 95).await;
    segments.push(litter);
    batches.push(late);
    let store = store.reopen().await;
    store.assert_rows(&table, &segments, &batches).await;
}

/// Sweeping works for a job that an earlier process left behind.
pub async fn litter_of_an_earlier_process_is_swept(store: Harness) {
    if !store.keeps_rows() {
        return;
    }
    let table = all_types(7, "trades");
    let mut rows = Rows::new(59);
    let kept = (day(0, "FX"), rows.batch(&table, &day(0, "FX"), 20));
    let live = store.load(&table, std::slice::from_ref(&kept)).await;
    let dead = JobId::new();
    let litter = store.write(&table, &dead, &day(1, "FX"), &rows.batch(&table, &day(1, "FX"), 20)).await;
    let store = store.reopen().await;
    store.store.sweep_job(&table.storage_name(), &dead).await.unwrap();
    store.assert_missing(&table, &litter).await;
    store.assert_rows(&table, &live, &[kept.1]).await;
}

/// A segment whose place was never written, or was taken away, is an error that says so.
pub async fn a_missing_segment_is_an_error(store: Harness) {
    let table = all_types(7, "trades");
    let rows = Rows::new(60).batch(&table, &day(0, "FX"), 20);
    let segments = store.load(&table, &[(day(0, "FX"), rows)]).await;
    let strange = Segment { id: 999, location: format!("{}x", segments[0].location), ..segments[0].clone() };
    store.assert_missing(&table, &strange).await;
    let all = [segments[0].clone(), strange];
    assert!(store.try_scan(&table, &all, &[0]).await.is_err(), "one of two segments is missing");
}
