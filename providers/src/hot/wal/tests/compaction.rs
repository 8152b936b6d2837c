//! Files written anew without what is covered.

use std::fs;
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::hot::wal::compaction::{MERGED, UNFINISHED, Worth};
use crate::hot::wal::frame::FRAME_HEADER_LEN;

/// Whatever gives back anything, and any two small files.
const ANYTHING: Worth = Worth { least_gain: 1, most_small_files: 2 };

async fn compact(wal: &Wal, covered: impl Fn(TableId, &PartitionKey, u64) -> bool) -> Compacted {
    match wal.begin_compaction_if(covered, ANYTHING) {
        Some(compaction) => compaction.run().await.unwrap(),
        None => Compacted::default(),
    }
}

fn files(dir: &TempDir) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// What replay gives of table 2 where table 1 is covered.
fn needed(recovery: &Recovery) -> Vec<i64> {
    let mut all = Replay::new();
    let visit = |_, table, partition, rows: RecordBatch| -> Result<()> {
        let values = rows.column(0).as_primitive::<Int64Type>().values();
        all.entry((table, partition)).or_default().extend(values.iter());
        Ok(())
    };
    recovery.replay(table_1, visit).unwrap();
    all.into_values().flatten().collect()
}

fn table_1(table: TableId, _: &PartitionKey, _: u64) -> bool {
    table == 1
}

/// Many rows of table 1, which are covered, and one row of table 2 in each of many files, which is not.
async fn few_rows_that_stay(dir: &TempDir, files: i64) -> Wal {
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 100_000, sync: false }).unwrap();
    for file in 0..files {
        wal.append(vec![entry(2, 0, [file])]).await.unwrap();
        wal.append(vec![entry(1, 1, 0..2_000), entry(1, 2, 0..10)]).await.unwrap();
    }
    assert_eq!(wal.file_count() as i64, files);
    wal
}

#[tokio::test]
async fn rows_that_stay_hold_no_files_back() {
    let dir = TempDir::new().unwrap();
    let wal = few_rows_that_stay(&dir, 40).await;
    let before = wal.bytes();
    assert_eq!(cut(&wal, table_1).await.files, 0, "each file has a row that is needed");
    let done = wal.begin_compaction(table_1).unwrap().run().await.unwrap();
    assert_eq!(done.files, 39, "all but the one that is written to");
    assert_eq!(wal.bytes(), before - done.bytes);
    assert_eq!(wal.file_count(), 2);
    assert!(wal.bytes() < before / 20, "{} of {before} bytes are left", wal.bytes());
    assert!(wal.begin_compaction(table_1).is_none(), "again there is nothing to do");
    wal.append(vec![entry(2, 0, [40])]).await.unwrap();
    drop(wal);
    assert_eq!(files(&dir).len(), 3, "one that is written anew, one that is full, one that is written to");
    let recovery = reopened(&dir);
    assert_eq!(needed(&recovery), (0..=40).collect::<Vec<_>>());
    assert_eq!(recovery.tables().iter().copied().collect::<Vec<_>>(), [1, 2], "the newest file has rows of both");
    // What is covered later goes as ever.
    let (wal, _) = open(&dir);
    cut(&wal, |_, _, _| true).await;
    assert_eq!(wal.bytes(), HEADER_LEN as u64);
}

#[tokio::test]
async fn many_small_files_become_one() {
    let dir = TempDir::new().unwrap();
    for start in 0..20 {
        let (wal, _) = open(&dir);
        wal.append(vec![entry(2, 1, [start])]).await.unwrap();
    }
    let (wal, _) = open(&dir);
    assert_eq!(wal.file_count(), 21);
    let nothing = |_: TableId, _: &PartitionKey, _: u64| false;
    assert_eq!(wal.begin_compaction(nothing).unwrap().run().await.unwrap().files, 20);
    assert_eq!(wal.file_count(), 2);
    assert!(wal.begin_compaction(nothing).is_none());
    drop(wal);
    let (wal, recovery) = open(&dir);
    assert!(!recovery.clean, "the log was not closed");
    let values: Vec<i64> = (0..20).collect();
    assert_eq!(replayed(&recovery), expected(&[(2, 1, values.as_slice())]));
    assert!(wal.append(vec![entry(2, 1, [20])]).await.unwrap()[0] > 20);
}

#[tokio::test]
async fn files_of_an_open_transaction_stay_as_they_are() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 1, sync: false }).unwrap();
    let txn = wal.begin().unwrap();
    wal.append(vec![entry(1, 1, [1])]).await.unwrap();
    wal.append_to(&txn, vec![entry(1, 1, [2])]).await.unwrap();
    wal.append(vec![entry(1, 1, [3])]).await.unwrap();
    let early = wal.append(vec![entry(2, 1, [4])]).await.unwrap()[0];
    let covered = move |_: TableId, _: &PartitionKey, lsn: u64| lsn <= early;
    compact(&wal, covered).await;
    wal.commit(txn).await.unwrap();
    drop(wal);
    let recovery = reopened(&dir);
    let mut seen = Vec::new();
    let visit = |_, _, _, rows: RecordBatch| -> Result<()> {
        seen.push(rows.column(0).as_primitive::<Int64Type>().value(0));
        Ok(())
    };
    recovery.replay(covered, visit).unwrap();
    assert_eq!(seen, [2]);
}

/// The files before and after a compaction of several into one.
async fn before_and_after(dir: &TempDir) -> (Vec<(PathBuf, Vec<u8>)>, Vec<PathBuf>) {
    let (wal, _) = Wal::open(dir.path(), WalOptions { segment_bytes: 20_000, sync: false }).unwrap();
    for value in 0..4 {
        wal.append(vec![entry(2, 0, [value])]).await.unwrap();
        wal.append(vec![entry(1, 1, 0..400), entry(2, 3, [10 + value])]).await.unwrap();
    }
    let content = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    let before: Vec<_> = files(dir).into_iter().map(content).collect();
    let done = compact(&wal, table_1).await;
    assert!(done.files > 2, "{done:?}");
    drop(wal);
    let after = files(dir);
    assert!(after.len() < before.len());
    (before, after)
}

#[tokio::test]
async fn a_crash_before_the_others_are_deleted_doubles_no_rows() {
    let dir = TempDir::new().unwrap();
    let (before, after) = before_and_after(&dir).await;
    let others: Vec<_> = before.iter().filter(|(path, _)| !after.contains(path)).collect();
    assert!(others.len() > 1);
    // Some of them, or all.
    for kept in 1..=others.len() {
        for (path, bytes) in others.iter().rev().take(kept) {
            fs::write(path, bytes).unwrap();
        }
        let recovery = reopened(&dir);
        assert_eq!(needed(&recovery), (0..4).chain(10..14).collect::<Vec<_>>(), "{kept} were left");
        assert!(others.iter().all(|(path, _)| !path.exists()), "they are deleted now");
    }
}

#[tokio::test]
async fn a_crash_before_the_new_file_has_its_name_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (before, after) = before_and_after(&dir).await;
    let whole = fs::read(&after[0]).unwrap();
    for (path, bytes) in &before {
        fs::write(path, bytes).unwrap();
    }
    let unfinished = after[0].with_extension(UNFINISHED);
    for len in [0, 1, whole.len() / 2, whole.len()] {
        fs::write(&unfinished, &whole[..len]).unwrap();
        let recovery = reopened(&dir);
        assert_eq!(needed(&recovery), (0..4).chain(10..14).collect::<Vec<_>>());
        assert_eq!(replayed(&recovery)[&(1, partition(1))].len(), 4 * 400, "what is covered is still there");
        assert!(!unfinished.exists());
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_file_written_anew_is_never_a_silent_loss() {
    let dir = TempDir::new().unwrap();
    let (_, after) = before_and_after(&dir).await;
    let path = &after[0];
    let bytes = fs::read(path).unwrap();
    let mark = bytes.len() - FRAME_HEADER_LEN - MERGED.len();
    for at in (0..mark).step_by(5).chain(mark - 2 * FRAME_HEADER_LEN..bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        // On its own: as the last file it might look like one that a crash cut short.
        let alone = TempDir::new().unwrap();
        fs::write(alone.path().join(path.file_name().unwrap()), &flipped).unwrap();
        match Wal::open(alone.path(), OPTIONS) {
            Err(ProviderError::Corrupt { .. }) => {}
            Err(other) => panic!("flipped at {at}: {other}"),
            Ok((_, recovery)) => {
                assert!(at >= mark, "flipped at {at} of {}, the mark is at {mark}", bytes.len());
                let all = needed(&recovery);
                assert_eq!(all.len() as u64, recovery.entries);
                assert!(!all.is_empty());
            }
        }
    }
}

/// Table, day and values of an entry.
type Logged = (TableId, i32, Vec<i64>);

/// What the log holds, kept beside it: each entry with its lsn once it is committed.
#[derive(Default)]
struct Truth {
    committed: Vec<(u64, TableId, i32, Vec<i64>)>,
    covered: BTreeMap<(TableId, PartitionKey), u64>,
    next: i64,
}

impl Truth {
    fn entry(&mut self, rng: &mut StdRng) -> Logged {
        let values: Vec<i64> = (self.next..self.next + rng.random_range(1..60)).collect();
        self.next += values.len() as i64;
        (rng.random_range(1..3), rng.random_range(0..3), values)
    }

    fn covered(&self) -> impl Fn(TableId, &PartitionKey, u64) -> bool + use<> {
        let covered = self.covered.clone();
        move |table, key, lsn| covered.get(&(table, key.clone())).is_some_and(|until| lsn <= *until)
    }

    fn check(&self, recovery: &Recovery, what: &str) {
        let mut expected = Replay::new();
        let is_covered = self.covered();
        for (lsn, table, day, values) in &self.committed {
            if !is_covered(*table, &partition(*day), *lsn) {
                expected.entry((*table, partition(*day))).or_default().extend(values);
            }
        }
        let mut found = Replay::new();
        recovery
            .replay(self.covered(), |_, table, partition, rows| -> Result<()> {
                let values = rows.column(0).as_primitive::<Int64Type>().values();
                found.entry((table, partition)).or_default().extend(values.iter());
                Ok(())
            })
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        // Entries of one transaction stand where they were written, not where it was committed.
        for values in expected.values_mut().chain(found.values_mut()) {
            values.sort_unstable();
        }
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn whatever_is_logged_covered_and_compacted_what_is_needed_comes_back() {
    for seed in 0..40 {
        let mut rng = StdRng::seed_from_u64(seed);
        let dir = TempDir::new().unwrap();
        let options = WalOptions { segment_bytes: [1, 3_000, 30_000][seed as usize % 3], sync: false };
        let mut truth = Truth::default();
        let (mut wal, _) = Wal::open(dir.path(), options).unwrap();
        let mut open: Vec<(WalTxn, Vec<Logged>)> = Vec::new();
        for step in 0..120 {
            let what = format!("seed {seed}, step {step}");
            match rng.random_range(0..12) {
                0..=3 => {
                    let all: Vec<_> = (0..rng.random_range(1..4)).map(|_| truth.entry(&mut rng)).collect();
                    let entries = all.iter().map(|(table, day, values)| entry(*table, *day, values.clone()));
                    let lsn = wal.append(entries.collect()).await.unwrap()[0];
                    truth.committed.extend(all.into_iter().map(|(table, day, values)| (lsn, table, day, values)));
                }
                4 => open.push((wal.begin().unwrap(), Vec::new())),
                5 | 6 => {
                    let Some(last) = open.len().checked_sub(1) else { continue };
                    let (txn, entries) = &mut open[rng.random_range(0..=last)];
                    let (table, day, values) = truth.entry(&mut rng);
                    wal.append_to(txn, vec![entry(table, day, values.clone())]).await.unwrap();
                    entries.push((table, day, values));
                }
                7 => {
                    let Some((txn, entries)) = open.pop() else { continue };
                    if rng.random_range(0..4) == 0 {
                        wal.abort(txn).await.unwrap();
                        continue;
                    }
                    let lsn = wal.commit(txn).await.unwrap();
                    truth.committed.extend(entries.into_iter().map(|(table, day, values)| (lsn, table, day, values)));
                }
                8 => {
                    let key = (rng.random_range(1..3), partition(rng.random_range(0..3)));
                    let until = rng.random_range(0..wal.next_lsn());
                    let covered = truth.covered.entry(key).or_default();
                    *covered = until.max(*covered);
                }
                9 => {
                    compact(&wal, truth.covered()).await;
                }
                10 => {
                    cut(&wal, truth.covered()).await;
                }
                _ => {
                    open.clear();
                    drop(wal);
                    let (again, recovery) = Wal::open(dir.path(), options).unwrap_or_else(|e| panic!("{what}: {e}"));
                    truth.check(&recovery, &what);
                    wal = again;
                }
            }
        }
        open.clear();
        compact(&wal, truth.covered()).await;
        drop(wal);
        truth.check(&Wal::open(dir.path(), options).unwrap().1, &format!("seed {seed}"));
    }
}
