//! A live server that is sent what no client sends: messages and statements changed at random, and crowds that say nothing.
//! Whatever comes, no crash, no memory kept, and another client is answered all along.
//!
//! `ZXQ_FRAMES` and `ZXQ_MUTATIONS` say how many (docs/security.md has the last long run); `ZXQ_SEED` says
//! which.

mod crowds;
mod frames;
mod statements;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::NoTls;

use crate::support::{Place, Server, zxq};

/// Within this the other client must be answered, on however busy a machine.
const SOON: Duration = Duration::from_secs(20);
/// How much more memory the server may keep than before, MiB.
const KEPT_MIB: u64 = 64;
/// Where the server's log goes, in its place.
const LOG: &str = "log";

fn from_env(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// Random numbers; the same in each run that names no seed.
fn random(what: &str) -> StdRng {
    let seed = std::env::var("ZXQ_SEED").map_or(1, |text| text.parse::<u64>().unwrap());
    eprintln!("{what}: ZXQ_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// A number that programs stumble over.
fn edge(random: &mut StdRng) -> i64 {
    const EDGES: [i64; 14] = [
        0,
        1,
        -1,
        2,
        127,
        255,
        32_767,
        65_536,
        2_147_483_647,
        -2_147_483_648,
        4_294_967_295,
        i64::MAX,
        i64::MIN,
        1_000_000_007,
    ];
    EDGES[random.random_range(0..EDGES.len())]
}

/// Another client: it asks again and again, until it is told to stop.
struct Bystander {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Bystander {
    fn start(server: &Server) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (host, port) = server.address.rsplit_once(':').unwrap();
        let address = format!("host={host} port={port} user=bystander dbname=zxq");
        let (ends, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
                tokio::spawn(connection);
                while !ends.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    let answer = client.query_one("SELECT count(*) FROM bystanders", &[]).await.unwrap();
                    assert_eq!(answer.get::<_, i64>(0), 3);
                    assert!(asked.elapsed() < SOON, "the other client waited {:?}", asked.elapsed());
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        while asked.load(Ordering::Relaxed) == 0 && !thread.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Bystander { stop, asked, thread }
    }

    /// Ends it: it was answered throughout.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        assert!(self.asked.load(Ordering::Relaxed) > 0);
    }
}

/// A server with a table that the other client reads.
fn start(place: &Place) -> Server {
    let table = "CREATE TABLE bystanders (id BIGINT, trade_date DATE); \
        INSERT INTO bystanders VALUES (1, '2024-01-02'), (2, '2024-01-02'), (3, '2024-01-03')";
    crate::support::succeed(&["sql", table, "--data", &place.data()]);
    let mut command = zxq(&["serve", "--data", &place.data(), "--listen", "127.0.0.1:0"]);
    command.stderr(File::create(place.path(LOG)).unwrap());
    Server::start_command(command)
}

/// The server gives back what it took, ends as it should, and had no panic all along.
fn ends_well(server: Server, place: &Place, before: u64) {
    let deadline = Instant::now() + SOON;
    while server.resident_mib() > before + KEPT_MIB && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
    }
    let after = server.resident_mib();
    eprintln!("memory: {before} MiB before, {after} MiB after");
    assert!(after <= before + KEPT_MIB, "{before} MiB before, {after} MiB after");
    assert_eq!(server.end_with("TERM").code(), Some(0));
    let log = std::fs::read_to_string(place.path(LOG)).unwrap();
    // In the program's own words, and in those that it leaves to the library where a backtrace is asked for.
    let is_panic = |line: &&str| line.contains("a bug in zxq") || line.contains("panicked");
    let panics: Vec<_> = log.lines().filter(is_panic).collect();
    assert!(panics.is_empty(), "{panics:?}");
}
