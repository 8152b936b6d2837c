//! What PostgreSQL's rows have that DuckDB's do not: the transaction that made them, and a place. And patterns of LIKE, whose
//! backslash DuckDB reads as one.

use super::Rewriter;

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
    /// `c.tableoid` is the OID of the table that `c` stands for, `tableoid` alone that of the first table behind it.
    pub(super) fn table_oid(&mut self, at: usize) {
        if !self.is(at, "tableoid") || at > 0 && self.is(at - 1, "AS") {
            return;
        }
        let qualified = at >= 2 && self.symbol(at - 1, ".");
        let first = if qualified { at - 2 } else { at };
        let relation = if qualified {
            let table = self.value(first);
            self.aliases.iter().find(|(alias, _)| *alias == table).map(|(_, relation)| relation.clone())
        } else {
            let depth = self.tokens[at].depth;
            let mut tables = (at..self.tokens.len()).filter(|i| self.tokens[*i].depth == depth);
            tables.find_map(|i| self.alias(i)).map(|(_, relation)| relation)
        };
        let Some(relation) = relation else { return };
        let name = if self.is_column(first, at) { " AS tableoid" } else { "" };
        self.replace(first, at, &format!("regclass_in('{relation}'){name}"));
    }

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
        let text = if self.is_column(first, at) { format!("{constant} AS {name}") } else { (*constant).to_owned() };
        self.replace(first, at, &text);
    }

    /// `age(xmin)` counts transactions, `age(now())` time.
    pub(super) fn age_of_transaction(&mut self, at: usize) {
        if !self.is(at, "age") || !self.symbol(at + 1, "(") {
            return;
        }
        let Some(close) = self.close(at) else { return };
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
}
