#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{
    AsArray, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray, StringViewArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use datafusion::execution::context::SessionContext;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use zxq_language::sql::{create_table, parse};

use super::*;

/// 2024-01-02 12:00:00 UTC.
const NOON: i64 = 1_704_196_800_000_000;

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now_us(&self) -> i64 {
        NOON
    }
}

fn compile_table(sql: &str) -> Result<RowChecker> {
    let def = match parse(sql).unwrap()[0].ast() {
        Some(Ast::CreateTable(create)) => create_table(create).unwrap(),
        other => panic!("not a CREATE TABLE: {other:?}"),
    };
    RowChecker::new(Arc::new(def), &SessionContext::new().state(), Arc::new(FixedClock))
}

fn checker(sql: &str) -> RowChecker {
    compile_table(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

fn quotes() -> RowChecker {
    checker(
        "CREATE TABLE quotes (ts TIMESTAMPTZ NOT NULL, symbol VARCHAR(6) NOT NULL, bid DECIMAL(20,8), ask DECIMAL(20,8),
         spread DECIMAL(20,8) GENERATED ALWAYS AS (ask - bid) STORED, venue TEXT NOT NULL DEFAULT 'X', note TEXT,
         created_at TIMESTAMPTZ DEFAULT now(),
         CONSTRAINT positive CHECK (bid > 0 AND ask > 0), CONSTRAINT uncrossed CHECK (ask >= bid))",
    )
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true))).unwrap()
}

fn rows(
    ts: Vec<Option<i64>>,
    symbols: Vec<Option<&str>>,
    bids: Vec<Option<f64>>,
    asks: Vec<Option<f64>>,
) -> RecordBatch {
    batch(vec![
        ("symbol", Arc::new(StringArray::from(symbols))),
        ("ask", Arc::new(Float64Array::from(asks))),
        ("bid", Arc::new(Float64Array::from(bids))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("+00:00"))),
    ])
}

#[test]
fn rows_get_the_tables_schema_defaults_and_generated_values() {
    let checker = quotes();
    let input =
        rows(vec![Some(1), Some(2)], vec![Some("A"), Some("B")], vec![Some(1.5), None], vec![Some(2.25), Some(3.0)]);
    let rows = checker.check(&input, 1).unwrap();
    assert_eq!(rows.schema(), checker.table().schema());
    let spread = rows.column_by_name("spread").unwrap().as_primitive::<Decimal128Type>();
    assert_eq!((spread.value(0), spread.is_null(1)), (75_000_000, true));
    assert_eq!(rows.column_by_name("venue").unwrap().as_string_view().value(1), "X");
    assert_eq!(rows.column_by_name("note").unwrap().null_count(), 2);
    let created = rows.column_by_name("created_at").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!((created.value(0), created.value(1)), (NOON, NOON));
}

#[test]
fn columns_of_the_right_type_are_not_copied() {
    let checker = checker("CREATE TABLE t (a BIGINT NOT NULL CHECK (a > 0), b TEXT)");
    let a: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let b: ArrayRef = Arc::new(StringViewArray::from(vec!["x", "y"]));
    let checked = checker.check(&batch(vec![("b", Arc::clone(&b)), ("a", Arc::clone(&a))]), 1).unwrap();
    assert!(Arc::ptr_eq(checked.column(0), &a) && Arc::ptr_eq(checked.column(1), &b));
}

#[test]
fn the_first_bad_row_is_named() {
    use ErrorKind as K;
    let checker = quotes();
    let good = (Some(1), Some("A"), Some(1.0), Some(2.0));
    for (bad, kind, message) in [
        (
            (None, Some("A"), Some(1.0), Some(2.0)),
            K::NotNullViolation,
            "null value in column \"ts\" of relation \"quotes\" violates not-null constraint (row 12)",
        ),
        (
            (Some(1), Some("TOOLONG"), Some(1.0), Some(2.0)),
            K::StringTooLong,
            "value too long for type VARCHAR(6): column \"symbol\", value \"TOOLONG\" (row 12)",
        ),
        (
            (Some(1), Some("A"), Some(3.0), Some(2.0)),
            K::CheckViolation,
            "new row for relation \"quotes\" violates check constraint \"uncrossed\": CHECK (ask >= bid), bid = 3.0, \
             ask = 2.0 (row 12)",
        ),
        (
            (Some(1), Some("A"), Some(1e15), Some(2.0)),
            K::NumericOutOfRange,
            "numeric field overflow: column \"bid\" DECIMAL(20,8) cannot hold 1000000000000000.0 (row 12)",
        ),
    ] {
        let (ts, symbols): (Vec<_>, Vec<_>) = [good, good, bad, bad].iter().map(|r| (r.0, r.1)).unzip();
        let (bids, asks): (Vec<_>, Vec<_>) = [good, good, bad, bad].iter().map(|r| (r.2, r.3)).unzip();
        let error = checker.check(&rows(ts, symbols, bids, asks), 10).expect_err(message);
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    }
}

#[test]
fn the_first_bad_row_wins_whatever_is_wrong_with_it() {
    let checker = checker("CREATE TABLE t (a INT, b INT NOT NULL CHECK (b > 0))");
    let input = batch(vec![
        ("a", Arc::new(StringArray::from(vec!["1", "2", "x"])) as ArrayRef),
        ("b", Arc::new(Int32Array::from(vec![Some(1), Some(-1), None]))),
    ]);
    let error = checker.check(&input, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CheckViolation);
    assert!(error.to_string().ends_with("(row 2)"), "{error}");
}

#[test]
fn quarantine_keeps_the_good_rows_and_says_what_is_wrong_with_the_others() {
    let checker = quotes();
    let input = rows(
        vec![Some(1), None, Some(3), Some(4), Some(5)],
        vec![Some("A"), Some("B"), Some("C"), Some("TOOLONG"), Some("E")],
        vec![Some(1.0), Some(1.0), Some(9.0), Some(1.0), None],
        vec![Some(2.0), Some(2.0), Some(2.0), Some(2.0), Some(2.0)],
    );
    let checked = checker.quarantine(&input, &|row| 100 + row as u64).unwrap();
    let kept: Vec<&str> = checked.rows.column_by_name("symbol").unwrap().as_string_view().iter().flatten().collect();
    assert_eq!(kept, ["A", "E"]);
    let numbers: Vec<u64> = checked.rejected.iter().map(|r| r.row_number).collect();
    assert_eq!(numbers, [101, 102, 103]);
    assert!(checked.rejected[0].reason.contains("not-null"), "{:?}", checked.rejected[0]);
    assert!(checked.rejected[1].reason.contains("uncrossed"), "{:?}", checked.rejected[1]);
    assert!(checked.rejected[2].reason.contains("too long"), "{:?}", checked.rejected[2]);
    assert_eq!(checked.rejected[0].row, r#"{"symbol":"B","ask":2.0,"bid":1.0,"ts":null}"#);

    let rejects = crate::constraints::rejects_batch(&checked.rejected, "quotes.csv", NOON).unwrap();
    let def = crate::constraints::rejects_table_def(checker.table());
    let into = RowChecker::new(Arc::new(def), &SessionContext::new().state(), Arc::new(FixedClock)).unwrap();
    assert_eq!(into.check(&rejects, 1).unwrap().num_rows(), 3);
    assert_eq!(into.table().name, "quotes_rejects");
}

#[test]
fn null_passes_a_check_and_an_empty_batch_passes_everything() {
    let checker = quotes();
    let input = rows(vec![Some(1)], vec![Some("A")], vec![None], vec![None]);
    assert_eq!(checker.check(&input, 1).unwrap().num_rows(), 1);
    assert_eq!(checker.check(&input.slice(0, 0), 1).unwrap().num_rows(), 0);
}

#[test]
fn an_expression_that_fails_is_blamed_on_its_row() {
    let checker = checker("CREATE TABLE t (a BIGINT, b BIGINT, CONSTRAINT ratio CHECK (a / b > 1))");
    let input = batch(vec![
        ("a", Arc::new(Int64Array::from(vec![4, 4, 4, 4])) as ArrayRef),
        ("b", Arc::new(Int64Array::from(vec![2, 0, 2, 9]))),
    ]);
    let error = checker.check(&input, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DivisionByZero);
    assert!(error.to_string().contains("constraint \"ratio\"") && error.to_string().ends_with("(row 2)"), "{error}");
    let checked = checker.quarantine(&input, &|row| row as u64).unwrap();
    assert_eq!((checked.rows.num_rows(), checked.rejected.len()), (2, 2));
}

#[test]
fn a_missing_partition_date_is_the_utc_date_of_the_time() {
    let checker = checker("CREATE TABLE t (ts TIMESTAMPTZ, trade_date DATE NOT NULL, asset_class TEXT)");
    let ts: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![NOON, NOON]));
    let checked = checker.check(&batch(vec![("ts", Arc::clone(&ts))]), 1).unwrap();
    assert_eq!(checked.column(1).as_primitive::<Date32Type>().values().as_ref(), [19_724, 19_724]);
    let dates: ArrayRef = Arc::new(StringArray::from(vec![Some("2024-01-05"), None]));
    // A NULL that is given is one.
    let error = checker.check(&batch(vec![("ts", Arc::clone(&ts)), ("trade_date", dates)]), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotNullViolation);
    let left_out: ArrayRef = Arc::new(arrow::array::NullArray::new(2));
    let checked = checker.check(&batch(vec![("ts", ts), ("trade_date", left_out)]), 1).unwrap();
    assert_eq!(checked.column(1).as_primitive::<Date32Type>().values().as_ref(), [19_724, 19_724]);
}

#[test]
fn nanoseconds_are_kept_beside_the_time_where_the_table_has_a_place_for_them() {
    let checker = checker("CREATE TABLE t (ts TIMESTAMPTZ, ts_ns BIGINT NOT NULL)");
    let ts: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_234_567]));
    let checked = checker.check(&batch(vec![("ts", ts)]), 1).unwrap();
    assert_eq!(checked.column(0).as_primitive::<TimestampMicrosecondType>().value(0), 1_234);
    assert_eq!(checked.column(1).as_primitive::<Int64Type>().value(0), 1_234_567);
}

#[test]
fn supplied_values_of_generated_columns_are_computed_anew() {
    let checker = quotes();
    let mut columns = vec![("spread", Arc::new(Decimal128Array::from(vec![7])) as ArrayRef)];
    let input = rows(vec![Some(1)], vec![Some("A")], vec![Some(1.0)], vec![Some(2.0)]);
    let schema = input.schema();
    columns.extend(schema.fields().iter().zip(input.columns()).map(|(f, c)| (f.name().as_str(), Arc::clone(c))));
    let checked = checker.check(&batch(columns), 1).unwrap();
    assert_eq!(checked.column_by_name("spread").unwrap().as_primitive::<Decimal128Type>().value(0), 100_000_000);
    let error = checker.check_insert_columns(&["ts", "spread"]).unwrap_err();
    assert!(error.to_string().contains("column \"spread\""), "{error}");
    assert_eq!(checker.check_insert_columns(&["nope"]).unwrap_err().kind(), ErrorKind::UndefinedColumn);
}

#[test]
fn unknown_columns_are_refused() {
    let error = quotes().check(&batch(vec![("price", Arc::new(Int64Array::from(vec![1])))]), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedColumn);
    assert!(error.to_string().contains("its columns are ts, symbol"), "{error}");
}

#[test]
fn defaults_reach_insert_planning() {
    let checker = quotes();
    let names: Vec<String> = checker.default_exprs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["venue", "created_at"]);
}

#[test]
fn expressions_that_make_no_sense_stop_the_table() {
    use ErrorKind as K;
    for (sql, kind, part) in [
        ("CREATE TABLE t (a INT, CONSTRAINT c CHECK (b > 1))", K::UndefinedColumn, "constraint \"c\""),
        ("CREATE TABLE t (a INT, CONSTRAINT c CHECK (a + 1))", K::DatatypeMismatch, "true or false"),
        ("CREATE TABLE t (a INT, CONSTRAINT c CHECK (sum(a) > 1))", K::InvalidDefinition, "no aggregates"),
        ("CREATE TABLE t (a TIMESTAMP, CONSTRAINT c CHECK (a < now()))", K::InvalidDefinition, "not now()"),
        ("CREATE TABLE t (a INT DEFAULT 'x')", K::InvalidText, "DEFAULT of column \"a\""),
        ("CREATE TABLE t (a INT DEFAULT 99999999999)", K::NumericOutOfRange, "INTEGER"),
        ("CREATE TABLE t (a INT, b INT DEFAULT a)", K::UndefinedColumn, "DEFAULT of column \"b\""),
        ("CREATE TABLE t (a INT, b DATE GENERATED ALWAYS AS (a + 1) STORED)", K::DatatypeMismatch, "\"b\""),
        (
            "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a) STORED, c INT GENERATED ALWAYS AS (b) STORED)",
            K::InvalidDefinition,
            "repeat",
        ),
    ] {
        let error = compile_table(sql).err().unwrap_or_else(|| panic!("{sql} compiled"));
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        assert!(error.to_string().contains(part), "{sql}: {error}");
    }
}
