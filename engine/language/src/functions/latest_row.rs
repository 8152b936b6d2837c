//! The value in the latest row of one kind, up to each row of a window: what a join to the latest row is made of.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::FieldRef;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Expr, LimitEffect, PartitionEvaluator, Signature, Volatility, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};

/// `value` of the last row up to this one for which `is_source` is true; NULL where there is none. Partitions and order are
/// the caller's to add.
pub fn latest_row(is_source: Expr, value: Expr) -> WindowFunction {
    static FUNCTION: LazyLock<Arc<WindowUDF>> = LazyLock::new(|| Arc::new(WindowUDF::from(LatestRow::new())));
    WindowFunction::new(WindowFunctionDefinition::WindowUDF(Arc::clone(&FUNCTION)), vec![is_source, value])
}

/// The function; no user can call it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct LatestRow {
    signature: Signature,
}

impl LatestRow {
    fn new() -> Self {
        LatestRow { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl WindowUDFImpl for LatestRow {
    fn name(&self) -> &str {
        "latest_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Latest))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        match args.input_fields().get(1) {
            Some(value) => Ok(Arc::new(value.as_ref().clone().with_name(args.name()).with_nullable(true))),
            None => exec_err!("latest_row takes two arguments"),
        }
    }

    fn limit_effect(&self, _: &[Arc<dyn datafusion::physical_expr::PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }
}

#[derive(Debug)]
struct Latest;

impl PartitionEvaluator for Latest {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let is_source = values[0].as_boolean();
        let mut latest = None;
        let places: UInt64Array = (0..rows)
            .map(|row| {
                if is_source.is_valid(row) && is_source.value(row) {
                    latest = Some(row as u64);
                }
                latest
            })
            .collect();
        Ok(take(values[1].as_ref(), &places, None)?)
    }
}
