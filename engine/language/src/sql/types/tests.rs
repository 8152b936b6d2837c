#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::sql::statement::DIALECT;
use datafusion::sql::sqlparser::parser::Parser;

fn read(sql: &str) -> Result<ColumnType> {
    column_type(&Parser::new(&DIALECT).try_with_sql(sql).unwrap().parse_data_type().unwrap())
}

#[test]
fn sql_types_become_canonical_types() {
    for (sql, data_type, name) in [
        ("SMALLINT", DataType::Int16, "SMALLINT"),
        ("INT2", DataType::Int16, "SMALLINT"),
        ("INT", DataType::Int32, "INTEGER"),
        ("int4", DataType::Int32, "INTEGER"),
        ("INT8", DataType::Int64, "BIGINT"),
        ("REAL", DataType::Float32, "REAL"),
        ("FLOAT(24)", DataType::Float32, "REAL"),
        ("FLOAT", DataType::Float64, "DOUBLE PRECISION"),
        ("FLOAT8", DataType::Float64, "DOUBLE PRECISION"),
        ("DOUBLE PRECISION", DataType::Float64, "DOUBLE PRECISION"),
        ("BOOL", DataType::Boolean, "BOOLEAN"),
        ("DATE", DataType::Date32, "DATE"),
        ("TIMESTAMP", timestamp(), "TIMESTAMP"),
        ("TIMESTAMP WITHOUT TIME ZONE", timestamp(), "TIMESTAMP"),
        ("TIMESTAMPTZ", timestamptz(), "TIMESTAMPTZ"),
        ("TIMESTAMP(6) WITH TIME ZONE", timestamptz(), "TIMESTAMPTZ"),
        ("TEXT", DataType::Utf8View, "TEXT"),
        ("VARCHAR", DataType::Utf8View, "VARCHAR"),
        ("VARCHAR(50)", DataType::Utf8View, "VARCHAR(50)"),
        ("CHARACTER VARYING(5)", DataType::Utf8View, "VARCHAR(5)"),
        ("CHAR", DataType::Utf8View, "CHAR(1)"),
        ("DECIMAL(20,8)", DataType::Decimal128(20, 8), "DECIMAL(20,8)"),
        ("NUMERIC(10)", DataType::Decimal128(10, 0), "DECIMAL(10,0)"),
        ("UUID", DataType::Utf8View, "UUID"),
        ("JSONB", DataType::Utf8View, "JSONB"),
        ("BYTEA", DataType::BinaryView, "BYTEA"),
        ("TIME", DataType::Int64, "TIME"),
        ("INTERVAL", DataType::Utf8View, "INTERVAL"),
        ("INT[]", DataType::Utf8View, "INTEGER[]"),
        ("DOUBLE PRECISION[3]", DataType::Utf8View, "DOUBLE PRECISION[]"),
        ("NUMERIC(10,2)[]", DataType::Utf8View, "DECIMAL(10,2)[]"),
    ] {
        let found = read(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!((found.data_type, found.sql_type.as_str()), (data_type, name), "{sql}");
    }
    assert_eq!(read("CHAR(3)").unwrap().max_chars, Some(3));
    assert_eq!(read("VARCHAR").unwrap().max_chars, None);
}

#[test]
fn other_types_are_refused_with_advice() {
    for (sql, kind, part) in [
        ("NUMERIC", ErrorKind::InvalidDefinition, "NUMERIC(20,8)"),
        ("DECIMAL(39,2)", ErrorKind::InvalidDefinition, "between 1 and 38"),
        ("DECIMAL(5,6)", ErrorKind::InvalidDefinition, "scale"),
        ("VARCHAR(0)", ErrorKind::InvalidDefinition, "length"),
        ("TIMESTAMP(3)", ErrorKind::FeatureNotSupported, "microsecond"),
        ("INT[][]", ErrorKind::FeatureNotSupported, "INTEGER[][]"),
        ("CHAR(3)[]", ErrorKind::FeatureNotSupported, "elements of an array"),
        ("TIME(3)", ErrorKind::FeatureNotSupported, "TIME"),
        ("TIME WITH TIME ZONE", ErrorKind::FeatureNotSupported, "TIMESTAMPTZ"),
        ("BLOB", ErrorKind::FeatureNotSupported, "BYTEA"),
        ("PRICE", ErrorKind::UndefinedObject, "type \"PRICE\" does not exist"),
    ] {
        let error = read(sql).expect_err(sql);
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        assert!(error.to_string().contains(part), "{sql}: {error}");
    }
}
