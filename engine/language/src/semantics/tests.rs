//! Statements over no tables, in a context with the pass.
#![allow(clippy::unwrap_used)]

use arrow::array::Array;
use arrow::util::display::array_value_to_string;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::{EngineError, ErrorKind};

fn context() -> SessionContext {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    config.options_mut().sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_expr_planners(super::expr_planners())
        .with_analyzer_rules(super::analyzer::rules())
        .with_optimizer_rule(std::sync::Arc::new(super::guards::Guards))
        .with_optimizer_rule(std::sync::Arc::new(super::columns_first::ColumnsFirst))
        .with_optimizer_rule(std::sync::Arc::new(super::day_ranges::DayRanges))
        .with_type_planner(super::type_names::planner())
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    crate::functions::register(&context);
    context
}

/// The first value of the first row, as text.
async fn value(sql: &str) -> Result<String, ErrorKind> {
    let gathered = async { context().sql(sql).await?.collect().await }.await;
    let batches = gathered.map_err(|error| EngineError::from(error).kind())?;
    let batch = batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
    let column = batch.column(0);
    Ok(if column.is_null(0) { "NULL".to_owned() } else { array_value_to_string(column, 0).unwrap() })
}

async fn all_are(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        assert_eq!(value(&format!("SELECT {expression}")).await, Ok((*expected).to_owned()), "{expression}");
    }
}

async fn all_fail(kind: ErrorKind, expressions: &[&str]) {
    for expression in expressions {
        assert_eq!(value(&format!("SELECT {expression}")).await, Err(kind), "{expression}");
        let over_rows = format!("SELECT {expression} FROM (VALUES (1), (2)) AS t(x) WHERE x < 5");
        assert_eq!(value(&over_rows).await, Err(kind), "{over_rows}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_out_of_range() {
    all_fail(
        ErrorKind::NumericOutOfRange,
        &[
            "2147483647 + 1",
            "(-2147483648) - 1",
            "46341 * 46341",
            "9223372036854775807 + 1",
            "32767::smallint + 1::smallint",
            "-((-2147483648)::int)",
            "abs((-2147483648)::int)",
            "((-2147483648)::int) / (-1)",
            "300000::smallint",
            "3e9::int",
            "'3000000000'::int",
            "9.3e18::float8::bigint",
            "'1e308'::float8 * 10",
            "12345.6::numeric(4,1)",
            "99999999999999999999999999999999999999 + 1",
            "exp(1000)",
        ],
    )
    .await;
    all_fail(ErrorKind::DivisionByZero, &["1 / 0", "1.5 / 0", "1.5::float8 / 0", "1 % 0", "2.5 % 0.0"]).await;
    all_fail(
        ErrorKind::InvalidPower,
        &["sqrt(-1)", "power(0, -1)", "power(-1, 0.5)", "power(0::float8, -2.5::float8)"],
    )
    .await;
    all_fail(ErrorKind::InvalidLogarithm, &["ln(0)", "ln(-1)", "log(0)"]).await;
    all_fail(ErrorKind::InvalidText, &["'abc'::numeric", "'1.5'::int"]).await;
    all_fail(ErrorKind::FeatureNotSupported, &["'NaN'::float8::numeric(10,2)"]).await;
}

#[tokio::test]
async fn numbers_are_rounded_as_in_postgres() {
    all_are(&[
        ("'NaN'::numeric", "NaN"),
        ("'-Infinity'::numeric < 1.5", "true"),
        ("1.5 < 'NaN'::numeric", "true"),
        ("pg_typeof('NaN'::numeric)", "numeric"),
        ("2.7::int", "3"),
        ("2.5::float8::int", "2"),
        ("2.5::int", "3"),
        ("-2.5::int", "-3"),
        ("round(2.5::float8)", "2.0"),
        ("round(2.5)", "3"),
        ("round(-2.345, 2)", "-2.35"),
        ("1.005::float8::numeric(10,2)", "1.01"),
        ("0.000000000001::numeric", "0.000000000001"),
        ("1::numeric / 3", "0.33333333333333333333"),
        ("10::numeric / 4", "2.5000000000000000"),
        ("(-7)::numeric", "-7"),
        ("'0.000000000001'::numeric", "0.000000000001"),
        ("123456789.12::float", "123456789.12"),
        ("2.0 / 3", "0.66666666666666666667"),
        ("10 / 4.0", "2.5000000000000000"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("-7.5 % 2", "-1.5"),
        ("'abcdef'::varchar(3)", "abc"),
        ("9223372036854775808 + 1", "9223372036854775809"),
        ("'5' + 1", "6"),
        ("NULL + 1", "NULL"),
        ("CASE WHEN true THEN 1 ELSE 2.5 END + 1", "2.0"),
    ])
    .await;
}

#[tokio::test]
async fn sums_do_not_wrap_and_averages_keep_their_digits() {
    let over = |expression: &str, rows: &str| format!("SELECT {expression} FROM (VALUES {rows}) AS t(x)");
    let big = "(9223372036854775807), (9223372036854775807), (1)";
    assert_eq!(value(&over("sum(x)", big)).await.unwrap(), "18446744073709551615");
    assert_eq!(value(&over("avg(x)", "(1), (2)")).await.unwrap(), "1.50000000000000000000");
    assert_eq!(value(&over("avg(x)", "(1::bigint), (2)")).await.unwrap(), "1.5000000000000000000");
    assert_eq!(value(&over("avg(x)", "(1.00), (2.00), (2.00)")).await.unwrap(), "1.66666666666666670000");
    let wide = "(12345678901234567890123456780000000000.0), (12345678901234567890123456780000000000.0)";
    assert_eq!(
        value(&over("avg(x)", &wide.replace(".0", ""))).await.unwrap(),
        "12345678901234567890123456780000000000"
    );
    let most = "(99999999999999999999999999999999999999), (99999999999999999999999999999999999999)";
    assert_eq!(value(&over("sum(x)", most)).await, Err(ErrorKind::NumericOutOfRange));
    assert_eq!(value(&over("sum(x * x)", "(12345678901234567890.5)")).await, Err(ErrorKind::NumericOutOfRange));
    assert_eq!(value(&over("sum(x) FILTER (WHERE x > 5)", "(1), (2)")).await.unwrap(), "NULL");
    assert_eq!(value(&over("avg(DISTINCT x)", "(1), (1), (2)")).await.unwrap(), "1.5000000000000000");
}

#[tokio::test]
async fn both_zeros_are_one_number_and_nan_is_above_all() {
    let over = |what: &str, rows: &str| format!("SELECT {what} FROM (VALUES {rows}) AS t(x)");
    let zeros = "('-0'::float8), ('0'::float8), (1::float8)";
    let count = |condition: &str| over(&format!("count(*) FILTER (WHERE {condition})"), zeros);
    for (condition, expected) in [
        ("x = 0", "2"),
        ("x >= 0", "3"),
        ("x > 0", "1"),
        ("x < 0", "0"),
        ("x <= 0", "2"),
        ("x <> 0", "1"),
        ("0.0 = x", "2"),
        ("x IN (0, 5)", "2"),
        ("x BETWEEN 0 AND 0", "2"),
        ("x = x * -1", "2"),
    ] {
        assert_eq!(value(&count(condition)).await.unwrap(), expected, "{condition}");
    }
    let distinct = format!("SELECT count(*) FROM ({}) AS d", over("DISTINCT x", zeros));
    assert_eq!(value(&distinct).await.unwrap(), "2");
    assert_eq!(value(&over("count(DISTINCT x)", zeros)).await.unwrap(), "2");
    let groups = format!("SELECT count(*) FROM ({} GROUP BY x) AS g", over("x, count(*)", zeros));
    assert_eq!(value(&groups).await.unwrap(), "2");
    let join = "SELECT count(*) FROM (VALUES ('-0'::float8)) AS a(x) JOIN (VALUES ('0'::float8)) AS b(x) ON a.x = b.x";
    assert_eq!(value(join).await.unwrap(), "1");
    let nan = "('NaN'::float8), (3::float8), (5::float8)";
    let grouped = |what: &str| over(what, nan) + " GROUP BY 1 = 1";
    assert_eq!(value(&grouped("min(x)")).await.unwrap(), "3.0");
    assert_eq!(value(&grouped("max(x)")).await.unwrap(), "NaN");
}

#[tokio::test]
async fn windows_forget_what_left_them() {
    let over = "OVER (ORDER BY i ROWS 1 PRECEDING)";
    let rows = "(VALUES (1, 1e20::float8), (2, 'NaN'::float8), (3, 1::float8), (4, 1::float8)) AS t(i, x)";
    for function in ["sum(x)", "2 * avg(x)", "2 * vwap(x, 1::float8)"] {
        let sql = format!("SELECT v FROM (SELECT i, {function} {over} AS v FROM {rows}) AS w WHERE i = 4");
        assert_eq!(value(&sql).await.unwrap(), "2.0", "{function}");
    }
}

#[tokio::test]
async fn rows_that_a_condition_leaves_out_divide_nothing() {
    let sql = "SELECT count(*) FROM (VALUES (0), (2)) AS t(x) WHERE 4 / x = 2 AND x <> 0";
    assert_eq!(value(sql).await.unwrap(), "1");
}

#[tokio::test]
async fn constants_in_quotes_take_the_type_beside_them() {
    all_are(&[
        ("'5' + 1", "6"),
        ("10 / '4'", "2"),
        ("10.0 / '4'", "2.5000000000000000"),
        ("2.5 * '1.20'", "3.000"),
        ("'1e1' - 0.5::float8", "9.5"),
        ("40 = ' 40 '", "true"),
        ("1.5 < '1.50001'", "true"),
        ("true = 't'", "true"),
        ("'off' = (1 > 2)", "true"),
        ("(1 < 2) IN ('no', '0')", "false"),
        ("(1 < 2) NOT BETWEEN 'f' AND 'yes'", "false"),
        ("2 IN ('1', ' 2')", "true"),
        ("2 IN ('1.5', 2.5)", "false"),
        ("'a' = 'b'", "false"),
        ("'2' = '2.0'", "false"),
    ])
    .await;
    all_fail(
        ErrorKind::InvalidText,
        &["1 = 'one'", "1 = '1.5'", "1 = ''", "'x' + 1", "1.5 = 'x'", "true = 'perhaps'", "1 IN ('2', 'x')"],
    )
    .await;
    all_fail(ErrorKind::NumericOutOfRange, &["1 = '99999999999'", "1::smallint < '40000'"]).await;
}

#[tokio::test]
async fn filters_by_the_day_leave_the_order_of_times() {
    let rows = "(VALUES (TIMESTAMP '2024-01-02 10:00:00', 1), (TIMESTAMP '2024-01-02 09:00:00', 2), \
                (TIMESTAMP '2024-01-03 08:00:00', 3)) AS t(ts, x)";
    for (condition, first) in [
        ("ts::date = DATE '2024-01-02'", "2"),
        ("DATE '2024-01-02' = ts::date", "2"),
        ("ts::date <> DATE '2024-01-02'", "3"),
        ("ts::date < DATE '2024-01-03' AND ts::date > DATE '2024-01-01'", "2"),
        ("ts::date BETWEEN DATE '2024-01-02' AND DATE '2024-01-02'", "2"),
    ] {
        let sql = format!("SELECT x FROM {rows} WHERE {condition} ORDER BY ts");
        assert_eq!(value(&sql).await, Ok(first.to_owned()), "{condition}");
    }
}

#[tokio::test]
async fn frames_that_are_empty_between_others_leave_nothing_behind() {
    let rows = "(VALUES (1, 10), (2, 20), (10, 30), (11, 40), (20, 1), (21, 2)) AS t(x, v)";
    for (aggregate, frame, at, expected) in [
        ("sum(v)", "2 PRECEDING AND 1 PRECEDING", 2, "10"),
        ("sum(v)", "2 PRECEDING AND 1 PRECEDING", 10, "NULL"),
        ("sum(v)", "2 PRECEDING AND 1 PRECEDING", 11, "30"),
        ("sum(v)", "2 PRECEDING AND 1 PRECEDING", 21, "1"),
        ("count(*)", "2 PRECEDING AND 1 PRECEDING", 20, "0"),
        ("count(*)", "9 PRECEDING AND 8 PRECEDING", 20, "1"),
        ("count(*) FILTER (WHERE v > 35)", "9 PRECEDING AND 8 PRECEDING", 20, "1"),
        ("count(*) FILTER (WHERE v > 35)", "9 PRECEDING AND 8 PRECEDING", 21, "0"),
        ("max(v)", "1 FOLLOWING AND 2 FOLLOWING", 10, "40"),
        ("max(v)", "1 FOLLOWING AND 2 FOLLOWING", 11, "NULL"),
        ("avg(v::float8)", "1 FOLLOWING AND 2 FOLLOWING", 20, "2.0"),
        ("string_agg(v::text, '+')", "20 PRECEDING AND 9 PRECEDING", 20, "10+20+30+40"),
        ("string_agg(v::text, '+')", "9 PRECEDING AND 1 PRECEDING", 21, "1"),
    ] {
        let function = format!("{aggregate} OVER (ORDER BY x RANGE BETWEEN {frame})");
        let sql = format!("SELECT s FROM (SELECT x, {function} AS s FROM {rows}) AS w WHERE x = {at}");
        assert_eq!(value(&sql).await, Ok(expected.to_owned()), "{sql}");
    }
}

#[tokio::test]
async fn reals_are_compared_as_doubles() {
    all_are(&[
        ("0.1::real = 0.1", "false"),
        ("0.5::real = 0.5", "true"),
        ("16777216::real = 16777217", "false"),
        ("16777216::real = 16777216", "true"),
        ("0.3::real <= 0.3", "false"),
        ("0.1::real IN (0.5, 0.1)", "false"),
        ("0.5::real IN (0.5, 2)", "true"),
        ("0.1::real BETWEEN 0.1 AND 1", "true"),
        ("0.1::real IS DISTINCT FROM 0.1::float8", "true"),
    ])
    .await;
    let rows = "(VALUES (0.1::real, 1), (0.2::real, 1)) AS t(r, k)";
    for (sql, expected) in [
        (format!("SELECT sum(r) FROM {rows}"), "0.3"),
        (format!("SELECT sum(r) FROM {rows} GROUP BY k"), "0.3"),
        (format!("SELECT sum(r) OVER () FROM {rows}"), "0.3"),
        (format!("SELECT sum(DISTINCT r) FROM {rows}"), "0.3"),
        (format!("SELECT max(s) FROM (SELECT sum(r) OVER (ORDER BY r ROWS 1 PRECEDING) AS s FROM {rows}) AS w"), "0.3"),
        (format!("SELECT pg_typeof(sum(r)) FROM {rows}"), "real"),
        (format!("SELECT pg_typeof(avg(r)) FROM {rows}"), "double precision"),
        (format!("SELECT count(*) FROM {rows} WHERE r = 0.1"), "0"),
        (format!("SELECT count(*) FROM {rows} WHERE r < 0.15"), "1"),
    ] {
        assert_eq!(value(&sql).await, Ok(expected.to_owned()), "{sql}");
    }
}
