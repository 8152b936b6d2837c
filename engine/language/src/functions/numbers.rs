//! Functions on numbers: PostgreSQL's where DataFusion has none, or answers otherwise.
//!
//! - [`to_char`] and [`to_number`], with their [`template`]s.
//! - [`whole`]: `mod`, `div`, `gcd`, `lcm`, `factorial`, `~x`; [`digits`]: `sign`, `scale`, `trim_scale`, `ceiling`;
//!   [`trunc`].
//! - [`buckets`]: `width_bucket`; [`angles`]: `sind` and its like; [`powers`]: `^` and `sqrt` of decimals.

mod angles;
mod buckets;
mod digits;
pub(super) mod powers;
mod template;
pub(super) mod to_char;
pub(super) mod to_number;
mod trunc;
mod whole;

use datafusion::logical_expr::ScalarUDF;

#[cfg(test)]
mod tests;

/// All of them, but for those that other functions share a name with.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let families =
        [angles::functions(), buckets::functions(), digits::functions(), powers::functions(), whole::functions()];
    let others = [to_number::ToNumber::default().into(), trunc::Trunc::default().into()];
    families.into_iter().flatten().chain(others).collect()
}
