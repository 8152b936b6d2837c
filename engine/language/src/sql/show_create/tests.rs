#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::sql::create_table::tests::{TRADES, table};

#[test]
fn shown_statements_make_equal_tables() {
    for sql in [
        TRADES,
        "CREATE TABLE t (a INT)",
        "CREATE TABLE t (symbol TEXT, ts TIMESTAMP) WITH (sort_by = '', lookup = '', time_column = '')",
        "CREATE TABLE numbered (id BIGSERIAL PRIMARY KEY, \"Other\" INT GENERATED ALWAYS AS IDENTITY, name TEXT UNIQUE)",
        "CREATE TABLE \"Odd \"\"name\" (\"order\" INT DEFAULT -1, \"Mixed\" TEXT DEFAULT 'it''s', d DATE)
         WITH (partition_by = d, granularity = year, retention = '2 years', cold_compression = 'gzip(9)')",
    ] {
        let def = table(sql).unwrap();
        let shown = show_create_table(&def, None);
        let again = table(&shown).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(again, def, "{shown}");
        assert_eq!(show_create_table(&again, None), shown);
    }
}

#[test]
fn shown_statements_read_well() {
    let def = table("create table t (ts timestamptz not null, v float8) with (hot_to_warm_age = 604800)").unwrap();
    assert_eq!(
        show_create_table(&def, None),
        "CREATE TABLE t (\n    ts TIMESTAMPTZ NOT NULL,\n    v DOUBLE PRECISION\n) WITH (\n    time_column = 'ts',\n    \
         sort_by = 'ts',\n    hot_to_warm_age = '7 days'\n)"
    );
}

#[test]
fn names_in_a_schema_are_two_names() {
    let mut def = table("CREATE TABLE t (a INT)").unwrap();
    def.name = "mine.Odd".to_owned();
    assert!(show_create_table(&def, Some("mine")).starts_with("CREATE TABLE mine.\"Odd\" ("));
    assert!(show_create_table(&def, None).starts_with("CREATE TABLE \"mine.Odd\" ("));
}
