//! What torn writes and flipped bits do.

use std::fs;

use super::*;

/// A log of one file that was not closed: three transactions, the last with two entries. Gives its path and its length
/// before each transaction and at the end.
async fn three_transactions(dir: &TempDir) -> (PathBuf, Vec<u64>) {
    let (wal, _) = open(dir);
    let mut ends = vec![wal.bytes()];
    for entries in [vec![entry(1, 1, [1])], vec![entry(1, 1, [2])], vec![entry(1, 1, [3]), entry(1, 2, [4])]] {
        wal.append(entries).await.unwrap();
        ends.push(wal.bytes());
    }
    drop(wal);
    let path = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).next().unwrap();
    (path, ends)
}

/// Opens a folder that holds only a file with these bytes.
fn open_with(name: &Path, bytes: &[u8]) -> (TempDir, Result<(Wal, Recovery)>) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(name.file_name().unwrap()), bytes).unwrap();
    let opened = Wal::open(dir.path(), OPTIONS);
    (dir, opened)
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_is_cut_off_and_reported() {
    let dir = TempDir::new().unwrap();
    let (path, ends) = three_transactions(&dir).await;
    let bytes = fs::read(&path).unwrap();
    let two = expected(&[(1, 1, &[1, 2])]);
    for len in ends[2]..ends[3] {
        let (dir, opened) = open_with(&path, &bytes[..len as usize]);
        let (wal, recovery) = opened.unwrap();
        assert_eq!(replayed(&recovery), two, "torn at {len}");
        // Frames of the torn transaction that are whole stay; they are uncommitted.
        assert!(recovery.truncated_bytes <= len - ends[2]);
        // What is appended now is found behind the cut.
        wal.append(vec![entry(1, 1, [9])]).await.unwrap();
        drop(wal);
        assert_eq!(replayed(&reopened(&dir)), expected(&[(1, 1, &[1, 2, 9])]), "torn at {len}");
    }
}

#[tokio::test]
async fn garbage_behind_the_last_frame_is_cut_off() {
    let dir = TempDir::new().unwrap();
    let (path, _) = three_transactions(&dir).await;
    let whole = expected(&[(1, 1, &[1, 2, 3]), (1, 2, &[4])]);
    for garbage in [vec![0; 4096], vec![0xFF; 100], b"not a frame".to_vec()] {
        let bytes = [fs::read(&path).unwrap(), garbage.clone()].concat();
        let (_dir, opened) = open_with(&path, &bytes);
        let (_, recovery) = opened.unwrap();
        assert_eq!(replayed(&recovery), whole);
        assert_eq!(recovery.truncated_bytes, garbage.len() as u64);
    }
}

#[tokio::test]
async fn a_flipped_bit_is_never_a_silent_loss() {
    let dir = TempDir::new().unwrap();
    let (path, ends) = three_transactions(&dir).await;
    let bytes = fs::read(&path).unwrap();
    let whole = expected(&[(1, 1, &[1, 2, 3]), (1, 2, &[4])]);
    let two = expected(&[(1, 1, &[1, 2])]);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let (_dir, opened) = open_with(&path, &flipped);
        match opened {
            Err(ProviderError::Corrupt { what, .. }) => {
                assert!(what.contains(path.file_name().unwrap().to_str().unwrap()), "{what}");
                assert!(what.contains("at byte"), "{what}");
            }
            Err(other) => panic!("flipped at {at}: {other}"),
            Ok((_, recovery)) => {
                // Only the last transaction can look like a write that a crash cut short; and it is reported.
                assert!(at as u64 >= ends[2], "flipped at {at}");
                assert!(recovery.truncated_bytes > 0, "flipped at {at}");
                let rows = replayed(&recovery);
                assert!(rows == two && rows != whole, "flipped at {at}: {rows:?}");
            }
        }
    }
}

#[tokio::test]
async fn after_closing_every_flipped_bit_is_an_error() {
    let dir = TempDir::new().unwrap();
    let (wal, _) = open(&dir);
    wal.append(vec![entry(1, 1, [1])]).await.unwrap();
    let end = wal.bytes();
    wal.close().await.unwrap();
    drop(wal);
    let path = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).next().unwrap();
    let bytes = fs::read(&path).unwrap();
    for at in 0..end as usize {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        assert!(matches!(open_with(&path, &flipped).1, Err(ProviderError::Corrupt { .. })), "flipped at {at}");
    }
}

#[tokio::test]
async fn damage_in_a_file_that_is_not_the_last_is_an_error() {
    let dir = TempDir::new().unwrap();
    let (path, ends) = three_transactions(&dir).await;
    let (wal, _) = open(&dir);
    wal.append(vec![entry(1, 1, [5])]).await.unwrap();
    drop(wal);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..ends[3] as usize - 1]).unwrap();
    assert!(matches!(Wal::open(dir.path(), OPTIONS), Err(ProviderError::Corrupt { .. })));
    // And nothing was changed by looking.
    assert_eq!(fs::read(&path).unwrap().len() as u64, ends[3] - 1);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(replayed(&reopened(&dir)), expected(&[(1, 1, &[1, 2, 3, 5]), (1, 2, &[4])]));
}

#[tokio::test]
async fn a_file_whose_making_was_cut_short_never_held_anything() {
    let dir = TempDir::new().unwrap();
    let (path, _) = three_transactions(&dir).await;
    let whole = expected(&[(1, 1, &[1, 2, 3]), (1, 2, &[4])]);
    let header = frame::file_header(1000);
    for len in 0..=HEADER_LEN {
        let copy = TempDir::new().unwrap();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        fs::write(copy.path().join(format!("{:020}.log", 1000)), &header[..len]).unwrap();
        // Even with a torn tail before it: the file before is the last that was written.
        let (wal, recovery) = open(&copy);
        assert_eq!(replayed(&recovery), whole);
        assert!(wal.next_lsn() >= 1000);
        assert_eq!(wal.file_count(), 2);
    }
}

#[tokio::test]
async fn foreign_and_newer_files_are_refused() {
    let dir = TempDir::new().unwrap();
    let (path, _) = three_transactions(&dir).await;
    let mut newer = fs::read(&path).unwrap();
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..20]);
    newer[20..24].copy_from_slice(&crc.to_le_bytes());
    let error = open_with(&path, &newer).1.unwrap_err().to_string();
    assert!(error.contains("version 2"), "{error}");
    let renamed = Path::new("00000000000000000777.log");
    let error = open_with(renamed, &fs::read(&path).unwrap()).1.unwrap_err().to_string();
    assert!(error.contains("renamed"), "{error}");
    let odd = Path::new("notes.log");
    assert!(open_with(odd, b"hello").1.unwrap_err().to_string().contains("notes.log"));
    // Files of other kinds are left alone.
    assert!(open_with(Path::new("readme.txt"), b"hello").1.is_ok());
}
