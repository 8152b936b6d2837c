//! PostgreSQL as the oracle: random statements over types, operators, functions and edge values, answered by a private
//! PostgreSQL and by the real program, with the rows in each tier and apart in all three.
//!
//! `cargo test -p zxq-server --test oracle -- --nocapture` runs it, with the statements of one seed; `ZXQ_SEED` chooses others,
//! `ZXQ_STATEMENTS` how many. Where zxq differs from PostgreSQL on purpose is in `differences.rs`, and for users in
//! docs/postgresql.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod differences;
mod expressions;
mod program;
mod statements;
mod templates;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use zxq_test_support::{postgres_server, say_skipped};

use crate::answers::{Answer, Asked};
use crate::program::{PLACES, Program};
use crate::statements::{Statement, Statements};

/// Statements of a run that says nothing else, and their seed: a change of zxq is asked the same as the one before.
const STATEMENTS: usize = 20_000;
const SEED: u64 = 20_261_130;
/// Connections to each side.
const WORKERS: usize = 2;
/// Differences that are printed; the rest is counted.
const SHOWN: usize = 40;

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// What a worker found.
#[derive(Default)]
struct Found {
    /// Statements asked.
    asked: usize,
    /// Of those, the ones that PostgreSQL refused.
    refused: usize,
    /// Differences that we chose: how many by reason.
    chosen: BTreeMap<&'static str, usize>,
    /// All others.
    unexplained: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_is_answered_as_postgresql_answers_it() {
    let Some(postgres) = postgres_server::shared() else {
        return say_skipped("PostgreSQL as the oracle", "PostgreSQL is not installed");
    };
    let seed = from_env("ZXQ_SEED").unwrap_or(SEED);
    let statements = from_env("ZXQ_STATEMENTS").map_or(STATEMENTS, |count| usize::try_from(count).unwrap());
    eprintln!("oracle: ZXQ_SEED={seed}, {statements} statements");
    let program = Arc::new(Program::start(&postgres.superuser_url()).await);
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let program = Arc::clone(&program);
            let share = statements / WORKERS;
            tokio::spawn(async move { work(&program, seed.wrapping_add(worker as u64), share).await })
        })
        .collect();
    let mut all = Found::default();
    for worker in workers {
        let found = worker.await.unwrap();
        all.asked += found.asked;
        all.refused += found.refused;
        for (reason, count) in found.chosen {
            *all.chosen.entry(reason).or_default() += count;
        }
        all.unexplained.extend(found.unexplained);
    }
    for text in all.unexplained.iter().take(SHOWN) {
        eprintln!("{text}\n");
    }
    eprintln!("oracle: {} statements, {} refused by PostgreSQL, differences by choice:", all.asked, all.refused);
    for (reason, count) in &all.chosen {
        eprintln!("oracle: {count:6}  {reason}");
    }
    assert!(all.asked > all.refused * 2, "most statements are refused: the generator is wrong");
    assert!(all.unexplained.is_empty(), "{} answers differ (ZXQ_SEED={seed})", all.unexplained.len());
}

async fn work(program: &Program, seed: u64, count: usize) -> Found {
    let mut asked = Asked::connect(program).await;
    let mut statements = Statements::new(StdRng::seed_from_u64(seed));
    let mut found = Found::default();
    for _ in 0..count {
        let statement = statements.next();
        compare(&mut asked, &statement, &mut found).await;
        found.asked += 1;
    }
    found
}

/// Asks PostgreSQL once and zxq at every placement; a statement over constants has only one.
async fn compare(asked: &mut Asked, statement: &Statement, found: &mut Found) {
    let right = asked.postgres(&statement.over("oracle.v")).await;
    found.refused += usize::from(matches!(right, Answer::Refused(_)));
    let places = if statement.reads_table { &PLACES[..] } else { &PLACES[..1] };
    for place in places {
        let sql = statement.over(place);
        let given = asked.zxq(&sql).await;
        if answers::agree(&right, &given, &statement.types, statement.ordered) {
            continue;
        }
        match differences::reason(statement, &right, &given) {
            Some(reason) => *found.chosen.entry(reason).or_default() += 1,
            None => found.unexplained.push(format!("{sql}\n  PostgreSQL: {right}\n  zxq:        {given}")),
        }
        // The same at every placement, most often.
        break;
    }
}

#[test]
fn a_seed_repeats_its_statements() {
    let list = |seed| {
        let mut statements = Statements::new(StdRng::seed_from_u64(seed));
        (0..200).map(|_| statements.next().over("v")).collect::<Vec<_>>()
    };
    let seed = rand::rng().random();
    assert_eq!(list(seed), list(seed));
    assert_ne!(list(seed), list(seed.wrapping_add(1)));
}
