//! Rows in: [`ingest`] takes them into hot, where [`room`] is made for them, [`bulk_load`] straight into warm or cold;
//! [`definitions`] makes, changes and drops the tables that they go to. Within a [`transaction`] they stay with it until its
//! COMMIT: [`private_rows`], [`private_tables`], and what it changes and deletes of other rows, [`corrections`].

pub(crate) mod bulk_load;
pub(crate) mod corrections;
mod definitions;
pub(crate) mod gathered;
pub(crate) mod ingest;
pub(crate) mod insert_sink;
mod partition_split;
pub(crate) mod private_rows;
pub(crate) mod private_tables;
mod room;
pub(crate) mod transaction;
