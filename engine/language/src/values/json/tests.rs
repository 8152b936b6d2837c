//! Texts that are JSON, their parts, and what JSONB makes of them.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn one_value_and_nothing_else_is_json() {
    for text in ["{}", " [1, -2.5e3, \"a\\u00e9\", null, true] ", "0", "\"\"", "{\"a\":{\"b\":[]}}"] {
        assert!(is_valid(text), "{text}");
        assert!(parse(text).is_some(), "{text}");
    }
    for text in
        ["", "{bad json", "[1,]", "{\"a\"}", "01", "1.", "'a'", "[1] 2", "\"\\x\"", "nul", "\"\n\"", "1a", "{,}"]
    {
        assert!(!is_valid(text), "{text}");
        assert!(parse(text).is_none(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(!is_valid(&deep));
}

#[test]
fn parts_are_given_as_they_are_written() {
    let json = r#" {"a": [1, {"b" :  2}], "t": "x\"y", "a": [7, 8], "n": null} "#;
    assert_eq!(member(json, "a"), Some("[7, 8]"));
    assert_eq!(at_path(json, ["a", "-1"]), Some("8"));
    assert_eq!(at_path(json, ["t", "x"]), None);
    assert_eq!(as_text(member(json, "t").unwrap()).unwrap(), "x\"y");
    assert_eq!(as_text(member(json, "n").unwrap()), None);
    assert_eq!(element("[1, [2,  3]]", 1), Some("[2,  3]"));
    assert_eq!(element("[1]", 1), None);
    assert_eq!(member("[1]", "a"), None);
    assert_eq!(kind(" [").name(), "array");
}

#[test]
fn jsonb_has_one_form() {
    let cases = [
        (r#"{"bb":1,"a":2,"c":3,"a":4}"#, r#"{"a": 4, "c": 3, "bb": 1}"#),
        ("[1e2, 1.50, -0, 1.5E-3, 12e-1]", "[100, 1.50, 0, 0.0015, 1.2]"),
        (r#""\u00e9\u0001\/\ud83d\ude00""#, "\"é\\u0001/😀\""),
        ("  {}  ", "{}"),
    ];
    for (text, kept) in cases {
        assert_eq!(normalise(text).as_deref(), Some(kept), "{text}");
        assert_eq!(normalise(kept).as_deref(), Some(kept), "{kept}");
    }
    assert_eq!(normalise("1e99999999"), None);
    assert_eq!(normalise(r#""\u0000""#), None);
}

#[test]
fn containment_is_that_of_postgres() {
    let holds = |outer: &str, inner: &str| contains(&parse(outer).unwrap(), &parse(inner).unwrap());
    assert!(holds(r#"{"a": 1, "b": {"c": [1, 2, 3]}}"#, r#"{"b": {"c": [3, 1]}}"#));
    assert!(!holds("[1, 2, [1, 3]]", "[1, 3, 3]"));
    assert!(holds("[1, 2, [1, 3]]", "[[1, 3]]"));
    assert!(holds("[\"a\", \"b\"]", "\"a\""));
    assert!(!holds("\"a\"", "[\"a\"]"));
    assert!(holds("{\"n\": 1.0}", "{\"n\": 1}"));
    assert!(!holds("{\"n\": 1}", "{\"n\": \"1\"}"));
    assert!(holds("{}", "{}"));
}

#[test]
fn parts_are_put_together_taken_out_and_replaced() {
    use super::changes::{Put, concat, normal, put, without_name, without_path, without_place};
    let read = |text| parse(text).unwrap();
    let joined = |a, b| normal(concat(read(a), read(b))).unwrap();
    assert_eq!(joined(r#"{"a":1,"b":2}"#, r#"{"b":3}"#), r#"{"a": 1, "b": 3}"#);
    assert_eq!(joined("[1]", r#"{"b":3}"#), r#"[1, {"b": 3}]"#);
    assert_eq!(joined("1", "[2]"), "[1, 2]");
    assert_eq!(normal(without_name(read(r#"["a",1,"a"]"#), "a").unwrap()).unwrap(), "[1]");
    assert_eq!(normal(without_place(read("[1,2,3]"), -1).unwrap()).unwrap(), "[1, 2]");
    assert_eq!(normal(without_path(read(r#"{"a":[1,2]}"#), &["a", "0"]).unwrap()).unwrap(), r#"{"a": [2]}"#);
    without_place(read("{}"), 0).unwrap_err();
    let new = read("9");
    let set = |text, path: &[&str], how| put(read(text), path, &new, how).map(|value| normal(value).unwrap());
    assert_eq!(set("[1,2]", &["7"], Put::Set), Ok("[1, 2, 9]".to_owned()));
    assert_eq!(set("[1,2]", &["7"], Put::Replace), Ok("[1, 2]".to_owned()));
    assert_eq!(set("[1,2]", &["0"], Put::Behind), Ok("[1, 9, 2]".to_owned()));
    assert_eq!(set(r#"{"a":{}}"#, &["a", "b"], Put::Set), Ok(r#"{"a": {"b": 9}}"#.to_owned()));
    set(r#"{"a":1}"#, &["a"], Put::Before).unwrap_err();
    set("1", &["a"], Put::Set).unwrap_err();
}
