//! The pass over a plan: each node's expressions, from the inside out, with the types that its inputs have by then.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Values, cast, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::arithmetic::type_of;
use super::{aggregates, casts, checked_math, operators, untyped_texts, zeros};
use crate::functions::decimals_beside_doubles;

/// DataFusion's analyzer rules, after ours.
pub(crate) fn rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![Arc::new(Semantics), Arc::new(ResolveGroupingFunction::new()), Arc::new(TypeCoercion::new())]
}

/// Gives a plan's numbers the meaning that they have in PostgreSQL.
#[derive(Debug)]
pub(crate) struct Semantics;

impl AnalyzerRule for Semantics {
    fn name(&self) -> &str {
        "postgres_semantics"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(node)?.data)
    }
}

/// One expression that is not part of a plan; it may use the columns of `schema`.
pub(crate) fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|e| Ok(Transformed::yes(one(e, schema)?)))?.data)
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let source = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        schema.merge(&source);
    }
    if let LogicalPlan::Values(values) = plan {
        return Ok(Transformed::yes(LogicalPlan::Values(values_node(values)?)));
    }
    let names = NamePreserver::new(&plan);
    let plan = plan
        .map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(Transformed::yes(name.restore(rewrite(expr, &schema)?)))
        })?
        .data;
    let plan = zeros::keys(plan, &schema)?;
    Ok(Transformed::yes(plan.recompute_schema()?))
}

/// The columns of VALUES have their types already.
fn values_node(values: Values) -> Result<Values> {
    let nothing = DFSchema::empty();
    let Values { schema, values } = values;
    let row = |row: Vec<Expr>| {
        let cells = row.into_iter().zip(schema.fields());
        cells
            .map(|(cell, field)| {
                let rewritten = rewrite(cell, &nothing)?;
                match rewritten.get_type(&nothing) {
                    Ok(data_type) if data_type != *field.data_type() && !data_type.is_null() => {
                        Ok(cast(rewritten, field.data_type().clone()))
                    }
                    _ => Ok(rewritten),
                }
            })
            .collect::<Result<Vec<Expr>>>()
    };
    let values = values.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    Ok(Values { schema, values })
}

/// Functions whose integer constants are `integer`, as in PostgreSQL; those of others have types of their own.
const OF_THE_SAME_TYPE: [&str; 6] = ["abs", "coalesce", "greatest", "least", "nullif", "mod"];

fn one(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = untyped_texts::listed(expr, schema)?;
    let expr = decimals_beside_doubles::rewrite_one(expr, |part| type_of(part, schema))?.data;
    match expr {
        Expr::BinaryExpr(binary) => zeros::compared(operators::binary(binary, schema)?, schema),
        Expr::Between(_) | Expr::InList(_) => zeros::compared(expr, schema),
        Expr::Negative(inner) => operators::negative(*inner, schema),
        // DataFusion says of these that they are never NULL, and then that they may be.
        Expr::IsUnknown(inner) => Ok(Expr::IsNull(inner)),
        Expr::IsNotUnknown(inner) => Ok(Expr::IsNotNull(inner)),
        Expr::IsNotTrue(inner) => Ok(coalesce(vec![Expr::Not(inner), lit(true)])),
        Expr::IsNotFalse(inner) => Ok(coalesce(vec![*inner, lit(true)])),
        Expr::Case(case) => operators::case(case, schema),
        Expr::Cast(cast) => casts::cast(cast, schema),
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let same = OF_THE_SAME_TYPE.contains(&func.name());
            // How many digits `round` keeps tells its type only as a constant: it must need no cast.
            let digits = matches!(func.name(), "round" | "trunc");
            let narrowed = |(at, arg)| if same || digits && at == 1 { operators::narrow(arg) } else { arg };
            let args = args.into_iter().enumerate().map(narrowed).collect();
            checked_math::function(ScalarFunction { func, args }, schema)
        }
        Expr::AggregateFunction(function) => aggregates::aggregate(function, schema),
        Expr::WindowFunction(function) => aggregates::window(*function, schema),
        other => Ok(other),
    }
}
