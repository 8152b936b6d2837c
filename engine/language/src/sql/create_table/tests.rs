#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use zxq_catalog::Granularity;

use super::*;
use crate::sql::parse;

pub(in crate::sql) fn table(sql: &str) -> Result<TableDef> {
    match parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))[0].ast() {
        Some(Ast::CreateTable(create)) => create_table(create),
        other => panic!("not a CREATE TABLE: {other:?}"),
    }
}

pub(in crate::sql) const TRADES: &str = "CREATE TABLE trades_data (
    timestamp TIMESTAMPTZ NOT NULL, instrument_id INTEGER NOT NULL, symbol VARCHAR(50) NOT NULL,
    price DECIMAL(20,8) NOT NULL CHECK (price <> 0), size BIGINT NOT NULL, side CHAR(1) DEFAULT 'N',
    notional DECIMAL(38,8) GENERATED ALWAYS AS (price * size) STORED, trade_date DATE NOT NULL,
    asset_class TEXT, created_at TIMESTAMPTZ DEFAULT now(),
    CONSTRAINT trades_size_check CHECK (size >= 0), CHECK (side IN ('A', 'B', 'N')),
    CHECK (price > 0 OR size = 0))";

#[test]
fn everything_a_definition_says_is_kept() {
    let def = table(TRADES).unwrap();
    assert_eq!((def.id, def.name.as_str(), def.columns.len()), (0, "trades_data", 10));
    let side = def.column("side").unwrap();
    assert_eq!((side.default.as_deref(), side.max_chars, side.nullable), (Some("'N'"), Some(1), true));
    assert_eq!(def.column("notional").unwrap().generated.as_deref(), Some("price * size"));
    assert!(!def.column("price").unwrap().nullable);
    let checks: Vec<(&str, &str)> = def.checks.iter().map(|c| (c.name.as_str(), c.expression.as_str())).collect();
    assert_eq!(
        checks,
        [
            ("trades_data_price_check", "price <> 0"),
            ("trades_size_check", "size >= 0"),
            ("trades_data_side_check", "side IN ('A', 'B', 'N')"),
            ("trades_data_check", "price > 0 OR size = 0"),
        ]
    );
}

#[test]
fn layout_defaults_suit_market_data() {
    let def = table(TRADES).unwrap();
    assert_eq!(def.time_column.as_deref(), Some("timestamp"));
    assert_eq!(def.partitioning.date_column.as_deref(), Some("trade_date"));
    assert_eq!(def.partitioning.class_column.as_deref(), Some("asset_class"));
    assert_eq!(def.partitioning.granularity, Granularity::Day);
    assert_eq!(def.sort_by, ["symbol", "timestamp"]);
    assert_eq!(def.lookup, ["symbol"]);

    let plain = table("CREATE TABLE t (a INT, created_at TIMESTAMP DEFAULT now())").unwrap();
    assert_eq!((plain.time_column, plain.sort_by.len(), plain.lookup.len()), (None, 0, 0));
    let first = table("CREATE TABLE t (a TIMESTAMP, b TIMESTAMP NOT NULL, trade_date DATE)").unwrap();
    assert_eq!(first.time_column.as_deref(), Some("b"));
    assert_eq!(first.partitioning, zxq_catalog::Partitioning::none());
}

#[test]
fn options_change_the_layout() {
    let def = table(
        "CREATE TABLE bars (d DATE, class TEXT, \"Sym\" TEXT, ts TIMESTAMP, n INT) WITH (time_column = ts,
         partition_by = 'd, class', granularity = 'month', sort_by = ('Sym', ts), lookup = 'sym,n',
         hot_to_warm_age = '7 days', warm_to_cold_age = 3600, retention = 'never', cold_format = 'Delta',
         cold_compression = 'zstd')",
    )
    .unwrap();
    assert_eq!(def.partitioning.granularity, Granularity::Month);
    assert_eq!(def.partitioning.date_column.as_deref(), Some("d"));
    assert_eq!(def.partitioning.class_column.as_deref(), Some("class"));
    assert_eq!(def.sort_by, ["Sym", "ts"]);
    assert_eq!(def.lookup, ["Sym", "n"]);
    let options: Vec<(&str, &str)> = def.options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        options,
        [
            ("cold_compression", "zstd(3)"),
            ("cold_format", "delta"),
            ("hot_to_warm_age", "604800"),
            ("retention", "never"),
            ("warm_to_cold_age", "3600"),
        ]
    );
    let none = table("CREATE TABLE t (symbol TEXT, ts TIMESTAMP) WITH (sort_by = '', lookup = 'none')").unwrap();
    assert!(none.sort_by.is_empty() && none.lookup.is_empty());
}

#[test]
fn definitions_that_cannot_be_right_are_refused_with_advice() {
    use ErrorKind as K;
    for (sql, kind, part) in [
        ("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)", K::InvalidDefinition, "multiple primary keys"),
        ("CREATE TABLE t (a INT, UNIQUE (b))", K::UndefinedColumn, "column \"b\""),
        ("CREATE TABLE t (a INT REFERENCES u (a))", K::FeatureNotSupported, "references"),
        ("CREATE TABLE t (a TEXT GENERATED ALWAYS AS IDENTITY)", K::InvalidParameter, "identity column type"),
        ("CREATE TABLE t (a SERIAL DEFAULT 1)", K::Syntax, "both default and identity"),
        ("CREATE TABLE t (LIKE u)", K::FeatureNotSupported, "LIKE"),
        ("CREATE TABLE t (a DATE) PARTITION BY RANGE (a)", K::FeatureNotSupported, "partition_by"),
        ("CREATE TABLE t (a INT, A INT)", K::DuplicateColumn, "more than once"),
        ("CREATE TABLE t (a NUMERIC)", K::InvalidDefinition, "column \"a\""),
        ("CREATE TABLE hot.t (a INT)", K::InvalidDefinition, "schema public"),
        ("CREATE TABLE t (a INT NULL NOT NULL)", K::InvalidDefinition, "both"),
        ("CREATE TABLE t (a INT) WITH (colour = 70)", K::InvalidParameter, "the options are chunk_time_interval"),
        ("CREATE TABLE t (a INT) WITH (sort_by = 'b')", K::UndefinedColumn, "column \"b\""),
        ("CREATE TABLE t (a INT) WITH (time_column = 'a')", K::InvalidParameter, "TIMESTAMP"),
        ("CREATE TABLE t (a INT) WITH (partition_by = 'a')", K::InvalidParameter, "DATE column"),
        ("CREATE TABLE t (a DATE, b DATE) WITH (partition_by = 'a, b')", K::InvalidParameter, "of one kind"),
        ("CREATE TABLE t (a TEXT) WITH (granularity = 'day')", K::InvalidParameter, "partition_by"),
        ("CREATE TABLE t (a TEXT) WITH (cold_format = 'hudi')", K::InvalidParameter, "'delta' or 'iceberg'"),
        ("CREATE TABLE t (a TEXT) WITH (retention = 'a while')", K::InvalidParameter, "7 days"),
        ("CREATE TABLE t (a TEXT) WITH (retention = '10 days')", K::InvalidParameter, "partition_by"),
        ("CREATE TABLE t (a TEXT) WITH (retention = 0)", K::InvalidParameter, "delete every row"),
        ("CREATE TABLE t (a DOUBLE PRECISION) WITH (lookup = a)", K::InvalidParameter, "lookup"),
        (
            "CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 0), CONSTRAINT c CHECK (a < 9))",
            K::InvalidDefinition,
            "constraint \"c\"",
        ),
    ] {
        let error = table(sql).expect_err(sql);
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        assert!(error.to_string().contains(part), "{sql}: {error}");
    }
}

#[test]
fn create_table_as_takes_the_querys_columns() {
    let statements = parse("CREATE TABLE t WITH (lookup = 'k') AS SELECT 1").unwrap();
    let Some(Ast::CreateTable(create)) = statements[0].ast() else { panic!("not a CREATE TABLE") };
    let schema = Schema::new(vec![
        arrow::datatypes::Field::new("k", DataType::Utf8, true),
        arrow::datatypes::Field::new("v", DataType::UInt32, false),
    ]);
    let def = create_table_as(create, &schema).unwrap();
    assert_eq!(def.lookup, ["k"]);
    assert_eq!(def.columns[0].data_type, DataType::Utf8View);
    assert_eq!((def.columns[1].data_type.clone(), def.columns[1].nullable), (DataType::Int64, true));
}

#[test]
fn keys_are_recorded_under_the_names_that_postgres_gives() {
    let def =
        table("CREATE TABLE t (a INT PRIMARY KEY, b INT UNIQUE, c INT, CONSTRAINT mine UNIQUE (b, c), UNIQUE (c))")
            .unwrap();
    let keys: Vec<_> = def.keys().into_iter().map(|key| (key.name, key.columns.join(" "))).collect();
    let expected = [("mine", "b c"), ("t_b_key", "b"), ("t_c_key", "c"), ("t_pkey", "a")];
    assert_eq!(keys, expected.map(|(name, columns)| (name.to_owned(), columns.to_owned())));
    assert!(!def.columns[0].nullable && def.columns[1].nullable);
}

#[test]
fn numbered_columns_have_the_defaults_that_clients_look_for() {
    let def = table("CREATE TABLE t (a SERIAL, b BIGINT GENERATED BY DEFAULT AS IDENTITY, c SMALLSERIAL)").unwrap();
    let columns: Vec<_> =
        def.columns.iter().map(|c| (c.sql_type.as_str(), c.nullable, c.default.as_deref().unwrap())).collect();
    assert_eq!(
        columns,
        [
            ("INTEGER", false, "nextval('t_a_seq'::regclass)"),
            ("BIGINT", false, "nextval('t_b_seq'::regclass)"),
            ("SMALLINT", false, "nextval('t_c_seq'::regclass)"),
        ]
    );
}
