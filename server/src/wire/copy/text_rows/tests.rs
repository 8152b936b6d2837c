#![allow(clippy::unwrap_used)]

use super::*;
use crate::wire::copy::loader_csv::LoaderCsv;
use crate::wire::copy::options::{CopyCommand, parse_copy};
use crate::wire::utility::Cursor;

fn options(text: &str) -> CopyOptions {
    let sql = format!("t FROM STDIN {text}");
    let mut cursor = Cursor::new(&sql).unwrap();
    match parse_copy(&mut cursor).unwrap() {
        CopyCommand::In { options, .. } | CopyCommand::Out { options, .. } => options,
    }
}

/// Feeds the data in pieces of every size: the result must not depend on where it is cut.
fn rows(with: &str, named: &[&str], data: &str) -> Result<String, String> {
    let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let mut results = Vec::new();
    for size in [1, 2, 3, 7, data.len().max(1)] {
        let mut reader = TextRows::new("t", &options(with), texts(named), texts(&["a", "b"]));
        let mut out = LoaderCsv::default();
        let fed = data.as_bytes().chunks(size).try_for_each(|piece| reader.push(piece, &mut out));
        let result = fed.and_then(|()| reader.finish(&mut out));
        results.push(result.map(|()| String::from_utf8(out.0).unwrap()).map_err(|e| e.to_string()));
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
    results.pop().unwrap()
}

#[test]
fn text_format() {
    assert_eq!(rows("", &[], "1\tx\n\\N\ta\\tb\\\\c\n").unwrap(), "a,b\n1,x\n,a\tb\\c\n");
    assert_eq!(rows("", &[], "1\t\n2\t\\101\\x42\n\\.\nnot data").unwrap(), "a,b\n1,\"\"\n2,AB\n");
    assert_eq!(rows("WITH (DELIMITER '|', NULL 'nil')", &["b", "a"], "nil|x\\|y").unwrap(), "b,a\n,x|y\n");
    assert_eq!(rows("", &[], "").unwrap(), "a,b\n");
    assert_eq!(rows("", &[], "1\tx\\\ny\n2\tz\\\\\n").unwrap(), "a,b\n1,\"x\ny\"\n2,z\\\n");
}

#[test]
fn csv_format() {
    assert_eq!(rows("CSV", &[], "1,\"x,\n\"\"y\"\r\n,\"\"\r\n").unwrap(), "a,b\n1,\"x,\n\"\"y\"\n,\"\"\n");
    assert_eq!(
        rows("(FORMAT csv, NULL '-', DELIMITER ';', ESCAPE '\\')", &[], "-;\"q\\\"\"").unwrap(),
        "a,b\n,\"q\"\"\"\n"
    );
}

#[test]
fn headers_name_columns_where_they_can() {
    assert_eq!(rows("CSV HEADER", &[], "b,A\n1,2\n").unwrap(), "b,a\n1,2\n");
    assert_eq!(rows("CSV HEADER", &[], "other,names\n1,2\n").unwrap(), "a,b\n1,2\n");
    assert_eq!(rows("CSV HEADER", &["b"], "a\n1\n").unwrap(), "b\n1\n");
    // In the loader's own layout nothing but the header is touched.
    assert_eq!(rows("CSV HEADER", &[], "A,B\n\"x\",y\n1\n").unwrap(), "a,b\n\"x\",y\n1\n");
    assert_eq!(rows("(FORMAT csv, HEADER, DELIMITER ';')", &[], "B;a\n\"x\";y\n").unwrap(), "b,a\nx,y\n");
}

#[test]
fn malformed_data_is_refused() {
    assert_eq!(rows("", &[], "1\n").unwrap_err(), "missing data for column \"b\"");
    assert_eq!(rows("CSV", &[], "1,2,3\n").unwrap_err(), "extra data after last expected column");
    assert_eq!(rows("CSV", &[], "1,\"2\n").unwrap_err(), "unterminated CSV quoted field");
    assert_eq!(rows("", &[], "1\tx\r\n2\ty\n").unwrap_err(), "literal newline found in data");
    assert_eq!(rows("", &[], "1\tx\n2\ty\r\n").unwrap_err(), "literal carriage return found in data");
    assert_eq!(rows("CSV", &[], "1,x\r,\n").unwrap_err(), "unquoted carriage return found in data");
    assert_eq!(rows("", &[], "1\tx\\.y\n").unwrap_err(), "end-of-copy marker corrupt");
    assert_eq!(rows("", &[], "1\tx\\.\nnot data").unwrap(), "a,b\n1,x\n");
}

#[test]
fn errors_say_where_they_are() {
    let mut reader = TextRows::new("t", &options("CSV"), Vec::new(), vec!["a".to_owned(), "b".to_owned()]);
    let mut out = LoaderCsv::default();
    reader.push(b"1,\"two\nlines\"\n", &mut out).unwrap();
    let error = reader.push(b"1,2,3\n", &mut out).unwrap_err();
    assert_eq!((error.code, error.context.as_deref()), ("22P04", Some("COPY t, line 3: \"1,2,3\"")));
}

#[test]
fn a_header_may_have_to_match() {
    let with = "(FORMAT csv, HEADER match)";
    assert_eq!(rows(with, &[], "a,b\n1,2\n").unwrap(), "a,b\n1,2\n");
    assert_eq!(rows("(HEADER match)", &["b"], "b\n1\n").unwrap(), "b\n1\n");
    assert!(rows(with, &[], "b,a\n1,2\n").unwrap_err().starts_with("column name mismatch in header line field 1"));
    assert!(rows(with, &[], "a\n1\n").unwrap_err().starts_with("wrong number of fields in header line"));
}

#[test]
fn null_can_be_forced_both_ways() {
    let with = "(FORMAT csv, NULL 'n', FORCE_NULL (a), FORCE_NOT_NULL (b))";
    assert_eq!(rows(with, &[], "\"n\",n\nn,\"n\"\nx,\"y\"\n").unwrap(), "a,b\n,n\n,n\nx,y\n");
    assert_eq!(rows("(FORMAT csv, FORCE_NULL (a, b))", &[], "\"\",\"\"\n").unwrap(), "a,b\n,\n");
}
