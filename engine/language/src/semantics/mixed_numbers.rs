//! Decimals beside doubles where one of several values is taken: all are doubles, as in PostgreSQL, where DataFusion would make decimals
//! of the doubles.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Union, cast};

/// Functions that take one of their arguments.
const TAKE_ONE: [&str; 3] = ["coalesce", "greatest", "least"];

/// The type of all, where some are decimals and others doubles: the widest of those.
fn double_of<'a>(types: impl Iterator<Item = &'a DataType>) -> Option<DataType> {
    let (mut decimal, mut double): (bool, Option<DataType>) = (false, None);
    for data_type in types {
        match data_type {
            DataType::Float64 => double = Some(DataType::Float64),
            DataType::Float32 if double.is_none() => double = Some(DataType::Float32),
            other => decimal |= other.is_decimal(),
        }
    }
    double.filter(|_| decimal)
}

/// The arguments of a function that takes one of them.
pub(super) fn arguments(function: &str, args: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    if !TAKE_ONE.contains(&function) {
        return Ok(args);
    }
    let types: Vec<Option<DataType>> = args.iter().map(|arg| arg.get_type(schema).ok()).collect();
    let Some(double) = double_of(types.iter().flatten()) else { return Ok(args) };
    let converted = |(arg, data_type): (Expr, Option<DataType>)| match data_type {
        Some(data_type) if data_type.is_decimal() => cast(arg, double.clone()),
        _ => arg,
    };
    Ok(args.into_iter().zip(types).map(converted).collect())
}

/// The type of a column of `VALUES` that is one of decimals, where some of its cells are doubles.
pub(super) fn of_cells<'a>(column: &DataType, mut cells: impl Iterator<Item = &'a Expr>) -> Option<DataType> {
    let is_double = |cell: &Expr| {
        let inner = if let Expr::Cast(cast) = cell { cast.expr.as_ref() } else { cell };
        matches!(inner.get_type(&DFSchema::empty()), Ok(data_type) if data_type.is_floating())
    };
    (column.is_decimal() && cells.any(is_double)).then_some(DataType::Float64)
}

/// The inputs of a `UNION ALL`, column by column.
pub(super) fn union(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Union(union) = plan else { return Ok(plan) };
    let type_of =
        |input: &Arc<LogicalPlan>, at: usize| input.schema().fields().get(at).map(|field| field.data_type().clone());
    // Its own types are those of the first input, as that was planned.
    let doubles: Vec<Option<DataType>> = union
        .schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let types: Vec<DataType> = union.inputs.iter().filter_map(|input| type_of(input, at)).collect();
            double_of(types.iter().chain([field.data_type()]))
        })
        .collect();
    if doubles.iter().all(Option::is_none) {
        return Ok(LogicalPlan::Union(union));
    }
    let Union { inputs, schema } = union;
    let converted = |input: Arc<LogicalPlan>| {
        let columns = input.schema().iter().zip(&doubles).map(|((qualifier, field), double)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            match double {
                Some(double) if field.data_type().is_decimal() => {
                    cast(column, double.clone()).alias_qualified(qualifier.cloned(), field.name())
                }
                _ => column,
            }
        });
        let columns: Vec<Expr> = columns.collect();
        Ok(Arc::new(LogicalPlanBuilder::from(input.as_ref().clone()).project(columns)?.build()?))
    };
    let inputs = inputs.into_iter().map(converted).collect::<Result<Vec<_>>>()?;
    let fields = schema.iter().zip(&doubles).map(|((qualifier, field), double)| {
        let field = match double {
            Some(double) => Arc::new(field.as_ref().clone().with_data_type(double.clone())),
            None => Arc::clone(field),
        };
        (qualifier.cloned(), field)
    });
    let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())?);
    Ok(LogicalPlan::Union(Union { inputs, schema }))
}
