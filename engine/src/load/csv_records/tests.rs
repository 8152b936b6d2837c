#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn fields(text: &str, last: bool) -> (Vec<Option<String>>, Record) {
    let mut fields = Vec::new();
    let record = parse_record(text.as_bytes(), 0, last, (b',', b'"'), &mut fields);
    (fields.iter().map(|f| f.value(text, 0).map(Cow::into_owned)).collect(), record)
}

fn texts(text: &str) -> Vec<Option<String>> {
    let (fields, record) = fields(text, true);
    assert!(matches!(record, Record::Complete { problem: None, .. }), "{text:?}: {record:?}");
    fields
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|t| Some((*t).to_owned())).collect()
}

#[test]
fn fields_are_cut_and_unquoted() {
    assert_eq!(texts("a,b,c\nnext"), some(&["a", "b", "c"]));
    assert_eq!(texts("a,b,c\r\nnext"), some(&["a", "b", "c"]));
    assert_eq!(texts("\"a,1\",\"b\"\"q\"\"\",c\"d\n"), some(&["a,1", "b\"q\"", "c\"d"]));
    assert_eq!(texts("\"two\nlines\",x"), some(&["two\nlines", "x"]));
    assert_eq!(texts("\"a\",\"b\"\r\n"), some(&["a", "b"]));
    assert_eq!(texts(" a , b "), some(&[" a ", " b "]));
}

#[test]
fn an_empty_field_is_null_unless_quoted() {
    assert_eq!(texts(",\"\",\n"), vec![None, Some(String::new()), None]);
    assert_eq!(texts(",\r\n"), vec![None, None]);
}

#[test]
fn places_and_lines_are_counted() {
    let (_, record) = fields("\"a\nb\",c\r\nd,e\n", true);
    assert_eq!(record, Record::Complete { end: 7, next: 9, lines: 2, problem: None });
    let (_, record) = fields("a,b", true);
    assert_eq!(record, Record::Complete { end: 3, next: 3, lines: 1, problem: None });
}

#[test]
fn a_record_cut_anywhere_is_incomplete() {
    let whole = "a,\"b\"\"c\",d\r\n";
    for cut in 0..whole.len() {
        let (_, record) = fields(&whole[..cut], false);
        assert_eq!(record, Record::Incomplete, "{:?}", &whole[..cut]);
    }
    assert!(matches!(fields(whole, false).1, Record::Complete { .. }));
}

#[test]
fn wrong_quotes_are_problems() {
    let (_, record) = fields("a,\"b\n", true);
    assert!(matches!(record, Record::Complete { problem: Some(p), .. } if p.contains("never closed")));
    let (found, record) = fields("a,\"b\"x,c\nd", true);
    assert!(matches!(record, Record::Complete { next: 9, problem: Some(p), .. } if p.contains("after a closing")));
    assert_eq!(found.len(), 3);
}

#[test]
fn other_quotes_and_a_text_for_null() {
    let mut fields = Vec::new();
    let text = "NA;'a;''b''';;'NA'";
    parse_record(text.as_bytes(), 0, true, (b';', b'\''), &mut fields);
    let values: Vec<_> = fields.iter().map(|f| f.value_but("NA", text, 0).map(Cow::into_owned)).collect();
    assert_eq!(values, [None, Some("a;'b'".to_owned()), Some(String::new()), Some("NA".to_owned())]);
}
