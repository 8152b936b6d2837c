//! Aggregates over frames between which rows may lie that are in none: `RANGE BETWEEN '10 min' PRECEDING AND '5 min' PRECEDING`.
//!
//! DataFusion keeps one accumulator, and where a frame is empty it neither adds to it nor takes back: what the frame before held
//! stays in it for good. Here an accumulator knows which rows it holds.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::function::{AccumulatorArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, ExprSchemable, PartitionEvaluator, Signature, Volatility, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition, WindowUDF, WindowUDFImpl, cast, when,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};

use super::recomputed::Maker;

/// Aggregates to which a NULL is no row: their FILTER can be part of the argument.
const SKIP_NULLS: [&str; 5] = ["avg", "count", "max", "min", "sum"];

/// True for a frame that may be empty between two that are not.
fn has_gaps(frame: &WindowFrame) -> bool {
    use WindowFrameBound::{Following, Preceding};
    let bounds = match (&frame.start_bound, &frame.end_bound) {
        (Preceding(start), Preceding(end)) | (Following(start), Following(end)) => [start, end],
        _ => return false,
    };
    frame.units == WindowFrameUnits::Range && bounds.iter().all(|bound| !bound.is_null())
}

/// The function, computed here where its frames have gaps.
pub(super) fn kept_apart(mut function: WindowFunction, schema: &DFSchema) -> Result<WindowFunction> {
    let WindowFunctionDefinition::AggregateUDF(aggregate) = &function.fun else { return Ok(function) };
    let params = &mut function.params;
    let ignores_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    if !has_gaps(&params.window_frame) || params.distinct || ignores_nulls {
        return Ok(function);
    }
    if let Some(filter) = params.filter.take() {
        let [arg] = params.args.as_mut_slice() else {
            params.filter = Some(filter);
            return Ok(function);
        };
        if !SKIP_NULLS.contains(&aggregate.name()) {
            params.filter = Some(filter);
            return Ok(function);
        }
        *arg = when(*filter, std::mem::take(arg)).end()?;
    }
    // The types of parameters, for one, may not be known yet.
    let Ok(given) = params.args.iter().map(|arg| Ok(arg.to_field(schema)?.1)).collect::<Result<Vec<FieldRef>>>() else {
        return Ok(function);
    };
    let wanted = fields_with_udf(&given, aggregate.as_ref())?;
    let args = std::mem::take(&mut params.args).into_iter().zip(given.iter().zip(wanted));
    let converted = args.map(|(arg, (given, wanted))| match given.data_type() == wanted.data_type() {
        true => arg,
        false => cast(arg, wanted.data_type().clone()),
    });
    params.args = converted.collect();
    let apart = Gapped { aggregate: Arc::clone(aggregate), signature: Signature::variadic_any(Volatility::Immutable) };
    function.fun = WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::from(apart)));
    Ok(function)
}

/// An aggregate as a function of windows.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Gapped {
    aggregate: Arc<AggregateUDF>,
    signature: Signature,
}

impl WindowUDFImpl for Gapped {
    fn name(&self) -> &str {
        self.aggregate.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let field = self.aggregate.return_field(args.input_fields())?;
        Ok(Arc::new(field.as_ref().clone().with_name(args.name())))
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        let fields = args.input_fields();
        let schema = Schema::new(fields.to_vec());
        // Constants as they are: some aggregates look at them. The rest comes as columns.
        let argument = |(at, given): (usize, &Arc<dyn PhysicalExpr>)| match given.is::<Literal>() {
            true => Arc::clone(given),
            false => {
                Arc::new(Column::new(fields.get(at).map_or("", |field| field.name()), at)) as Arc<dyn PhysicalExpr>
            }
        };
        let exprs: Vec<Arc<dyn PhysicalExpr>> = args.input_exprs().iter().enumerate().map(argument).collect();
        let return_field = self.aggregate.return_field(fields)?;
        let nothing = self.aggregate.default_value(return_field.data_type())?;
        let maker = Maker::new(
            &self.aggregate,
            &AccumulatorArgs {
                return_field,
                schema: &schema,
                ignore_nulls: false,
                order_bys: &[],
                is_reversed: false,
                name: self.aggregate.name(),
                is_distinct: false,
                exprs: &exprs,
                expr_fields: fields,
            },
        );
        Ok(Box::new(Frames { maker, arguments: fields.len(), nothing, held: None }))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given.to_vec())
    }
}

/// The frames of one partition, one after the other.
#[derive(Debug)]
struct Frames {
    maker: Maker,
    arguments: usize,
    /// What the aggregate gives of no rows.
    nothing: ScalarValue,
    /// The accumulator, and the rows in it.
    held: Option<(Box<dyn Accumulator>, Range<usize>)>,
}

impl PartitionEvaluator for Frames {
    fn evaluate(&mut self, values: &[ArrayRef], frame: &Range<usize>) -> Result<ScalarValue> {
        if frame.is_empty() {
            self.held = None;
            return Ok(self.nothing.clone());
        }
        let values = values.get(..self.arguments).unwrap_or(values);
        let rows = |from: usize, to: usize| -> Vec<ArrayRef> {
            values.iter().map(|values| values.slice(from, to - from)).collect()
        };
        let (mut accumulator, held) = match self.held.take() {
            Some((accumulator, held)) if accumulator.supports_retract_batch() && follows(frame, &held) => {
                (accumulator, held)
            }
            _ => (self.maker.make_sliding()?, frame.start..frame.start),
        };
        if frame.end > held.end {
            accumulator.update_batch(&rows(held.end, frame.end))?;
        }
        if frame.start > held.start {
            accumulator.retract_batch(&rows(held.start, frame.start))?;
        }
        let value = accumulator.evaluate()?;
        self.held = Some((accumulator, frame.clone()));
        Ok(value)
    }

    fn uses_window_frame(&self) -> bool {
        true
    }
}

/// True where the frame is the former one moved on, and they share rows.
fn follows(frame: &Range<usize>, former: &Range<usize>) -> bool {
    former.start <= frame.start && frame.start < former.end && former.end <= frame.end
}
