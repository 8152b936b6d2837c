//! Suites that need an engine in this process. One binary: each one links DuckDB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod external_tables;
mod hypertables;
mod iceberg_in_postgres;
mod market;
mod oracle;
mod places;
mod postgres_crash;
mod s3_deploy;
mod s3_moves;
mod snapshot;
mod tidy;
mod wire;
