//! PostgreSQL's regular expressions: `~`, `SIMILAR TO`, `regexp_replace` and the others.
//!
//! [`parse`] (with [`brackets`]) reads a pattern into a [`syntax::Tree`]. Whether there is a match is asked of Rust's `regex`,
//! to which [`automaton`] hands the same expression. Where a match ends and what its groups hold is PostgreSQL's own affair
//! (it takes the longest, not the first): [`dissect`]. [`pattern`] chooses between them. [`similar`] reads the patterns of
//! `SIMILAR TO`. The SQL functions are in [`matching`], [`replacing`] and [`finding`].

mod automaton;
mod brackets;
mod dissect;
pub(super) mod finding;
pub(super) mod matching;
mod parse;
pub(super) mod pattern;
pub(super) mod replacing;
pub(super) mod similar;
mod syntax;

pub(crate) use syntax::Options;

#[cfg(test)]
mod tests;
