//! Rewritten forms, as text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::sql::parse;

fn rewritten(sql: &str) -> String {
    let mut statement = parse(sql).unwrap().remove(0).into_parsed();
    rewrite(&mut statement).unwrap();
    statement.to_string()
}

fn told_apart(sql: &str) -> String {
    let mut statement = parse(sql).unwrap().remove(0).into_parsed();
    tell_columns_apart(&mut statement).unwrap();
    statement.to_string()
}

#[test]
fn fetch_becomes_limit_and_keeps_the_offset() {
    assert_eq!(rewritten("SELECT a FROM t FETCH FIRST 3 ROWS ONLY"), "SELECT a FROM t LIMIT 3");
    assert_eq!(rewritten("SELECT a FROM t FETCH NEXT ROW ONLY"), "SELECT a FROM t LIMIT 1");
    assert_eq!(
        rewritten("SELECT a FROM (SELECT a FROM t OFFSET 2 ROWS FETCH FIRST 1 ROW ONLY) x"),
        "SELECT a FROM (SELECT a FROM t LIMIT 1 OFFSET 2 ROWS) x"
    );
    let mut ties = parse("SELECT a FROM t ORDER BY a FETCH FIRST 3 ROWS WITH TIES").unwrap().remove(0).into_parsed();
    assert_eq!(rewrite(&mut ties).unwrap_err().kind(), ErrorKind::FeatureNotSupported);
}

#[test]
fn intervals_with_a_time_of_day_become_their_parts() {
    let parts = "INTERVAL '1 months -2 days 5400000000000 nanoseconds'";
    assert_eq!(rewritten("SELECT INTERVAL '1 mon -2 days 01:30'"), format!("SELECT {parts}"));
    assert_eq!(rewritten("SELECT '1 mon -2 days 01:30'::INTERVAL"), format!("SELECT {parts}"));
    assert_eq!(rewritten("SELECT INTERVAL '3' DAY"), "SELECT INTERVAL '0 months 3 days 0 nanoseconds'");
    let no_interval = "SELECT INTERVAL 'soon'";
    assert_eq!(rewritten(no_interval), no_interval);
}

#[test]
fn at_time_zone_becomes_a_function() {
    assert_eq!(
        rewritten("SELECT ts AT TIME ZONE 'UTC' AT TIME ZONE INTERVAL '-05:00' FROM t"),
        "SELECT timezone(INTERVAL '0 months 0 days -18000000000000 nanoseconds', timezone('UTC', ts)) FROM t"
    );
}

#[test]
fn the_alias_of_a_series_names_its_column() {
    for (sql, named) in [
        ("SELECT n FROM generate_series(1, 3) AS n", "SELECT n FROM generate_series(1, 3) AS n (n)"),
        ("SELECT x FROM unnest(ARRAY[1]) AS x", "SELECT x FROM UNNEST(ARRAY[1]) AS x (x)"),
        ("SELECT * FROM unnest(ARRAY[1])", "SELECT * FROM UNNEST(ARRAY[1]) AS unnest (unnest)"),
    ] {
        assert_eq!(rewritten(sql), named);
    }
    for same in ["SELECT b FROM generate_series(1, 3) AS a (b)", "SELECT value FROM generate_series(1, 3)"] {
        assert_eq!(rewritten(same), same);
    }
}

#[test]
fn numbers_that_no_decimal_holds_become_doubles() {
    for (exponent, plain) in
        [("1e10", "10000000000."), ("0.1e3", "100."), ("1.5E5", "150000."), ("0e5", "0."), ("1.5e1", "15.")]
    {
        assert_eq!(rewritten(&format!("SELECT {exponent}")), format!("SELECT {plain}"));
    }
    for same in ["1", "1.5", "0.000001", "1e-38", "9999999999999999999999999999999999999.0e-1", "1.25e1"] {
        let sql = format!("SELECT {same}");
        assert_eq!(rewritten(&sql), sql);
    }
    for double in ["1e-39", "1e-300", "1.5e300", "1e39", "123456789012345678901234567890.123456789"] {
        assert_eq!(rewritten(&format!("SELECT {double}")), format!("SELECT CAST('{double}' AS DOUBLE)"));
    }
    assert_eq!(rewritten("EXPLAIN SELECT 1e-300"), "EXPLAIN SELECT CAST('1e-300' AS DOUBLE)");
}

#[test]
fn repeated_columns_are_told_apart_and_others_left_alone() {
    assert_eq!(told_apart("SELECT a, b, a FROM t"), r#"SELECT a, b, a AS "column 3" FROM t"#);
    assert_eq!(
        told_apart("SELECT (SELECT a FROM t), (SELECT 2)"),
        r#"SELECT (SELECT a FROM t) AS "column 1", (SELECT 2 AS "column 1") AS "column 2""#
    );
    assert_eq!(told_apart("SELECT *, a FROM t"), r#"SELECT *, a AS "column 2" FROM t"#);
    assert_eq!(
        told_apart("SELECT x.a FROM (SELECT b, b, a FROM t) x"),
        r#"SELECT x.a FROM (SELECT b, b AS "column 2", a FROM t) x"#
    );
}
