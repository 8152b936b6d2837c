//! What can fail is not computed for rows that another condition of the same WHERE leaves out.
//!
//! `WHERE size > 0 AND notional / size > 5`: DataFusion may compute both for all rows. The condition that divides becomes
//! `CASE WHEN size > 0 THEN notional / size > 5 ELSE false END`; `size > 0` still stands beside it and is pushed down.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, lit, when};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::arithmetic::Arithmetic;
use super::casts::NumberCast;
use super::checked_math::CheckedMath;

/// Guards the conditions of each filter that can fail by those that cannot.
#[derive(Debug)]
pub struct Guards;

impl OptimizerRule for Guards {
    fn name(&self) -> &str {
        "postgres_guards"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(Filter { predicate, input, .. }) = plan else { return Ok(Transformed::no(plan)) };
        let guarded = guard(predicate.clone())?;
        let changed = guarded.is_some();
        let filter = Filter::try_new(guarded.unwrap_or(predicate), input)?;
        Ok(Transformed::new_transformed(LogicalPlan::Filter(filter), changed))
    }
}

/// The guarded form; `None` where nothing can fail, or nothing guards.
fn guard(predicate: Expr) -> Result<Option<Expr>> {
    let (failing, safe): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(predicate).into_iter().partition(can_fail);
    let guarded = |e: &Expr| matches!(e, Expr::Case(_));
    if failing.iter().all(guarded) || safe.is_empty() {
        return Ok(None);
    }
    let Some(condition) = conjunction(safe.clone()) else { return Ok(None) };
    let mut parts = safe;
    for part in failing {
        parts.push(match part {
            part if guarded(&part) => part,
            part => when(condition.clone(), part).otherwise(lit(false))?,
        });
    }
    Ok(conjunction(parts))
}

fn can_fail(expr: &Expr) -> bool {
    expr.exists(|e| {
        Ok(match e {
            Expr::ScalarFunction(call) => {
                let function = call.func.inner();
                function.downcast_ref::<Arithmetic>().is_some_and(Arithmetic::divides)
                    || function.is::<CheckedMath>()
                    || function.is::<NumberCast>()
            }
            _ => false,
        })
    })
    .unwrap_or(false)
}
