//! Stores whose rows lie in a database: [`duckdb`] and [`postgres`] over `sql` (the SELECT that a database is sent).

pub mod duckdb;
pub mod postgres;
pub(crate) mod sql;
