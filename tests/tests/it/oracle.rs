//! Random rows, moved about at random: every answer equals that of a plain in-memory table of the same rows, and answers
//! that have to agree do.
//!
//! `PROPTEST_CASES` changes how many cases run, `ZXQ_SEED` which; a failing case is made small and printed.

mod case;
mod questions;
mod relations;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::MemorySchemaProvider;
use datafusion::datasource::MemTable;
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use zxq_engine::EngineSession;
use zxq_tests::test_server::TestEngine;

use self::case::{COLUMNS, Case, Predicate, Step, batch, case};
use self::questions::{QUESTIONS, asked};
use self::relations::{ORDERS, PAIRS, PREPARED, Relation};

const CASES: u32 = 48;
/// The cases of a run that says nothing else: the same each time, so that a change is judged by itself.
const SEED: u64 = 20_240_102;
const TIERS: [&str; 3] = ["hot", "warm", "cold"];

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
        let create = format!("CREATE TABLE {table} ({COLUMNS}) WITH ({})", case.layout);
        engine.sql(&create).await.map_err(|e| e.to_string())?;
        let outcome = self.check_table(case, &table).await;
        engine.sql(&format!("DROP TABLE {table}")).await.map_err(|e| e.to_string())?;
        outcome
    }

    async fn check_table(&self, case: &Case, table: &str) -> Result<(), String> {
        let rows = self.fill(case, table).await?;
        self.ask(case, table, rows).await?;
        let session = self.test.engine.session();
        for (relation, predicate) in &case.relations {
            self.relate(&session, table, relation, predicate).await?;
        }
        Ok(())
    }

    /// Takes the steps, and gives all rows.
    async fn fill(&self, case: &Case, table: &str) -> Result<RecordBatch, String> {
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
        Ok(concat_batches(&schema, &all).unwrap())
    }

    /// Compares with a table that is read as DataFusion reads it, by the same functions and operators.
    async fn ask(&self, case: &Case, table: &str, rows: RecordBatch) -> Result<(), String> {
        let engine = &self.test.engine;
        let context = engine.session_context();
        let copy = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
        context.catalog("zxq").unwrap().register_schema("plain", Arc::new(MemorySchemaProvider::new())).unwrap();
        let plain = format!("plain.{table}");
        context.register_table(plain.as_str(), Arc::new(copy)).unwrap();
        for (question, predicate) in &case.questions {
            let (sql, ordered) = QUESTIONS[*question];
            let predicate = predicate.to_string();
            let expected = asked(sql, &plain, &predicate);
            let expected = context.sql(&expected).await.map_err(|e| format!("{expected}: oracle: {e}"))?;
            let expected = expected.collect().await.map_err(|e| format!("{sql}: oracle: {e}"))?;
            let sql = asked(sql, table, &predicate);
            let actual = engine.sql(&sql).await.map_err(|e| format!("{sql}: {e}"))?;
            self.same(&sql, &rows_of(&expected, ordered), &rows_of(&actual, ordered)).await?;
        }
        Ok(())
    }

    async fn relate(
        &self,
        session: &EngineSession,
        table: &str,
        relation: &Relation,
        predicate: &Predicate,
    ) -> Result<(), String> {
        let constants = predicate.to_string();
        match relation {
            Relation::Pair(at) => {
                let (one, other, ordered) = PAIRS[*at];
                let (one, other) = (asked(one, table, &constants), asked(other, table, &constants));
                let expected = rows_of(&self.rows(&one).await?, ordered);
                self.same(&other, &expected, &rows_of(&self.rows(&other).await?, ordered)).await
            }
            Relation::Limit { order, limit, offset } => {
                let all = format!("SELECT * FROM {{t}} WHERE {{p}} ORDER BY {}", ORDERS[*order]);
                let all = asked(&all, table, &constants);
                let some = format!("{all} LIMIT {limit} OFFSET {offset}");
                let expected = rows_of(&self.rows(&all).await?, true);
                let expected: Vec<String> = expected.into_iter().skip(*offset).take(*limit).collect();
                self.same(&some, &expected, &rows_of(&self.rows(&some).await?, true)).await
            }
            Relation::Prepared(at) => {
                let (sql, ordered) = PREPARED[*at];
                let expected = rows_of(&self.rows(&asked(sql, table, &constants)).await?, ordered);
                let mut values = Vec::new();
                let sql = asked(sql, table, &predicate.parameterised(&mut values));
                let values = self.values(&values).await?;
                let failed = |e: zxq_engine::EngineError| format!("{sql}: {e}");
                let statement = session.parse(&sql).map_err(failed)?.remove(0);
                let prepared = session.prepare(&statement, &[]).await.map_err(failed)?;
                for _ in 0..2 {
                    let outcome = session.execute(&prepared, values.clone()).await.map_err(failed)?;
                    let actual = rows_of(&outcome.collect().await.map_err(failed)?, ordered);
                    if actual != expected {
                        return Err(difference(&format!("{sql} with {values:?}"), &expected, &actual));
                    }
                }
                Ok(())
            }
        }
    }

    async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, String> {
        self.test.engine.sql(sql).await.map_err(|e| format!("{sql}: {e}"))
    }

    /// The values of constants.
    async fn values(&self, constants: &[String]) -> Result<Vec<ScalarValue>, String> {
        if constants.is_empty() {
            return Ok(Vec::new());
        }
        let row = self.rows(&format!("SELECT {}", constants.join(", "))).await?.remove(0);
        Ok(row.columns().iter().map(|column| ScalarValue::try_from_array(column, 0).unwrap()).collect())
    }

    async fn same(&self, sql: &str, expected: &[String], actual: &[String]) -> Result<(), String> {
        if expected == actual {
            return Ok(());
        }
        let plan = rows_of(&self.rows(&format!("EXPLAIN {sql}")).await?, true).join("\n");
        Err(format!("{}\n{plan}", difference(sql, expected, actual)))
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

fn difference(sql: &str, expected: &[String], actual: &[String]) -> String {
    format!(
        "{sql}\nexpected {} rows:\n{}\nactual {} rows:\n{}",
        expected.len(),
        expected.join("\n"),
        actual.len(),
        actual.join("\n")
    )
}

fn from_env<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| text.parse().ok().unwrap_or_else(|| panic!("{name} is no number: {text}")))
}

#[test]
fn answers_equal_those_of_a_plain_table() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test = runtime.block_on(TestEngine::open(|config| {
        // Several segments per partition and tier.
        config.policy.segment_rows = 11;
    }));
    let oracle = Oracle { test, tables: AtomicUsize::new(0) };
    let (cases, seed) = (from_env("PROPTEST_CASES").unwrap_or(CASES), from_env("ZXQ_SEED").unwrap_or(SEED));
    println!("oracle: ZXQ_SEED={seed} PROPTEST_CASES={cases}");
    let rng_seed = RngSeed::Fixed(seed);
    let config = Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 150, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(&case(), |case| runtime.block_on(oracle.check(&case)).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("ZXQ_SEED={seed}: {error}");
    }
    runtime.block_on(async {
        zxq_tests::placement::verify(&oracle.test.engine).await;
        oracle.test.engine.shutdown().await.unwrap();
    });
}
