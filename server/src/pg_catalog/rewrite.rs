//! PostgreSQL's SQL to DuckDB's: names of schemas, casts between names and OIDs, regular expressions, array literals.
//!
//! Works on tokens and leaves everything it does not know as it is: DuckDB reads PostgreSQL's grammar.

mod arrays;
mod columns_in_order;
mod oid_casts;
mod output_names;
mod row_functions;
mod rows;

use super::detect::{INFORMATION_RELATIONS, PG_RELATIONS, SESSION_WORDS};
use super::effects::{self, ComputedCall, EffectCall};
use super::scan::{Clause, Scanned};
use crate::wire::error::WireError;
use crate::wire::lexer::TokenKind;

/// Columns of type `regproc`: PostgreSQL shows them by name.
const REGPROC_COLUMNS: [&str; 12] = [
    "typinput",
    "typoutput",
    "typreceive",
    "typsend",
    "typmodin",
    "typmodout",
    "typanalyze",
    "typsubscript",
    "amhandler",
    "aggfnoid",
    "oprcode",
    "prosupport",
];

/// Functions that PostgreSQL names the column of after the alias of the call: `unnest(a) x`.
const TABLE_FUNCTIONS: [&str; 4] = ["unnest", "generate_series", "generate_subscripts", "regexp_split_to_table"];

/// Words that can follow a table and are not its alias.
const NOT_ALIASES: [&str; 19] = [
    "WITH",
    "WHERE",
    "ORDER",
    "GROUP",
    "LIMIT",
    "JOIN",
    "LEFT",
    "INNER",
    "CROSS",
    "ON",
    "UNION",
    "RIGHT",
    "FULL",
    "NATURAL",
    "HAVING",
    "OFFSET",
    "USING",
    "EXCEPT",
    "INTERSECT",
];

/// A statement being rewritten: its tokens, and what stands in place of each.
pub(super) struct Rewriter<'a> {
    text: &'a str,
    tokens: &'a [Scanned<'a>],
    /// What stands in place of each token.
    pieces: Vec<String>,
    /// System tables by the names they have in this statement.
    aliases: Vec<(String, String)>,
}

impl<'a> Rewriter<'a> {
    /// A rewriter of a text whose parameters are replaced by `literals`.
    pub(super) fn new(text: &'a str, tokens: &'a [Scanned<'a>], literals: &[String]) -> Self {
        let pieces = tokens
            .iter()
            .map(|scanned| match scanned.token.kind {
                TokenKind::Parameter => scanned.token.raw[1..]
                    .parse::<usize>()
                    .ok()
                    .and_then(|number| literals.get(number.checked_sub(1)?))
                    .map_or("NULL", String::as_str)
                    .to_owned(),
                _ => scanned.token.raw.to_owned(),
            })
            .collect();
        let mut rewriter = Rewriter { text, tokens, pieces, aliases: Vec::new() };
        rewriter.aliases = (0..tokens.len()).filter_map(|at| rewriter.alias(at)).collect();
        rewriter
    }

    /// The system table that an item of FROM begins at this token names, and its name in the statement.
    fn alias(&self, at: usize) -> Option<(String, String)> {
        if !self.tokens[at].begins_table {
            return None;
        }
        let name = if self.symbol(at + 1, ".") { at + 2 } else { at };
        let relation = self.value(name);
        if !PG_RELATIONS.contains(relation.as_str()) {
            return None;
        }
        let alias = if self.is(name + 1, "AS") { name + 2 } else { name + 1 };
        Some((if self.is_alias(alias) { self.value(alias) } else { relation.clone() }, relation))
    }

    /// The text of each token, parameters filled in.
    pub(super) fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// The statement for DuckDB.
    ///
    /// # Errors
    /// 0A000 for what has no counterpart.
    pub(super) fn rewrite(mut self, effects: &[EffectCall]) -> Result<String, WireError> {
        for call in effects {
            self.replace(call.first, call.last, &call.result);
        }
        for call in effects::computed(self.tokens)? {
            self.computed_setting(&call);
        }
        for at in 0..self.tokens.len() {
            self.array_literal(at);
            self.several_arrays(at);
        }
        for at in 0..self.tokens.len() {
            self.operator_syntax(at);
            self.like_escape(at);
            self.age_of_transaction(at);
            self.series(at);
        }
        for at in 0..self.tokens.len() {
            self.regular_expression(at)?;
            self.collation(at);
            self.schema_name(at);
            self.session_word(at);
            self.table_alias(at);
            self.table_oid(at);
            self.system_column(at);
            self.regproc_column(at);
        }
        for at in 0..self.tokens.len() {
            self.oid_cast(at);
            self.oid_cast_function(at);
        }
        for at in 0..self.tokens.len() {
            self.grouped_rows(at);
        }
        for at in 0..self.tokens.len() {
            self.output_names(at);
        }
        let order = self.columns_in_order().unwrap_or_default();
        Ok(self.finish() + &order)
    }

    /// `set_config(name, value, local)` gives the value.
    fn computed_setting(&mut self, call: &ComputedCall) {
        let [_, (first, last), _] = call.arguments;
        self.replace(call.first, first - 1, "(");
        self.replace(last + 1, call.last, ")::VARCHAR");
        let begins = if call.first >= 2 && self.symbol(call.first - 1, ".") { call.first - 2 } else { call.first };
        if self.is_column(begins, call.last) {
            self.pieces[last + 1].push_str(" AS set_config");
        }
    }

    fn finish(self) -> String {
        let mut sql = String::with_capacity(self.text.len() + 64);
        let mut end = 0;
        for (scanned, piece) in self.tokens.iter().zip(&self.pieces) {
            // Comments between tokens go.
            let gap = &self.text[end..scanned.token.start];
            if !gap.is_empty() {
                sql.push_str(if gap.trim().is_empty() { gap } else { " " });
            }
            sql.push_str(piece);
            end = scanned.token.end();
        }
        sql
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|scanned| scanned.token.is(word))
    }

    fn symbol(&self, at: usize, symbol: &str) -> bool {
        self.tokens.get(at).is_some_and(|scanned| scanned.token.is_symbol(symbol))
    }

    /// Two symbols that touch: `::`.
    fn symbols(&self, at: usize, first: &str, second: &str) -> bool {
        self.symbol(at, first)
            && self.symbol(at + 1, second)
            && self.tokens[at].token.end() == self.tokens[at + 1].token.start
    }

    fn value(&self, at: usize) -> String {
        self.tokens.get(at).map(|scanned| scanned.token.value().into_owned()).unwrap_or_default()
    }

    fn is_name(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|scanned| matches!(scanned.token.kind, TokenKind::Word | TokenKind::Quoted))
    }

    /// The name, in quotes or not.
    fn is_name_of(&self, at: usize, name: &str) -> bool {
        self.is(at, name)
            || self.tokens.get(at).is_some_and(|t| t.token.kind == TokenKind::Quoted && t.token.value() == name)
    }

    fn is_text(&self, at: usize) -> bool {
        self.pieces.get(at).is_some_and(|piece| piece.starts_with('\'') && piece.ends_with('\'') && piece.len() > 1)
    }

    fn replace(&mut self, first: usize, last: usize, with: &str) {
        for piece in &mut self.pieces[first..=last] {
            piece.clear();
        }
        self.pieces[first] = with.to_owned();
    }

    /// `OPERATOR(pg_catalog.~)` to `~`.
    fn operator_syntax(&mut self, at: usize) {
        if !self.is(at, "OPERATOR") || !self.symbol(at + 1, "(") {
            return;
        }
        let Some(close) = (at + 2..self.tokens.len()).find(|i| self.symbol(*i, ")")) else { return };
        let operator: String = (at + 2..close)
            .map(|i| self.tokens[i].token)
            .filter(|token| token.kind == TokenKind::Symbol && token.raw != ".")
            .map(|token| token.raw)
            .collect();
        self.replace(at, close, &operator);
    }

    /// A regular expression matches anywhere in PostgreSQL, and the whole text in DuckDB.
    fn regular_expression(&mut self, at: usize) -> Result<(), WireError> {
        let (negated, ignore_case, last) = match self.pieces[at].as_str() {
            // From OPERATOR(…), which ends at its bracket.
            operator @ ("~" | "!~" | "~*" | "!~*") if self.is(at, "OPERATOR") => {
                let close = (at..self.tokens.len()).find(|i| self.symbol(*i, ")")).unwrap_or(at);
                (operator.starts_with('!'), operator.ends_with('*'), close)
            }
            "~" if self.symbol(at, "~") => {
                let touches_before = at > 0 && (self.symbols(at - 1, "~", "~") || self.symbols(at - 1, "@", "~"));
                if touches_before || self.symbols(at, "~", "~") {
                    return Ok(());
                }
                let ignore_case = self.symbols(at, "~", "*");
                (at > 0 && self.symbols(at - 1, "!", "~"), ignore_case, at + usize::from(ignore_case))
            }
            _ => return Ok(()),
        };
        let pattern = last + 1;
        let end = match self.is_text(pattern) {
            true => pattern,
            false => self.operand_end(pattern).ok_or_else(|| {
                WireError::unsupported("regular expressions on the catalog are literals, columns, calls or in brackets")
            })?,
        };
        let first = if negated && !self.is(at, "OPERATOR") { at - 1 } else { at };
        self.replace(first, last, if negated { "!~" } else { "~" });
        let raw = self.pieces[pattern].clone();
        let flags = if ignore_case { "(?i)" } else { "" };
        if self.is_text(pattern) {
            self.pieces[pattern] = format!("'{flags}(?s:.*)(?:{})(?s:.*)'", &raw[1..raw.len() - 1]);
        } else {
            self.pieces[pattern] = format!("('{flags}(?s:.*)(?:' || ({raw}");
            self.pieces[end].push_str(")::VARCHAR || ')(?s:.*)')");
        }
        Ok(())
    }

    /// Where what begins here ends: something in brackets, a column, or a call.
    fn operand_end(&self, at: usize) -> Option<usize> {
        if self.symbol(at, "(") {
            return self.close(at);
        }
        if !self.is_name(at) {
            return None;
        }
        let mut end = at;
        while self.symbol(end + 1, ".") && self.is_name(end + 2) {
            end += 2;
        }
        if self.symbol(end + 1, "(") { self.close(end) } else { Some(end) }
    }

    /// Everything sorts by bytes: `COLLATE x` goes.
    fn collation(&mut self, at: usize) {
        if !self.is(at, "COLLATE") || !self.is_name(at + 1) {
            return;
        }
        let mut last = at + 1;
        while self.symbol(last + 1, ".") && self.is_name(last + 2) {
            last += 2;
        }
        self.replace(at, last, "");
    }

    /// `pg_catalog.pg_class` to `pgc.pg_class`; functions and types lose the schema. Tables without a schema get it.
    fn schema_name(&mut self, at: usize) {
        if !self.is_name(at) || at > 0 && self.symbol(at - 1, ".") {
            return;
        }
        // `database.pg_catalog.pg_class`: there is one database.
        let of_database = self.symbol(at + 1, ".") && self.symbol(at + 3, ".") && self.tokens[at].begins_table;
        if of_database && matches!(self.value(at + 2).as_str(), "pg_catalog" | "information_schema") {
            self.replace(at, at + 1, "");
            self.schema_of(at + 2, true);
            return;
        }
        self.schema_of(at, self.tokens[at].begins_table);
    }

    /// The schema that a name begins with.
    fn schema_of(&mut self, at: usize, begins_table: bool) {
        let name = self.value(at);
        let (relations, schema) = match name.as_str() {
            "pg_catalog" => (&*PG_RELATIONS, "pgc"),
            "information_schema" => (&*INFORMATION_RELATIONS, "pgi"),
            _ => {
                let unqualified = begins_table && PG_RELATIONS.contains(name.as_str());
                if unqualified && !self.symbol(at + 1, "(") && !self.symbol(at + 1, ".") {
                    self.pieces[at] = format!("pgc.{}", self.pieces[at]);
                }
                return;
            }
        };
        if !self.symbol(at + 1, ".") {
            return;
        }
        if relations.contains(self.value(at + 2).as_str()) && !self.symbol(at + 3, "(") {
            self.pieces[at] = schema.to_owned();
        } else if !begins_table || self.symbol(at + 3, "(") {
            self.replace(at, at + 1, "");
        }
    }

    /// `current_user` and its like.
    fn session_word(&mut self, at: usize) {
        let token = self.tokens[at].token;
        let is_word = token.kind == TokenKind::Word
            && self.pieces[at] == token.raw
            && !self.symbol(at + 1, "(")
            && !self.symbol(at + 1, ".")
            && !(at > 0 && (self.symbol(at - 1, ".") || self.is(at - 1, "AS")));
        if !is_word {
            return;
        }
        let Some((word, function)) = SESSION_WORDS.iter().find(|(word, _)| token.is(word)) else { return };
        // `user` is a name that people give to columns.
        let stands_alone = at > 0
            && (["SELECT", "THEN", "ELSE"].iter().any(|word| self.is(at - 1, word))
                || ["=", "(", ","].iter().any(|symbol| self.symbol(at - 1, symbol)));
        if *word == "user" && !stands_alone {
            return;
        }
        self.pieces[at] = (*function).to_owned();
    }

    /// `FROM unnest(a) x` names the column `x` too.
    fn table_alias(&mut self, at: usize) {
        if self.is(at, "string_to_array") && self.symbol(at + 1, "(") && self.stands_in_from(at) {
            self.value_as_table(at);
            return;
        }
        let is_function = TABLE_FUNCTIONS.iter().any(|function| self.is(at, function)) && self.symbol(at + 1, "(");
        if !is_function || !self.stands_in_from(at) {
            return;
        }
        let Some(mut alias) = self.close(at).map(|close| close + 1) else { return };
        if self.is(alias, "AS") {
            alias += 1;
        }
        if self.is_alias(alias) && !self.symbol(alias + 1, "(") {
            self.pieces[alias] = format!("{0}({0})", self.pieces[alias]);
        }
    }

    /// The bracket that closes the one behind this token.
    fn close(&self, at: usize) -> Option<usize> {
        let depth = self.tokens.get(at)?.depth + 1;
        (at + 1..self.tokens.len()).find(|i| self.symbol(*i, ")") && self.tokens[*i].depth == depth)
    }

    /// True for a column of the outermost select list as a whole, without a name of its own: clients see that of the column.
    fn is_column(&self, first: usize, last: usize) -> bool {
        let Scanned { depth, clause, .. } = self.tokens[first];
        let begins = first > 0 && (self.is(first - 1, "SELECT") || self.symbol(first - 1, ","));
        let ends = last + 1 == self.tokens.len() || self.symbol(last + 1, ",") || self.is(last + 1, "FROM");
        depth == 0 && clause == Clause::Select && begins && ends
    }

    /// True for a word that can only be an alias.
    fn is_alias(&self, at: usize) -> bool {
        self.is_name(at) && !NOT_ALIASES.iter().any(|word| self.is(at, word))
    }

    /// The function is an item of FROM, with or without its schema.
    fn stands_in_from(&self, at: usize) -> bool {
        let start = if at >= 2 && self.symbol(at - 1, ".") { at - 2 } else { at };
        self.tokens[start].begins_table
    }

    /// A column of type `regproc` shows its name: as text, and in the outermost select list.
    fn regproc_column(&mut self, at: usize) {
        let scanned = self.tokens[at];
        if !REGPROC_COLUMNS.iter().any(|column| scanned.token.is(column)) {
            return;
        }
        let first = self.operand_start(at);
        if self.symbols(at + 1, ":", ":") && (self.is(at + 3, "text") || self.is(at + 3, "varchar")) {
            self.pieces[first] = format!("regproc_out({}", self.pieces[first]);
            self.pieces[at].push(')');
            return;
        }
        if !self.is_column(first, at) {
            return;
        }
        self.pieces[first] = format!("regproc_out({}", self.pieces[first]);
        self.pieces[at] = format!("{}) AS {}", self.pieces[at], scanned.token.raw);
    }

    /// First token of the operand that ends at `end`: a literal, `a.b`, `f(x)`, `(x)`, or one of these with casts.
    fn operand_start(&self, end: usize) -> usize {
        let mut at = end;
        if self.symbol(at, ")") || self.symbol(at, "]") {
            let depth = self.tokens[at].depth;
            let mut open = 0;
            while at > 0 {
                if self.symbol(at, ")") || self.symbol(at, "]") {
                    open += 1;
                } else if self.symbol(at, "(") || self.symbol(at, "[") {
                    open -= 1;
                    if open == 0 {
                        break;
                    }
                }
                at -= 1;
            }
            debug_assert!(depth > 0 || at == 0 || self.symbol(at, "["));
            if at > 0 && self.is_name(at - 1) && !self.is_keyword(at - 1) {
                at -= 1;
            }
        }
        while at >= 2 && self.symbol(at - 1, ".") && self.is_name(at - 2) {
            at -= 2;
        }
        if at >= 3 && self.symbols(at - 2, ":", ":") {
            return self.operand_start(at - 3);
        }
        at
    }

    fn is_keyword(&self, at: usize) -> bool {
        const KEYWORDS: [&str; 12] =
            ["SELECT", "WHERE", "AND", "OR", "NOT", "ON", "IN", "THEN", "ELSE", "WHEN", "FROM", "BY"];
        KEYWORDS.iter().any(|keyword| self.is(at, keyword))
    }
}
