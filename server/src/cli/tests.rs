#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clap::{CommandFactory, Parser};
use futures::{StreamExt, stream};

use super::output::{self, Format};
use super::reply::{Chunk, Column, Reply, Rows, ValueKind};
use super::statements::{identifier, literal, split, streams_data, tag};
use super::{Cli, Command};

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
    assert!(matches!(Cli::parse_from(["zxq", "sql", "SELECT 1"]).command, Command::Sql(_)));
}

#[test]
fn statements_split_at_semicolons_outside_quotes_and_comments() {
    let cases: [(&str, &[&str]); 9] = [
        ("SELECT 1; SELECT 2;", &["SELECT 1", "SELECT 2"]),
        ("SELECT ';' ; SELECT \"a;b\"", &["SELECT ';'", "SELECT \"a;b\""]),
        ("SELECT 'it''s; fine'", &["SELECT 'it''s; fine'"]),
        (r"SELECT E'a\'; b'; SELECT 2", &[r"SELECT E'a\'; b'", "SELECT 2"]),
        ("-- one; two\nSELECT 1", &["-- one; two\nSELECT 1"]),
        ("/* a; /* b; */ c; */ SELECT 1; -- end", &["/* a; /* b; */ c; */ SELECT 1"]),
        ("SELECT $$a;b$$; SELECT $x$c;$$;d$x$", &["SELECT $$a;b$$", "SELECT $x$c;$$;d$x$"]),
        ("SELECT $1; SELECT $2", &["SELECT $1", "SELECT $2"]),
        (" ; ; -- nothing", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(split(text), expected, "{text}");
    }
    assert_eq!(split("SELECT 'open; end"), ["SELECT 'open; end"]);
    assert_eq!(split("SELECT 'ü;ö'; SELECT 'ß'"), ["SELECT 'ü;ö'", "SELECT 'ß'"]);
}

#[test]
fn tags_are_those_of_postgres() {
    assert_eq!(tag("insert into t values (1)", 5), "INSERT 0 5");
    assert_eq!(tag("Create table t (a int)", 0), "CREATE TABLE");
    assert_eq!(tag("SET zxq.tiers = 'hot'", 0), "SET");
    assert_eq!(tag("DELETE FROM t", 2), "DELETE 2");
}

#[test]
fn a_copy_through_the_connection_is_told_from_one_that_is_not() {
    assert!(streams_data("copy t from stdin with (format csv)"));
    assert!(streams_data("COPY (SELECT 1) TO STDOUT"));
    assert!(!streams_data("SELECT 'COPY t FROM STDIN'"));
}

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(literal("O'Neil"), "'O''Neil'");
    assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
}

fn reply() -> Reply {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    let columns =
        vec![column("n", ValueKind::Number), column("ok", ValueKind::Boolean), column("text", ValueKind::Text)];
    let rows: [[Option<&str>; 3]; 3] = [
        [Some("61556.05000000"), Some("t"), Some("a,\"b\"")],
        [Some("NaN"), Some("f"), Some("two\nlines")],
        [None, None, Some("")],
    ];
    let mut chunk = Chunk::new(3);
    for row in rows {
        chunk.push_row(|column, text| Ok(row[column].map(|cell| text.push_str(cell)).is_some())).unwrap();
    }
    Reply::Rows(Rows { columns, chunks: stream::iter([Ok(chunk)]).boxed() })
}

async fn printed(format: Format) -> String {
    let mut out = Vec::new();
    output::print(&mut out, format, reply()).await.unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn prints_a_table_as_psql_does() {
    let expected = "       n        | ok | text  \n\
                    ----------------+----+-------\n \
                    61556.05000000 | t  | a,\"b\"\n            \
                    NaN | f  | two  +\n                \
                    |    | lines\n                \
                    |    | \n\
                    (3 rows)\n\n";
    assert_eq!(printed(Format::Table).await, expected);
}

#[tokio::test]
async fn prints_csv_with_null_apart_from_empty_text() {
    let expected = "n,ok,text\n61556.05000000,t,\"a,\"\"b\"\"\"\nNaN,f,\"two\nlines\"\n,,\"\"\n";
    assert_eq!(printed(Format::Csv).await, expected);
}

#[tokio::test]
async fn prints_json_with_exact_numbers() {
    let text = printed(Format::Json).await;
    assert!(text.contains("\"n\": 61556.05000000, \"ok\": true"), "{text}");
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed[1], serde_json::json!({"n": "NaN", "ok": false, "text": "two\nlines"}));
    assert_eq!(parsed[2], serde_json::json!({"n": null, "ok": null, "text": ""}));
}

#[tokio::test]
async fn commands_print_their_tag_only_to_people() {
    for (format, expected) in [(Format::Table, "SET\n"), (Format::Csv, ""), (Format::Json, "")] {
        let mut out = Vec::new();
        output::print(&mut out, format, Reply::Command("SET".to_owned())).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
