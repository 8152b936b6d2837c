//! Statements of the SQL tests, changed at random.

use rand::Rng;
use rand::rngs::StdRng;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::{Bystander, edge, ends_well, from_env, random, start};
use crate::support::{Place, Server};

/// Statements of a run that says nothing else.
const MUTATIONS: usize = 600;
/// Statements before memory is measured.
const WARM_UP: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_statements_end_no_server() {
    let statements = statements();
    assert!(statements.len() > 1_000, "the SQL tests are not found: {} statements", statements.len());
    let corpus: Vec<_> = statements.iter().map(|sql| tokens(sql)).collect();
    let place = Place::new();
    let server = start(&place);
    // The tables that most of them are about.
    let client = connect(&server).await;
    for sql in statements.iter().filter(|sql| sql.starts_with("CREATE TABLE") || sql.starts_with("INSERT")) {
        let _ = client.simple_query(sql).await;
    }
    let other = Bystander::start(&server);
    let mut random = random("changed statements");
    let count = from_env("ZXQ_MUTATIONS", MUTATIONS);
    run(&server, &corpus, &mut random, WARM_UP).await;
    let before = server.resident_mib();
    let found = run(&server, &corpus, &mut random, count).await;
    eprintln!("changed statements: {count}, of which {} succeeded", found.succeeded);
    other.end();
    eprintln!(
        "changed statements: {} ended in an error of class XX\n{}",
        found.internal.len(),
        found.internal.join("\n")
    );
    let bugs: Vec<_> = found.internal.iter().filter(|text| text.contains("met a bug")).collect();
    assert!(bugs.is_empty(), "{bugs:?}");
    ends_well(server, &place, before);
}

/// The tests' statements.
fn statements() -> Vec<String> {
    let folder = zxq_test_support::project().join("tests/slt");
    let mut statements = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "slt") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for record in text.split("\n\n") {
            let mut lines =
                record.lines().skip_while(|line| !line.starts_with("query") && !line.starts_with("statement"));
            if lines.next().is_none() {
                continue;
            }
            let sql: Vec<&str> = lines.take_while(|line| *line != "----").collect();
            statements.push(sql.join(" "));
        }
    }
    statements
}

/// What operators are written with.
const OPERATORS: &str = "<>=!~|&:*/+-@#%^?.";

/// Words, numbers, quoted texts, brackets and operators.
fn tokens(sql: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            c if OPERATORS.contains(c) => rest.find(|c: char| !OPERATORS.contains(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

/// What a run found.
#[derive(Default)]
struct Found {
    succeeded: usize,
    /// Statements that ended in an error that is no client's fault.
    internal: Vec<String>,
}

async fn run(server: &Server, corpus: &[Vec<String>], random: &mut StdRng, count: usize) -> Found {
    let mut client = connect(server).await;
    let mut found = Found::default();
    for done in 0..count {
        // A session's settings are changed, too: not for ever.
        if done % 50 == 49 {
            client = connect(server).await;
        }
        let sql = changed(corpus, random);
        match client.simple_query(&sql).await {
            Ok(answers) => {
                let rows = answers.iter().filter(|answer| matches!(answer, SimpleQueryMessage::Row(_))).count();
                assert!(rows < 10_000_000, "{sql}");
                found.succeeded += 1;
            }
            Err(error) => match error.as_db_error() {
                Some(error) if error.code().code().starts_with("XX") => {
                    found.internal.push(format!("{sql}\n  {}: {}", error.code().code(), error.message()));
                }
                Some(_) => {}
                // A statement may be COPY … FROM STDIN, which this client cannot answer, or end its own session.
                None => client = connect(server).await,
            },
        }
    }
    found
}

async fn connect(server: &Server) -> Client {
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let address = format!("host={host} port={port} user=zxq dbname=zxq");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.simple_query("SET statement_timeout = '500ms'").await.unwrap();
    client
}

/// A statement with one to three changes.
fn changed(corpus: &[Vec<String>], random: &mut StdRng) -> String {
    let mut tokens = any(corpus, random).clone();
    for _ in 0..random.random_range(1..4) {
        if tokens.is_empty() {
            break;
        }
        let at = random.random_range(0..tokens.len());
        match random.random_range(0..7) {
            0 => {
                tokens.remove(at);
            }
            1 => tokens.insert(at, any_token(corpus, random)),
            2 => tokens[at] = any_token(corpus, random),
            3 => {
                let other = random.random_range(0..tokens.len());
                tokens.swap(at, other);
            }
            4 => tokens[at] = edge(random).to_string(),
            // A part of another statement in the place of one of this.
            5 => {
                let other = any(corpus, random);
                if !other.is_empty() {
                    let from = random.random_range(0..other.len());
                    let to = random.random_range(from..=other.len().min(from + 12));
                    tokens.splice(at..tokens.len().min(at + 3), other[from..to].iter().cloned());
                }
            }
            _ => {
                let nested = any(corpus, random).join(" ");
                tokens[at] = format!("({nested})");
            }
        }
    }
    // The table that the other client reads stays.
    tokens.join(" ").replace("bystanders", "fuzzed")
}

fn any<'a>(corpus: &'a [Vec<String>], random: &mut StdRng) -> &'a Vec<String> {
    &corpus[random.random_range(0..corpus.len())]
}

fn any_token(corpus: &[Vec<String>], random: &mut StdRng) -> String {
    let statement = any(corpus, random);
    if statement.is_empty() { "NULL".to_owned() } else { statement[random.random_range(0..statement.len())].clone() }
}
