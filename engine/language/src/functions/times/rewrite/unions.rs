//! Times of several types in one column of a union: PostgreSQL takes those without a zone for local ones.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Union};

use super::{Rewriter, in_common};
use crate::functions::times::{session_zone, zone_name};

/// The columns of a `UNION ALL` that hold times of several types, in the one that PostgreSQL gives them.
pub(crate) fn union(plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
    let LogicalPlan::Union(Union { inputs, schema }) = plan else { return Ok(plan) };
    let of_column = |at: usize| {
        let of_input =
            |input: &Arc<LogicalPlan>| input.schema().fields().get(at).map(|field| field.data_type().clone());
        let mut types = inputs.iter().filter_map(of_input);
        let first = types.next().filter(DataType::is_temporal)?;
        types.try_fold(first, in_common)
    };
    let common: Vec<Option<DataType>> = (0..schema.fields().len()).map(of_column).collect();
    let differs = |input: &Arc<LogicalPlan>| {
        let mut fields = input.schema().fields().iter().zip(&common);
        fields.any(|(field, common)| common.as_ref().is_some_and(|common| common != field.data_type()))
    };
    if !inputs.iter().any(differs) {
        return Ok(LogicalPlan::Union(Union { inputs, schema }));
    }
    let (zone, zone_name) = (session_zone(config), zone_name(config));
    let converted = |input: Arc<LogicalPlan>| {
        let rewriter = Rewriter { schema: input.schema(), zone, zone_name };
        let columns = input.schema().iter().zip(&common).map(|((qualifier, field), common)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            match common {
                Some(common) if common != field.data_type() => {
                    Ok(rewriter.converted(column, common)?.alias_qualified(qualifier.cloned(), field.name()))
                }
                _ => Ok(column),
            }
        });
        let columns = columns.collect::<Result<Vec<Expr>>>()?;
        Ok(Arc::new(LogicalPlanBuilder::from(input.as_ref().clone()).project(columns)?.build()?))
    };
    let inputs = inputs.iter().cloned().map(converted).collect::<Result<Vec<_>>>()?;
    let fields = schema.iter().zip(&common).map(|((qualifier, field), common)| {
        let field = match common {
            Some(common) => Arc::new(field.as_ref().clone().with_data_type(common.clone())),
            None => Arc::clone(field),
        };
        (qualifier.cloned(), field)
    });
    let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())?);
    Ok(LogicalPlan::Union(Union { inputs, schema }))
}
