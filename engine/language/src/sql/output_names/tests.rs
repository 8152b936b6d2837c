//! Column names, as psql 15 shows them for the same statements.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::sql::parse;

fn names(sql: &str) -> Vec<String> {
    let statement = parse(sql).unwrap().remove(0).into_parsed();
    output_names(&statement).unwrap().into_iter().map(|n| n.unwrap_or_else(|| "*".to_owned())).collect()
}

#[test]
fn columns_are_called_as_postgres_calls_them() {
    let sql = "SELECT count(*), sum(a), a, t.b, \"C d\", a + 1, 1, 'x', CAST(a AS BIGINT), CAST(1 AS BIGINT), \
               DATE '2024-01-02', true, CASE WHEN a > 1 THEN 2 END, CASE WHEN a > 1 THEN 2 ELSE b END, \
               (SELECT max(a) FROM t), EXISTS (SELECT 1), extract(year FROM ts), (a), a AS z, -a, Upper(b) FROM t";
    let shown = [
        "count", "sum", "a", "b", "C d", "?column?", "?column?", "?column?", "a", "int8", "date", "?column?", "case",
        "b", "max", "exists", "extract", "a", "z", "?column?", "upper",
    ];
    assert_eq!(names(sql), shown);
    assert_eq!(names("SELECT 1 AS a UNION ALL SELECT 2"), ["a"]);
    assert_eq!(names("WITH x AS (SELECT 1) SELECT a, * FROM x"), ["a", "*"]);
    assert_eq!(
        names("SELECT 1::double precision, NULL::decimal(5,2), '1'::varchar(3)"),
        ["float8", "numeric", "varchar"]
    );
    assert_eq!(
        names("SELECT 1::int8::text, a::int8::text, '{1}'::int[], (a)[1], (a).b, ARRAY(SELECT 1), ROW(1, 2), (1, 2)"),
        ["text", "a", "int4", "a", "b", "array", "row", "row"]
    );
    assert_eq!(
        names(
            "SELECT trim(leading 'x' from b), trim(b), substr(b, 1), substring(b from 1), CASE WHEN a THEN 1 ELSE 2::int END"
        ),
        ["ltrim", "btrim", "substr", "substring", "case"]
    );
}

#[test]
fn a_wildcard_takes_what_is_left_over() {
    let lay = |names: &[Option<&str>], planned: &[&str]| {
        let names: Vec<Option<String>> = names.iter().map(|n| n.map(str::to_owned)).collect();
        lay_over(&names, planned)
    };
    let owned = |names: &[&str]| Some(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    assert_eq!(lay(&[Some("x"), None, Some("y")], &["a", "b", "c", "d"]), owned(&["x", "b", "c", "y"]));
    assert_eq!(lay(&[None], &["a", "b"]), owned(&["a", "b"]));
    assert_eq!(lay(&[None, Some("y")], &["d"]), owned(&["y"]));
    assert_eq!(lay(&[None, None], &["a", "b"]), None);
    assert_eq!(lay(&[Some("x")], &["a", "b"]), None);
}

#[test]
fn casts_declare_their_columns() {
    let of = |sql: &str| {
        let statement = crate::sql::parse(sql).unwrap().remove(0);
        output_declarations(statement.parsed())
    };
    let some = |texts: &[&str]| Some(texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>());
    assert_eq!(of("SELECT a::varchar(10), (b::varchar) AS c, d::text, e"), some(&["varchar(10)", "varchar", "", ""]));
    assert_eq!(of("SELECT t.*"), Some(vec![None]));
    assert_eq!(of("SELECT 1 UNION SELECT 2"), None);
}
