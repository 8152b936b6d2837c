//! The write-ahead log after a crash: an unfinished end is cut off, damage before it is refused.

use std::io::Write;
use std::path::PathBuf;

use crate::directory::Directory;
use crate::server::{Server, number, run, verify, zxq};

struct Place(Directory);

impl Place {
    fn new() -> Place {
        Place(Directory::with("maintenance_interval: 0\nthreads: 2\n"))
    }

    fn data(&self) -> PathBuf {
        self.0.data()
    }

    fn start(&self) -> Server {
        self.0.start()
    }

    /// The newest file of the log that holds anything.
    fn log(&self) -> PathBuf {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.data().join("wal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| std::fs::metadata(path).unwrap().len() > 100)
            .collect();
        files.sort();
        files.pop().expect("a log file")
    }
}

async fn fill(server: &Server, batches: std::ops::Range<i64>) {
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE IF NOT EXISTS t (id BIGINT NOT NULL, name TEXT)").await.unwrap();
    for batch in batches {
        let rows: Vec<String> = (0..10).map(|i| format!("({}, 'row {i}')", batch * 10 + i)).collect();
        client.batch_execute(&format!("INSERT INTO t VALUES {}", rows.join(", "))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_end_is_cut_off_with_a_warning() {
    let place = Place::new();
    let mut rows = 0;
    // Garbage, zeros, half a copy of a record, and an end that was cut short.
    for damage in 0..4 {
        let server = place.start();
        fill(&server, rows / 10..rows / 10 + 20).await;
        rows += 200;
        server.kill();
        let log = place.log();
        let bytes = std::fs::read(&log).unwrap();
        let append =
            |extra: &[u8]| std::fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(extra).unwrap();
        match damage {
            0 => append(&[0xAB; 333]),
            1 => append(&[0; 4096]),
            2 => append(&bytes[bytes.len() - 150..bytes.len() - 20]),
            _ => {
                let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
                file.set_len(bytes.len() as u64 - 3).unwrap();
                // The last insert was acknowledged, but its end is what is gone.
                rows -= 10;
            }
        }
        let server = place.start();
        let client = server.connect().await;
        assert_eq!(number(&client, "SELECT count(*) FROM t").await, rows, "damage {damage}");
        assert_eq!(number(&client, "SELECT count(DISTINCT id) FROM t WHERE name IS NOT NULL").await, rows);
        verify(&client).await;
        let said = server.kill().to_lowercase();
        let name = log.file_name().unwrap().to_str().unwrap().to_lowercase();
        assert!(
            said.contains("warn") && said.contains(&name),
            "damage {damage}: no warning that names {name}: {said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_before_the_end_is_refused() {
    let place = Place::new();
    let server = place.start();
    fill(&server, 0..50).await;
    server.kill();
    let log = place.log();
    let whole = std::fs::read(&log).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    for byte in &mut damaged[middle..middle + 4] {
        *byte ^= 0x55;
    }
    std::fs::write(&log, &damaged).unwrap();
    let output = run(&mut zxq(&["sql", "SELECT count(*) FROM t", "--data", place.data().to_str().unwrap()]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "a damaged log was opened: {}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains(log.file_name().unwrap().to_str().unwrap()), "the file is not named: {said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(std::fs::read(&log).unwrap(), damaged, "the damaged log was changed");
    std::fs::write(&log, whole).unwrap();
    let server = place.start();
    assert_eq!(number(&server.connect().await, "SELECT count(*) FROM t").await, 500);
    server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_rest_change_nothing() {
    let place = Place::new();
    for turn in 0..3 {
        let server = place.start();
        fill(&server, turn * 5..turn * 5 + 5).await;
        let client = server.connect().await;
        if turn == 1 {
            client.batch_execute("CALL zxq.migrate('t', 'warm')").await.unwrap();
        }
        server.kill();
        let server = place.start();
        let client = server.connect().await;
        assert_eq!(number(&client, "SELECT count(*) FROM t").await, (turn + 1) * 50);
        assert_eq!(number(&client, "SELECT count(DISTINCT id) FROM t WHERE name <> ''").await, (turn + 1) * 50);
        verify(&client).await;
        server.kill();
    }
}
