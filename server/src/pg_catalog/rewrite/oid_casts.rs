//! Casts between names and OIDs.

use super::Rewriter;
use crate::pg_catalog::detect::REG_TYPES;
use crate::pg_catalog::scan::{Clause, Scanned};

/// Types after `::` that keep an OID a number.
const NUMBER_TYPES: [&str; 9] = ["oid", "int", "integer", "int2", "int4", "int8", "bigint", "smallint", "numeric"];

impl Rewriter<'_> {
    /// `'t'::regclass` looks a name up, `oid::regclass` shows one.
    pub(super) fn oid_cast(&mut self, at: usize) {
        if at == 0 || !self.symbols(at, ":", ":") {
            return;
        }
        let mut name = at + 2;
        if self.is_name_of(name, "pg_catalog") && self.symbol(name + 1, ".") {
            name += 2;
        }
        let Some(reg_type) = REG_TYPES.iter().find(|reg_type| self.is_name_of(name, reg_type)) else { return };
        let function = match *reg_type {
            "regprocedure" => "regproc",
            other => other,
        };
        let stays_number = self.symbols(name + 1, ":", ":") && {
            let next = if self.is(name + 3, "pg_catalog") { name + 5 } else { name + 3 };
            NUMBER_TYPES.iter().any(|number| self.is(next, number))
        };
        let operand_end = at - 1;
        let first = self.operand_start(operand_end);
        if self.symbol(name + 1, "[") && self.symbol(name + 2, "]") {
            self.replace(at, name + 2, "");
            self.pieces[first] = format!("{function}_array_out({}", self.pieces[first]);
            self.pieces[operand_end].push(')');
            return;
        }
        let is_written = self.is_text(first) && (first == operand_end || self.symbols(first + 1, ":", ":"));
        // What is put together is a text, too.
        let from_text = is_written || (first..operand_end).any(|i| self.symbols(i, "|", "|"));
        self.replace(at, name, "");
        if from_text {
            let (read, end) = match self.is_shown(first, at, name) || !is_written && !stays_number {
                true => (format!("{function}_out({function}_in("), "))"),
                false => (format!("{function}_in("), ")"),
            };
            self.pieces[first] = format!("{read}{}", self.pieces[first]);
            self.pieces[operand_end].push_str(end);
        } else if !stays_number && !self.is_beside_name(name + 1) {
            self.pieces[first] = format!("{function}_out({}", self.pieces[first]);
            self.pieces[operand_end].push(')');
        }
    }

    /// True where what comes next compares with `'name'::regtype`: two numbers are compared then.
    fn is_beside_name(&self, at: usize) -> bool {
        let text = if self.symbol(at, "=") {
            at + 1
        } else if self.symbols(at, "!", "=") || self.symbols(at, "<", ">") {
            at + 2
        } else {
            return false;
        };
        let name = if self.is(text + 3, "pg_catalog") { text + 5 } else { text + 3 };
        let is_cast = self.is_text(text) && self.symbols(text + 1, ":", ":");
        is_cast && REG_TYPES.iter().any(|reg_type| self.is(name, reg_type))
    }

    /// True for a cast, from its operand and its `::` to the type's name, that is a column of the outermost select list as a
    /// whole: clients see a name. What it is compared with is an OID.
    fn is_shown(&self, first: usize, at: usize, name: usize) -> bool {
        let Scanned { depth, clause, .. } = self.tokens[at];
        let begins = first > 0 && (self.is(first - 1, "SELECT") || self.symbol(first - 1, ","));
        let ends = name + 1 == self.tokens.len() || self.symbol(name + 1, ",") || self.is(name + 1, "FROM");
        depth == 0 && clause == Clause::Select && begins && (ends || self.is(name + 1, "AS"))
    }

    /// `CAST('t' AS regclass)` and `CAST(oid AS regclass)`.
    pub(super) fn oid_cast_function(&mut self, at: usize) {
        if !self.is(at, "CAST") || !self.symbol(at + 1, "(") {
            return;
        }
        let Some(close) = self.close(at) else { return };
        let Some(name) = close.checked_sub(1) else { return };
        let Some(reg_type) = REG_TYPES.iter().find(|reg_type| self.is(name, reg_type)) else { return };
        let word_as = if self.symbol(name - 1, ".") { name - 3 } else { name - 1 };
        if !self.is(word_as, "AS") {
            return;
        }
        let reg_type = reg_type.replace("procedure", "proc");
        let direction = if self.is_text(at + 2) && at + 3 == word_as { "in" } else { "out" };
        self.replace(word_as, name, "");
        self.pieces[at] = format!("{reg_type}_{direction}");
    }
}
