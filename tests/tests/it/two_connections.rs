//! Two statements at once, brought together at every point at which one of them waits.
//!
//! A probe holds the first statement's job where it waits for the nth time. Meanwhile the second runs, to its end or until
//! it makes no step any more because it waits for the first; then the first goes on. So it is done for n = 1, 2, … until the
//! first ends without having waited that often. Each n has a table of its own, `t1`, `t2`, …, which a failure names. At the
//! end all of them are compared once more, after a restart.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arrow::array::Array;
use arrow::util::display::array_value_to_string;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zxq_engine::{Clock, Engine, EngineConfig, EngineError, ErrorKind, Probe, Result, Verdict};
use zxq_tests::placement::verify;
use zxq_tests::test_server::{TestEngine, close, test_config};

/// How long the second statement may make no step before the first goes on. Nothing but that depends on it: were it too
/// short for a machine, fewer statements would meet.
const PATIENCE: Duration = Duration::from_millis(50);
/// Points at which two statements are brought together, at most.
const MOST_POINTS: u64 = 250;

/// Holds one job at one point.
#[derive(Debug, Default)]
struct Holder {
    state: Mutex<Pause>,
    released: Condvar,
    held: Notify,
    /// Steps of all jobs: how often one of them came to wait.
    steps: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Pause {
    #[default]
    Idle,
    /// The next job of this name is held when it waits for the nth time.
    Armed(&'static str, u64),
    Held,
}

impl Probe for Holder {
    fn suspended(&self, job: &'static str, nth: u64) -> Verdict {
        self.steps.fetch_add(1, Ordering::SeqCst);
        {
            let mut state = self.state.lock().unwrap();
            if *state != Pause::Armed(job, nth) {
                return Verdict::GoOn;
            }
            *state = Pause::Held;
        }
        self.held.notify_one();
        // What else this worker has to do goes on elsewhere.
        tokio::task::block_in_place(|| {
            let state = self.state.lock().unwrap();
            drop(self.released.wait_while(state, |state| *state == Pause::Held).unwrap());
        });
        Verdict::GoOn
    }
}

/// Lets the held job go on, also when the test has failed: its runtime would wait for it for ever.
struct Release<'a>(&'a Holder);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        // A lock that a failed test has poisoned is as good as any here.
        *self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Pause::Idle;
        self.0.released.notify_all();
    }
}

impl Holder {
    /// Runs two statements, the second while the first waits for the nth time. Says how they ended, and whether they met.
    async fn meet(
        &self,
        job: &'static str,
        nth: u64,
        first: BoxFuture<'static, Result<()>>,
        second: BoxFuture<'static, Result<()>>,
    ) -> (Result<()>, Result<()>, bool) {
        let release = Release(self);
        *self.state.lock().unwrap() = Pause::Armed(job, nth);
        let mut first = tokio::spawn(first);
        let ended = tokio::select! {
            () = self.held.notified() => None,
            ended = &mut first => Some(ended.unwrap()),
        };
        if let Some(ended) = ended {
            drop(release);
            return (ended, second.await, false);
        }
        let mut second = tokio::spawn(second);
        let ended = self.until_it_waits(&mut second).await;
        drop(release);
        let first = first.await.unwrap();
        let second = match ended {
            Some(ended) => ended,
            None => second.await.unwrap(),
        };
        (first, second, true)
    }

    /// Waits for the end of a statement, or until nothing makes a step any more.
    async fn until_it_waits(&self, statement: &mut JoinHandle<Result<()>>) -> Option<Result<()>> {
        loop {
            let before = self.steps.load(Ordering::SeqCst);
            match tokio::time::timeout(PATIENCE, &mut *statement).await {
                Ok(ended) => return Some(ended.unwrap()),
                Err(_) if self.steps.load(Ordering::SeqCst) == before => return None,
                Err(_) => {}
            }
        }
    }
}

/// The first of March 2024: later than all dates in these tests, so that ages count from the newest row.
#[derive(Debug)]
struct MarchFirst;

impl Clock for MarchFirst {
    fn now_us(&self) -> i64 {
        19_783 * 86_400_000_000
    }
}

fn adjust(config: &mut EngineConfig) {
    config.clock = Arc::new(MarchFirst);
    config.policy.segment_rows = 50;
}

/// One of two statements: what its job is called, and its text for a table.
pub(crate) struct Side<'a> {
    pub(crate) job: &'static str,
    pub(crate) sql: &'a dyn Fn(&str) -> String,
}

/// Two statements, and what each table needs before them.
pub(crate) struct Pair<'a> {
    pub(crate) prepare: &'a dyn Fn(&str) -> Vec<String>,
    pub(crate) one: Side<'a>,
    pub(crate) other: Side<'a>,
}

/// Which of the two is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    One,
    Other,
}

/// How the two ended.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) one: Result<()>,
    pub(crate) other: Result<()>,
    /// The second ran while the first was held. Else it came after it.
    pub(crate) met: bool,
}

impl Met {
    /// Both have to have worked.
    pub(crate) fn both_worked(&self, table: &str) {
        assert!(self.one.is_ok() && self.other.is_ok(), "{table}: {self:?}");
    }
}

/// What a statement failed for.
pub(crate) fn failure(outcome: &Result<()>) -> Option<ErrorKind> {
    outcome.as_ref().err().map(EngineError::kind)
}

fn run(engine: &Arc<Engine>, sql: String) -> BoxFuture<'static, Result<()>> {
    let engine = Arc::clone(engine);
    Box::pin(async move { engine.sql(&sql).await.map(drop) })
}

/// Runs statements that have to work.
pub(crate) async fn must(engine: &Arc<Engine>, statements: impl IntoIterator<Item = String>) {
    for sql in statements {
        engine.sql(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

/// The rows of a query as text.
pub(crate) async fn rows(engine: &Arc<Engine>, sql: &str) -> Vec<Vec<String>> {
    let batches = engine.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cell = |values: &dyn Array| match values.is_null(row) {
                true => "NULL".to_owned(),
                false => array_value_to_string(values, row).unwrap(),
            };
            rows.push(batch.columns().iter().map(|values| cell(values.as_ref())).collect());
        }
    }
    rows
}

/// The ids of a table's rows, in order, each as often as it is there. They are read, not counted from the catalog.
pub(crate) async fn ids(engine: &Arc<Engine>, table: &str) -> Vec<i64> {
    let rows = rows(engine, &format!("SELECT id FROM {table} ORDER BY id")).await;
    rows.iter().map(|row| row[0].parse().unwrap()).collect()
}

/// All rows of a table, in order; `None` when there is none of that name.
async fn content(engine: &Arc<Engine>, table: &str) -> Option<Vec<Vec<String>>> {
    engine.table(table).ok()?;
    let mut rows = rows(engine, &format!("SELECT * FROM {table}")).await;
    rows.sort();
    Some(rows)
}

/// Brings the two together at each point at which the first waits, and checks each time what `check` asks for. Afterwards
/// nothing is left over, and a restart changes nothing.
pub(crate) async fn meet_everywhere(pair: &Pair<'_>, first: First, check: &impl AsyncFn(&Arc<Engine>, &str, &Met)) {
    let holder = Arc::new(Holder::default());
    let probe = Arc::clone(&holder);
    let test = TestEngine::open(move |config| {
        adjust(config);
        config.probe = Some(probe);
    })
    .await;
    let engine = Arc::clone(&test.engine);
    let (held, runs) = match first {
        First::One => (&pair.one, &pair.other),
        First::Other => (&pair.other, &pair.one),
    };
    let mut tables = Vec::new();
    for nth in 1..=MOST_POINTS {
        let table = format!("t{nth}");
        must(&engine, (pair.prepare)(&table)).await;
        let (a, b) = (run(&engine, (held.sql)(&table)), run(&engine, (runs.sql)(&table)));
        let (a, b, met) = holder.meet(held.job, nth, a, b).await;
        let met = match first {
            First::One => Met { one: a, other: b, met },
            First::Other => Met { one: b, other: a, met },
        };
        check(&engine, &table, &met).await;
        if engine.table(&table).is_ok() {
            let verified = rows(&engine, &format!("CALL zxq.verify('{table}')")).await;
            assert!(verified.iter().all(|row| row[4] == "true"), "{table}: {met:?}: {verified:?}");
        }
        tables.push((content(&engine, &table).await, table));
        if !met.met {
            break;
        }
    }
    assert!(tables.len() > 1, "{} is never held", (held.sql)("t"));
    drop(engine);
    let folder = test.close().await;

    let mut config = test_config(folder.path());
    adjust(&mut config);
    let engine = Engine::open(config).await.unwrap();
    for (before, table) in &tables {
        assert_eq!(&content(&engine, table).await, before, "{table} after the restart");
    }
    verify(&engine).await;
    nothing_is_left_over(&engine, folder.path()).await;
    close(engine).await;
}

/// The same with each of them as the first.
pub(crate) async fn meet_both_ways(pair: &Pair<'_>, check: impl AsyncFn(&Arc<Engine>, &str, &Met)) {
    for first in [First::One, First::Other] {
        meet_everywhere(pair, first, &check).await;
    }
}

/// No job is open, and cold's folder holds the files that the catalog names and no others.
pub(crate) async fn nothing_is_left_over(engine: &Arc<Engine>, folder: &Path) {
    let open = "SELECT job, kind, phase, error FROM zxq.moves WHERE phase NOT IN ('done', 'failed')";
    assert_eq!(rows(engine, open).await, Vec::<Vec<String>>::new(), "jobs still open");
    let tables: BTreeSet<String> =
        rows(engine, "SELECT storage_name FROM zxq.tables").await.into_iter().flatten().collect();
    let mut parquet = 0;
    for file in files(&folder.join("cold")) {
        let inside = file.strip_prefix(folder.join("cold")).unwrap();
        let table = inside.iter().next().unwrap().to_string_lossy();
        assert!(tables.contains(table.as_ref()), "{} is of no table: {tables:?}", file.display());
        let is_log = inside.iter().any(|part| part == "_delta_log");
        parquet += usize::from(!is_log && file.extension().is_some_and(|e| e == "parquet"));
    }
    let named = rows(engine, "SELECT count(*) FROM zxq.segments WHERE tier = 'cold'").await;
    assert_eq!(named, [[parquet.to_string()]], "files of cold that no segment names, or the other way round");
}

/// All files under a folder; none when it is not there.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
