//! The types of a statement's parameters: what the client declared, else what the statement casts them to or compares them with.

use pgwire::api::Type;
use zxq_engine::MOST_PARAMETERS;

use super::scan::Scanned;
use crate::sqlstate;
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;

/// Words that belong to the name of a type behind the first one.
const SECOND_WORDS: [&str; 6] = ["precision", "varying", "with", "without", "time", "zone"];

/// OIDs of the parameters a statement has: what the client declared, else `text`, or `oid` where one is compared.
///
/// # Errors
/// 42P02 for a number that no parameter can have.
pub(super) fn parameter_oids(tokens: &[Scanned<'_>], declared: &[u32]) -> Result<Vec<u32>, WireError> {
    let mut oids = declared.to_vec();
    for (at, token) in tokens.iter().enumerate().map(|(at, scanned)| (at, scanned.token)) {
        if token.kind != TokenKind::Parameter {
            continue;
        }
        let number = token.raw[1..].parse::<usize>().ok().filter(|number| (1..=MOST_PARAMETERS).contains(number));
        let Some(number) = number else {
            let message = format!("there is no parameter {}", token.raw);
            return Err(WireError::new(sqlstate::UNDEFINED_PARAMETER, message).at(token.start));
        };
        if oids.len() < number {
            oids.resize(number, 0);
        }
        if oids[number - 1] == 0 {
            oids[number - 1] = guess(tokens, at).oid();
        }
    }
    for oid in &mut oids {
        if *oid == 0 {
            *oid = Type::TEXT.oid();
        }
    }
    Ok(oids)
}

fn guess(tokens: &[Scanned<'_>], at: usize) -> Type {
    let token = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map(|scanned| scanned.token);
    let is = |at: usize, symbol: &str| token(Some(at)).is_some_and(|token| token.is_symbol(symbol));
    if is(at + 1, ":") && is(at + 2, ":") {
        return cast_type(tokens, at + 3);
    }
    let begins_cast = at >= 2 && is(at - 1, "(") && token(Some(at - 2)).is_some_and(|token| token.is("cast"));
    if begins_cast && token(Some(at + 1)).is_some_and(|token| token.is("as")) {
        return cast_type(tokens, at + 2);
    }
    let before = token(at.checked_sub(1));
    let column = token(at.checked_sub(2)).map(|t| t.value().into_owned()).unwrap_or_default();
    let is_oid = column == "oid" || column.ends_with("relid") || column.ends_with("namespace");
    if before.is_some_and(|t| t.is_symbol("=")) && is_oid { Type::OID } else { Type::TEXT }
}

/// The type that a cast names here: with its schema or without, quoted or not.
fn cast_type(tokens: &[Scanned<'_>], mut at: usize) -> Type {
    let token = |at: usize| tokens.get(at).map(|scanned| scanned.token);
    let is = |at: usize, symbol: &str| token(at).is_some_and(|token| token.is_symbol(symbol));
    while is(at + 1, ".") {
        at += 2;
    }
    let mut name = token(at).map(|token| token.value().into_owned()).unwrap_or_default();
    let is_quoted = token(at).is_some_and(|token| token.kind == TokenKind::Quoted);
    let word =
        |at: usize| token(at).filter(|token| token.kind == TokenKind::Word).map(|token| token.value().into_owned());
    let mut rest = at + 1;
    // Types of several words.
    while let Some(word) = word(rest).filter(|word| SECOND_WORDS.contains(&word.as_str())) {
        name = format!("{name} {word}");
        rest += 1;
    }
    if is(rest, "(") {
        rest = (rest..tokens.len()).find(|at| is(*at, ")")).map_or(tokens.len(), |close| close + 1);
        while let Some(word) = word(rest).filter(|word| SECOND_WORDS.contains(&word.as_str())) {
            name = format!("{name} {word}");
            rest += 1;
        }
    }
    type_named(&name, is_quoted, is(rest, "["))
}

/// The type of that name, as PostgreSQL describes a parameter that is cast to it.
fn type_named(name: &str, is_quoted: bool, is_array: bool) -> Type {
    let known = match name {
        // `regclass` and its like are given as names, which text is.
        "oid" | "xid" => (Type::OID, Type::OID_ARRAY),
        "int2" | "smallint" => (Type::INT2, Type::INT2_ARRAY),
        "int" | "int4" | "integer" => (Type::INT4, Type::INT4_ARRAY),
        "int8" | "bigint" => (Type::INT8, Type::INT8_ARRAY),
        "float4" | "real" => (Type::FLOAT4, Type::FLOAT4_ARRAY),
        "float8" | "double precision" | "float" => (Type::FLOAT8, Type::FLOAT8_ARRAY),
        "numeric" | "decimal" => (Type::NUMERIC, Type::NUMERIC_ARRAY),
        "bool" | "boolean" => (Type::BOOL, Type::BOOL_ARRAY),
        "varchar" | "character varying" => (Type::VARCHAR, Type::VARCHAR_ARRAY),
        "name" => (Type::NAME, Type::NAME_ARRAY),
        "bpchar" | "character" => (Type::BPCHAR, Type::BPCHAR_ARRAY),
        "char" if !is_quoted => (Type::BPCHAR, Type::BPCHAR_ARRAY),
        "date" => (Type::DATE, Type::DATE_ARRAY),
        "timestamp" | "timestamp without time zone" => (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
        "timestamptz" | "timestamp with time zone" => (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
        _ => (Type::TEXT, Type::TEXT_ARRAY),
    };
    if is_array { known.1 } else { known.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::pg_catalog::scan::scan;

    #[test]
    fn casts_say_what_parameters_are() {
        for (sql, wanted) in [
            ("SELECT quote_nullable($1::pg_catalog.int8)", Type::INT8),
            ("SELECT quote_nullable($1::\"pg_catalog\".\"int4\")", Type::INT4),
            ("SELECT quote_nullable($1::double precision)", Type::FLOAT8),
            ("SELECT quote_nullable($1::timestamp(3) with time zone)", Type::TIMESTAMPTZ),
            ("SELECT quote_nullable($1::character varying(5)[])", Type::VARCHAR_ARRAY),
            ("SELECT quote_nullable(CAST($1 AS pg_catalog.numeric))", Type::NUMERIC),
            ("SELECT quote_nullable($1::pg_catalog.\"char\")", Type::TEXT),
            ("SELECT 1 FROM pg_class WHERE oid = ANY($1::oid[])", Type::OID_ARRAY),
            ("SELECT 1 FROM pg_class WHERE oid = $1::regclass::oid", Type::TEXT),
            ("SELECT 1 FROM pg_class WHERE oid = $1", Type::OID),
            ("SELECT 1 FROM pg_class WHERE relname = $1", Type::TEXT),
        ] {
            assert_eq!(parameter_oids(&scan(sql).unwrap(), &[]).unwrap(), [wanted.oid()], "{sql}");
        }
        assert_eq!(parameter_oids(&scan("SELECT $2::int2, $1").unwrap(), &[0, 23]).unwrap(), [25, 23]);
        assert_eq!(parameter_oids(&scan("SELECT $0").unwrap(), &[]).unwrap_err().code, "42P02");
    }
}
