//! Suites that need an engine in this process. One binary: each one links DuckDB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Futures of the engine within those of tests nest deeper than the compiler expects.
#![recursion_limit = "256"]

mod cancelled;
mod corrections;
mod damage;
mod dependencies;
mod external_tables;
mod fuzz;
mod hypertables;
mod iceberg_in_postgres;
mod log_owner;
mod lookups;
mod many_rows;
mod market;
mod oracle;
mod others_files;
mod pipelines;
mod places;
mod postgres_crash;
mod pressure;
mod privileges;
mod restarts;
mod s3_deploy;
mod s3_moves;
mod show_create;
mod small_segments;
mod snapshot;
mod sqlx_client;
mod statement_queue;
mod tidy;
mod transactions;
mod transactions_embedded;
mod two_connections;
mod two_connections_alter;
mod two_connections_drop;
mod two_connections_moves;
mod wire;
mod wire_copy;
mod wire_files;
mod wire_sessions;
mod wire_types;
