//! Expressions, and what PostgreSQL 15 says they match.
#![allow(clippy::unwrap_used)]

use super::pattern::{Matches, Pattern};
use super::similar::to_regex;
use super::syntax::Options;
use crate::error::ErrorKind;

fn matches(text: &str, pattern: &str) -> bool {
    Pattern::new(pattern, Options::default()).unwrap().is_match(text).unwrap()
}

/// The groups of the first match, or the match itself; `-` for a group without one.
fn found(text: &str, pattern: &str) -> String {
    let pattern = Pattern::new(pattern, Options::default()).unwrap();
    let Some(found) = Matches::new(&pattern, text).next_from(0).unwrap() else { return "nothing".to_owned() };
    let groups = if found.len() > 1 { &found[1..] } else { &found[..] };
    let texts = groups.iter().map(|group| group.map_or("-", |(start, end)| &text[start..end]));
    texts.collect::<Vec<_>>().join(",")
}

fn refused(pattern: &str) -> String {
    let error = Pattern::new(pattern, Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRegex);
    error.to_string().replace("invalid regular expression: ", "")
}

#[test]
fn escapes_classes_and_places() {
    for (text, pattern) in [
        ("x y", r"\mx\M"),
        ("a.b", r"a\.b"),
        ("foo.bar", "[[:punct:]]"),
        ("äé", r"^\w+$"),
        ("word", "[[:<:]]word[[:>:]]"),
        ("&", "[a&&b]"),
        ("~", "[a~~b]"),
        ("[", "[[]"),
        ("a]b", "[]]"),
        ("a{,3}", "a{,3}"),
        ("A", r"\x41"),
        ("A", r"\u0041"),
        ("ab", "(?x) a b # and no more"),
        ("ab", "(?#not this)ab"),
        ("A", "(?i)a"),
        ("a.b", "***=a.b"),
        ("axb", "***:a.b"),
        ("x\ny", "x.y"),
        ("x\ny", "(?n)^y$"),
        ("x\ny", "(?w)x.y"),
        ("ab", "()"),
        ("b", "a||b"),
        ("a", "x{0,255}"),
    ] {
        assert!(matches(text, pattern), "{text:?} ~ {pattern}");
    }
    for (text, pattern) in [
        ("xy", r"\mx\M"),
        ("axb", "***=a.b"),
        ("axb", "(?q)a.b"),
        ("x\ny", "^y$"),
        ("x\ny", "(?n)x.y"),
        ("x\ny", "(?p)^y"),
        ("x\n", "x$"),
        ("x\n", r"x\Z"),
        ("٣", r"\d"),
        ("ab", "a$b"),
    ] {
        assert!(!matches(text, pattern), "{text:?} ~ {pattern}");
    }
}

#[test]
fn what_automata_cannot_do() {
    assert!(matches("aab", r"^(a)\1"));
    assert!(!matches("ab", r"^(a)\1"));
    assert!(matches("abab", r"^(ab)\1$"));
    assert!(matches("ab", "a(?=b)") && !matches("ab", "a(?!b)"));
    assert!(matches("ab", "(?<=a)b") && !matches("ab", "(?<!a)b"));
    assert_eq!(found("say hello hello", r"(\w+) \1"), "hello");
}

#[test]
fn matches_are_the_longest() {
    for (text, pattern, groups) in [
        ("xabc", "a|ab|abc", "abc"),
        ("xfoobar", "(foo|foobar)", "foobar"),
        ("abc01234xyz", r"(.*)(\d+)(.*)", "abc0123,4,xyz"),
        ("abc01234xyz", r"(.*?)(\d+)(.*)", "abc,0,"),
        ("abc01234xyz", r"(?:(.*?)(\d+)(.*)){1,1}", "abc,01234,xyz"),
        ("XY1234Z", "Y*([0-9]{1,3})", "123"),
        ("XY1234Z", "Y*?([0-9]{1,3})", "1"),
        ("foobarbequebaz", "bar.*?que", "barbeque"),
        ("abc", "(x)?b", "-"),
        ("aaab", "(a+?)b", "aaa"),
        ("ab", "(a?)(ab)?", ",ab"),
        ("x", "y", "nothing"),
    ] {
        assert_eq!(found(text, pattern), groups, "{pattern}");
    }
}

#[test]
fn broken_patterns_are_named() {
    for (pattern, said) in [
        ("(", "parentheses () not balanced"),
        (")", "parentheses () not balanced"),
        ("[", "brackets [] not balanced"),
        ("*", "quantifier operand invalid"),
        ("a**", "quantifier operand invalid"),
        ("a{2,1}", "invalid repetition count(s)"),
        ("x{256}", "invalid repetition count(s)"),
        ("[b-a]", "invalid character range"),
        ("[[:foo:]]", "invalid character class"),
        ("\\", "invalid escape \\ sequence"),
        (r"\p{L}", "invalid escape \\ sequence"),
        (r"a\1", "invalid backreference number"),
        ("(?P<x>a)", "invalid embedded option"),
    ] {
        assert_eq!(refused(pattern), said, "{pattern}");
    }
}

#[test]
fn a_search_that_takes_too_long_ends() {
    let pattern = Pattern::new(r"(a|aa)*\1(b|c)", Options::default()).unwrap();
    let text = "a".repeat(5_000);
    assert_eq!(pattern.is_match(&text).unwrap_err().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn patterns_of_similar_to() {
    assert_eq!(to_regex("w%_(a|b)", Some('\\')).unwrap(), "^(?:w.*.(?:a|b))$");
    assert_eq!(to_regex("a.b^$", Some('\\')).unwrap(), r"^(?:a\.b\^\$)$");
    assert_eq!(to_regex("50#%", Some('#')).unwrap(), r"^(?:50\%)$");
    assert_eq!(to_regex("%#\"o_b#\"%", Some('#')).unwrap(), "^(?:.*){1,1}?(o.b){1,1}(?:.*)$");
    assert_eq!(found("foobar", &to_regex("%#\"o_b#\"%", Some('#')).unwrap()), "oob");
}
