//! The SQL that zxq speaks, with PostgreSQL's meaning: texts of values, statements and definitions, functions, numbers.
//!
//! This crate knows no storage. It reads SQL and says what it means, and gives DataFusion the functions, operators, casts and
//! aggregates that answer as PostgreSQL does; where rows come from, and who may see them, is the affair of the engine, which
//! is built on it. So most of what PostgreSQL's users can notice can be changed and tested without compiling the engine.
//!
//! The modules, each using those before it only:
//!
//! - [`error`]: what a user is told, by what the caller can do; what DataFusion reports, in words of users;
//! - [`values`]: texts to numbers, dates, times, intervals, arrays and JSON, and back;
//! - [`sql`]: text to statements and to definitions of tables, and definitions back to text;
//! - [`functions`]: functions, operators, and rewrites of expressions;
//! - [`semantics`]: one pass over a plan that gives numbers PostgreSQL's meaning, and rules for filters.
//!
//! Read first: [`sql::statement`] (how a text becomes statements), [`functions::register`] (what a session of DataFusion gets)
//! and [`semantics::analyzer`] (what is done to a plan); then the module you came for, by its front page.

pub mod error;
pub mod functions;
pub mod semantics;
pub mod sql;
#[cfg(test)]
mod tests;
pub mod values;

pub use error::{EngineError, ErrorKind, Place, Result};
