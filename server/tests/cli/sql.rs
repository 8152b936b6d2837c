//! `zxq sql`.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::support::{Place, Server, fail, run, run_with_input, succeed, zxq};

const TYPES: &str = "SELECT 1 AS n, CAST(1.50 AS DECIMAL(10,2)) AS d, 0.1::double precision AS f, true AS b, \
    'a,b' AS t, NULL AS nothing, DATE '2024-01-02' AS day, TIMESTAMPTZ '2024-01-02 03:04:05.6+00' AS at";

#[test]
fn prints_the_same_embedded_and_through_a_server() {
    for served in [false, true] {
        let place = Place::with_directory();
        let data = place.data();
        let _server = served.then(|| Server::start(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
        let csv = succeed(&["sql", TYPES, "--format", "csv", "--data", &data]);
        assert_eq!(csv, "n,d,f,b,t,nothing,day,at\n1,1.50,0.1,t,\"a,b\",,2024-01-02,2024-01-02 03:04:05.6+00\n");
        let json = succeed(&["sql", TYPES, "--format", "json", "--data", &data]);
        let expected = "[\n  {\"n\": 1, \"d\": 1.50, \"f\": 0.1, \"b\": true, \"t\": \"a,b\", \"nothing\": null, \
                        \"day\": \"2024-01-02\", \"at\": \"2024-01-02 03:04:05.6+00\"}\n]\n";
        assert_eq!(json, expected, "served: {served}");
        let table = succeed(&["sql", "SELECT 1 AS n, 'x' AS t", "--data", &data]);
        assert_eq!(table, " n | t \n---+---\n 1 | x\n(1 row)\n\n", "served: {served}");
    }
}

#[test]
fn reads_statements_from_a_file_or_standard_input() {
    let place = Place::new();
    let data = place.data();
    let script = "CREATE TABLE t (a INT); -- one; two\nINSERT INTO t VALUES (1), (2); SELECT sum(a) AS sum FROM t;";
    let expected = "CREATE TABLE\nINSERT 0 2\n sum \n-----\n   3\n(1 row)\n\n";
    let file = place.file("script.sql", script);
    assert_eq!(succeed(&["sql", "-f", &file, "--data", &data]), expected);
    let again = run_with_input(&["sql", "--data", &data], b"SELECT count(*) AS n FROM t");
    assert_eq!((again.code, again.out.as_str()), (Some(0), " n \n---\n 2\n(1 row)\n\n"));
}

#[test]
fn a_directory_that_is_not_there_is_made_for_tables_only() {
    let place = Place::new();
    let (typo, new) = (place.path("typo"), place.path("new"));
    fail(&["sql", "SELECT 1", "--data", typo.to_str().unwrap()], 1, &["there is no data directory", "typo"]);
    assert!(!typo.exists());
    assert_eq!(succeed(&["sql", "CREATE TABLE t (a INT)", "--data", new.to_str().unwrap()]), "CREATE TABLE\n");
}

#[test]
fn stops_at_the_first_statement_that_fails() {
    let place = Place::with_directory();
    let ran = run(&["sql", "SELECT 1 AS a; SELEC 2; SELECT 3 AS c", "--format", "csv", "--data", &place.data()]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "a\n1\n"));
    assert!(ran.err.starts_with("error: ") && ran.err.contains("SELEC"), "{}", ran.err);
}

#[test]
fn hints_that_leave_rows_out_say_so() {
    let place = Place::new();
    let data = place.data();
    let script = "CREATE TABLE t (a INT); INSERT INTO t VALUES (1); SET zxq.tiers = 'cold'; SELECT count(*) FROM t";
    let ran = run(&["sql", script, "--format", "csv", "--data", &data]);
    assert_eq!((ran.code, ran.out.lines().last()), (Some(0), Some("0")), "{}", ran.err);
    assert!(ran.err.starts_with("notice: "), "{}", ran.err);
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let place = Place::with_directory();
    let sql = "SELECT value FROM generate_series(1, 3000000)";
    let mut child = zxq(&["sql", sql, "--format", "csv", "--data", &place.data()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "value\n");
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
