//! The pass over a plan: each node's expressions, from the inside out, with the types that its inputs have by then.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Values, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::arithmetic::type_of;
use super::quotient_texts::QuotientTexts;
use super::{
    aggregates, casts, checked_math, in_lists, mixed_numbers, operators, reals, recursion, untyped_texts, zeros,
};
use crate::functions::{decimals_beside_doubles, times, told_apart};

/// DataFusion's analyzer rules between ours.
pub fn rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![
        Arc::new(Semantics),
        Arc::new(ResolveGroupingFunction::new()),
        Arc::new(TypeCoercion::new()),
        Arc::new(QuotientTexts),
    ]
}

/// Gives a plan's numbers the meaning that they have in PostgreSQL.
#[derive(Debug)]
pub(crate) struct Semantics;

impl AnalyzerRule for Semantics {
    fn name(&self) -> &str {
        "postgres_semantics"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let integers = !is_settled(&plan)?;
        Ok(plan.transform_up_with_subqueries(|plan| node(plan, integers, config))?.data)
    }
}

/// One expression that is not part of a plan; it may use the columns of `schema`.
pub fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.transform_up(|e| Ok(Transformed::yes(one(e, schema)?)))?.data)
}

/// True where the types of rows were settled when the query was planned: it reads its own rows, or writes them.
fn is_settled(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::RecursiveQuery(_) | LogicalPlan::Dml(_));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// A constant in the select list: an `integer` where it fits.
fn selected(expr: Expr) -> Expr {
    match expr {
        Expr::Alias(mut alias) => {
            *alias.expr = operators::narrow(*alias.expr);
            Expr::Alias(alias)
        }
        other => operators::narrow(other),
    }
}

/// `integers` says that constants in select lists and of `VALUES` are of type `integer`.
fn node(plan: LogicalPlan, integers: bool, config: &ConfigOptions) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let source = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        schema.merge(&source);
    }
    if let LogicalPlan::Values(values) = plan {
        return Ok(Transformed::yes(LogicalPlan::Values(values_node(values, integers)?)));
    }
    let names = NamePreserver::new(&plan);
    let selects = integers && matches!(plan, LogicalPlan::Projection(_));
    let plan = plan
        .map_expressions(|expr| {
            let meant = |expr| rewrite(expr, &schema).map(|expr| if selects { selected(expr) } else { expr });
            Ok(Transformed::yes(under_its_name(expr, &names, &meant)?))
        })?
        .data;
    let plan = times::union(mixed_numbers::union(zeros::keys(plan, &schema)?)?, config)?;
    Ok(Transformed::yes(recursion::with_all_columns(plan)?.recompute_schema()?))
}

/// An expression rewritten, and called as before. Keys of grouping sets are columns each: their set has no name.
fn under_its_name(expr: Expr, names: &NamePreserver, meant: &impl Fn(Expr) -> Result<Expr>) -> Result<Expr> {
    if matches!(expr, Expr::GroupingSet(_)) {
        return Ok(expr.map_children(|key| Ok(Transformed::yes(under_its_name(key, names, meant)?)))?.data);
    }
    let name = names.save(&expr);
    Ok(name.restore(meant(expr)?))
}

/// The columns of VALUES have their types already, but for columns of nothing but integers that are short.
fn values_node(values: Values, integers: bool) -> Result<Values> {
    let nothing = DFSchema::empty();
    let Values { schema, values } = values;
    let is_short = |at: usize| {
        let mut cells = values.iter().filter_map(|row| row.get(at));
        let of = |cell: &Expr| match cell {
            Expr::Literal(ScalarValue::Int64(Some(value)), None) => i32::try_from(*value).is_ok(),
            Expr::Negative(inner) => {
                matches!(inner.as_ref(), Expr::Literal(ScalarValue::Int64(Some(value)), None) if *value <= i64::from(i32::MAX))
            }
            _ => false,
        };
        integers && cells.clone().any(of) && cells.all(|cell| of(cell) || is_null(cell))
    };
    let fields = schema.iter().enumerate().map(|(at, (qualifier, field))| {
        let cells = values.iter().filter_map(|row| row.get(at));
        let data_type = match is_short(at) {
            true => Some(DataType::Int32),
            false if integers => mixed_numbers::of_cells(field.data_type(), cells),
            false => None,
        };
        let field = match data_type {
            Some(data_type) => Arc::new(field.as_ref().clone().with_data_type(data_type)),
            None => Arc::clone(field),
        };
        (qualifier.cloned(), field)
    });
    let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())?);
    let row = |row: Vec<Expr>| {
        let cells = row.into_iter().zip(schema.fields());
        cells
            .map(|(cell, field)| {
                let cell = match cell {
                    Expr::Cast(cast) if field.data_type().is_floating() && cast.field.data_type().is_decimal() => {
                        *cast.expr
                    }
                    cell => cell,
                };
                let rewritten = rewrite(cell, &nothing)?;
                let rewritten = if *field.data_type() == DataType::Int32 { selected(rewritten) } else { rewritten };
                match rewritten.get_type(&nothing) {
                    Ok(data_type) if data_type != *field.data_type() && !data_type.is_null() => {
                        operators::converted(rewritten, field.data_type(), &nothing)
                    }
                    _ => Ok(rewritten),
                }
            })
            .collect::<Result<Vec<Expr>>>()
    };
    let values = values.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    Ok(Values { schema, values })
}

fn is_null(cell: &Expr) -> bool {
    matches!(cell, Expr::Literal(value, _) if value.is_null())
}

/// Functions whose integer constants are `integer`, as in PostgreSQL; those of others have types of their own.
const OF_THE_SAME_TYPE: [&str; 8] =
    ["abs", "coalesce", "greatest", "least", "make_array", "mod", "nullif", "pg_typeof"];

fn one(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = match expr {
        Expr::ScalarFunction(call) => match told_apart::unwrapped(call) {
            // What is in it is rewritten already.
            Ok(part) => return Ok(part),
            Err(call) => Expr::ScalarFunction(call),
        },
        other => other,
    };
    let expr = untyped_texts::listed(expr, schema)?;
    let expr = decimals_beside_doubles::rewrite_one(expr, |part| type_of(part, schema))?.data;
    match expr {
        Expr::BinaryExpr(binary) => compared(operators::binary(binary, schema)?, schema),
        Expr::InList(list) => in_lists::constants_apart(list, |part| match part {
            Expr::BinaryExpr(binary) => compared(operators::binary(binary, schema)?, schema),
            other => compared(other, schema),
        }),
        Expr::Between(_) => compared(expr, schema),
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
            let args = mixed_numbers::arguments(func.name(), args, schema)?;
            checked_math::function(ScalarFunction { func, args }, schema)
        }
        Expr::AggregateFunction(function) => aggregates::aggregate(function, schema),
        Expr::WindowFunction(function) => aggregates::window(*function, schema),
        other => Ok(other),
    }
}

fn compared(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    zeros::compared(reals::compared(expr, schema)?, schema)
}
