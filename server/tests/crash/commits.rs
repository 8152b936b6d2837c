//! Kills in the middle of COMMITs: each transaction is wholly there, in all of its tables, or wholly not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng;
use tokio_postgres::Client;

use crate::directory::{Directory, chance, runtime};
use crate::server::{batches, number, rows, verify};

const ROUNDS: usize = 10;
/// No new round is begun after this.
const BUDGET: Duration = Duration::from_secs(30);

/// Rows of each table that a transaction writes, in several statements and partitions.
const ROWS: i64 = 12;
const COLUMNS: &str = "(id BIGINT NOT NULL, batch BIGINT NOT NULL, name TEXT NOT NULL, day DATE NOT NULL) \
     WITH (partition_by = 'day', sort_by = 'name, id')";

/// The statements between BEGIN and its end: every third one also makes a table, and goes back to a savepoint.
fn statements(batch: i64) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["a", "b"] {
        for from in [0, ROWS / 2] {
            let values: Vec<String> = (from..from + ROWS / 2)
                .map(|id| format!("({id}, {batch}, 'n{}', '2024-01-0{}')", id % 5, id % 3 + 1))
                .collect();
            all.push(format!("INSERT INTO {table} VALUES {}", values.join(", ")));
        }
    }
    if batch % 3 == 0 {
        all.push("SAVEPOINT s".to_owned());
        all.push(format!("INSERT INTO a VALUES (99, {batch}, 'gone', '2024-01-01')"));
        all.push("ROLLBACK TO s".to_owned());
        all.push(format!("CREATE TABLE made_{batch} AS SELECT id, batch, name FROM a WHERE batch = {batch}"));
    }
    all
}

/// Batches that were begun, those whose COMMIT was answered, and those that were rolled back.
#[derive(Default)]
struct Journal {
    begun: Vec<i64>,
    committed: Vec<i64>,
    rolled_back: Vec<i64>,
}

/// Runs a statement. Once the time is `over` the server is killed: then waits for ever, since nothing is to be said.
async fn send(client: &Client, sql: &str, over: &AtomicBool) {
    match client.batch_execute(sql).await {
        Ok(()) => {}
        Err(error) if error.is_closed() && over.load(Ordering::SeqCst) => std::future::pending().await,
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

async fn write(client: Client, next: Arc<AtomicI64>, journal: Arc<Mutex<Journal>>, over: Arc<AtomicBool>) {
    loop {
        let batch = next.fetch_add(1, Ordering::Relaxed);
        journal.lock().unwrap().begun.push(batch);
        send(&client, "BEGIN", &over).await;
        for sql in statements(batch) {
            send(&client, &sql, &over).await;
        }
        if batch % 5 == 4 {
            journal.lock().unwrap().rolled_back.push(batch);
            send(&client, "ROLLBACK", &over).await;
        } else {
            send(&client, "COMMIT", &over).await;
            journal.lock().unwrap().committed.push(batch);
        }
    }
}

async fn check(client: &Client, known: &mut Vec<i64>, journal: &Journal) {
    let whole = [ROWS, ROWS, ROWS * (ROWS - 1) / 2];
    let (a, b) = (batches(client, "a").await, batches(client, "b").await);
    assert_eq!(a, b, "a transaction is there in one table and not in the other");
    for (batch, content) in &a {
        assert_eq!(*content, whole, "transaction {batch} is there in part, or more than once");
        assert!(known.contains(batch) || journal.begun.contains(batch), "transaction {batch} was never begun");
        assert!(!journal.rolled_back.contains(batch), "transaction {batch} was rolled back");
    }
    for batch in known.iter().chain(&journal.committed) {
        assert!(a.contains_key(batch), "transaction {batch} was committed and is gone");
    }
    let made: BTreeMap<i64, i64> = made(client).await;
    for batch in a.keys().filter(|batch| *batch % 3 == 0) {
        assert_eq!(made.get(batch), Some(&ROWS), "the table that transaction {batch} has made");
    }
    assert_eq!(
        made.len(),
        a.keys().filter(|batch| *batch % 3 == 0).count(),
        "tables of transactions that are not there"
    );
    *known = a.keys().copied().collect();
}

/// Rows of the tables that transactions have made.
async fn made(client: &Client) -> BTreeMap<i64, i64> {
    let names = rows(client, "SELECT table_name FROM zxq.tables WHERE table_name LIKE 'made%'").await;
    let mut made = BTreeMap::new();
    for name in names {
        let batch = name[0].trim_start_matches("made_").parse().unwrap();
        made.insert(batch, number(client, &format!("SELECT count(*) FROM {}", name[0])).await);
    }
    made
}

#[test]
fn transactions_are_whole_when_the_server_is_killed() {
    let runtime = runtime();
    let directory = Directory::little("");
    let mut random = chance("crash test of commits");
    let next = Arc::new(AtomicI64::new(0));
    let mut known = Vec::new();
    {
        let server = directory.start();
        runtime.block_on(async {
            let client = server.connect().await;
            client.batch_execute(&format!("CREATE TABLE a {COLUMNS}; CREATE TABLE b {COLUMNS}")).await.unwrap();
        });
        server.kill();
    }
    let started = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS && started.elapsed() < BUDGET {
        rounds += 1;
        let server = directory.start();
        let lives = Duration::from_millis(random.random_range(50..1_500));
        let journal = Arc::new(Mutex::new(Journal::default()));
        let over = Arc::new(AtomicBool::new(false));
        let worked = runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..3 {
                let client = server.connect().await;
                tasks.spawn(write(client, Arc::clone(&next), Arc::clone(&journal), Arc::clone(&over)));
            }
            // A task ends only by failing, and nothing has been killed yet.
            match tokio::time::timeout(lives, tasks.join_next()).await {
                Err(_) => {
                    over.store(true, Ordering::SeqCst);
                    tasks.detach_all();
                    Ok(())
                }
                Ok(failed) => Err(format!("a statement failed while the server was to run: {failed:?}")),
            }
        });
        let said = server.kill();
        if let Err(failure) = worked {
            panic!("{failure}; the server said: {said}");
        }
        let server = directory.start();
        let journal = std::mem::take(&mut *journal.lock().unwrap());
        runtime.block_on(async {
            let client = server.connect().await;
            check(&client, &mut known, &journal).await;
            verify(&client).await;
            let open = "SELECT kind, phase, error FROM zxq.moves WHERE phase NOT IN ('done', 'failed')";
            assert_eq!(rows(&client, open).await, Vec::<Vec<String>>::new(), "jobs still open");
        });
        server.kill();
    }
    eprintln!("crash test of commits: {rounds} rounds, {} transactions are there", known.len());
    assert!(rounds >= 3, "too slow: {rounds} rounds");
    assert!(!known.is_empty(), "no transaction was ever committed");
}
