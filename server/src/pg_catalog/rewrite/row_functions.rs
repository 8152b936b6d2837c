//! Functions that give rows.

use super::Rewriter;
use crate::pg_catalog::scan::Clause;

impl Rewriter<'_> {
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
        } else if self.symbol(at + 1, "(") && self.stands_in_from(at) {
            self.series_in_from(at, items);
        }
    }

    /// `FROM generate_series(1, array_upper(a, 1))`: arguments that are columns or queries go into a query of their own.
    fn series_in_from(&mut self, at: usize, items: &str) {
        const TIMES: [&str; 6] = ["timestamp", "timestamptz", "date", "interval", "now", "current_date"];
        let Some(close) = self.close(at) else { return };
        let arguments = at + 2..close;
        let has_names = arguments.clone().any(|i| self.is_name(i));
        let has_times = arguments.clone().any(|i| TIMES.iter().any(|word| self.is(i, word)));
        if !has_names || has_times || self.is(close + 1, "WITH") {
            return;
        }
        // A schema before it goes later.
        self.pieces[at] = format!("(SELECT {items}");
        self.pieces[close] = "))".to_owned();
        let alias = if self.is(close + 1, "AS") { close + 2 } else { close + 1 };
        if !self.is_alias(alias) {
            let name = self.value(at);
            self.pieces[close].push_str(&format!(" AS {name}({name})"));
        }
    }

    /// `FROM string_to_array(a, ',') s`: a value as a table of one row and one column, both called `s`.
    pub(super) fn value_as_table(&mut self, at: usize) {
        let Some(close) = self.close(at) else { return };
        let alias = if self.is(close + 1, "AS") { close + 2 } else { close + 1 };
        self.pieces[at] = format!("(SELECT {}", self.pieces[at]);
        self.pieces[close].push(')');
        if self.is_alias(alias) {
            self.pieces[alias] = format!("{0}({0})", self.pieces[alias]);
        }
    }

    /// `FROM unnest(a, b) AS t(x, y)`: arrays beside each other, which DuckDB puts into columns of a query.
    pub(super) fn several_arrays(&mut self, at: usize) {
        if !self.is(at, "unnest") || !self.symbol(at + 1, "(") || !self.stands_in_from(at) {
            return;
        }
        let Some(close) = self.close(at) else { return };
        let depth = self.tokens[at].depth + 1;
        let mut in_square = 0_usize;
        let mut commas = Vec::new();
        for i in at + 2..close {
            if self.symbol(i, "[") {
                in_square += 1;
            } else if self.symbol(i, "]") {
                in_square = in_square.saturating_sub(1);
            } else if self.symbol(i, ",") && self.tokens[i].depth == depth && in_square == 0 {
                commas.push(i);
            }
        }
        if commas.is_empty() {
            return;
        }
        let mut end = "))".to_owned();
        if self.is(close + 1, "WITH") && self.is(close + 2, "ORDINALITY") {
            let starts = std::iter::once(at + 2).chain(commas.iter().map(|comma| comma + 1));
            let ends = commas.iter().copied().chain([close]);
            let lengths = starts.zip(ends).map(|(from, to)| format!("len({})", self.pieces[from..to].join(" ")));
            let longest = lengths.collect::<Vec<_>>().join(", ");
            end = format!("), ordinal_items(greatest({longest})))");
            self.replace(close + 1, close + 2, "");
        }
        self.pieces[at] = "(SELECT unnest".to_owned();
        for comma in commas {
            self.pieces[comma] = "), unnest(".to_owned();
        }
        self.pieces[close] = end;
    }

    /// `SELECT unnest(a) AS x … GROUP BY x`: rows that are grouped by come from FROM, where DuckDB can group by them.
    pub(super) fn grouped_rows(&mut self, at: usize) {
        let splits = self.is(at, "regexp_split_to_table");
        let scanned = self.tokens[at];
        if !(splits || self.is(at, "unnest")) || !self.symbol(at + 1, "(") || scanned.clause != Clause::Select {
            return;
        }
        let Some(close) = self.close(at) else { return };
        let alias = if self.is(close + 1, "AS") { close + 2 } else { close + 1 };
        if !self.is_alias(alias) {
            return;
        }
        let rest = (alias..self.tokens.len()).filter(|i| self.tokens[*i].depth == scanned.depth);
        let rest: Vec<usize> = rest.take_while(|i| !self.symbol(*i, ")")).collect();
        let Some(group) = rest.iter().copied().find(|i| self.is(*i, "GROUP")) else { return };
        let from_end = rest.iter().copied().find(|i| self.is(*i, "WHERE")).map_or(group, |at| at.min(group));
        if self.value(group + 2) != self.value(alias) || !rest.iter().any(|i| self.is(*i, "FROM")) {
            return;
        }
        let arguments = self.pieces[at + 2..close].join(" ");
        let arguments = if splits { format!("regexp_split_to_array({arguments})") } else { arguments };
        let name = self.pieces[alias].clone();
        let plain = name.trim_matches('"').to_owned();
        self.replace(at, close, &name);
        self.pieces[from_end - 1].push_str(&format!(", unnest({arguments}) AS \"rows of {plain}\"({name})"));
    }
}
