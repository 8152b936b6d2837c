//! PostgreSQL's numbers: what operators, casts and aggregates mean, where DataFusion wraps, rounds or cuts otherwise.
//!
//! [`analyzer`] is one pass over a plan, before DataFusion settles types. It turns operators, casts and aggregates of
//! numbers into functions of ours that answer as PostgreSQL does, or fail with its error. Queries, defaults, constraints and
//! embedded contexts all pass it. [`type_names`] says which type a name in a cast stands for.
//!
//! - `operators`: which function an operator becomes; `arithmetic` computes it, `number_types` has its type.
//! - `joined_texts`: `a || b` within bounds.
//! - `casts`: casts that round, or whose failure has a code of its own.
//! - `aggregates`: which aggregates are ours: `exact_sum` (integers and decimals), and by `wrapped` DataFusion's with
//!   another part: `frames` (doubles in windows that move), `moving_extremes` (frames of NULLs), `recomputed` (other windows that
//!   move), `extremes` (doubles with NaN).
//! - `gapped_frames`: windows whose frames may be empty between others.
//! - `mixed_numbers`: decimals beside doubles are doubles; `reals`: what a real is compared with, and the sum of reals.
//! - `recursion`: recursive queries keep their columns.
//! - [`quotients`]: how many digits quotients and averages show; `quotient_texts` gives them to texts.
//! - `checked_math`: `sqrt(-1)`, `ln(0)` and their like are errors.
//! - [`computed_numbers`]: what clients are told of the digits of decimals.
//! - `zeros`: -0 and 0 are one number.
//! - `in_lists`: lists hold constants only.
//! - `untyped_texts`: constants in quotes take the type of what stands beside them.
//! - [`guards`]: what can fail is not computed for rows that the same WHERE leaves out. [`columns_first`]: which side of an
//!   equality stands for both. [`day_ranges`]: filters by the day of a time.

pub(crate) mod aggregates;
pub mod analyzer;
pub(crate) mod arithmetic;
pub(crate) mod casts;
pub(crate) mod checked_math;
pub mod columns_first;
pub mod computed_numbers;
pub mod day_ranges;
pub(crate) mod exact_sum;
pub(crate) mod extremes;
pub(crate) mod frames;
mod gapped_frames;
pub mod guards;
pub(crate) mod in_lists;
mod joined_texts;
mod mixed_numbers;
pub(crate) mod moving_extremes;
pub(crate) mod number_types;
pub(crate) mod operators;
pub(crate) mod quotient_texts;
pub mod quotients;
mod reals;
mod recomputed;
mod recursion;
pub mod type_names;
pub(crate) mod untyped_texts;
mod wrapped;
pub(crate) mod zeros;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::ExprPlanner;

use crate::error::{EngineError, ErrorKind};

#[cfg(test)]
mod tests;

/// What plans operators, ours before that of functions; before DataFusion's own, where a context is built.
pub fn expr_planners() -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(untyped_texts::UntypedTexts)];
    planners.extend(crate::functions::expr_planners());
    planners
}

/// `integer out of range`, and its like.
pub(crate) fn out_of_range(what: &str) -> DataFusionError {
    failure(ErrorKind::NumericOutOfRange, format!("{what} out of range"))
}

/// A decimal that 38 digits cannot hold.
pub(crate) fn too_many_digits() -> DataFusionError {
    failure(ErrorKind::NumericOutOfRange, "numeric value out of range: it has more than 38 digits")
}

/// A divisor is zero.
pub(crate) fn division_by_zero() -> DataFusionError {
    failure(ErrorKind::DivisionByZero, "division by zero")
}

/// An error of a kind, as DataFusion carries it.
pub(crate) fn failure(kind: ErrorKind, message: impl Into<String>) -> DataFusionError {
    EngineError::new(kind, message).into()
}
