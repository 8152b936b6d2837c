//! A disk that is full, or lies about what it made durable.

use std::io::{Error, ErrorKind};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::hot::wal::storage::LogFile;

/// A disk with little room, whose operations can be made to fail.
#[derive(Debug, Default)]
struct Weak {
    room: AtomicU64,
    syncs_fail: AtomicBool,
    cuts_fail: AtomicBool,
}

struct WeakFile {
    disk: Arc<Weak>,
    file: Box<dyn LogFile>,
}

#[derive(Debug)]
struct WeakDisk(Arc<Weak>);

impl LogFile for WeakFile {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let room = self.disk.room.load(Ordering::SeqCst);
        let fits = bytes.len().min(room as usize);
        // Like a real disk: what fits is written.
        self.file.append(&bytes[..fits])?;
        self.disk.room.fetch_sub(fits as u64, Ordering::SeqCst);
        if fits < bytes.len() { Err(Error::from(ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn sync(&mut self) -> std::io::Result<()> {
        if self.disk.syncs_fail.load(Ordering::SeqCst) { Err(Error::other("I/O error")) } else { self.file.sync() }
    }

    fn truncate(&mut self, len: u64) -> std::io::Result<()> {
        if self.disk.cuts_fail.load(Ordering::SeqCst) {
            Err(Error::other("cannot cut"))
        } else {
            self.file.truncate(len)
        }
    }
}

impl LogStorage for WeakDisk {
    fn open(&self, path: &Path, fresh: bool) -> std::io::Result<Box<dyn LogFile>> {
        Ok(Box::new(WeakFile { disk: Arc::clone(&self.0), file: Disk.open(path, fresh)? }))
    }

    fn remove(&self, path: &Path) -> std::io::Result<()> {
        Disk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        Disk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        Disk.sync_dir(dir)
    }
}

fn open_weak(dir: &TempDir, room: u64, segment_bytes: u64) -> (Arc<Weak>, Wal) {
    let weak = Arc::new(Weak::default());
    weak.room.store(room, Ordering::SeqCst);
    let storage = Arc::new(WeakDisk(Arc::clone(&weak)));
    let (wal, _) = Wal::open_on(storage, dir.path(), WalOptions { segment_bytes, sync: true }).unwrap();
    (weak, wal)
}

#[tokio::test]
async fn a_full_disk_refuses_rows_at_every_length_and_keeps_the_rest() {
    let dir = TempDir::new().unwrap();
    let (weak, wal) = open_weak(&dir, 1 << 20, 1 << 20);
    wal.append(vec![entry(1, 1, [0])]).await.unwrap();
    let good = wal.bytes();
    let refused = || vec![entry(1, 1, [1]), entry(1, 2, [2])];
    let elsewhere = TempDir::new().unwrap();
    let (other, _) = open(&elsewhere);
    other.append(vec![entry(1, 1, [0])]).await.unwrap();
    let before = other.bytes();
    other.append(refused()).await.unwrap();
    let needed = other.bytes() - before;
    for room in (0..needed).step_by(97).chain([needed - 1]) {
        weak.room.store(room, Ordering::SeqCst);
        let error = wal.append(refused()).await.unwrap_err();
        assert!(matches!(error, ProviderError::DiskFull { .. }), "{error}");
        assert_eq!(wal.bytes(), good);
    }
    // With room again it goes on, and nothing of the refused rows is left.
    weak.room.store(1 << 20, Ordering::SeqCst);
    wal.append(vec![entry(1, 1, [3])]).await.unwrap();
    drop(wal);
    let recovery = reopened(&dir);
    assert_eq!((recovery.truncated_bytes, recovery.uncommitted_entries), (0, 0));
    assert_eq!(replayed(&recovery), expected(&[(1, 1, &[0, 3])]));
}

#[tokio::test]
async fn no_room_for_the_next_file_refuses_rows_and_recovers() {
    let dir = TempDir::new().unwrap();
    let (weak, wal) = open_weak(&dir, 1 << 20, 100);
    wal.append(vec![entry(1, 1, [0])]).await.unwrap();
    weak.room.store(HEADER_LEN as u64 - 1, Ordering::SeqCst);
    assert!(matches!(wal.append(vec![entry(1, 1, [1])]).await, Err(ProviderError::DiskFull { .. })));
    assert_eq!(wal.file_count(), 1);
    weak.room.store(1 << 20, Ordering::SeqCst);
    wal.append(vec![entry(1, 1, [2])]).await.unwrap();
    assert_eq!(wal.file_count(), 2);
    drop(wal);
    assert_eq!(replayed(&reopened(&dir)), expected(&[(1, 1, &[0, 2])]));
}

#[tokio::test]
async fn a_failed_sync_that_cannot_be_undone_ends_all_writing() {
    let dir = TempDir::new().unwrap();
    let (weak, wal) = open_weak(&dir, 1 << 20, 1 << 20);
    wal.append(vec![entry(1, 1, [0])]).await.unwrap();
    weak.syncs_fail.store(true, Ordering::SeqCst);
    let error = wal.append(vec![entry(1, 1, [1])]).await.unwrap_err();
    assert!(matches!(error, ProviderError::Store { .. }), "{error}");
    // A sync that works again proves nothing about what was lost.
    weak.syncs_fail.store(false, Ordering::SeqCst);
    let refused = wal.append(vec![entry(1, 1, [2])]).await.unwrap_err().to_string();
    assert!(refused.contains("restart"), "{refused}");
    drop(wal);
    assert_eq!(replayed(&reopened(&dir)), expected(&[(1, 1, &[0])]));
}

#[tokio::test]
async fn debris_that_cannot_be_cut_off_ends_all_writing() {
    let dir = TempDir::new().unwrap();
    let (weak, wal) = open_weak(&dir, 1 << 20, 1 << 20);
    wal.append(vec![entry(1, 1, [0])]).await.unwrap();
    weak.room.store(50, Ordering::SeqCst);
    weak.cuts_fail.store(true, Ordering::SeqCst);
    assert!(matches!(wal.append(vec![entry(1, 1, [1])]).await, Err(ProviderError::DiskFull { .. })));
    weak.room.store(1 << 20, Ordering::SeqCst);
    assert!(wal.append(vec![entry(1, 1, [2])]).await.unwrap_err().to_string().contains("restart"));
    assert!(wal.close().await.is_err());
    drop(wal);
    let recovery = reopened(&dir);
    assert_eq!(recovery.truncated_bytes, 50);
    assert_eq!(replayed(&recovery), expected(&[(1, 1, &[0])]));
}

#[tokio::test]
async fn a_transaction_that_lost_rows_cannot_commit() {
    let dir = TempDir::new().unwrap();
    let (weak, wal) = open_weak(&dir, 1 << 20, 1 << 20);
    let early = wal.begin().unwrap();
    wal.append_to(&early, vec![entry(1, 1, [1])]).await.unwrap();
    wal.append(vec![entry(1, 9, [9])]).await.unwrap();
    let late = wal.begin().unwrap();
    wal.append_to(&late, vec![entry(1, 2, [2])]).await.unwrap();
    weak.syncs_fail.store(true, Ordering::SeqCst);
    wal.append(vec![entry(1, 9, [10])]).await.unwrap_err();
    weak.syncs_fail.store(false, Ordering::SeqCst);
    wal.commit(late).await.unwrap_err();
    wal.commit(early).await.unwrap_err();
    drop(wal);
    let recovery = reopened(&dir);
    assert_eq!(replayed(&recovery), expected(&[(1, 9, &[9])]));
}

#[tokio::test]
async fn a_compaction_without_room_leaves_the_log_as_it_was() {
    let dir = TempDir::new().unwrap();
    let (weak, wal) = open_weak(&dir, 1 << 30, 50_000);
    for value in 0..6 {
        wal.append(vec![entry(2, 0, [value])]).await.unwrap();
        wal.append(vec![entry(1, 1, 0..2_000)]).await.unwrap();
    }
    let (bytes, files) = (wal.bytes(), wal.file_count());
    let covered = |table: TableId, _: &PartitionKey, _: u64| table == 1;
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    weak.room.store(100, Ordering::SeqCst);
    let error = wal.begin_compaction(covered).unwrap().run().await.unwrap_err();
    assert!(matches!(error, ProviderError::DiskFull { .. }), "{error}");
    weak.room.store(1 << 30, Ordering::SeqCst);
    weak.syncs_fail.store(true, Ordering::SeqCst);
    assert!(wal.begin_compaction(covered).unwrap().run().await.is_err());
    weak.syncs_fail.store(false, Ordering::SeqCst);
    assert_eq!((wal.bytes(), wal.file_count(), names()), (bytes, files, before));
    // The log goes on; and with room, so does the compaction.
    wal.append(vec![entry(2, 0, [6])]).await.unwrap();
    assert!(wal.begin_compaction(covered).unwrap().run().await.unwrap().bytes > bytes / 2);
    drop(wal);
    let all = replayed(&reopened(&dir));
    assert_eq!(all[&(2, partition(0))], (0..=6).collect::<Vec<_>>());
}
