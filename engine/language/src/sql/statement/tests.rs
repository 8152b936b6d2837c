#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::error::ErrorKind;
use crate::sql::explain_options::ExplainFormat;

fn kind(sql: &str) -> StatementKind {
    let statements = parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert_eq!(statements.len(), 1, "{sql}");
    statements[0].kind()
}

fn error(sql: &str) -> String {
    let error = parse(sql).expect_err(sql);
    assert_eq!(error.kind(), ErrorKind::Syntax);
    error.to_string()
}

#[test]
fn each_statement_has_its_own_text() {
    let sql = "-- first\nSELECT 'a;b' AS \"x;y\";;\n  /* c */ INSERT INTO t VALUES (1, 'é;');\nSHOW ALL ; -- done";
    let statements = parse(sql).unwrap();
    let texts: Vec<&str> = statements.iter().map(Statement::text).collect();
    assert_eq!(texts, ["SELECT 'a;b' AS \"x;y\"", "INSERT INTO t VALUES (1, 'é;')", "SHOW ALL"]);
    assert!(parse(" ; -- nothing\n;").unwrap().is_empty());
}

#[test]
fn text_inside_a_statement_is_kept_as_written() {
    let statements = parse("SELECT 1; SELECT /* two */\n  $$a;b$$ ,\t'ü'; select 3").unwrap();
    assert_eq!(statements[1].text(), "SELECT /* two */\n  $$a;b$$ ,\t'ü'");
    assert_eq!(statements[2].text(), "select 3");
}

#[test]
fn statements_are_classified() {
    use StatementKind as K;
    for (sql, expected) in [
        ("SELECT 1", K::Query),
        ("WITH a AS (SELECT 1) SELECT * FROM a", K::Query),
        ("VALUES (1), (2)", K::Query),
        ("SELECT first(price, ts), last(price, ts) FILTER (WHERE size > 0) FROM t", K::Query),
        ("EXPLAIN SELECT 1", K::Explain),
        ("EXPLAIN ANALYZE VERBOSE SELECT 1", K::Explain),
        ("EXPLAIN (ANALYZE, BUFFERS, COSTS off) SELECT 1", K::Explain),
        ("EXPLAIN (SELECT 1)", K::Explain),
        ("INSERT INTO t (a) VALUES (1)", K::Insert),
        ("INSERT INTO t SELECT * FROM u", K::Insert),
        ("CREATE TABLE t (a INT)", K::CreateTable),
        ("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a", K::CreateTable),
        ("DROP TABLE IF EXISTS t", K::DropTable),
        ("ALTER TABLE t ADD COLUMN b TEXT", K::AlterTable),
        ("CREATE VIEW v AS SELECT 1", K::CreateView),
        ("DROP VIEW v", K::DropView),
        ("CALL zxq.migrate('prices', 'warm', dry_run => true)", K::Call),
        ("CALL zxq.maintain()", K::Call),
        ("SET zxq.tiers = 'hot,warm'", K::Set),
        ("SET TIME ZONE 'UTC'", K::Set),
        ("SET extra_float_digits TO 3", K::Set),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", K::Other),
        ("RESET zxq.tiers", K::Reset),
        ("RESET ALL", K::Reset),
        ("SHOW zxq.tiers", K::Show),
        ("SHOW TRANSACTION ISOLATION LEVEL", K::Show),
        ("SHOW TABLES", K::Show),
        ("SHOW CREATE TABLE t", K::Show),
        ("DESCRIBE t", K::Describe),
        ("BEGIN", K::Other),
        ("START TRANSACTION READ ONLY", K::Other),
        ("COMMIT", K::Other),
        ("END", K::Other),
        ("ROLLBACK", K::Other),
        ("ABORT", K::Other),
        ("SAVEPOINT a", K::Other),
        ("RELEASE SAVEPOINT a", K::Other),
        ("COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER)", K::Other),
        ("COPY t FROM STDIN", K::Other),
        ("COPY (SELECT 1) TO STDOUT", K::Other),
        ("COPY t TO 'x.parquet' STORED AS PARQUET", K::Other),
        ("COPY t TO 'x.csv' WITH (FORMAT csv)", K::Other),
        ("DELETE FROM t WHERE a = 1", K::Delete),
        ("UPDATE t SET a = 1", K::Update),
        ("TRUNCATE t", K::Truncate),
        ("PREPARE p AS SELECT $1", K::Other),
        ("EXECUTE p(1)", K::Other),
        ("DEALLOCATE ALL", K::Other),
        ("DISCARD ALL", K::Other),
        ("CREATE INDEX i ON t (a)", K::Other),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x.csv'", K::CreateExternalTable),
        ("LISTEN c", K::Other),
        ("UNLISTEN *", K::Other),
        ("CREATE SCHEMA s", K::Other),
    ] {
        assert_eq!(kind(sql), expected, "{sql}");
    }
}

#[test]
fn explain_options_reach_datafusion() {
    let statements = parse("EXPLAIN (ANALYZE true, VERBOSE) SELECT 1; EXPLAIN (ANALYZE false) SELECT 1").unwrap();
    assert!(matches!(statements[0].parsed(), DfStatement::Explain(e) if e.analyze && e.verbose));
    assert!(matches!(statements[1].parsed(), DfStatement::Explain(e) if !e.analyze));
    let json = parse("EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) SELECT 1; EXPLAIN (FORMAT 'text') SELECT 1").unwrap();
    let format = |at: usize| match json[at].parsed() {
        DfStatement::Explain(explain) => explain.format.clone(),
        _ => None,
    };
    assert_eq!((format(0).as_deref(), format(1)), (Some("json"), None));
    let costs = |sql: &str| match parse(sql).unwrap()[0].parsed() {
        DfStatement::Explain(explain) => ExplainFormat::of(explain.format.as_deref()).map(|format| format.costs),
        _ => None,
    };
    assert_eq!(costs("EXPLAIN SELECT 1"), Some(true));
    assert_eq!(costs("EXPLAIN (COSTS off) SELECT 1"), Some(false));
    assert_eq!(costs("EXPLAIN (ANALYZE, COSTS off, FORMAT json) SELECT 1"), Some(false));
    assert_eq!(costs("EXPLAIN FORMAT TREE SELECT 1"), None);
    for (sql, kind) in [
        ("EXPLAIN (FORMAT yaml) SELECT 1", ErrorKind::FeatureNotSupported),
        ("EXPLAIN (FORMAT tabs) SELECT 1", ErrorKind::InvalidParameter),
        ("EXPLAIN (TIMING) SELECT 1", ErrorKind::InvalidParameter),
    ] {
        assert_eq!(parse(sql).unwrap_err().kind(), kind, "{sql}");
    }
    assert!(error("EXPLAIN (COSTS perhaps) SELECT 1").contains("on or off"));
}

#[test]
fn copy_from_stdin_takes_no_data_from_the_text() {
    let statements = parse("COPY t FROM STDIN; SELECT 1").unwrap();
    assert_eq!(statements.len(), 2);
    assert!(matches!(statements[0].ast(), Some(Ast::Copy { values, .. }) if values.is_empty()));
}

#[test]
fn syntax_errors_say_where_and_what() {
    assert_eq!(
        error("SELECT 1;\nSELEC 2"),
        "syntax error at or near \"SELEC\": expected an SQL statement (line 2, column 1)"
    );
    let doubled = error("SELECT a FROM t WHERE a = = 1");
    assert!(doubled.contains("at or near \"=\":") && doubled.ends_with("(line 1, column 27)"), "{doubled}");
    let stray = error("SELECT 1 FROM t t2 t3");
    assert!(stray.contains("at or near \"t3\":") && stray.ends_with("(line 1, column 20)"), "{stray}");
    assert!(error("SELECT (1").starts_with("syntax error at end of input"));
    assert!(error("SELECT 'abc").contains("line 1, column 8"));
    assert!(error("EXPLAIN SELECT 1 FROM").contains("end of input"));
}

#[test]
fn deep_nesting_is_an_error_and_long_chains_are_not() {
    const TOO_MANY_BRACKETS: &str = "the statement is too complex: too many brackets within brackets";
    let deep = format!("SELECT {}1{}", "(".repeat(2_000), ")".repeat(2_000));
    let error = parse(&deep).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::LimitExceeded, TOO_MANY_BRACKETS));
    let long = format!("SELECT * FROM t WHERE {}", vec!["a = 1"; 5_000].join(" OR "));
    assert_eq!(kind(&long), StatementKind::Query);
}

#[test]
fn reserved_words_are_no_tables() {
    for sql in ["SELECT FROM WHERE", "SELECT 1 FROM ORDER BY 1", "SELECT 1 FROM FROM t"] {
        assert_eq!(parse(sql).unwrap_err().kind(), ErrorKind::Syntax, "{sql}");
    }
    assert!(parse("SELECT 1 FROM \"where\" WHERE true").is_ok());
}
