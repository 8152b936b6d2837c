//! What a comparison of a double with a decimal compares: two doubles, as in PostgreSQL.
//!
//! Numbers with a point are decimals here (PostgreSQL: `numeric`). DataFusion would turn the double into a decimal,
//! which has no NaN, no infinity, and overflows.

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, cast};

/// Casts decimals to doubles wherever one expression takes both. Its parts are rewritten already, and have the types that
/// `type_of` tells.
pub(crate) fn rewrite_one(expr: Expr, type_of: impl Fn(&Expr) -> Result<DataType>) -> Result<Transformed<Expr>> {
    let together = match &expr {
        Expr::BinaryExpr(_) | Expr::Between(_) | Expr::InList(_) => true,
        // Of a function's arguments only constants, which have no type of their own: round(price, 2).
        Expr::ScalarFunction(_) => false,
        Expr::Case(_) => true,
        _ => return Ok(Transformed::no(expr)),
    };
    let mut doubles = false;
    let mut decimals = false;
    expr.apply_children(|child| {
        match type_of(child) {
            Ok(DataType::Float32 | DataType::Float64) => doubles = true,
            Ok(DataType::Decimal128(_, _)) => decimals |= together || matches!(child, Expr::Literal(_, _)),
            // Outer columns, for one; then DataFusion decides.
            _ => {}
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    if !(doubles && decimals) {
        return Ok(Transformed::no(expr));
    }
    expr.map_children(|child| match type_of(&child) {
        Ok(DataType::Decimal128(_, _)) => match child {
            Expr::Literal(value, metadata) => {
                Ok(Transformed::yes(Expr::Literal(value.cast_to(&DataType::Float64)?, metadata)))
            }
            other if together => Ok(Transformed::yes(cast(other, DataType::Float64))),
            other => Ok(Transformed::no(other)),
        },
        _ => Ok(Transformed::no(child)),
    })
}

#[cfg(test)]
mod tests {
    //! Types of rewritten expressions.
    #![allow(clippy::unwrap_used)]

    use arrow::datatypes::{Field, Schema};
    use datafusion::common::{DFSchema, ScalarValue};
    use datafusion::logical_expr::{ExprSchemable, col, lit, when};

    use super::*;

    fn decimal(value: i128) -> Expr {
        lit(ScalarValue::Decimal128(Some(value), 2, 1))
    }

    #[test]
    fn only_decimals_beside_doubles_change() {
        let schema = DFSchema::try_from(Schema::new(vec![
            Field::new("x", DataType::Float64, true),
            Field::new("d", DataType::Decimal128(10, 2), true),
        ]))
        .unwrap();
        let rewrite = |expr: Expr| expr.transform_up(|e| rewrite_one(e, |part| part.get_type(&schema))).unwrap().data;
        let shown = |expr: Expr| rewrite(expr).to_string();
        assert_eq!(shown(col("x").gt(decimal(15))), "x > Float64(1.5)");
        assert_eq!(shown(col("x").gt(col("d"))), "x > CAST(d AS Float64)");
        assert_eq!(shown(col("x").in_list(vec![decimal(15), lit(1_i64)], false)), "x IN ([Float64(1.5), Int64(1)])");
        assert_eq!(shown(col("x").between(decimal(1), decimal(2))), "x BETWEEN Float64(0.1) AND Float64(0.2)");
        let case = when(col("x").is_null(), decimal(0)).otherwise(col("x")).unwrap();
        assert!(shown(case).contains("THEN Float64(0) ELSE x"), "CASE");
        let same = col("d").gt(decimal(15));
        assert_eq!(rewrite(same.clone()), same);
    }
}
