//! Rows in: [`ingest`] takes them into hot, [`bulk_load`] straight into warm or cold;
//! [`definitions`] makes, changes and drops the tables that they go to.

pub(crate) mod bulk_load;
mod definitions;
pub(crate) mod gathered;
pub(crate) mod ingest;
pub(crate) mod insert_sink;
mod partition_split;
