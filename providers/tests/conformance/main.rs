//! The conformance suite: what every tier store must do, run against each of them.
//!
//! A case is a function that takes a fresh store. Add a case to its module and to [`suite`]; add a store by adding a
//! [`harness::StoreKind`] to `stores` and one line at the end of this file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod aggregates;
mod data;
mod filters;
mod harness;
mod lifecycle;
mod postgres_only;
mod predicates;
mod promises;
mod query;
mod round_trip;
mod s3_credentials;
mod s3_moto;
mod s3_only;
mod stores;
mod timescale_only;

macro_rules! suite {
    ($store:ident, $kind:expr, $($module:ident :: { $($case:ident),+ $(,)? }),+ $(,)?) => {
        mod $store {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if crate::harness::StoreKind::is_available(&$kind) {
                        crate::$module::$case(crate::harness::Harness::new($kind).await).await;
                    }
                }
            )+)+
        }
    };
    ($store:ident, $kind:expr) => {
        suite! {
            $store, $kind,
            round_trip::{
                every_type_and_extreme, one_row, many_rows, columns_that_are_all_null, the_bits_of_floats,
                any_projection, the_empty_projection_counts_rows, awkward_partitions, fewer_partition_columns,
                coarse_partitions_keep_dates, awkward_names, names_that_differ_in_case, only_the_segments_named,
            },
            filters::{
                random_filters_lose_nothing, random_filters_over_extremes_lose_nothing,
                queries_give_what_memory_gives, limits_give_enough_rows, filters_inside_coarse_partitions,
                lookups_find_every_row,
            },
            promises::{
                declared_orderings_are_true, exact_statistics_are_exact, plans_run_again,
                readers_and_writers_do_not_disturb_each_other,
            },
            lifecycle::{
                publishing_makes_public_once, writing_again_does_not_double,
                compaction_swaps_and_old_segments_stay_readable, dropping_segments_twice_is_dropping_once,
                sweeping_removes_one_job_only, segments_written_together_come_and_go_one_by_one, added_columns_are_null_in_old_segments,
                dropping_a_table_takes_nothing_else, rows_are_there_after_reopening,
                litter_of_an_earlier_process_is_swept, a_missing_segment_is_an_error,
            },
            aggregates::{ partial_aggregates_agree, partial_aggregates_of_extremes_agree },
        }
    };
}

suite!(hot, crate::stores::Hot);
suite!(duckdb, crate::stores::DuckDb);
suite!(postgres, crate::stores::Postgres);
suite!(timescale, crate::stores::Timescale { compressed: false });
suite!(timescale_compressed, crate::stores::Timescale { compressed: true });
suite!(delta, crate::stores::Delta { pushdown_filters: false });
suite!(iceberg, crate::stores::Iceberg { pushdown_filters: false });
suite!(iceberg_pushdown, crate::stores::Iceberg { pushdown_filters: true });
suite!(iceberg_rest, crate::stores::IcebergRest);
suite!(delta_pushdown, crate::stores::Delta { pushdown_filters: true });
suite!(delta_s3, crate::stores::DeltaOnS3);
