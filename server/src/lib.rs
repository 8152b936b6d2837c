//! The `zxq` program: the PostgreSQL wire protocol, the command line, the configuration file and the demo.
//!
//! Holds no logic that SQL could not reach: everything here talks to [`zxq_engine`]. The command line runs SQL too, through
//! the server that holds the data directory where there is one, else in its own process.
//!
//! Read first: [`serve`] (a listener and its connections), then `wire`, whose front page says in which order to read it, and
//! `pg_catalog` (what clients ask to find out what there is). The other way in is [`cli`], one file per command.
//! [`config_file`] reads `storage.yaml`; [`sqlstate`] says which failure has which code; [`demo`] makes market data and shows
//! all of it.
// Futures of the engine within those of a connection nest deeper than the compiler expects.
#![recursion_limit = "256"]

pub mod cli;
pub mod config_file;
pub mod demo;
#[doc(hidden)]
pub mod fuzzing;
mod pg_catalog;
pub mod serve;
pub mod sqlstate;
mod wire;
