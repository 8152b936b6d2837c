//! `LOCK`, `ANALYZE`, `VACUUM`, `REINDEX`, `CLUSTER`: what scripts send, and what there is nothing to do for.

use super::{Cursor, Utility};
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;

/// What follows LOCK.
pub(super) fn lock(cursor: &mut Cursor<'_>) -> Result<Utility, WireError> {
    cursor.take("TABLE")?;
    let mut tables = Vec::new();
    loop {
        cursor.take("ONLY")?;
        tables.push(name(cursor)?);
        cursor.take_symbol("*")?;
        if !cursor.take_symbol(",")? {
            break;
        }
    }
    if cursor.take("IN")? {
        while !cursor.take("MODE")? {
            if cursor.next()?.is_none() {
                return Err(cursor.unexpected("MODE"));
            }
        }
    }
    cursor.take("NOWAIT")?;
    cursor.end()?;
    Ok(Utility::Lock(tables))
}

/// What follows ANALYZE and its like: options, then tables with or without a list of columns.
pub(super) fn maintain(cursor: &mut Cursor<'_>, tag: &'static str) -> Result<Utility, WireError> {
    if cursor.take_symbol("(")? {
        cursor.bracketed()?;
    }
    while ["FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE", "CONCURRENTLY"].iter().any(|word| is(cursor, word)) {
        cursor.next()?;
    }
    if tag == "REINDEX" {
        // Of a schema, the database or an index: they name no table.
        if !cursor.take("TABLE")? {
            while cursor.next()?.is_some() {}
        }
        cursor.take("CONCURRENTLY")?;
    }
    let mut tables = Vec::new();
    while cursor.peek().is_some() {
        tables.push(name(cursor)?);
        if cursor.take_symbol("(")? {
            cursor.bracketed()?;
        }
        if tag == "CLUSTER" && cursor.take("USING")? {
            cursor.name()?;
        }
        if !cursor.take_symbol(",")? {
            break;
        }
    }
    cursor.end()?;
    Ok(Utility::Housekeeping { tag, tables })
}

fn is(cursor: &Cursor<'_>, word: &str) -> bool {
    cursor.peek().is_some_and(|token| token.kind == TokenKind::Word && token.is(word))
}

/// The parts of a name.
fn name(cursor: &mut Cursor<'_>) -> Result<Vec<String>, WireError> {
    let mut parts = vec![cursor.name()?];
    while cursor.take_symbol(".")? {
        parts.push(cursor.name()?);
    }
    Ok(parts)
}
