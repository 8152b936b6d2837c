//! Kills during inserts, loads and moves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client;
use zxq_test_support::postgres_server;

use crate::directory::{Directory, chance, runtime};
use crate::server::{Server, batches, number, rows, run, verify, zxq};

const INSERTED: i64 = 20;
const LOADED: i64 = 3_000;
const ROUNDS: usize = 10;
/// No new round is begun after this.
const BUDGET: Duration = Duration::from_secs(40);

const SEGMENTS: &str = "segment_rows: 1000\n";

const COLUMNS: &str = "(id BIGINT NOT NULL, batch BIGINT NOT NULL, name TEXT NOT NULL, day DATE NOT NULL, \
     class TEXT NOT NULL, price DECIMAL(12,4)) WITH (partition_by = 'day, class', sort_by = 'name, id')";

/// What rows, distinct ids and sum of ids a batch of so many rows has.
fn whole(count: i64) -> [i64; 3] {
    [count, count, count * (count - 1) / 2]
}

fn insert(batch: i64) -> String {
    let rows: Vec<String> = (0..INSERTED)
        .map(|id| {
            format!(
                "({id}, {batch}, 'n{}', '2024-01-0{}', '{}', {id}.5)",
                id % 5,
                id % 3 + 1,
                ["FX", "EQUITY"][id as usize % 2]
            )
        })
        .collect();
    format!("INSERT INTO t VALUES {}", rows.join(", "))
}

fn load_file(folder: &Path, batch: i64) -> PathBuf {
    let path = folder.join(format!("load{batch}.csv"));
    let mut text = String::from("id,batch,name,day,class,price\n");
    for id in 0..LOADED {
        text.push_str(&format!("{id},{batch},n{},2024-02-0{},FX,{}.25\n", id % 7, id % 4 + 1, id % 100));
    }
    std::fs::write(&path, text).unwrap();
    path
}

/// What one run of the server was asked for: batch numbers attempted, and those acknowledged.
#[derive(Default)]
struct Journal {
    attempted: Vec<i64>,
    acknowledged: Vec<i64>,
}

/// After a restart: everything known is there and whole, nothing else but whole attempts.
fn check(what: &str, found: &BTreeMap<i64, [i64; 3]>, size: i64, known: &mut Vec<i64>, journal: &Journal) {
    for (batch, content) in found {
        assert_eq!(*content, whole(size), "{what} {batch} is there in part, or more than once");
        assert!(known.contains(batch) || journal.attempted.contains(batch), "{what} {batch} was never sent");
    }
    for batch in known.iter().chain(&journal.acknowledged) {
        assert!(found.contains_key(batch), "{what} {batch} was acknowledged and is gone");
    }
    // What is visible now has to stay.
    *known = found.keys().copied().collect();
}

#[test]
fn nothing_is_lost_or_doubled_when_the_server_is_killed() {
    kill_again_and_again(SEGMENTS);
}

#[test]
fn nothing_is_lost_or_doubled_with_a_catalog_in_postgres() {
    let Some(postgres) = postgres_server::shared() else { return };
    kill_again_and_again(&format!("{SEGMENTS}catalog:\n  url: {}\n  schema: kills\n", postgres.superuser_url()));
}

fn kill_again_and_again(settings: &str) {
    let runtime = runtime();
    let directory = Directory::little(settings);
    let mut random = chance("crash test");
    let next = Arc::new(AtomicI64::new(0));
    let (mut inserted, mut loaded) = (Vec::new(), Vec::new());
    let started = Instant::now();
    let mut rounds = 0;
    {
        let server = directory.start();
        runtime.block_on(async {
            let client = server.connect().await;
            client.batch_execute(&format!("CREATE TABLE t {COLUMNS}; CREATE TABLE loaded {COLUMNS}")).await.unwrap();
        });
        server.kill();
    }
    while rounds < ROUNDS && started.elapsed() < BUDGET {
        rounds += 1;
        let server = directory.start();
        let lives = Duration::from_millis(random.random_range(50..1_800));
        let inserts = Arc::new(Mutex::new(Journal::default()));
        let loads = Arc::new(Mutex::new(Journal::default()));
        let worked =
            runtime.block_on(work(&server, lives, &next, &inserts, &loads, directory.folder(), random.random()));
        let said = server.kill();
        if let Err(failure) = worked {
            panic!("{failure}; the server said: {said}");
        }

        let server = directory.start();
        runtime.block_on(async {
            let client = server.connect().await;
            check("insert", &batches(&client, "t").await, INSERTED, &mut inserted, &inserts.lock().unwrap());
            check("load", &batches(&client, "loaded").await, LOADED, &mut loaded, &loads.lock().unwrap());
            for table in ["t", "loaded"] {
                let counted = number(&client, &format!("SELECT count(*) FROM {table}")).await;
                let (batches, size) = if table == "t" { (inserted.len(), INSERTED) } else { (loaded.len(), LOADED) };
                assert_eq!(counted, batches as i64 * size, "{table}: the catalog's count");
            }
            verify(&client).await;
            let open = "SELECT kind, phase, error FROM zxq.moves WHERE phase NOT IN ('done', 'failed')";
            assert_eq!(rows(&client, open).await, Vec::<Vec<String>>::new(), "jobs still open");
            let cold = number(&client, "SELECT count(*) FROM zxq.segments WHERE tier = 'cold'").await;
            assert_eq!(parquet_files(&directory.data()), cold, "files that no segment names, or the other way round");
        });
        // Some recoveries are interrupted as well.
        server.kill();
    }
    eprintln!("crash test: {rounds} rounds, {} inserts and {} loads are there", inserted.len(), loaded.len());
    assert!(rounds >= 3, "too slow: {rounds} rounds");
    assert!(!inserted.is_empty(), "no insert was ever acknowledged");
}

fn parquet_files(folder: &Path) -> i64 {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|n| n != "_delta_log") {
                count += parquet_files(&path);
            }
        } else if path.extension().is_some_and(|e| e == "parquet") {
            count += 1;
        }
    }
    count
}

/// Runs a statement. Once the time is `over` the server is killed: then waits for ever, since nothing is to be said.
async fn send(client: &Client, sql: &str, over: &AtomicBool) {
    match client.batch_execute(sql).await {
        Ok(()) => {}
        Err(error) if error.is_closed() && over.load(Ordering::SeqCst) => std::future::pending().await,
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

/// Inserts, loads and moves until the time is over; whoever is in the middle of something then stays there.
async fn work(
    server: &Server,
    lives: Duration,
    next: &Arc<AtomicI64>,
    inserts: &Arc<Mutex<Journal>>,
    loads: &Arc<Mutex<Journal>>,
    folder: &Path,
    seed: u64,
) -> Result<(), String> {
    let mut tasks = tokio::task::JoinSet::new();
    let ended = Arc::new(AtomicBool::new(false));
    for _ in 0..2 {
        let (client, next, journal) = (server.connect().await, Arc::clone(next), Arc::clone(inserts));
        let over = Arc::clone(&ended);
        tasks.spawn(async move {
            loop {
                let batch = next.fetch_add(1, Ordering::Relaxed);
                journal.lock().unwrap().attempted.push(batch);
                send(&client, &insert(batch), &over).await;
                journal.lock().unwrap().acknowledged.push(batch);
            }
        });
    }
    let (client, next, journal, files) =
        (server.connect().await, Arc::clone(next), Arc::clone(loads), folder.to_owned());
    let over = Arc::clone(&ended);
    tasks.spawn(async move {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let file = load_file(&files, batch);
            let tier = ["auto", "hot", "warm", "cold"].choose(&mut random).unwrap();
            journal.lock().unwrap().attempted.push(batch);
            let sql = format!("CALL zxq.load('loaded', '{}', '{tier}')", file.display());
            send(&client, &sql, &over).await;
            journal.lock().unwrap().acknowledged.push(batch);
            std::fs::remove_file(file).unwrap();
        }
    });
    let (client, over) = (server.connect().await, Arc::clone(&ended));
    tasks.spawn(async move {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(1));
        loop {
            let table = ["t", "loaded"].choose(&mut random).unwrap();
            let tiers = ["hot", "warm", "cold"];
            let (from, to) = (tiers.choose(&mut random).unwrap(), tiers.choose(&mut random).unwrap());
            if from != to {
                let sql = format!("CALL zxq.migrate('{table}', '{to}', '{from}')");
                send(&client, &sql, &over).await;
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
        }
    });
    // A task ends only by failing, and nothing has been killed yet.
    match tokio::time::timeout(lives, tasks.join_next()).await {
        Err(_) => {
            ended.store(true, Ordering::SeqCst);
            tasks.detach_all();
            Ok(())
        }
        Ok(failed) => Err(format!("a statement failed while the server was to run: {failed:?}")),
    }
}

#[test]
fn a_load_that_is_killed_is_not_there_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let file = folder.path().join("rows.csv");
    let mut text = String::from("id,batch,name,day,class,price\n");
    const ROWS: i64 = 120_000;
    for id in 0..ROWS {
        text.push_str(&format!("{id},1,n{},2024-{:02}-01,FX,{}.25\n", id % 7, id % 12 + 1, id % 100));
    }
    std::fs::write(&file, text).unwrap();
    let create = format!("CREATE TABLE loaded {COLUMNS}");
    assert!(run(&mut zxq(&["sql", &create, "--data", data])).status.success());
    let mut random = StdRng::seed_from_u64(rand::random());
    let mut loads = 0;
    for tier in ["cold", "warm", "auto", "hot"] {
        let mut killed = 0;
        while killed < 3 {
            let args = ["load", "--table", "loaded", "--tier", tier, "--data", data, file.to_str().unwrap()];
            let mut child =
                zxq(&args).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
            let life = if killed == 2 { 20_000 } else { random.random_range(30..900) };
            let ends = Instant::now() + Duration::from_millis(life);
            let finished = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break Some(status),
                    None if Instant::now() > ends => break None,
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            let output =
                run(&mut zxq(&["sql", "SELECT count(*), count(name) FROM loaded", "--format", "csv", "--data", data]));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).unwrap();
            let counts: Vec<i64> = text.lines().nth(1).unwrap().split(',').map(|n| n.parse().unwrap()).collect();
            assert_eq!(counts[0], counts[1], "{tier}: the catalog counts other rows than there are");
            if let Some(status) = finished {
                assert!(status.success(), "{tier}: the load failed");
                loads += 1;
                assert_eq!(counts[0], loads * ROWS, "{tier}: after a load that ended well");
            } else {
                assert!(
                    counts[0] == loads * ROWS || counts[0] == (loads + 1) * ROWS,
                    "{tier}: {} rows after a kill",
                    counts[0]
                );
                loads = counts[0] / ROWS;
            }
        }
    }
    assert!(loads > 0, "no load ever ended well");
    let verified = run(&mut zxq(&["storage", "verify", "--data", data]));
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
