//! What the stores that speak SQL share: which predicates, sums and buckets mean the same in their databases as in
//! DataFusion, the SELECT they send, and the plan nodes that send it.
//!
//! Everything here works from an allow-list: what is not proven to agree stays with DataFusion. A database differs from
//! another only in its [`Dialect`], and in how it runs a statement ([`source::SqlSource`]).

pub(crate) mod aggregate;
pub(crate) mod aggregate_exec;
pub(crate) mod arithmetic;
pub(crate) mod buckets;
pub(crate) mod dialect;
pub(crate) mod facts;
pub(crate) mod filter;
pub(crate) mod runs;
pub(crate) mod scan;
pub(crate) mod scan_exec;
pub(crate) mod select;
pub(crate) mod source;
pub(crate) mod types;

pub(crate) use dialect::{Dialect, POSITION_COLUMN, Place, quote};
