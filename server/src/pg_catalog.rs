//! What PostgreSQL clients ask to find out what there is: `pg_catalog`, `information_schema` and their functions.
//!
//! Tools send SQL to it that only PostgreSQL was meant to run: correlated subqueries of any form, arrays, casts between
//! names and OIDs. A small DuckDB in memory, apart from the warm tier's, answers it: DuckDB speaks PostgreSQL's grammar,
//! and the catalog is written down as views and macros (`pg_catalog/sql/`). The engine's queries never come here, and
//! what comes here cannot reach files or user tables.
//!
//! Reading order: [`scan`] and [`detect`] (is this statement about the catalog?), [`rewrite`] (PostgreSQL's SQL to
//! DuckDB's), [`allowed`] (what it may run), [`facts`] (what there is), [`role_facts`] (who there is), [`database`] (the DuckDB), [`parameters`] (what clients put in),
//! [`statement`] (one statement's life).

mod allowed;
mod database;
mod detect;
mod effects;
mod facts;
mod names;
mod oids;
mod parameters;
mod rewrite;
mod role_facts;
mod scan;
mod statement;
pub(crate) mod user_queries;

#[cfg(test)]
mod tests;

pub(crate) use effects::Effect;
pub(crate) use statement::{CatalogStatement, Identity, Introspection};
