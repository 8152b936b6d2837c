//! Goes through kinds of work, interrupts each at one point after the other, and checks what is left, also after a restart.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use zxq_engine::{ErrorKind, Result};
use zxq_tests::placement;

use super::Steps;
use super::bench::{Bench, Stores};
use super::checks::{self, Open};
use super::kinds::{Case, KINDS, Kind, Round};
use super::probes::Act;
use super::state::State;

/// How many rounds share a restart.
const BATCH: usize = 10;
/// More points than any job has.
const MOST_POINTS: u64 = 2_000;
/// How often, for each kind, it is waited until the engine by itself brings to its end what the catalog had refused to note.
const WAITS: u32 = 2;
/// Far longer than that takes.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How a job is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is asked to stop.
    Stopped,
    /// Whoever waits for it goes away.
    Abandoned,
    /// The catalog refuses one write.
    RefusedOnce,
    /// The catalog refuses two writes in a row.
    RefusedTwice,
    /// The catalog refuses that write and all after it, until the job has answered.
    RefusedFrom,
}

impl Way {
    fn act(self) -> Act {
        match self {
            Way::Stopped => Act::Stop,
            Way::Abandoned => Act::Note,
            Way::RefusedOnce => Act::RefuseOnce,
            Way::RefusedTwice => Act::RefuseTwice,
            Way::RefusedFrom => Act::RefuseFrom,
        }
    }

    /// What has failed may not be noted as failed when the job has answered.
    fn leaves_jobs(self) -> bool {
        matches!(self, Way::RefusedTwice | Way::RefusedFrom)
    }

    /// After how many points in a row that were not reached there are no more. How often a job waits is not always the same;
    /// how often it writes is.
    fn misses(self) -> u32 {
        match self {
            Way::Stopped | Way::Abandoned => 2,
            Way::RefusedOnce | Way::RefusedTwice | Way::RefusedFrom => 1,
        }
    }
}

/// Interrupts all of these kinds of work.
pub async fn drive(stores: Stores, kinds: fn(&Kind) -> bool, way: Way, steps: Steps) {
    let Some(bench) = Bench::open(stores).await else { return };
    let mut driver = Driver { bench, way, held: Vec::new() };
    let mut undone = 0;
    for kind in KINDS.iter().filter(|kind| kinds(kind)) {
        undone += driver.all_points(kind, steps).await;
    }
    while !driver.held.is_empty() {
        driver.restart().await;
    }
    driver.bench.end().await;
    assert!(undone > 0, "{way:?} over {stores:?}: everything was done all the same, nothing was tried");
}

struct Driver {
    bench: Bench,
    way: Way,
    /// Rounds that wait for a restart.
    held: Vec<Held>,
}

struct Held {
    case: Arc<Case>,
    round: Round,
    what: String,
    left: Left,
    /// It has been done, at once or when it was done again.
    done: bool,
}

/// What a restart must find.
enum Left {
    Exactly(State),
    /// Each partition as before or as after.
    Between,
}

impl Driver {
    /// Returns how many rounds ended as if they had not been begun, or only in part.
    async fn all_points(&mut self, kind: &'static Kind, steps: Steps) -> u32 {
        let case = Arc::new(Case::learn(&mut self.bench, kind).await);
        let (mut n, mut misses, mut rounds, mut undone, mut waits) = (1, 0, 0, 0, 0);
        while misses < self.way.misses() {
            let is_odd = rounds % 2 == 1;
            let (reached, done) = self.round(&case, n, is_odd, &mut waits).await;
            misses = if reached { 0 } else { misses + 1 };
            undone += u32::from(!done);
            rounds += 1;
            if self.held.len() >= BATCH {
                self.restart().await;
            }
            n = steps.after(n);
            assert!(n < MOST_POINTS, "{} never ends", kind.name);
        }
        println!("{:?} {:?} {}: {rounds} rounds, {undone} undone", self.way, self.bench.place.stores, kind.name);
        undone
    }

    /// One round: interrupted at the `n`-th point, checked, and, unless that is `later` left to the next restart, done again.
    /// Returns whether the point was reached, and whether all was done.
    async fn round(&mut self, case: &Arc<Case>, n: u64, later: bool, waits: &mut u32) -> (bool, bool) {
        let (kind, way) = (case.kind, self.way);
        let what = format!("{way:?} at {n} over {:?}: {}", self.bench.place.stores, kind.name);
        let round = Round::begin(&mut self.bench, kind).await;
        let bench = &self.bench;
        // Of rounds before: jobs that have done their work, and whose end could not be noted, are open until the next start.
        let known = checks::open_jobs(bench, &Open::new()).await;
        let (answer, reached) = attempt(bench, &round, way, n).await;
        assert!(reached || matches!(answer, Some(Ok(()))), "{what}: {answer:?}, although nothing was done to it");
        let what = format!("{what} ({answer:?})");
        let mut found = round.state(bench).await;
        // A table that is to go again stays until the catalog has noted that.
        let is_settling = way.leaves_jobs() && matches!(answer, Some(Err(_)));
        let shown = if is_settling { found.without_unused(&case.before) } else { found.clone() };
        judge(case, way, answer.as_ref(), &shown, &what);
        checks::verify(bench, &round.name, &what).await;
        match way {
            Way::RefusedOnce if matches!(answer, Some(Ok(()))) => checks::no_litter(bench, &what).await,
            Way::Stopped | Way::Abandoned | Way::RefusedOnce => checks::tidy(bench, &known, &what).await,
            Way::RefusedTwice | Way::RefusedFrom => {
                let waits_always = way == Way::RefusedTwice;
                if is_settling && (waits_always || *waits < WAITS) && !checks::open_jobs(bench, &known).await.is_empty()
                {
                    *waits += 1;
                    wait_until_settled(bench, &known, &what).await;
                    found = round.state(bench).await;
                    judge(case, way, answer.as_ref(), &found, &what);
                }
            }
        }
        let was_done = found == case.after;
        let later = later && !was_done;
        let left = if !was_done && !later {
            Left::Exactly(round.repeat(bench, &case.after, &what).await.without_replicas())
        } else if is_settling {
            // A move whose copy is durable may be completed by the next start; all else that failed has not happened.
            if kind.job == "CALL" { Left::Between } else { Left::Exactly(case.before.without_replicas()) }
        } else {
            Left::Exactly(found.without_replicas())
        };
        self.held.push(Held { case: Arc::clone(case), round, what, left, done: !later });
        if later && kind.on_all_tables {
            // The next round would do this one's work, too.
            self.restart().await;
        }
        (reached, was_done)
    }

    /// Closes, opens, and finds all as it was. What was done is dropped then; what was not is done now.
    async fn restart(&mut self) {
        // The next start sweeps what could not be swept.
        let is_tidy = !self.way.leaves_jobs();
        self.bench.restart(is_tidy).await;
        let bench = &self.bench;
        for held in &self.held {
            let what = format!("{}, after a restart", held.what);
            let found = held.round.state(bench).await;
            match &held.left {
                Left::Exactly(state) => found.expect(state, &what),
                Left::Between => {
                    let (before, after) = (held.case.before.without_replicas(), held.case.after.without_replicas());
                    found.expect_between(&before, &after, &what);
                }
            }
        }
        placement::verify(bench.engine()).await;
        let what = format!("{:?} over {:?}, after a restart", self.way, bench.place.stores);
        checks::tidy(bench, &Open::new(), &what).await;
        let mut not_done = Vec::new();
        for held in std::mem::take(&mut self.held) {
            if held.done {
                held.round.drop_tables(bench).await;
            } else {
                not_done.push(do_again(bench, held).await);
            }
        }
        self.held = not_done;
    }
}

/// Does again what a restart has found not to be done.
async fn do_again(bench: &Bench, held: Held) -> Held {
    let Held { case, round, what, .. } = held;
    let what = format!("{what}, after a restart");
    let found = match case.kind.meanwhile {
        None => round.repeat(bench, &case.after, &what).await,
        Some(sql) => {
            bench.sql(&round.text(sql)).await;
            let found = round.state(bench).await.without_places();
            found.expect(&case.before.without_places(), &format!("{what} and {sql}"));
            round.run(bench.engine()).await.unwrap_or_else(|e| panic!("{what} and {sql}, done again: {e}"));
            let found = round.state(bench).await;
            found.without_places().expect(&case.after.without_places(), &format!("{what} and {sql}, done again"));
            found
        }
    };
    Held { left: Left::Exactly(found.without_replicas()), case, round, what, done: true }
}

/// Does the work, interrupted at the `n`-th point. The answer is missing where nobody waited for it.
async fn attempt(bench: &Bench, round: &Round, way: Way, n: u64) -> (Option<Result<()>>, bool) {
    let watching = bench.watching();
    bench.probe.arm(round.kind.job, n, way.act());
    let answer = match way {
        Way::Abandoned => abandon(bench, round).await,
        Way::Stopped | Way::RefusedOnce | Way::RefusedTwice | Way::RefusedFrom => Some(round.run(bench.engine()).await),
    };
    let reached = bench.probe.disarm();
    if answer.is_none() {
        bench.wait_for_jobs(watching).await;
    }
    (answer, reached)
}

/// Waits for the work until its job has come to the point, and drops it.
async fn abandon(bench: &Bench, round: &Round) -> Option<Result<()>> {
    let mut work = Box::pin(round.run(bench.engine()));
    loop {
        if let Poll::Ready(answer) = futures::poll!(&mut work) {
            return Some(answer);
        }
        if bench.probe.reached() {
            return None;
        }
        tokio::task::yield_now().await;
    }
}

/// Whether what is there fits to the answer.
fn judge(case: &Case, way: Way, answer: Option<&Result<()>>, found: &State, what: &str) {
    match answer {
        Some(Ok(())) => return found.expect(&case.after, what),
        Some(Err(error)) => match way {
            Way::Stopped => assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}"),
            Way::Abandoned => panic!("{what}: it failed by itself"),
            Way::RefusedOnce | Way::RefusedTwice | Way::RefusedFrom => {
                assert!(
                    ![ErrorKind::Internal, ErrorKind::Cancelled].contains(&error.kind()),
                    "{what}: {:?}",
                    error.kind()
                );
            }
        },
        // Nobody was told anything, so all of it may have happened.
        None if *found == case.after => return,
        None => {}
    }
    if case.kind.in_pieces {
        found.expect_between(&case.before, &case.after, what);
    } else {
        found.expect(&case.before, what);
    }
}

/// Waits until the engine has brought to its end by itself what is not known, now that it can.
async fn wait_until_settled(bench: &Bench, known: &Open, what: &str) {
    let started = Instant::now();
    loop {
        let open = checks::open_jobs(bench, known).await;
        bench.collect().await;
        let litter = checks::litter(bench).await;
        if open.is_empty() && litter.is_none() {
            return;
        }
        assert!(started.elapsed() < LONGEST_WAIT, "{what}: nobody settles {open:?}: {litter:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
