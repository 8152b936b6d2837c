//! The `zxq` program: the PostgreSQL wire protocol, the command line, the configuration file and the demo.
//!
//! Holds no logic that SQL could not reach: everything here talks to [`zxq_engine`].

pub mod cli;
pub mod config_file;
pub mod demo;
mod pg_catalog;
pub mod serve;
pub mod sqlstate;
mod wire;
