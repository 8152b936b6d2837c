//! Random rows, moved about at random: every answer equals that of a plain in-memory table of the same rows.
//!
//! `PROPTEST_CASES` changes how many cases run; a failing case is made small and printed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use zxq_tests::test_server::TestEngine;

const CASES: u32 = 48;
const FIRST_DAY: i32 = 19_723; // 2024-01-01
const DAY_US: i64 = 86_400_000_000;
const CLASSES: [&str; 3] = ["EQUITY", "FX", "CRYPTO"];
const SYMBOLS: [&str; 6] = ["AAPL", "BTC", "EURUSD", "IBM", "Ωmega", ""];
const TIERS: [&str; 3] = ["hot", "warm", "cold"];

#[derive(Debug, Clone)]
struct Row {
    day: Option<u8>,
    class: Option<u8>,
    symbol: Option<u8>,
    price: Option<i32>,
    qty: Option<i16>,
    x: Option<i16>,
    second: Option<u32>,
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<Row>),
    Move { to: u8, from: Option<u8>, partition: Option<u8> },
}

#[derive(Debug, Clone)]
enum Predicate {
    All,
    Compare(&'static str, &'static str, String),
    Null(&'static str, bool),
    In(&'static str, Vec<String>),
    Not(Box<Predicate>),
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Predicate::All => f.write_str("true"),
            Predicate::Compare(column, operator, value) => write!(f, "{column} {operator} {value}"),
            Predicate::Null(column, true) => write!(f, "{column} IS NULL"),
            Predicate::Null(column, false) => write!(f, "{column} IS NOT NULL"),
            Predicate::In(column, values) => write!(f, "{column} IN ({})", values.join(", ")),
            Predicate::Not(inner) => write!(f, "NOT ({inner})"),
            Predicate::And(a, b) => write!(f, "({a}) AND ({b})"),
            Predicate::Or(a, b) => write!(f, "({a}) OR ({b})"),
        }
    }
}

/// What is asked: SQL with `T` for the table and `P` for the predicate, and whether it fixes the order of its rows.
const QUESTIONS: &[(&str, bool)] = &[
    ("SELECT * FROM T WHERE P", false),
    ("SELECT * FROM T WHERE P ORDER BY id", true),
    ("SELECT id, symbol, ts FROM T WHERE P ORDER BY symbol, ts, id", true),
    ("SELECT id FROM T WHERE P ORDER BY symbol DESC, ts DESC, id LIMIT 7", true),
    ("SELECT id, ts FROM T WHERE P ORDER BY ts DESC NULLS LAST, id DESC LIMIT 5 OFFSET 2", true),
    ("SELECT symbol FROM T WHERE P ORDER BY symbol NULLS FIRST LIMIT 9", true),
    ("SELECT symbol, ts FROM T WHERE P ORDER BY symbol, ts", true),
    ("SELECT symbol, ts FROM T WHERE P ORDER BY symbol NULLS FIRST, ts NULLS FIRST LIMIT 6", true),
    ("SELECT price, id FROM T WHERE P ORDER BY price DESC, id LIMIT 3", true),
    ("SELECT count(*), count(price), count(symbol), count(DISTINCT symbol), count(DISTINCT day) FROM T WHERE P", true),
    ("SELECT count(*) FROM T WHERE P", true),
    (
        "SELECT sum(qty), min(qty), max(qty), sum(price), min(price), max(price), avg(price), sum(x) FROM T WHERE P",
        true,
    ),
    (
        "SELECT min(ts), max(ts), min(day), max(day), min(symbol), max(symbol), min(class), max(class) FROM T WHERE P",
        true,
    ),
    ("SELECT day, class, count(*), sum(qty), max(ts) FROM T WHERE P GROUP BY day, class", false),
    ("SELECT day, count(*) FROM T WHERE P GROUP BY day", false),
    ("SELECT class, count(*), min(price) FROM T WHERE P GROUP BY class ORDER BY class", true),
    ("SELECT symbol, count(*), sum(price), sum(qty), min(x), max(x) FROM T WHERE P GROUP BY symbol", false),
    ("SELECT symbol, count(*) FROM T WHERE P GROUP BY symbol HAVING count(*) > 2 ORDER BY symbol", true),
    ("SELECT DISTINCT symbol, class FROM T WHERE P", false),
    ("SELECT count(*) FROM (SELECT id FROM T WHERE P LIMIT 4) x", true),
    (
        "SELECT a.id, b.id FROM T a JOIN T b ON a.symbol = b.symbol AND a.day = b.day AND a.id < b.id WHERE a.qty > 0",
        false,
    ),
    ("SELECT id, row_number() OVER (PARTITION BY symbol ORDER BY ts, id) FROM T WHERE P", false),
    ("SELECT id, lag(price) OVER (PARTITION BY symbol ORDER BY ts, id) FROM T WHERE P", false),
    ("SELECT id FROM T WHERE P AND ts = (SELECT max(ts) FROM T)", false),
    ("SELECT class, count(*) FROM T WHERE symbol IN (SELECT symbol FROM T WHERE P) GROUP BY class", false),
    ("SELECT symbol, time_bucket('1 hour', ts) AS b, sum(qty) FROM T WHERE P GROUP BY symbol, b", false),
    ("SELECT symbol, price FROM T WHERE P EXCEPT SELECT symbol, price FROM T WHERE qty > 0", false),
    ("SELECT class, day FROM T WHERE P INTERSECT SELECT class, day FROM T WHERE qty > 0", false),
    ("SELECT id FROM T WHERE P AND symbol NOT IN (SELECT symbol FROM T WHERE qty > 50)", false),
    (
        "SELECT a.id, b.id FROM T a JOIN T b ON (a.price IS NOT DISTINCT FROM b.price) AND a.id < b.id WHERE a.qty > 9",
        false,
    ),
    ("SELECT id, -x, qty * 2, price + 1 FROM T WHERE P", false),
];

#[derive(Debug, Clone)]
struct Case {
    steps: Vec<Step>,
    questions: Vec<(usize, Predicate)>,
}

fn row() -> impl Strategy<Value = Row> {
    (
        proptest::option::weighted(0.95, 0..4u8),
        proptest::option::weighted(0.95, 0..3u8),
        proptest::option::weighted(0.9, 0..6u8),
        proptest::option::weighted(0.85, prop_oneof![-50_000..50_000i32, Just(i32::MAX), Just(0)]),
        proptest::option::weighted(0.85, -100..100i16),
        proptest::option::weighted(0.85, -400..400i16),
        proptest::option::weighted(0.9, 0..86_400u32),
    )
        .prop_map(|(day, class, symbol, price, qty, x, second)| Row { day, class, symbol, price, qty, x, second })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => proptest::collection::vec(row(), 1..40).prop_map(Step::Insert),
        3 => (0..3u8, proptest::option::of(0..3u8), proptest::option::weighted(0.6, any::<u8>()))
            .prop_map(|(to, from, partition)| Step::Move { to, from, partition }),
    ]
}

fn comparison() -> impl Strategy<Value = Predicate> {
    let operator = || prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    prop_oneof![
        (operator(), 0..5i32).prop_map(|(op, day)| Predicate::Compare("day", op, date(day))),
        (operator(), 0..4usize).prop_map(|(op, c)| Predicate::Compare(
            "class",
            op,
            text(CLASSES.get(c).unwrap_or(&"ZZZ"))
        )),
        (operator(), 0..7usize).prop_map(|(op, s)| Predicate::Compare(
            "symbol",
            op,
            text(SYMBOLS.get(s).unwrap_or(&"M"))
        )),
        (operator(), -60_000..60_000i32).prop_map(|(op, p)| Predicate::Compare(
            "price",
            op,
            format!("CAST({}.{:04} AS DECIMAL(18,4))", p / 100, (p % 100).unsigned_abs())
        )),
        (operator(), -110..110i16).prop_map(|(op, q)| Predicate::Compare("qty", op, q.to_string())),
        (operator(), -100..100i16).prop_map(|(op, x)| Predicate::Compare("x", op, format!("{x}.5"))),
        (operator(), 0..4i64, 0..86_400i64).prop_map(|(op, day, second)| Predicate::Compare(
            "ts",
            op,
            timestamp(day, second)
        )),
        (operator(), 0..120i32).prop_map(|(op, id)| Predicate::Compare("id", op, id.to_string())),
        (prop::sample::select(vec!["day", "class", "symbol", "price", "qty", "x", "ts"]), any::<bool>())
            .prop_map(|(column, null)| Predicate::Null(column, null)),
        proptest::collection::vec(0..6usize, 1..4)
            .prop_map(|s| Predicate::In("symbol", s.into_iter().map(|i| text(SYMBOLS[i])).collect())),
        proptest::collection::vec(0..5i32, 1..3)
            .prop_map(|days| Predicate::In("day", days.into_iter().map(date).collect())),
        prop::sample::select(vec!["'%U%'", "'A%'", "'%M'", "'_'", "'%'"]).prop_map(|p| Predicate::Compare(
            "symbol",
            "LIKE",
            p.to_owned()
        )),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let leaf = prop_oneof![1 => Just(Predicate::All), 6 => comparison()];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|p| Predicate::Not(Box::new(p))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Predicate::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Predicate::Or(Box::new(a), Box::new(b))),
        ]
    })
}

fn case() -> impl Strategy<Value = Case> {
    (
        proptest::collection::vec(row(), 1..60),
        proptest::collection::vec(step(), 1..7),
        proptest::collection::vec((0..QUESTIONS.len(), predicate()), 12..20),
    )
        .prop_map(|(first, rest, questions)| {
            let mut steps = vec![Step::Insert(first)];
            steps.extend(rest);
            Case { steps, questions }
        })
}

fn date(day: i32) -> String {
    format!("DATE '2024-01-{:02}'", day + 1)
}

fn text(text: &str) -> String {
    format!("'{text}'")
}

fn timestamp(day: i64, second: i64) -> String {
    format!("TIMESTAMPTZ '2024-01-{:02} {:02}:{:02}:{:02}+00'", day + 1, second / 3600, second / 60 % 60, second % 60)
}

fn batch(rows: &[Row], first_id: i64, schema: &SchemaRef) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0..rows.len() as i64).map(|i| first_id + i))),
        Arc::new(rows.iter().map(|r| r.day.map(|d| FIRST_DAY + i32::from(d))).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|r| r.class.map(|c| CLASSES[c as usize])).collect::<StringViewArray>()),
        Arc::new(rows.iter().map(|r| r.symbol.map(|s| SYMBOLS[s as usize])).collect::<StringViewArray>()),
        Arc::new(
            rows.iter()
                .map(|r| r.price.map(|p| i128::from(p) * 100))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(18, 4)
                .unwrap(),
        ),
        Arc::new(rows.iter().map(|r| r.qty.map(i64::from)).collect::<Int64Array>()),
        // Quarters: sums of them are exact in any order.
        Arc::new(rows.iter().map(|r| r.x.map(|x| f64::from(x) / 4.0)).collect::<Float64Array>()),
        Arc::new(
            rows.iter()
                .map(|r| {
                    let day = FIRST_DAY + i32::from(r.day.unwrap_or(0));
                    r.second.map(|s| i64::from(day) * DAY_US + i64::from(s) * 1_000_000)
                })
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

fn rows_of(batches: &[RecordBatch], ordered: bool) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let formatters: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(formatters.iter().map(|f| f.value(row).to_string()).collect::<Vec<_>>().join(" | "));
        }
    }
    if !ordered {
        rows.sort();
    }
    rows
}

struct Oracle {
    test: TestEngine,
    tables: AtomicUsize,
}

impl Oracle {
    async fn check(&self, case: &Case) -> Result<(), String> {
        let engine = &self.test.engine;
        let table = format!("case_{}", self.tables.fetch_add(1, Ordering::Relaxed));
        engine
            .sql(&format!(
                "CREATE TABLE {table} (id BIGINT NOT NULL, day DATE, class TEXT, symbol TEXT, price DECIMAL(18,4), \
                 qty BIGINT, x DOUBLE PRECISION, ts TIMESTAMPTZ) WITH (time_column = 'ts', \
                 partition_by = 'day, class', sort_by = 'symbol, ts', lookup = 'symbol')"
            ))
            .await
            .map_err(|e| e.to_string())?;
        let outcome = self.check_table(case, &table).await;
        engine.sql(&format!("DROP TABLE {table}")).await.map_err(|e| e.to_string())?;
        outcome
    }

    async fn check_table(&self, case: &Case, table: &str) -> Result<(), String> {
        let engine = &self.test.engine;
        let schema = engine.table(table).unwrap().def.schema();
        let mut all = Vec::new();
        let mut next_id = 0;
        for step in &case.steps {
            match step {
                Step::Insert(rows) => {
                    let incoming = batch(rows, next_id, &schema);
                    engine.ingest(table, vec![incoming]).await.map_err(|e| format!("ingest: {e}"))?;
                    all.push(batch(rows, next_id, &schema));
                    next_id += rows.len() as i64;
                }
                Step::Move { to, from, partition } => self.migrate(table, *to, *from, *partition).await?,
            }
        }
        let rows = concat_batches(&schema, &all).unwrap();
        let config = engine.session_context().copied_config().with_create_default_catalog_and_schema(true);
        let plain = SessionContext::new_with_config(config);
        zxq_engine::functions::register(&plain);
        plain
            .register_table(table, Arc::new(MemTable::try_new(Arc::clone(&schema), vec![vec![rows]]).unwrap()))
            .unwrap();
        for (question, predicate) in &case.questions {
            let (sql, ordered) = QUESTIONS[*question];
            let sql = sql.replace(" T", &format!(" {table}")).replace(" P", &format!(" ({predicate})"));
            let expected = plain.sql(&sql).await.map_err(|e| format!("{sql}: oracle: {e}"))?;
            let expected = expected.collect().await.map_err(|e| format!("{sql}: oracle: {e}"))?;
            let actual = engine.sql(&sql).await.map_err(|e| format!("{sql}: {e}"))?;
            let (expected, actual) = (rows_of(&expected, ordered), rows_of(&actual, ordered));
            if expected != actual {
                let plan = engine.sql(&format!("EXPLAIN {sql}")).await.map_err(|e| e.to_string())?;
                let plan = rows_of(&plan, true).join("\n");
                return Err(format!(
                    "{sql}\nexpected {} rows:\n{}\nactual {} rows:\n{}\n{plan}",
                    expected.len(),
                    expected.join("\n"),
                    actual.len(),
                    actual.join("\n")
                ));
            }
        }
        Ok(())
    }

    async fn migrate(&self, table: &str, to: u8, from: Option<u8>, partition: Option<u8>) -> Result<(), String> {
        let engine = &self.test.engine;
        let state = engine.table(table).unwrap();
        let mut partitions: Vec<String> = state.owners().map(|s| s.partition.text(&state.def.partitioning)).collect();
        partitions.sort();
        partitions.dedup();
        let mut sql = format!("CALL zxq.migrate('{table}', '{}'", TIERS[to as usize]);
        if let Some(from) = from.filter(|from| *from != to) {
            sql.push_str(&format!(", from => '{}'", TIERS[from as usize]));
        }
        if let Some(partition) = partition {
            sql.push_str(&format!(", partition => '{}'", partitions[partition as usize % partitions.len()]));
        }
        sql.push(')');
        engine.sql(&sql).await.map(drop).map_err(|e| format!("{sql}: {e}"))
    }
}

#[test]
fn answers_equal_those_of_a_plain_table() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test = runtime.block_on(TestEngine::open(|config| {
        // Several segments per partition and tier.
        config.policy.segment_rows = 11;
    }));
    let oracle = Oracle { test, tables: AtomicUsize::new(0) };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 150, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(&case(), |case| runtime.block_on(oracle.check(&case)).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    runtime.block_on(async {
        zxq_tests::placement::verify(&oracle.test.engine).await;
        oracle.test.engine.shutdown().await.unwrap();
    });
}
