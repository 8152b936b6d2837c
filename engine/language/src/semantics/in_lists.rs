//! `a IN (1, 2, b)` becomes `a IN (1, 2) OR a = b`.
//!
//! DataFusion takes a list for constant where each of its values can be told of no rows at all, and a `CASE` that reads columns
//! can be: its `ELSE` would then be what every row is compared with (`InListExpr::try_new`).

use datafusion::common::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// The list's constants, and a comparison with each of the other values, which `compared` settles.
///
/// # Errors
/// Those of `compared`.
pub(crate) fn constants_apart(list: InList, mut compared: impl FnMut(Expr) -> Result<Expr>) -> Result<Expr> {
    let InList { expr, list, negated } = list;
    let (other, constants): (Vec<Expr>, Vec<Expr>) = list.into_iter().partition(Expr::any_column_refs);
    if other.is_empty() || expr.is_volatile() {
        let list = constants.into_iter().chain(other).collect();
        return compared(Expr::InList(InList { expr, list, negated }));
    }
    let mut parts = Vec::with_capacity(other.len() + 1);
    for item in other {
        let (left, right) = (expr.clone(), Box::new(item));
        parts.push(compared(Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }))?);
    }
    if !constants.is_empty() {
        parts.push(compared(Expr::InList(InList { expr, list: constants, negated: false }))?);
    }
    let any = parts.into_iter().reduce(|all, part| part.or(all));
    let Some(any) = any else { return datafusion::common::plan_err!("IN takes a list of values") };
    Ok(if negated { Expr::Not(Box::new(any)) } else { any })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::logical_expr::{in_list, lit};
    use datafusion::prelude::col;

    use super::*;

    #[test]
    fn only_constants_stay_in_a_list() {
        let apart = |list: Vec<Expr>, negated| match in_list(col("a"), list, negated) {
            Expr::InList(list) => constants_apart(list, Ok).unwrap().to_string(),
            other => other.to_string(),
        };
        assert_eq!(apart(vec![lit(1), col("b"), lit(2)], false), "a IN ([Int32(1), Int32(2)]) OR a = b");
        assert_eq!(apart(vec![col("b"), col("c")], true), "NOT a = c OR a = b");
        assert_eq!(apart(vec![lit(1)], true), "a NOT IN ([Int32(1)])");
    }
}
