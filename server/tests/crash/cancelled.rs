//! Statements that are cancelled, and connections that break off, in the real program: what was answered as done is there
//! once, what was answered as cancelled is not there and does not come later, and the next start finds nothing left over.
//!
//! A recipe at random, printed as `ZXQ_SEED`, which repeats it (not to the millisecond). For a long run:
//! `ZXQ_ROUNDS=2000 cargo test -p zxq-server --test crash -- cancelled --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::task::JoinHandle;

use crate::directory::{Directory, chance, runtime};
use crate::server::{Server, number, rows, verify};

mod line;

use line::{Answer, CopyEnd, How, Line, Told, copy, send};

const ROUNDS: usize = 40;
/// No new round is begun after this, unless a number of rounds was asked for.
const BUDGET: Duration = Duration::from_secs(80);
/// A table with more rows than this is dropped and begun anew, so that long runs do not get slower and slower.
const MOST_ROWS: usize = 1_500;
/// Tries of a statement before each one gets more time than the one before: so a slow machine comes to an end, too.
const HASTY_TRIES: u64 = 6;

const SEGMENTS: &str = "segment_rows: 20\n";

const TABLE: &str = "CREATE TABLE t (id BIGINT NOT NULL, day DATE NOT NULL, symbol TEXT NOT NULL, price DECIMAL(12,4)) \
     WITH (partition_by = 'day', sort_by = 'symbol, id')";

/// The row of an id, as the server shows it: nine days, seven symbols.
fn row_of(id: i64) -> [String; 4] {
    [id.to_string(), format!("2024-01-0{}", id % 9 + 1), format!("S{}", id % 7), format!("{}.2500", id % 100)]
}

fn csv_line(id: i64) -> String {
    row_of(id).join(",") + "\n"
}

fn insert(ids: &Range<i64>) -> String {
    let value = |id| {
        let [id, day, symbol, price] = row_of(id);
        format!("({id}, '{day}', '{symbol}', {price})")
    };
    format!("INSERT INTO t VALUES {}", ids.clone().map(value).collect::<Vec<_>>().join(", "))
}

/// What a statement changes when it is done.
enum Effect {
    Rows(Range<i64>),
    /// A table with the ids from 1 to this.
    Table(String, i64),
    Nothing,
}

/// What the whole run found. Says so when it goes, however the run ends.
#[derive(Default)]
struct Report {
    rounds: usize,
    kills: usize,
    ends: usize,
    cancelled: usize,
    done_all_the_same: usize,
    lost: usize,
    doubled: usize,
    shown: usize,
    in_part: usize,
    failed_opens: usize,
}

impl Drop for Report {
    fn drop(&mut self) {
        let Report { rounds, kills, ends, cancelled, done_all_the_same, lost, doubled, shown, in_part, failed_opens } =
            self;
        eprintln!(
            "cancelled: {rounds} rounds, {kills} kills, {ends} ends in order, {cancelled} statements cancelled, \
             {done_all_the_same} finished although cancelled was asked, {lost} rows lost, {doubled} doubled, {shown} \
             shown after \"cancelled\", {in_part} statements there in part, {failed_opens} failed opens"
        );
    }
}

struct Recipe {
    random: StdRng,
    directory: Directory,
    next_id: i64,
    next_table: usize,
    /// Ids that have to be there, each once.
    there: BTreeSet<i64>,
    /// Statements that nobody answered: the ids of each are there or are not.
    open: Vec<Range<i64>>,
    /// Tables made in this round: how many rows, and whether they have to be there.
    tables: BTreeMap<String, (i64, bool)>,
    report: Report,
}

impl Recipe {
    fn start(&mut self) -> Server {
        match catch_unwind(AssertUnwindSafe(|| self.directory.start())) {
            Ok(server) => server,
            Err(cause) => {
                self.report.failed_opens += 1;
                resume_unwind(cause)
            }
        }
    }

    fn take_ids(&mut self, most: i64) -> Range<i64> {
        let first = self.next_id;
        self.next_id += self.random.random_range(1..=most);
        first..self.next_id
    }

    fn moment(&mut self, most_millis: u64) -> Duration {
        Duration::from_micros(self.random.random_range(0..most_millis * 1000))
    }

    /// One of the disturbances, within so many milliseconds.
    fn how(&mut self, most: u64) -> How {
        match self.random.random_range(0..10) {
            0..=4 => How::Timeout(self.random.random_range(2..=most)),
            5..=7 => How::Cancel(self.moment(most)),
            _ => How::Cut(self.moment(most)),
        }
    }

    /// Each load has a file of its own: one whose connection has gone may still be reading.
    fn rows_file(&self, name: &str, text: &str) -> String {
        let path = self.directory.folder().join(format!("{name}.csv"));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn load(&mut self) -> (String, Effect) {
        let ids = self.take_ids(300);
        let text = format!("id,day,symbol,price\n{}", ids.clone().map(csv_line).collect::<String>());
        let file = self.rows_file(&format!("rows{}", ids.start), &text);
        let tier = *["auto", "hot", "warm", "cold"].choose(&mut self.random).unwrap();
        (format!("CALL zxq.load('t', '{file}', '{tier}')"), Effect::Rows(ids))
    }

    /// A statement that makes a table, from a query or from a file.
    fn make_table(&mut self) -> (String, Effect) {
        self.next_table += 1;
        let (name, count) = (format!("made{}", self.next_table), self.random.random_range(1..=20_000));
        let sql = if self.random.random_bool(0.5) {
            format!("CREATE TABLE {name} AS SELECT value AS id FROM generate_series(1, {count}) AS s(value)")
        } else {
            let text = format!("id,name\n{}", (1..=count).map(|id| format!("{id},n{}\n", id % 9)).collect::<String>());
            let file = self.rows_file(&name, &text);
            let tier = *["auto", "hot", "warm", "cold"].choose(&mut self.random).unwrap();
            format!("CALL zxq.load('{name}', '{file}', '{tier}', create => true)")
        };
        (sql, Effect::Table(name, count))
    }

    fn note(&mut self, effect: Effect, told: &Told) {
        match told.answer {
            Answer::Cancelled => self.report.cancelled += 1,
            Answer::Done if told.asked => self.report.done_all_the_same += 1,
            Answer::Done | Answer::None => {}
        }
        match (effect, told.answer) {
            (Effect::Rows(ids), Answer::Done) => self.there.extend(ids),
            (Effect::Rows(ids), Answer::None) => self.open.push(ids),
            (Effect::Table(name, count), Answer::Done) => drop(self.tables.insert(name, (count, true))),
            (Effect::Table(name, count), Answer::None) => drop(self.tables.insert(name, (count, false))),
            (_, Answer::Cancelled) | (Effect::Nothing, _) => {}
        }
    }

    async fn run(&mut self, server: &Server, sql: String, effect: Effect, how: How) {
        let told = send(Line::to(server).await, sql, how).await;
        self.note(effect, &told);
    }

    async fn begin_table(&mut self, server: &Server) {
        self.run(server, TABLE.to_owned(), Effect::Nothing, How::Undisturbed).await;
        let ids = self.next_id..self.next_id + 300;
        self.next_id = ids.end;
        self.run(server, insert(&ids), Effect::Rows(ids), How::Undisturbed).await;
    }

    /// What happens while one server runs. The last statement may still be under way.
    async fn round(&mut self, server: &Server) -> Option<(Effect, JoinHandle<Told>)> {
        for _ in 0..self.random.random_range(2..=5) {
            let ids = self.take_ids(40);
            let how = if self.random.random_bool(0.3) { How::Undisturbed } else { self.how(15) };
            self.run(server, insert(&ids), Effect::Rows(ids), how).await;
        }
        match self.random.random_range(0..6) {
            0 | 1 => {
                let ids = self.take_ids(300);
                let at = self.random.random_range(ids.clone());
                let ends = [CopyEnd::Whole, CopyEnd::GivenUp, CopyEnd::Cancelled, CopyEnd::Cut];
                let end = *ends.choose(&mut self.random).unwrap();
                let told = copy(Line::to(server).await, ids.clone(), at, end).await;
                self.note(Effect::Rows(ids), &told);
            }
            2 => {
                let ((sql, effect), how) = (self.load(), self.how(60));
                self.run(server, sql, effect, how).await;
            }
            3 | 4 => {
                let ((sql, effect), how) = (self.make_table(), self.how(60));
                self.run(server, sql, effect, how).await;
            }
            _ => {}
        }
        self.migrate(server).await;
        self.compare(&rows(&Line::to(server).await.client, "SELECT id, day, symbol, price FROM t").await, false);
        if self.random.random_bool(0.4) {
            return None;
        }
        let (sql, effect) = match self.random.random_range(0..3) {
            0 => {
                let ids = self.take_ids(60);
                (insert(&ids), Effect::Rows(ids))
            }
            1 => self.load(),
            _ => (format!("CALL zxq.migrate('t', '{}')", self.tier(1)), Effect::Nothing),
        };
        let last = tokio::spawn(send(Line::to(server).await, sql, How::Undisturbed));
        tokio::time::sleep(self.moment(40)).await;
        Some((effect, last))
    }

    /// Where rows go: to warm and cold by turns.
    fn tier(&self, later: usize) -> &'static str {
        ["warm", "cold"][(self.report.rounds + later) % 2]
    }

    /// Moves all rows on, again and again until it is answered as done.
    async fn migrate(&mut self, server: &Server) {
        let sql = format!("CALL zxq.migrate('t', '{}')", self.tier(0));
        let by_timeout = self.random.random_bool(0.7);
        for attempt in 0.. {
            let how = if by_timeout || attempt >= HASTY_TRIES {
                How::Timeout(self.random.random_range(2..=60) + 20 * u64::saturating_sub(attempt, HASTY_TRIES))
            } else {
                self.how(60)
            };
            let told = send(Line::to(server).await, sql.clone(), how).await;
            self.note(Effect::Nothing, &told);
            if told.answer == Answer::Done {
                break;
            }
        }
        // Rows of a statement that nobody answered may still come.
        if self.open.is_empty() {
            let other = self.tier(1);
            let elsewhere = format!("SELECT hot_rows + {other}_rows FROM zxq.tables WHERE table_name = 't'");
            assert_eq!(number(&Line::to(server).await.client, &elsewhere).await, 0, "{sql} was answered as done");
        }
    }

    /// Ends the server, one way or the other.
    fn end(&mut self, server: Server) {
        if self.random.random_bool(0.5) {
            self.report.kills += 1;
            server.kill();
        } else {
            self.report.ends += 1;
            server.stop();
        }
    }

    /// Compares everything with what has to be there, after a start.
    async fn check(&mut self, server: &Server) {
        for path in std::fs::read_dir(self.directory.folder()).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|e| e == "csv") {
                std::fs::remove_file(path).unwrap();
            }
        }
        let line = Line::to(server).await;
        self.compare(&rows(&line.client, "SELECT id, day, symbol, price FROM t").await, true);
        verify(&line.client).await;
        let open = "SELECT kind, phase, error FROM zxq.moves WHERE phase NOT IN ('done', 'failed')";
        assert_eq!(rows(&line.client, open).await, Vec::<Vec<String>>::new(), "jobs still open");
        let cold = number(&line.client, "SELECT count(*) FROM zxq.segments WHERE tier = 'cold'").await;
        assert_eq!(parquet_files(&self.directory.data()), cold, "files that no segment names, or the other way round");
        let mut made = std::mem::take(&mut self.tables);
        for row in rows(&line.client, "SELECT table_name FROM zxq.tables WHERE table_name <> 't'").await {
            let name = &row[0];
            if let Some((count, _)) = made.remove(name) {
                let facts = format!("SELECT count(id), count(DISTINCT id), sum(id) FROM {name}");
                let whole = [count, count, count * (count + 1) / 2].map(|fact| fact.to_string());
                if rows(&line.client, &facts).await != [whole] {
                    self.report.in_part += 1;
                    self.say(&format!("table {name} is not whole"));
                }
            } else {
                self.report.shown += 1;
                self.say(&format!("table {name} should not be there"));
            }
            line.client.batch_execute(&format!("DROP TABLE {name}")).await.unwrap();
        }
        for (name, (count, _)) in made.into_iter().filter(|(_, (_, has_to_be))| *has_to_be) {
            self.report.lost += count as usize;
            self.say(&format!("table {name} is gone"));
        }
        if self.there.len() > MOST_ROWS {
            line.client.batch_execute("DROP TABLE t").await.unwrap();
            self.there.clear();
            self.begin_table(server).await;
        }
    }

    /// Compares the rows of the table. After a start, statements that nobody answered have been decided.
    fn compare(&mut self, found: &[Vec<String>], is_start: bool) {
        let mut times: BTreeMap<i64, usize> = BTreeMap::new();
        for row in found {
            let id = row[0].parse().unwrap();
            assert_eq!(row[..], row_of(id), "a row that was never sent");
            *times.entry(id).or_default() += 1;
        }
        let mut open = Vec::new();
        let mut in_part = 0;
        for ids in std::mem::take(&mut self.open) {
            match ids.clone().filter(|id| times.contains_key(id)).count() {
                // From now on it has to stay.
                all if all == ids.clone().count() => self.there.extend(ids),
                0 if is_start => {}
                0 => open.push(ids),
                _ => in_part += 1,
            }
        }
        let lost = self.there.iter().filter(|id| !times.contains_key(id)).count();
        let doubled = times.values().filter(|times| **times > 1).count();
        let shown = times.keys().filter(|id| !self.there.contains(id)).count();
        self.open = open;
        if lost + doubled + shown + in_part > 0 {
            let after = if is_start { "after a start" } else { "before the end" };
            self.say(&format!("{after}: {lost} lost, {doubled} doubled, {shown} shown, {in_part} statements in part"));
            self.there = times.into_keys().collect();
        }
        self.report.lost += lost;
        self.report.doubled += doubled;
        self.report.shown += shown;
        self.report.in_part += in_part;
    }

    fn say(&self, what: &str) {
        eprintln!("cancelled: round {}: {what}", self.report.rounds);
    }
}

fn parquet_files(folder: &Path) -> i64 {
    let mut count = 0;
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() && path.file_name().is_none_or(|name| name != "_delta_log") {
            count += parquet_files(&path);
        }
        count += i64::from(path.is_file() && path.extension().is_some_and(|e| e == "parquet"));
    }
    count
}

#[test]
fn what_was_cancelled_is_not_there_and_what_was_answered_is() {
    let runtime = runtime();
    let asked: Option<usize> = std::env::var("ZXQ_ROUNDS").ok().map(|rounds| rounds.parse().unwrap());
    let mut recipe = Recipe {
        random: chance("cancelled"),
        directory: Directory::little(SEGMENTS),
        next_id: 0,
        next_table: 0,
        there: BTreeSet::new(),
        open: Vec::new(),
        tables: BTreeMap::new(),
        report: Report::default(),
    };
    let started = Instant::now();
    let mut server = recipe.start();
    runtime.block_on(recipe.begin_table(&server));
    while recipe.report.rounds < asked.unwrap_or(ROUNDS) && (asked.is_some() || started.elapsed() < BUDGET) {
        let last = runtime.block_on(recipe.round(&server));
        recipe.end(server);
        if let Some((effect, last)) = last {
            let told = runtime.block_on(last).unwrap();
            recipe.note(effect, &told);
        }
        server = recipe.start();
        runtime.block_on(recipe.check(&server));
        recipe.report.rounds += 1;
    }
    server.stop();
    let report = &recipe.report;
    assert_eq!([report.lost, report.doubled, report.shown, report.in_part], [0; 4], "lost, doubled, shown, in part");
    assert!(report.cancelled > 0, "nothing was ever cancelled");
}
