//! Aggregates that DataFusion lacks, or that answer otherwise in PostgreSQL.
//!
//! - [`ordered_set`]: `percentile_disc`, `percentile_cont`, `mode`; [`spread`]: `variance`, `stddev` and their like.
//! - [`arg_extreme`]: `arg_min`, `arg_max`; [`collected`]: `array_agg`, `string_agg`; `every` is another name of `bool_and`.

mod arg_extreme;
mod collected;
mod ordered_set;
mod spread;

use datafusion::functions_aggregate::bool_and_or::bool_and_udaf;
use datafusion::logical_expr::AggregateUDF;

use crate::functions::aggregate_front::OverAggregate;

/// All of them.
pub(super) fn functions() -> Vec<AggregateUDF> {
    let mut functions = vec![
        arg_extreme::ArgExtreme::min().into(),
        arg_extreme::ArgExtreme::max().into(),
        OverAggregate(collected::ArrayAgg::default()).into(),
        OverAggregate(collected::StringAgg::default()).into(),
        ordered_set::OrderedSet::percentile_cont().into(),
        ordered_set::OrderedSet::percentile_disc().into(),
        ordered_set::OrderedSet::mode().into(),
        bool_and_udaf().as_ref().clone().with_aliases(["every"]),
    ];
    functions.extend(spread::functions());
    functions
}
