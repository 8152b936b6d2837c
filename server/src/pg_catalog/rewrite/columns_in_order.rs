//! The order of a table's columns. PostgreSQL gives rows of `pg_attribute` as they were written, and clients that ask for no
//! order read the columns in theirs.

use zxq_engine::sql::quoted;

use super::Rewriter;
use crate::pg_catalog::scan::Clause;

/// Words behind which a SELECT has an order of its own, or rows that are no rows of its tables.
const OTHER_ROWS: [&str; 10] =
    ["ORDER", "GROUP", "HAVING", "DISTINCT", "UNION", "INTERSECT", "EXCEPT", "LIMIT", "OFFSET", "FETCH"];

/// Functions that make one row of all.
const AGGREGATES: [&str; 12] = [
    "count",
    "min",
    "max",
    "sum",
    "avg",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "json_agg",
    "jsonb_agg",
];

impl Rewriter<'_> {
    /// What orders the rows of a plain SELECT over `pg_attribute`, to stand behind it.
    pub(super) fn columns_in_order(&self) -> Option<String> {
        let last = self.tokens.len().checked_sub(1)?;
        if !self.is(0, "SELECT") || self.symbol(last, ";") {
            return None;
        }
        let outer = (0..self.tokens.len()).filter(|at| self.tokens[*at].depth == 0);
        let mut of = None;
        for at in outer {
            let aggregate = self.tokens[at].clause == Clause::Select
                && self.symbol(at + 1, "(")
                && AGGREGATES.contains(&self.value(at).as_str());
            if aggregate || OTHER_ROWS.iter().any(|word| self.is(at, word)) {
                return None;
            }
            if let Some((name, _)) = self.alias(at).filter(|(_, relation)| relation == "pg_attribute") {
                of = of.or(Some(quoted(&name)));
            }
        }
        of.map(|name| format!(" ORDER BY {name}.attrelid, {name}.attnum"))
    }
}
