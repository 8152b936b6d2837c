//! Rows out: [`tiered_table`] is the table that DataFusion sees, [`scan_plan`] says which segments it reads (pure; `day_range` leaves
//! partitions of other days alone),
//! [`tier_scan_exec`] reads one tier's (`counted_rows_exec` where rows are only counted); [`query_planner`] pins one snapshot for a whole statement. [`key_lookup`] finds the rows of
//! one key without any of these. [`external_table`] is the table of others.

mod counted_rows_exec;
mod day_range;
pub(crate) mod external_table;
pub(crate) mod kept_columns;
pub(crate) mod key_lookup;
pub(crate) mod query_planner;
mod scan_plan;
pub(crate) mod session_options;
pub(crate) mod table_schema;
pub(crate) mod tier_scan_exec;
pub(crate) mod tiered_table;
