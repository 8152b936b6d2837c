//! What there is to interrupt: each kind of work, and what has to be there for it.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use zxq_engine::{Engine, FileFormat, LoadProgress, LoadRequest, LoadSource, OnError, Result, Tier};

use super::bench::Bench;
use super::checks;
use super::state::State;

/// What a kind is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Rows,
    Definitions,
    Moves,
}

/// The slowest store that takes part: what goes on in hot alone is the same whatever the others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touches {
    Hot,
    Warm,
    Cold,
}

/// How it is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    Sql(&'static str),
    /// A stream of CSV, of which some rows are bad and set aside.
    Load {
        tier: Tier,
        create: bool,
    },
    Ingest,
    /// Statements of one transaction, of which the end is interrupted.
    Transaction(&'static [&'static str]),
}

/// One kind of work. In SQL `{t}` stands for a table that nothing else uses.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    /// What the engine calls its job.
    pub job: &'static str,
    pub group: Group,
    pub touches: Touches,
    /// Makes what it works on.
    pub before: &'static [&'static str],
    /// The same was loaded before, so the table of rejects is there.
    pub loaded_before: bool,
    pub work: Work,
    /// It is several moves, one after the other, of which each is whole.
    pub in_pieces: bool,
    /// It works on all tables that there are.
    pub on_all_tables: bool,
    /// What must work although it came to nothing, and before it is done again. It may move rows.
    pub meanwhile: Option<&'static str>,
}

const fn sql(
    name: &'static str,
    job: &'static str,
    group: Group,
    touches: Touches,
    before: &'static [&'static str],
    text: &'static str,
) -> Kind {
    Kind {
        name,
        job,
        group,
        touches,
        before,
        loaded_before: false,
        work: Work::Sql(text),
        in_pieces: false,
        on_all_tables: false,
        meanwhile: None,
    }
}

const fn load(name: &'static str, touches: Touches, tier: Tier, before: &'static [&'static str]) -> Kind {
    let create = before.is_empty();
    Kind { work: Work::Load { tier, create }, ..sql(name, "load", Group::Rows, touches, before, "") }
}

const CREATE: &str = "CREATE TABLE {t} (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT, v BIGINT) \
     WITH (partition_by = 'day', sort_by = 'name, id')";
/// Three days of a dozen rows.
const FILL: &str = "INSERT INTO {t} SELECT value, DATE '2024-01-01' + (value % 3)::int, 'n' || (value % 5), \
     NULLIF(value % 4, 0) FROM generate_series(1, 36) AS s(value)";
/// Twenty days of three rows: so many small ones move together.
const MANY_DAYS: &str = "INSERT INTO {t} SELECT value, DATE '2024-01-01' + (value % 20)::int, 'n' || (value % 5), \
     NULLIF(value % 4, 0) FROM generate_series(1, 60) AS s(value)";
const UNIQUE: &str = "CREATE UNIQUE INDEX ON {t} (id)";
const FIRST_TO_WARM: &str = "CALL zxq.migrate('{t}', 'warm', partition => '2024-01-01')";
const SECOND_TO_COLD: &str = "CALL zxq.migrate('{t}', 'cold', partition => '2024-01-02')";
const ALL_TO_WARM: &str = "CALL zxq.migrate('{t}', 'warm')";
const ALL_TO_COLD: &str = "CALL zxq.migrate('{t}', 'cold')";
const PROMOTE: &str = "CALL zxq.migrate('{t}', 'hot', 'cold', '2024-01-02')";
/// A day in each tier.
const SPLIT: &[&str] = &[CREATE, FILL, FIRST_TO_WARM, SECOND_TO_COLD];
/// One small segment more, and a day's are merged.
const SMALL: &str = "INSERT INTO {t} VALUES (50, '2024-01-04', 'small', NULL)";
const MANY_SMALL: &[&str] = &[CREATE, FILL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL];

/// Days that are to be deleted (one in cold, one in hot), to go to cold, to go to warm, and to stay.
const AGING: &[&str] = &[
    "CREATE TABLE {t} (id BIGINT NOT NULL, day DATE NOT NULL) WITH (partition_by = 'day', sort_by = 'id', \
     hot_to_warm_age = '5 days', warm_to_cold_age = '20 days', retention = '40 days')",
    "INSERT INTO {t} SELECT value, CASE value % 5 WHEN 0 THEN DATE '2024-01-01' WHEN 1 THEN DATE '2024-01-05' \
     WHEN 2 THEN DATE '2024-02-01' WHEN 3 THEN DATE '2024-02-20' ELSE DATE '2024-02-29' END \
     FROM generate_series(1, 50) AS s(value)",
    "CALL zxq.migrate('{t}', 'cold', partition => '2024-01-01')",
    "CALL zxq.migrate('{t}', 'warm', partition => '2024-02-01')",
];

/// Of its three days, one belongs in each tier but for what writes to hot and elsewhere at once, which leaves hot out.
const IN_THREE_TIERS: &str = "CREATE TABLE {t} (id BIGINT NOT NULL, day DATE NOT NULL, name TEXT, v BIGINT) \
     WITH (partition_by = 'day', sort_by = 'name, id', hot_to_warm_age = '1 day', warm_to_cold_age = '2 days')";

use Group::{Definitions, Moves, Rows};
use Touches::{Cold, Hot, Warm};

pub static KINDS: &[Kind] = &[
    sql(
        "insert values",
        "INSERT",
        Rows,
        Hot,
        MANY_SMALL,
        "INSERT INTO {t} VALUES (101, '2024-01-01', 'a', 1), (102, '2024-01-02', NULL, 2), (103, '2024-01-04', 'c', NULL)",
    ),
    sql(
        "insert select",
        "INSERT",
        Rows,
        Warm,
        SPLIT,
        "INSERT INTO {t} SELECT id + 1000, day, name, v FROM {t} WHERE id <> 7",
    ),
    // Rows of more bytes than a statement gathers.
    sql(
        "insert select of many rows",
        "INSERT",
        Rows,
        Cold,
        &[IN_THREE_TIERS, FILL],
        "INSERT INTO {t} SELECT value, DATE '2024-01-01' + (value % 3)::int, repeat('n' || (value % 50), 100), \
         NULLIF(value % 4, 0) FROM generate_series(1001, 2500) AS s(value)",
    ),
    Kind { work: Work::Ingest, ..sql("ingest", "ingest", Rows, Hot, MANY_SMALL, "") },
    Kind {
        work: Work::Transaction(&[
            "INSERT INTO {t} VALUES (101, '2024-01-01', 'a', 1), (102, '2024-01-02', NULL, 2)",
            "INSERT INTO {t} SELECT id + 1000, day, name, v FROM {t} WHERE id < 5 OR id > 100",
        ]),
        ..sql("commit", "COMMIT", Rows, Hot, MANY_SMALL, "")
    },
    Kind {
        work: Work::Transaction(&[
            "CREATE TABLE {t}_made AS SELECT id, day FROM {t} WHERE id < 10",
            "INSERT INTO {t} VALUES (101, '2024-01-01', 'a', 1)",
        ]),
        ..sql("commit with a new table", "COMMIT", Definitions, Hot, &[CREATE, FILL], "")
    },
    sql("update", "UPDATE", Rows, Cold, SPLIT, "UPDATE {t} SET v = 99, day = day + 1 WHERE id % 4 = 1"),
    sql(
        "delete",
        "DELETE",
        Rows,
        Cold,
        SPLIT,
        "DELETE FROM {t} WHERE name IN (SELECT 'n' || value FROM generate_series(1, 2) AS s(value))",
    ),
    sql("delete of all rows", "DELETE", Rows, Cold, SPLIT, "DELETE FROM {t}"),
    sql(
        "insert on conflict",
        "INSERT",
        Rows,
        Cold,
        &[CREATE, UNIQUE, FILL, FIRST_TO_WARM, SECOND_TO_COLD],
        "INSERT INTO {t} SELECT value, DATE '2024-01-01' + (value % 3)::int, 'again', value FROM generate_series(30, 40) AS s(value) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, v = {t}.id",
    ),
    Kind {
        work: Work::Transaction(&[
            "INSERT INTO {t} VALUES (101, '2024-01-01', 'a', 1), (102, '2024-01-02', NULL, 2)",
            "UPDATE {t} SET v = 7 WHERE id > 30",
            "DELETE FROM {t} WHERE id IN (101, 1, 2)",
        ]),
        ..sql("commit of corrections", "COMMIT", Rows, Cold, SPLIT, "")
    },
    load("load into hot", Hot, Tier::Hot, &[CREATE, FILL]),
    load("load into warm", Warm, Tier::Warm, &[CREATE, FILL]),
    Kind { loaded_before: true, ..load("load into cold", Cold, Tier::Cold, &[CREATE, FILL]) },
    load("load into a new table", Cold, Tier::Cold, &[]),
    sql(
        "create table as",
        "DDL",
        Definitions,
        Warm,
        SPLIT,
        "CREATE TABLE {t}_made AS SELECT day, name, count(*) AS n, sum(v) AS total FROM {t} GROUP BY day, name",
    ),
    sql(
        "create table as of many rows",
        "DDL",
        Definitions,
        Warm,
        &[CREATE],
        "CREATE TABLE {t}_made AS SELECT value AS id, repeat('n' || (value % 50), 100) AS name \
         FROM generate_series(1, 1500) AS s(value)",
    ),
    sql(
        "create table as without rows",
        "DDL",
        Definitions,
        Hot,
        &[CREATE],
        "CREATE TABLE {t}_made AS SELECT id, day FROM {t}",
    ),
    sql("create table", "DDL", Definitions, Warm, &[], CREATE),
    Kind {
        // Stores that know a column too many must not mind.
        meanwhile: Some(
            "CALL zxq.migrate('{t}', 'warm', 'hot', '2024-01-03'); CALL zxq.migrate('{t}', 'cold', 'warm', '2024-01-01')",
        ),
        ..sql("alter table", "DDL", Definitions, Cold, SPLIT, "ALTER TABLE {t} ADD COLUMN note TEXT DEFAULT 'none'")
    },
    sql("drop table", "DDL", Definitions, Cold, SPLIT, "DROP TABLE {t}"),
    sql("truncate", "DDL", Definitions, Cold, SPLIT, "TRUNCATE {t}"),
    sql("hot to warm", "CALL", Moves, Warm, &[CREATE, FILL], "CALL zxq.migrate('{t}', 'warm', 'hot', '2024-01-01')"),
    Kind {
        in_pieces: true,
        ..sql(
            "warm to cold",
            "CALL",
            Moves,
            Cold,
            &[CREATE, FILL, ALL_TO_WARM],
            "CALL zxq.migrate('{t}', 'cold', 'warm')",
        )
    },
    sql("hot to warm together", "CALL", Moves, Warm, &[CREATE, MANY_DAYS], ALL_TO_WARM),
    sql("warm to cold together", "CALL", Moves, Cold, &[CREATE, MANY_DAYS, ALL_TO_WARM], ALL_TO_COLD),
    sql(
        "cold to warm",
        "CALL",
        Moves,
        Cold,
        &[CREATE, FILL, ALL_TO_COLD],
        "CALL zxq.migrate('{t}', 'warm', 'cold', '2024-01-02')",
    ),
    sql("promote", "CALL", Moves, Hot, SPLIT, PROMOTE),
    sql(
        "drop replicas",
        "CALL",
        Moves,
        Hot,
        &[CREATE, FILL, ALL_TO_COLD, PROMOTE],
        "CALL zxq.migrate('{t}', 'cold', 'hot')",
    ),
    Kind { in_pieces: true, on_all_tables: true, ..sql("maintain", "CALL", Moves, Cold, AGING, "CALL zxq.maintain()") },
];

/// The kind of that name.
pub fn named(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap_or_else(|| panic!("no kind is called {name:?}"))
}

/// Rows for a load. Where the table is there, values are bad in three of them, in each of another way; for a new table, whose
/// columns take whatever they find, one line is no row at all.
fn csv(create: bool) -> String {
    let mut text = "id,day,name,v\n".to_owned();
    for i in 0..20 {
        text.push_str(&format!("{},2024-01-0{},loaded {i},{}\n", 500 + i, i % 4 + 1, i * 3));
    }
    if !create {
        text.push_str("many,2024-01-01,bad,1\n600,soon,bad,2\n");
    }
    text.push_str("601,2024-01-02,bad,3,4\n602,2024-01-03,last,\n");
    text
}

/// One go at a kind of work, on tables of its own.
#[derive(Debug)]
pub struct Round {
    pub kind: &'static Kind,
    /// What the names of its tables begin with.
    pub name: String,
}

impl Round {
    /// Makes what it works on.
    pub async fn begin(bench: &mut Bench, kind: &'static Kind) -> Round {
        let round = Round { kind, name: bench.new_name() };
        for sql in kind.before {
            bench.sql(&round.text(sql)).await;
        }
        if kind.loaded_before {
            round
                .run(bench.engine())
                .await
                .unwrap_or_else(|e| panic!("{}, before it is to be interrupted: {e}", kind.name));
        }
        round
    }

    pub fn text(&self, sql: &str) -> String {
        sql.replace("{t}", &self.name)
    }

    /// Does the work.
    pub async fn run(&self, engine: &Arc<Engine>) -> Result<()> {
        match self.kind.work {
            Work::Sql(text) => engine.sql(&self.text(text)).await.map(drop),
            Work::Load { tier, create } => {
                let request = LoadRequest {
                    tier: Some(tier),
                    on_error: OnError::Quarantine,
                    create,
                    ..LoadRequest::into_table(&self.name)
                };
                let source = LoadSource::Stream {
                    name: "stream".to_owned(),
                    format: Some(FileFormat::Csv),
                    reader: Box::new(Cursor::new(csv(create).into_bytes())),
                };
                engine.load(request, source, &|_: LoadProgress| {}).await.map(drop)
            }
            Work::Transaction(statements) => {
                let session = engine.session();
                session.begin(false)?;
                let all = async {
                    for sql in statements {
                        session.run(&self.text(sql)).await?.collect().await?;
                    }
                    session.commit().await
                };
                let ended = all.await;
                session.rollback().await;
                ended
            }
            Work::Ingest => {
                let first = 19_723; // 2024-01-01
                let batch = RecordBatch::try_from_iter_with_nullable([
                    ("id", Arc::new(Int64Array::from_iter_values(700..712)) as ArrayRef, false),
                    ("day", Arc::new(Date32Array::from_iter_values((0..12).map(|i| first + i % 4))) as ArrayRef, false),
                    (
                        "name",
                        Arc::new(StringArray::from_iter_values((0..12).map(|i| format!("i{i}")))) as ArrayRef,
                        true,
                    ),
                ]);
                engine.ingest(&self.name, vec![batch?]).await.map(drop)
            }
        }
    }

    /// What its tables are now.
    pub async fn state(&self, bench: &Bench) -> State {
        State::of(bench.engine(), &self.name).await
    }

    /// Does it again, which has to work as if it had never been tried.
    pub async fn repeat(&self, bench: &Bench, after: &State, what: &str) -> State {
        self.run(bench.engine()).await.unwrap_or_else(|e| panic!("{what}, done again: {e}"));
        let found = self.state(bench).await;
        found.expect(after, &format!("{what}, done again"));
        checks::verify(bench, &self.name, what).await;
        found
    }

    /// Drops all its tables.
    pub async fn drop_tables(self, bench: &Bench) {
        let snapshot = bench.engine().snapshot();
        let names = snapshot.tables.values().map(|state| &state.def.name);
        for name in names.filter(|name| super::state::belongs(name, &self.name)) {
            bench.sql(&format!("DROP TABLE {name}")).await;
        }
    }
}

/// A kind, and what its tables are before and after.
#[derive(Debug)]
pub struct Case {
    pub kind: &'static Kind,
    pub before: State,
    pub after: State,
}

impl Case {
    /// Finds it out from a round that nobody interrupts.
    pub async fn learn(bench: &mut Bench, kind: &'static Kind) -> Case {
        let round = Round::begin(bench, kind).await;
        let before = round.state(bench).await;
        round.run(bench.engine()).await.unwrap_or_else(|e| panic!("{}, not interrupted: {e}", kind.name));
        let after = round.state(bench).await;
        assert_ne!(before, after, "{} changes nothing", kind.name);
        round.drop_tables(bench).await;
        Case { kind, before, after }
    }
}
