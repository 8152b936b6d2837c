//! What PostgreSQL's rows have that DuckDB's do not: the transaction that made them, and a place. And patterns of LIKE, whose
//! backslash DuckDB reads as one.

use super::Rewriter;
use crate::pg_catalog::scan::Clause;

/// Columns of every row, with what they are here: all rows are as old, and lie nowhere.
const SYSTEM_COLUMNS: [(&str, &str); 5] = [
    ("xmin", "3::UINTEGER"),
    ("xmax", "0::UINTEGER"),
    ("cmin", "0::UINTEGER"),
    ("cmax", "0::UINTEGER"),
    ("ctid", "'(0,1)'"),
];

/// What the age of is that of a transaction, not of a moment.
const TRANSACTIONS: [&str; 6] = ["xmin", "xmax", "xid", "relfrozenxid", "datfrozenxid", "backend_xmin"];

impl Rewriter<'_> {
    /// `c.xmin`, and `xmin` alone, of a system table.
    pub(super) fn system_column(&mut self, at: usize) {
        let Some((name, constant)) = SYSTEM_COLUMNS.iter().find(|(name, _)| self.is(at, name)) else { return };
        let qualified = at >= 2 && self.symbol(at - 1, ".");
        let first = if qualified { at - 2 } else { at };
        let of_system = match qualified {
            true => {
                let table = self.value(first);
                self.aliases.iter().any(|(alias, _)| *alias == table)
            }
            false => !(self.aliases.is_empty() || at > 0 && self.is(at - 1, "AS")),
        };
        // pg_replication_slots and pg_stat_activity have such columns of their own.
        if !of_system
            || self.symbol(at + 1, "(")
            || self.aliases.iter().any(|(_, table)| table == "pg_replication_slots")
        {
            return;
        }
        let scanned = self.tokens[at];
        let shown = scanned.depth == 0
            && scanned.clause == Clause::Select
            && (self.symbol(at + 1, ",") || self.is(at + 1, "FROM"))
            && first > 0
            && (self.is(first - 1, "SELECT") || self.symbol(first - 1, ","));
        let text = if shown { format!("{constant} AS {name}") } else { (*constant).to_owned() };
        self.replace(first, at, &text);
    }

    /// `age(xmin)` counts transactions, `age(now())` time.
    pub(super) fn age_of_transaction(&mut self, at: usize) {
        if !self.is(at, "age") || !self.symbol(at + 1, "(") {
            return;
        }
        let depth = self.tokens[at].depth + 1;
        let close = (at + 2..self.tokens.len()).find(|i| self.symbol(*i, ")") && self.tokens[*i].depth == depth);
        let Some(close) = close else { return };
        if (at + 2..close).any(|i| TRANSACTIONS.iter().any(|name| self.is(i, name))) {
            self.pieces[at] = "xid_age".to_owned();
        }
    }

    /// `LIKE 'a\_b'`: a backslash takes its meaning from the character after it, unless another one is named.
    pub(super) fn like_escape(&mut self, at: usize) {
        if !(self.is(at, "LIKE") || self.is(at, "ILIKE")) {
            return;
        }
        let pattern = at + 1;
        let Some(piece) = self.pieces.get(pattern) else { return };
        if piece.ends_with('\'') && piece.contains('\\') && !self.is(pattern + 1, "ESCAPE") {
            self.pieces[pattern].push_str(" ESCAPE '\\'");
        }
    }

    /// `SELECT generate_series(1, 3)`: rows, where DuckDB gives a list.
    pub(super) fn series(&mut self, at: usize) {
        let items = if self.is(at, "generate_series") {
            "series_items"
        } else if self.is(at, "generate_subscripts") {
            "subscript_items"
        } else {
            return;
        };
        let scanned = self.tokens[at];
        let within_unnest = at >= 2 && self.symbol(at - 1, "(") && self.is(at - 2, "unnest");
        if scanned.clause == Clause::Select && self.symbol(at + 1, "(") && !within_unnest {
            self.pieces[at] = items.to_owned();
        }
    }

    /// `FROM string_to_array(a, ',') s`: a value as a table of one row and one column, both called `s`.
    pub(super) fn value_as_table(&mut self, at: usize) {
        let depth = self.tokens[at].depth + 1;
        let close = (at + 1..self.tokens.len()).find(|i| self.symbol(*i, ")") && self.tokens[*i].depth == depth);
        let Some(close) = close else { return };
        let alias = if self.is(close + 1, "AS") { close + 2 } else { close + 1 };
        let first = if at >= 2 && self.symbol(at - 1, ".") { at - 2 } else { at };
        self.pieces[first] = format!("(SELECT {}", self.pieces[first]);
        self.pieces[close].push(')');
        if self.is_alias(alias) {
            self.pieces[alias] = format!("{0}({0})", self.pieces[alias]);
        }
    }
}
