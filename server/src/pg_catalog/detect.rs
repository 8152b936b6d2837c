//! Tells statements about the catalog from all others. A statement that reads a user's table is never one of them.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::scan::Scanned;
use crate::wire::lexer::TokenKind;

/// The SQL that defines the catalog, in the order it has to run.
pub(super) const DEFINITIONS: [&str; 11] = [
    include_str!("sql/schema.sql"),
    include_str!("sql/tables.sql"),
    include_str!("sql/rare_tables.sql"),
    include_str!("sql/keywords.sql"),
    include_str!("sql/static_rows.sql"),
    include_str!("sql/functions_there_are.sql"),
    include_str!("sql/session_functions.sql"),
    include_str!("sql/privileges.sql"),
    include_str!("sql/catalog.sql"),
    include_str!("sql/functions.sql"),
    include_str!("sql/information_schema.sql"),
];

/// Words that stand for a function without brackets.
pub(super) const SESSION_WORDS: [(&str, &str); 6] = [
    ("current_user", "session_user_name()"),
    ("session_user", "login_user_name()"),
    ("current_role", "session_user_name()"),
    ("user", "session_user_name()"),
    ("current_catalog", "current_database()"),
    ("current_schema", "current_schema()"),
];

/// Types whose casts turn names into OIDs and back.
pub(super) const REG_TYPES: [&str; 8] =
    ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole", "regoper", "regoperator"];

/// Names that the definitions create.
fn created(statement: &'static str) -> HashSet<&'static str> {
    DEFINITIONS
        .iter()
        .flat_map(|sql| sql.lines())
        .filter_map(|line| line.strip_prefix(statement))
        .map(|rest| rest.split(['(', ' ', ';']).next().unwrap_or(rest))
        .collect()
}

/// Tables and views of `pg_catalog`.
pub(super) static PG_RELATIONS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| &created("CREATE TABLE pgc.") | &created("CREATE VIEW pgc."));

/// Tables and views of `information_schema`.
pub(super) static INFORMATION_RELATIONS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| &created("CREATE TABLE pgi.") | &created("CREATE VIEW pgi."));

/// Functions of `pg_catalog`.
static FUNCTIONS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| created("CREATE MACRO "));

/// Functions that the engine has too, with every answer of PostgreSQL's.
const OF_THE_ENGINE: [&str; 8] = [
    "quote_ident",
    "quote_literal",
    "quote_nullable",
    "timezone",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
];

/// What may be about the catalog has one of these in its text; looking for them is much cheaper than scanning.
const HINTS: [&str; 15] = [
    "pg_",
    "information_schema",
    "current_",
    "session_user",
    "version",
    "::reg",
    "has_",
    "format_type",
    "_description",
    "set_config",
    "quote_",
    "inet_",
    "to_reg",
    "txid_",
    "user",
];

/// False when the text cannot be about the catalog.
pub(super) fn may_be_catalog(text: &str) -> bool {
    let text = text.as_bytes();
    HINTS.iter().any(|hint| text.windows(hint.len()).any(|window| window.eq_ignore_ascii_case(hint.as_bytes())))
}

/// True when the statement is a query that uses tables or functions of the catalog, and no others' tables.
pub(super) fn is_catalog(tokens: &[Scanned<'_>]) -> bool {
    let is_query = tokens.first().is_some_and(|first| {
        ["select", "with", "values", "table"].iter().any(|word| first.token.is(word)) || first.token.is_symbol("(")
    });
    if !is_query {
        return false;
    }
    let common_tables = common_tables(tokens);
    let (mut touches, mut names_tables, mut asks_user) = (false, false, false);
    for (at, scanned) in tokens.iter().enumerate() {
        let token = scanned.token;
        if !matches!(token.kind, TokenKind::Word | TokenKind::Quoted) {
            continue;
        }
        let next = tokens.get(at + 1).map(|next| next.token);
        let before = at.checked_sub(1).and_then(|before| tokens.get(before)).map(|before| before.token);
        let is_qualified = before.is_some_and(|before| before.is_symbol("."));
        let name = token.value();
        let calls = next.is_some_and(|next| next.is_symbol("("));
        if calls && matches!(&*name, "nextval" | "currval" | "setval" | "lastval") {
            return false;
        }
        if scanned.begins_table && !calls && !token.is("select") && !token.is("values") {
            names_tables = true;
            match &*name {
                "pg_catalog" | "information_schema" if next.is_some_and(|next| next.is_symbol(".")) => touches = true,
                _ if is_of_database(tokens, at) => touches = true,
                table if common_tables.contains(table) => {}
                table if PG_RELATIONS.contains(table) && !next.is_some_and(|next| next.is_symbol(".")) => {
                    touches = true
                }
                _ => return false,
            }
        } else if calls && FUNCTIONS.contains(&*name) && !OF_THE_ENGINE.contains(&&*name) {
            touches = true;
        } else if !is_qualified && token.kind == TokenKind::Word && !next.is_some_and(|next| next.is_symbol(".")) {
            // People call columns so: it is PostgreSQL's word where there can be no column.
            asks_user |= name == "user" && !before.is_some_and(|before| before.is("as"));
            let is_session_word = name != "user" && SESSION_WORDS.iter().any(|(word, _)| *word == name);
            let is_cast = REG_TYPES.contains(&&*name) && before.is_some_and(|before| before.is_symbol(":"));
            touches |= is_session_word || is_cast;
        } else if name == "pg_catalog" && !is_qualified {
            // A qualified function, operator or type.
            touches = true;
        }
    }
    touches || asks_user && !names_tables
}

/// True for `database.pg_catalog.name` and `database.information_schema.name`.
fn is_of_database(tokens: &[Scanned<'_>], at: usize) -> bool {
    let symbol = |at: usize| tokens.get(at).is_some_and(|scanned| scanned.token.is_symbol("."));
    let schema = tokens.get(at + 2).map(|scanned| scanned.token.value());
    symbol(at + 1) && symbol(at + 3) && matches!(schema.as_deref(), Some("pg_catalog" | "information_schema"))
}

/// Names that WITH defines: `name AS (` and `name (columns) AS (`.
fn common_tables(tokens: &[Scanned<'_>]) -> HashSet<String> {
    let mut names = HashSet::new();
    for (at, scanned) in tokens.iter().enumerate() {
        if !scanned.token.is("as") || at == 0 {
            continue;
        }
        let mut after = at + 1;
        while tokens.get(after).is_some_and(|t| t.token.is("not") || t.token.is("materialized")) {
            after += 1;
        }
        if !tokens.get(after).is_some_and(|t| t.token.is_symbol("(")) {
            continue;
        }
        let mut name = at - 1;
        if tokens[name].token.is_symbol(")") {
            let depth = tokens[name].depth.saturating_sub(1);
            while name > 0 && !(tokens[name].token.is_symbol("(") && tokens[name].depth == depth) {
                name -= 1;
            }
            name = name.saturating_sub(1);
        }
        names.insert(tokens[name].token.value().into_owned());
    }
    names
}
