#![allow(clippy::unwrap_used)]

use super::*;

fn texts(sql: &str) -> Vec<String> {
    split(sql).unwrap().into_iter().map(|s| s.text.to_owned()).collect()
}

#[test]
fn statements_are_cut_at_semicolons_outside_quotes_and_comments() {
    assert_eq!(
        texts("select ';' ; /* ; /* nested ; */ */ select \"a;b\" -- ; no\n; ; select $x$ ; $$ $x$;select E'\\';'"),
        ["select ';'", "select \"a;b\"", "select $x$ ; $$ $x$", "select E'\\';'"]
    );
    assert_eq!(texts(" -- nothing\n ; "), Vec::<String>::new());
}

#[test]
fn offsets_point_into_the_whole_text() {
    let statements = split("select 1; select 2").unwrap();
    assert_eq!(statements[1].offset, 10);
}

#[test]
fn open_quotes_are_named_with_their_place() {
    let error = split("select 1; select 'abc").unwrap_err();
    assert_eq!((error.code, error.offset), ("42601", Some(17)));
    assert!(split("/* never").is_err());
    assert!(split("$a$ never $b$").is_err());
}

#[test]
fn values_lose_their_quotes() {
    let mut lexer = Lexer::new(r#"Name "Quo""ted" 'it''s' E'a\tb\'c' $$raw$$ 12.5 $3"#);
    let mut values = Vec::new();
    while let Some(token) = lexer.next().unwrap() {
        values.push(token.value().into_owned());
    }
    assert_eq!(values, ["name", "Quo\"ted", "it's", "a\tb'c", "raw", "12.5", "$3"]);
}
