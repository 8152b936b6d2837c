//! The tokens of a statement, each with the clause it stands in: enough to tell tables from columns.

use crate::wire::error::WireError;
use crate::wire::lexer::{Lexer, Token, TokenKind};

/// The clause of a query that a token stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// Between SELECT and FROM.
    Select,
    /// Between FROM and WHERE.
    From,
    /// Anywhere else.
    Other,
}

/// One token with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned<'a> {
    /// As the lexer cut it.
    pub(super) token: Token<'a>,
    /// The clause that it stands in.
    pub(super) clause: Clause,
    /// Brackets around it.
    pub(super) depth: usize,
    /// It begins the name of a table, a table function or a subquery.
    pub(super) begins_table: bool,
}

/// Reads a statement.
///
/// # Errors
/// For a quote or comment without an end.
pub(super) fn scan(text: &str) -> Result<Vec<Scanned<'_>>, WireError> {
    let mut lexer = Lexer::new(text);
    let mut scanned: Vec<Scanned<'_>> = Vec::new();
    let mut clauses = vec![Clause::Other];
    // The next token begins an item of FROM.
    let mut wants_table = false;
    while let Some(token) = lexer.next()? {
        let depth = clauses.len() - 1;
        let mut clause = clauses.last().copied().unwrap_or(Clause::Other);
        let mut begins_table = wants_table;
        wants_table = false;
        if token.kind == TokenKind::Word {
            let next = match token.raw.to_ascii_uppercase().as_str() {
                "SELECT" => Some(Clause::Select),
                // EXTRACT(x FROM y) has no SELECT before its FROM.
                "FROM" if clause == Clause::Select => {
                    wants_table = true;
                    Some(Clause::From)
                }
                "JOIN" if clause == Clause::From => {
                    wants_table = true;
                    None
                }
                "LATERAL" | "ONLY" if begins_table => {
                    begins_table = false;
                    wants_table = true;
                    None
                }
                "WHERE" | "GROUP" | "HAVING" | "WINDOW" | "ORDER" | "LIMIT" | "OFFSET" | "FETCH" | "UNION"
                | "INTERSECT" | "EXCEPT" | "RETURNING" => Some(Clause::Other),
                _ => None,
            };
            if let (Some(next), Some(current)) = (next, clauses.last_mut()) {
                *current = next;
                clause = Clause::Other;
            }
        } else if token.is_symbol("(") {
            // A bracket in place of a table holds a subquery or joined tables.
            let inside = if begins_table { Clause::From } else { Clause::Other };
            wants_table = begins_table;
            clauses.push(inside);
        } else if token.is_symbol(")") {
            if clauses.len() > 1 {
                clauses.pop();
            }
        } else if token.is_symbol(",") && clause == Clause::From {
            wants_table = true;
        }
        scanned.push(Scanned { token, clause, depth, begins_table });
    }
    Ok(scanned)
}
