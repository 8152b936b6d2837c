//! Processes killed at each moment at which their job waits, and before each of its writes to the catalog; and processes that
//! end while the catalog refuses to be written to. The next start finds all or nothing, and no trace of what is not there.
//!
//! The process that is killed is this program once more: it runs the test [`child`] alone, which does nothing unless the
//! environment orders it to.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use zxq_engine::Engine;
use zxq_tests::placement;

use super::Steps;
use super::bench::{Bench, Place, Stores};
use super::checks::{self, Open};
use super::kinds::{Case, Round, named};
use super::probes::{Act, DYING, Watch};
use super::state::State;

/// The variable that holds a child's order.
const ORDER: &str = "ZXQ_CANCELLED_ORDER";
/// What a child says before its answer, at the beginning of a line.
const ANSWER: &str = "ANSWER ";
/// The signal that `abort` ends a process with.
const ABORTED: i32 = 6;

const USUAL: Steps = Steps { all_up_to: 12, then_every: 7 };

#[test]
fn rows_and_definitions() {
    let names = [
        "insert values",
        "load into hot",
        "load into warm",
        "load into a new table",
        "create table as",
        "alter table",
        "drop table",
    ];
    run(Stores::Usual, &names, Act::Die, USUAL);
}

#[test]
fn moves() {
    let names = ["hot to warm", "warm to cold", "cold to warm", "maintain"];
    run(Stores::Usual, &names, Act::Die, USUAL);
}

#[test]
fn in_postgres_and_iceberg() {
    let names = ["load into a new table", "hot to warm", "cold to warm"];
    run(Stores::Postgres, &names, Act::Die, USUAL);
    run(Stores::Postgres, &["create table as", "warm to cold"], Act::DieAtWrite, Steps::EVERY);
}

#[test]
fn before_each_write_to_the_catalog() {
    let names = [
        "load into hot",
        "load into a new table",
        "create table as",
        "drop table",
        "hot to warm",
        "cold to warm",
        "maintain",
    ];
    run(Stores::Usual, &names, Act::DieAtWrite, Steps::EVERY);
}

#[test]
fn while_the_catalog_refuses() {
    let names =
        ["load into cold", "load into a new table", "create table as", "alter table", "hot to warm", "cold to warm"];
    run(Stores::Usual, &names, Act::RefuseFrom, Steps::EVERY);
}

/// What a child has to do.
struct Order {
    dir: PathBuf,
    stores: Stores,
    /// Schema or prefix, and the server's address.
    name: String,
    url: Option<String>,
    kind: String,
    round: String,
    act: Act,
    at: u64,
}

impl Order {
    fn to_text(&self) -> String {
        let (stores, act) = (format!("{:?}", self.stores), format!("{:?}", self.act));
        let (dir, url, at) =
            (self.dir.display().to_string(), self.url.clone().unwrap_or_default(), self.at.to_string());
        [dir, stores, self.name.clone(), url, self.kind.clone(), self.round.clone(), act, at].join("\n")
    }

    fn from_text(text: &str) -> Order {
        let parts: Vec<&str> = text.split('\n').collect();
        let [dir, stores, name, url, kind, round, act, at] = parts.as_slice() else { panic!("no order: {text}") };
        Order {
            dir: PathBuf::from(dir),
            stores: if *stores == "Postgres" { Stores::Postgres } else { Stores::Usual },
            name: (*name).to_owned(),
            url: (!url.is_empty()).then(|| (*url).to_owned()),
            kind: (*kind).to_owned(),
            round: (*round).to_owned(),
            act: Act::ALL.into_iter().find(|known| format!("{known:?}") == *act).expect("an act"),
            at: at.parse().expect("a number"),
        }
    }

    /// In the child: opens the directory, does the work, and dies in the middle of it, or right after it has answered.
    async fn carry_out(self) {
        let place = Place { stores: self.stores, name: self.name, url: self.url, bucket: None };
        let probe = Arc::<Watch>::default();
        let engine = Engine::open(place.config(&self.dir, &probe)).await.unwrap();
        let round = Round { kind: named(&self.kind), name: self.round };
        probe.arm(round.kind.job, self.at, self.act);
        let answer = round.run(&engine).await;
        let (reached, word) = (probe.reached(), if answer.is_ok() { "done" } else { "failed" });
        println!("\n{ANSWER}{reached} {word} {answer:?}");
        // The engine is not closed, and a catalog that refuses does so to the end.
        std::process::abort();
    }

    /// In the parent: has a child carry it out. How it ended, and what it answered.
    fn hand_out(&self) -> (End, String) {
        let (_, child) = concat!(module_path!(), "::child").split_once("::").unwrap();
        let output = Command::new("sh")
            // No core of this large a program is wanted.
            .args(["-c", "ulimit -c 0; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", child, "--nocapture", "--test-threads=1"])
            .env(ORDER, self.to_text())
            .output()
            .unwrap();
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // A child that ends in another way has failed, or has not found its test.
        assert_eq!(output.status.signal(), Some(ABORTED), "{:?}:\n{said}\n{complained}", output.status);
        let answer = said.lines().find_map(|line| line.strip_prefix(ANSWER));
        let Some(answer) = answer else {
            assert!(said.lines().any(|line| line == DYING), "the child died by itself:\n{said}\n{complained}");
            return (End::Killed, String::new());
        };
        let reached = answer.starts_with("true ");
        let end = match answer.split(' ').nth(1) {
            Some("done") => End::Done { reached },
            _ => End::Failed { reached },
        };
        (end, answer.to_owned())
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Before there was an answer.
    Killed,
    /// After the answer that it worked.
    Done { reached: bool },
    /// After the answer that it did not.
    Failed { reached: bool },
}

/// Not a test of its own, see above.
#[test]
fn child() {
    let Ok(order) = std::env::var(ORDER) else { return };
    runtime().block_on(Order::from_text(&order).carry_out());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn run(stores: Stores, names: &[&str], act: Act, steps: Steps) {
    runtime().block_on(async {
        let Some(mut bench) = Bench::open(stores).await else { return };
        let (mut previous, mut interrupted) = (None, 0);
        for name in names {
            let case = Case::learn(&mut bench, named(name)).await;
            let (mut at, mut rounds, mut is_there) = (1, 0usize, true);
            while is_there {
                is_there = one(&mut bench, &case, act, at, &mut previous).await;
                rounds += 1;
                at = steps.after(at);
            }
            println!("{act:?} {stores:?} {name}: {rounds} rounds");
            interrupted += rounds - 1;
        }
        // An INSERT of constants may wait for nothing at all, on a busy machine.
        assert!(interrupted >= names.len(), "hardly anything was ever interrupted");
        bench.end().await;
    });
}

/// What the round before has left: it lasts until after the next restart.
struct Previous {
    round: Round,
    state: State,
}

/// One child. Returns whether there was such a point.
async fn one(bench: &mut Bench, case: &Case, act: Act, at: u64, previous: &mut Option<Previous>) -> bool {
    let round = Round::begin(bench, case.kind).await;
    let order = Order {
        dir: bench.dir().to_owned(),
        stores: bench.place.stores,
        name: bench.place.name.clone(),
        url: bench.place.url.clone(),
        kind: case.kind.name.to_owned(),
        round: round.name.clone(),
        act,
        at,
    };
    bench.close(true).await;
    let (end, answer) = order.hand_out();
    bench.reopen().await;
    let what = format!("{act:?} at {at} over {:?}: {}: {end:?} {answer}", bench.place.stores, case.kind.name);
    let bench = &*bench;
    if let Some(Previous { round, state }) = previous.take() {
        round.state(bench).await.expect(&state, &format!("{what}, the round before"));
        round.drop_tables(bench).await;
    }
    let (before, after) = (case.before.without_replicas(), case.after.without_replicas());
    let found = round.state(bench).await;
    match end {
        End::Done { .. } => found.expect(&after, &what),
        End::Killed if found == after => {}
        // A move whose copy is durable is completed, whatever its caller was told: no row knows.
        End::Failed { .. } if case.kind.job == "CALL" => found.expect_between(&before, &after, &what),
        End::Killed if case.kind.in_pieces => found.expect_between(&before, &after, &what),
        End::Killed | End::Failed { .. } => found.expect(&before, &what),
    }
    placement::verify(bench.engine()).await;
    checks::tidy(bench, &Open::new(), &what).await;
    let state = match found == after {
        true => found,
        false => round.repeat(bench, &case.after, &what).await.without_replicas(),
    };
    *previous = Some(Previous { round, state });
    match end {
        End::Killed => true,
        End::Done { reached } | End::Failed { reached } => reached,
    }
}
