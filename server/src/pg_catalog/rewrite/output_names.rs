//! Columns of subqueries: PostgreSQL names one after its function, or after what it casts, DuckDB after the whole expression.

use zxq_engine::sql::quoted;

use super::Rewriter;
use crate::pg_catalog::detect::SESSION_WORDS;
use crate::pg_catalog::scan::Clause;
use crate::wire::lexer::TokenKind;

/// Words before a bracket, or alone, that are no names.
const NO_NAMES: [&str; 12] =
    ["cast", "case", "array", "exists", "row", "extract", "not", "null", "true", "false", "interval", "select"];

impl Rewriter<'_> {
    /// Names the columns of a subquery that begins here.
    pub(super) fn output_names(&mut self, at: usize) {
        let depth = self.tokens[at].depth;
        if !self.is(at, "SELECT") || depth == 0 {
            return;
        }
        let begin = if self.is(at + 1, "DISTINCT") || self.is(at + 1, "ALL") { at + 2 } else { at + 1 };
        if self.is(begin, "ON") {
            return;
        }
        let mut first = begin;
        for i in begin..self.tokens.len() {
            if self.tokens[i].depth != depth {
                continue;
            }
            let ends = self.symbol(i, ")") || self.tokens[i].clause != Clause::Select;
            if !ends && !self.symbol(i, ",") {
                continue;
            }
            if let Some(last) = i.checked_sub(1)
                && let Some(name) = self.output_name(first, last)
            {
                self.pieces[last].push_str(&format!(" AS {}", quoted(&name)));
            }
            if ends {
                return;
            }
            first = i + 1;
        }
    }

    /// What PostgreSQL calls the column, where DuckDB would call it something else.
    fn output_name(&self, first: usize, last: usize) -> Option<String> {
        if first > last || !self.is_name(first) {
            return None;
        }
        let mut at = first;
        while self.symbol(at + 1, ".") && self.is_name(at + 2) {
            at += 2;
        }
        let name = self.value(at);
        if NO_NAMES.contains(&name.as_str()) {
            return None;
        }
        let is_word = at == first && self.tokens[at].token.kind == TokenKind::Word;
        let mut differs = is_word && SESSION_WORDS.iter().any(|(word, _)| *word == name);
        if self.symbol(at + 1, "(") {
            differs = true;
            at = self.close(at)?;
            if self.is(at + 1, "OVER") && self.symbol(at + 2, "(") {
                at = self.close(at + 1)?;
            }
        }
        while self.symbols(at + 1, ":", ":") {
            differs = true;
            at = self.type_end(at + 3)?;
        }
        (differs && at == last).then_some(name)
    }

    /// The last token of the type that begins here.
    fn type_end(&self, mut at: usize) -> Option<usize> {
        while self.symbol(at + 1, ".") {
            at += 2;
        }
        if self.is(at, "double") && self.is(at + 1, "precision")
            || self.is(at, "character") && self.is(at + 1, "varying")
        {
            at += 1;
        }
        if self.symbol(at + 1, "(") {
            at = self.close(at)?;
        }
        while self.symbol(at + 1, "[") && self.symbol(at + 2, "]") {
            at += 2;
        }
        Some(at)
    }
}
