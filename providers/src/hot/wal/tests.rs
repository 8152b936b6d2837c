#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use tempfile::TempDir;

use super::*;

mod compaction;
mod damage;
mod failing_disk;

const OPTIONS: WalOptions = WalOptions { segment_bytes: 1 << 20, sync: true };

fn batch(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let values: Vec<i64> = values.into_iter().collect();
    let text: Vec<Option<String>> =
        values.iter().map(|v| (v % 3 != 0).then(|| format!("a text longer than a view holds: {v}"))).collect();
    RecordBatch::try_from_iter_with_nullable(vec![
        ("v", Arc::new(Int64Array::from(values.clone())) as ArrayRef, true),
        ("ts", Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")), true),
        ("text", Arc::new(StringViewArray::from_iter(text.iter().map(|t| t.as_deref()))), true),
    ])
    .unwrap()
}

fn partition(day: i32) -> PartitionKey {
    PartitionKey { period: Some(day), class: Some("FX".into()) }
}

fn entry(table: TableId, day: i32, values: impl IntoIterator<Item = i64>) -> WalEntry {
    WalEntry { table, partition: partition(day), batch: batch(values) }
}

async fn cut(wal: &Wal, covered: impl Fn(TableId, &PartitionKey, u64) -> bool) -> Truncated {
    wal.truncate(covered, || Ok::<(), ProviderError>(())).await.unwrap()
}

/// Everything replay gives: values by (table, partition), in the order of the log.
type Replay = BTreeMap<(TableId, PartitionKey), Vec<i64>>;

fn replayed(recovery: &Recovery) -> Replay {
    let mut all = Replay::new();
    recovery
        .replay(
            |_, _, _| false,
            |_, table, partition, rows| -> Result<()> {
                let values = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
                assert_eq!(rows, batch(values.clone()), "rows come back as they were");
                all.entry((table, partition)).or_default().extend(values);
                Ok(())
            },
        )
        .unwrap();
    all
}

fn expected(entries: &[(TableId, i32, &[i64])]) -> Replay {
    let mut all = Replay::new();
    for (table, day, values) in entries {
        all.entry((*table, partition(*day))).or_default().extend(values.iter());
    }
    all
}

fn open(dir: &TempDir) -> (Wal, Recovery) {
    Wal::open(dir.path(), OPTIONS).unwrap()
}

fn reopened(dir: &TempDir) -> Recovery {
    open(dir).1
}

#[tokio::test]
async fn what_was_appended_comes_back() {
    let dir = TempDir::new().unwrap();
    let (wal, first) = open(&dir);
    assert_eq!((first.entries, first.truncated_bytes), (0, 0));
    let one = wal.append(vec![entry(1, 10, [1, 2, 3])]).await.unwrap();
    let two = wal.append(vec![entry(1, 10, [4]), entry(2, 11, [5, 6])]).await.unwrap();
    assert_eq!((one.len(), two.len()), (1, 2));
    assert!(two[0] > one[0] && two[0] == two[1]);
    assert!(wal.append(vec![entry(1, 10, [])]).await.unwrap()[0] <= two[0], "no rows, nothing logged");
    wal.close().await.unwrap();
    assert!(wal.append(vec![entry(1, 10, [9])]).await.unwrap_err().to_string().contains("closed"));
    let (wal, again) = open(&dir);
    assert!(again.clean);
    assert_eq!((again.entries, again.uncommitted_entries, again.truncated_bytes), (3, 0, 0));
    assert_eq!(replayed(&again), expected(&[(1, 10, &[1, 2, 3, 4]), (2, 11, &[5, 6])]));
    // Lsns go on; and without closing, the log is just as good.
    let three = wal.append(vec![entry(1, 10, [7])]).await.unwrap();
    assert!(three[0] > two[0]);
    drop(wal);
    let last = reopened(&dir);
    assert!(!last.clean);
    assert_eq!(replayed(&last), expected(&[(1, 10, &[1, 2, 3, 4, 7]), (2, 11, &[5, 6])]));
}

#[tokio::test]
async fn partition_keys_of_every_form_survive() {
    let dir = TempDir::new().unwrap();
    let keys = [
        PartitionKey::default(),
        PartitionKey { period: Some(-1), class: None },
        PartitionKey { period: None, class: Some(String::new()) },
        PartitionKey { period: Some(19_000), class: Some("Währung/€".into()) },
    ];
    let (wal, _) = open(&dir);
    for key in &keys {
        wal.append(vec![WalEntry { table: 1, partition: key.clone(), batch: batch([1]) }]).await.unwrap();
    }
    drop(wal);
    let mut seen = Vec::new();
    let visit = |_, _, key, _| -> Result<()> {
        seen.push(key);
        Ok(())
    };
    reopened(&dir).replay(|_, _, _| false, visit).unwrap();
    assert_eq!(seen, keys);
}

#[tokio::test]
async fn a_slice_logs_only_its_rows() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = open(&dir);
    let big = batch(0..50_000);
    let before = wal.bytes();
    wal.append(vec![WalEntry { table: 1, partition: partition(1), batch: big.slice(100, 5) }]).await.unwrap();
    assert!(wal.bytes() - before < 10_000, "{} bytes for five rows", wal.bytes() - before);
    drop(wal);
    assert_eq!(replayed(&reopened(&dir)), expected(&[(1, 1, &[100, 101, 102, 103, 104])]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_are_all_there_once() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 20_000, sync: true }).unwrap();
    let wal = Arc::new(wal);
    let mut tasks = Vec::new();
    for task in 0..8_i64 {
        let wal = Arc::clone(&wal);
        tasks.push(tokio::spawn(async move {
            let mut lsns = Vec::new();
            for i in 0..25 {
                let v = task * 1000 + i;
                lsns.push(wal.append(vec![entry(1, task as i32, [v]), entry(2, 0, [v])]).await.unwrap()[0]);
            }
            assert!(lsns.is_sorted(), "a caller's lsns grow");
            lsns
        }));
    }
    let mut lsns = Vec::new();
    for task in tasks {
        lsns.extend(task.await.unwrap());
    }
    lsns.sort_unstable();
    lsns.dedup();
    assert_eq!(lsns.len(), 200, "no two transactions share an lsn");
    assert!(wal.file_count() > 2);
    drop(wal);
    let all = replayed(&reopened(&dir));
    for task in 0..8_i64 {
        assert_eq!(all[&(1, partition(task as i32))], (0..25).map(|i| task * 1000 + i).collect::<Vec<_>>());
    }
    let mut both = all[&(2, partition(0))].clone();
    both.sort_unstable();
    assert_eq!(both, (0..8).flat_map(|t| (0..25).map(move |i| t * 1000 + i)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_large_transaction_counts_only_once_committed() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 2_000, sync: true }).unwrap();
    let (kept, dropped, aborted) = (wal.begin().unwrap(), wal.begin().unwrap(), wal.begin().unwrap());
    for i in 0..10 {
        wal.append_to(&kept, vec![entry(1, 1, [i]), entry(1, 2, [100 + i])]).await.unwrap();
        wal.append_to(&dropped, vec![entry(1, 1, [1000 + i])]).await.unwrap();
        wal.append_to(&aborted, vec![entry(1, 1, [2000 + i])]).await.unwrap();
    }
    let between = wal.append(vec![entry(1, 1, [77])]).await.unwrap()[0];
    wal.abort(aborted).await.unwrap();
    // Files of an open transaction stay, whatever is covered.
    assert_eq!(cut(&wal, |_, _, _| true).await.files, 0);
    let lsn = wal.commit(kept).await.unwrap();
    assert!(lsn > between, "the lsn is the commit's, greater than all that was visible before");
    drop((wal, dropped));

    let (wal, recovery) = open(&dir);
    assert_eq!((recovery.entries, recovery.uncommitted_entries), (21, 20));
    let all = replayed(&recovery);
    assert_eq!(all[&(1, partition(1))], (0..10).chain([77]).collect::<Vec<_>>());
    assert_eq!(all[&(1, partition(2))], (100..110).collect::<Vec<_>>());
    // A new transaction cannot be mistaken for one that an old file holds rows of.
    let new = wal.begin().unwrap();
    wal.append_to(&new, vec![entry(1, 1, [5])]).await.unwrap();
    wal.commit(new).await.unwrap();
    drop(wal);
    assert_eq!(reopened(&dir).uncommitted_entries, 20);
}

#[tokio::test]
async fn covered_entries_are_left_out_by_commit_lsn() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = open(&dir);
    let txn = wal.begin().unwrap();
    wal.append_to(&txn, vec![entry(1, 1, [1])]).await.unwrap();
    let early = wal.append(vec![entry(1, 1, [2])]).await.unwrap()[0];
    wal.append(vec![entry(1, 2, [3])]).await.unwrap();
    let late = wal.commit(txn).await.unwrap();
    drop(wal);
    let recovery = reopened(&dir);
    let mut seen = Vec::new();
    // Covered up to `early`: the transaction's row was written before it, but became visible after.
    let done = recovery
        .replay(
            |_, p, lsn| *p == partition(1) && lsn <= early,
            |lsn, _, _, rows| -> Result<()> {
                seen.push((lsn, rows.column(0).as_primitive::<Int64Type>().value(0)));
                Ok(())
            },
        )
        .unwrap();
    assert_eq!(seen, [(late, 1), (early + 1, 3)]);
    assert_eq!(done, Replayed { entries: 2, rows: 2, covered: 1 });
}

#[tokio::test]
async fn an_error_of_the_visitor_ends_the_replay() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = open(&dir);
    wal.append(vec![entry(1, 1, [1])]).await.unwrap();
    drop(wal);
    let refuse = |_, _, _, _| -> Result<()> { Err(ProviderError::store("test", "visit", "no")) };
    assert!(reopened(&dir).replay(|_, _, _| false, refuse).is_err());
}

#[tokio::test]
async fn files_go_once_everything_in_them_is_covered() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 1, sync: true }).unwrap();
    let mut lsns = Vec::new();
    for i in 0..6 {
        lsns.push(wal.append(vec![entry(1, (i % 2) as i32, [i])]).await.unwrap()[0]);
    }
    assert_eq!(wal.file_count(), 6);
    // Partition 0 up to its second entry, partition 1 not at all: the files of entries 0 and 2 go.
    let some = |_: TableId, p: &PartitionKey, lsn: u64| *p == partition(0) && lsn <= lsns[2];
    assert_eq!(cut(&wal, some).await.files, 2);
    assert_eq!(wal.file_count(), 4);
    assert_eq!(cut(&wal, some).await.files, 0, "again changes nothing");
    // All covered: also the active file goes, and a header is all that is left.
    let before = wal.next_lsn();
    assert_eq!(cut(&wal, |_, _, _| true).await.files, 4);
    assert_eq!((wal.file_count(), wal.bytes()), (1, HEADER_LEN as u64));
    assert_eq!(cut(&wal, |_, _, _| true).await.files, 0);
    drop(wal);
    // Lsns go on, though no frame says how far they had come.
    let (wal, recovery) = open(&dir);
    assert_eq!(replayed(&recovery), Replay::new());
    assert!(wal.next_lsn() >= before);
    assert!(wal.append(vec![entry(1, 0, [9])]).await.unwrap()[0] >= before);
}

#[tokio::test]
async fn restarts_neither_lose_rows_nor_pile_up_files() {
    let dir = TempDir::new().unwrap();
    let mut all = Vec::new();
    for i in 0..5 {
        let (wal, recovery) = open(&dir);
        assert_eq!(replayed(&recovery).remove(&(1, partition(1))).unwrap_or_default(), all);
        if i % 2 == 0 {
            wal.append(vec![entry(1, 1, [i])]).await.unwrap();
            all.push(i);
        }
    }
    let (wal, _) = open(&dir);
    assert_eq!(wal.file_count(), 4, "three with rows, one new");
    assert_eq!(cut(&wal, |_, _, _| true).await.files, 3);
}

#[tokio::test]
async fn a_file_that_went_missing_is_noticed_unless_it_was_covered() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 1, sync: true }).unwrap();
    let txn = wal.begin().unwrap();
    wal.append_to(&txn, vec![entry(1, 1, [1])]).await.unwrap();
    wal.append_to(&txn, vec![entry(1, 2, [2])]).await.unwrap();
    wal.commit(txn).await.unwrap();
    drop(wal);
    let first = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    std::fs::remove_file(first).unwrap();
    let recovery = reopened(&dir);
    let nothing = |_, _, _, _| -> Result<()> { Ok(()) };
    let error = recovery.replay(|_, _, _| false, nothing).unwrap_err();
    assert!(matches!(error, ProviderError::Missing { .. }), "{error}");
    recovery.replay(|_, p, _| *p == partition(1), nothing).unwrap();
}

#[tokio::test]
async fn lsns_can_be_raised_above_what_a_catalog_remembers() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = open(&dir);
    wal.raise_lsn_above(5000).await.unwrap();
    let first = wal.append(vec![entry(1, 1, [1])]).await.unwrap()[0];
    assert!(first > 5000);
    wal.raise_lsn_above(10).await.unwrap();
    let second = wal.append(vec![entry(1, 1, [2])]).await.unwrap()[0];
    assert!(second > first, "never lowered");
    assert_eq!(wal.next_lsn(), second + 1);
    drop(wal);
    // The gap is no damage, and it stays behind: not even a log that is empty again goes back before it.
    let (wal, recovery) = open(&dir);
    assert_eq!(replayed(&recovery), expected(&[(1, 1, &[1, 2])]));
    assert!(wal.next_lsn() > second);
    wal.raise_lsn_above(9000).await.unwrap();
    wal.append(vec![entry(1, 1, [3])]).await.unwrap();
    cut(&wal, |_, _, _| true).await;
    drop(wal);
    let (wal, recovery) = open(&dir);
    assert_eq!(replayed(&recovery), Replay::new());
    assert!(wal.append(vec![entry(1, 1, [4])]).await.unwrap()[0] > 9001);
}

#[tokio::test]
async fn dropping_the_log_waits_for_what_is_queued() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = open(&dir);
    for _ in 0..20 {
        // Asked for, and then not waited for: the caller is gone, the rows may well be written.
        let append = std::pin::pin!(wal.append(vec![entry(1, 1, 0..20_000)]));
        assert!(futures::poll!(append).is_pending());
    }
    drop(wal);
    let len = || -> u64 { std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum() };
    let before = len();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(len(), before, "nothing is written after the drop");
    assert_eq!(reopened(&dir).entries, 20);
}

#[tokio::test]
async fn schemas_may_change_and_large_entries_are_split() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 64 << 20, sync: false }).unwrap();
    let n = 3_000_000_i64;
    let narrow = RecordBatch::try_from_iter(vec![
        ("a", Arc::new(Int64Array::from_iter_values(0..n)) as ArrayRef),
        ("b", Arc::new(Int64Array::from_iter_values(n..2 * n))),
    ])
    .unwrap();
    wal.append(vec![WalEntry { table: 3, partition: PartitionKey::default(), batch: narrow.clone() }]).await.unwrap();
    wal.append(vec![entry(3, 1, [1])]).await.unwrap();
    drop(wal);
    let mut parts = Vec::new();
    let recovery = reopened(&dir);
    let visit = |lsn, _, _, rows: RecordBatch| -> Result<()> {
        parts.push((lsn, rows));
        Ok(())
    };
    recovery.replay(|_, _, _| false, visit).unwrap();
    let (last_lsn, last) = parts.pop().unwrap();
    assert_eq!(last, batch([1]));
    assert!(parts.len() > 1 && parts.iter().all(|(lsn, _)| *lsn == parts[0].0 && *lsn < last_lsn));
    let rows: Vec<RecordBatch> = parts.into_iter().map(|(_, rows)| rows).collect();
    assert_eq!(arrow::compute::concat_batches(&narrow.schema(), &rows).unwrap(), narrow);
}
