//! Which aggregates are ours, by what they aggregate.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{AggregateUDF, Expr, ExprSchemable, WindowFunctionDefinition, cast};

use super::exact_sum::ExactSum;
use super::number_types::Class;
use super::operators::{converted, narrow};
use super::reals::SumOfReals;
use super::recomputed::RECOMPUTED;
use super::wrapped::Wrapped;
use super::{gapped_frames, zeros};

/// An aggregate of a query.
pub(crate) fn aggregate(mut function: AggregateFunction, schema: &DFSchema) -> Result<Expr> {
    let params = &mut function.params;
    params.args = constants(function.func.name(), std::mem::take(&mut params.args));
    if params.distinct {
        params.args = params.args.drain(..).map(|arg| zeros::without_sign(arg, schema)).collect::<Result<_>>()?;
    }
    match ours(&function.func, &mut params.args, params.distinct, schema)? {
        Some(func) => function.func = func,
        None if function.func.name() == "corr" => function.func = Wrapped::row_by_row(&function.func),
        None => {
            let of_doubles = matches!(function.func.name(), "min" | "max")
                && params.args.first().is_some_and(|arg| is_double(arg, schema));
            if of_doubles {
                function.func = Wrapped::extreme_of_doubles(&function.func);
            }
        }
    }
    Ok(Expr::AggregateFunction(function))
}

/// An aggregate over a window.
pub(crate) fn window(mut function: WindowFunction, schema: &DFSchema) -> Result<Expr> {
    let params = &mut function.params;
    params.partition_by =
        params.partition_by.drain(..).map(|key| zeros::without_sign(key, schema)).collect::<Result<_>>()?;
    if let WindowFunctionDefinition::AggregateUDF(func) = &function.fun {
        params.args = constants(func.name(), std::mem::take(&mut params.args));
        if let Some(ours) = ours(func, &mut params.args, params.distinct, schema)? {
            function.fun = WindowFunctionDefinition::AggregateUDF(ours);
        } else if matches!(func.name(), "sum" | "avg")
            && !params.distinct
            && params.args.first().is_some_and(|arg| is_double(arg, schema))
        {
            function.fun = WindowFunctionDefinition::AggregateUDF(Wrapped::moving_doubles(func));
        } else if matches!(func.name(), "min" | "max") {
            function.fun = WindowFunctionDefinition::AggregateUDF(Wrapped::moving_extreme(func));
        } else if RECOMPUTED.contains(&func.name()) {
            function.fun = WindowFunctionDefinition::AggregateUDF(Wrapped::recomputed(func));
        }
    }
    Ok(Expr::WindowFunction(Box::new(gapped_frames::kept_apart(function, schema)?)))
}

/// Constants among the arguments are integers, not bigints.
fn constants(name: &str, args: Vec<Expr>) -> Vec<Expr> {
    match name {
        "sum" | "avg" | "min" | "max" => args.into_iter().map(narrow).collect(),
        _ => args,
    }
}

fn is_double(arg: &Expr, schema: &DFSchema) -> bool {
    matches!(arg.get_type(schema), Ok(DataType::Float32 | DataType::Float64))
}

/// Our `sum` or `avg` of these arguments, which are converted for it. `sum` of `integer` and `smallint`, and both of
/// doubles, are DataFusion's.
fn ours(
    func: &Arc<AggregateUDF>,
    args: &mut Vec<Expr>,
    distinct: bool,
    schema: &DFSchema,
) -> Result<Option<Arc<AggregateUDF>>> {
    let average = match func.name() {
        "sum" => false,
        "avg" => true,
        _ => return Ok(None),
    };
    let [arg] = args.as_slice() else { return Ok(None) };
    let Ok(data_type) = arg.get_type(schema) else { return Ok(None) };
    let arg = arg.clone();
    let short = matches!(Class::of(&data_type), Some(Class::Integer(width)) if width <= 32);
    let arg = match Class::of(&data_type) {
        _ if data_type == DataType::UInt64 => cast(arg, DataType::Decimal128(20, 0)),
        Some(Class::Integer(width)) if average || width == 64 => converted(arg, &DataType::Int64, schema)?,
        Some(Class::Decimal(_, _)) => arg,
        Some(Class::Real) if !average => return Ok(Some(SumOfReals::over(func))),
        _ => return Ok(None),
    };
    if distinct {
        // DataFusion's, over a decimal that has the digits.
        let to = match arg.get_type(schema)? {
            DataType::Decimal128(_, _) if !average => return Ok(None),
            DataType::Decimal128(precision, scale) => {
                DataType::Decimal128(38, scale.max(12.min(38 - (precision as i8 - scale))).min(34))
            }
            _ if average => DataType::Decimal128(38, 12),
            _ => DataType::Decimal128(38, 0),
        };
        *args = vec![cast(arg, to)];
        return Ok(None);
    }
    *args = vec![arg];
    Ok(Some(Arc::new(AggregateUDF::from(ExactSum::new(average, short)))))
}
