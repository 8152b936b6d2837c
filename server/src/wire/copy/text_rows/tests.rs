#![allow(clippy::unwrap_used)]

use super::*;
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
        let mut reader = TextRows::new(&options(with), texts(named), texts(&["a", "b"]));
        let mut out = Vec::new();
        let fed = data.as_bytes().chunks(size).try_for_each(|piece| reader.push(piece, &mut out));
        let result = fed.and_then(|()| reader.finish(&mut out));
        results.push(result.map(|()| String::from_utf8(out).unwrap()).map_err(|e| e.to_string()));
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
}

#[test]
fn csv_format() {
    assert_eq!(rows("CSV", &[], "1,\"x,\n\"\"y\"\r\n,\"\"\n").unwrap(), "a,b\n1,\"x,\n\"\"y\"\n,\"\"\n");
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
}
