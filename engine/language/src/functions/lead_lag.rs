//! `lead(value [, n [, default]])` and `lag`: DataFusion's, right with `IGNORE NULLS` too.
//!
//! With `IGNORE NULLS` the n-th value that is not NULL counts, behind the row or before it; the row's own does not.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::{SortOptions, concat, take};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowFunctionSimplification, WindowUDFFieldArgs,
};
use datafusion::logical_expr::{
    Documentation, LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

/// `lead` and `lag`.
pub(super) fn functions() -> [WindowUDF; 2] {
    [WindowUDF::from(Shift::new(true)), WindowUDF::from(Shift::new(false))]
}

/// One of the two functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Shift {
    inner: Arc<WindowUDF>,
    forward: bool,
}

impl Shift {
    fn new(forward: bool) -> Self {
        Shift { inner: if forward { lead_udwf() } else { lag_udwf() }, forward }
    }
}

#[deny(clippy::missing_trait_methods)]
impl WindowUDFImpl for Shift {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(given)
    }

    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.inner().expressions(args)
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        self.inner.inner().field(args)
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        if !args.ignore_nulls() {
            return self.inner.inner().partition_evaluator(args);
        }
        let mut literals = Vec::new();
        for argument in args.input_exprs().iter().skip(1) {
            let Some(literal) = argument.downcast_ref::<Literal>() else {
                return not_impl_err!("{} with IGNORE NULLS takes constants behind the value", self.name());
            };
            literals.push(literal.value().clone());
        }
        let by = match literals.first().map(|by| by.cast_to(&DataType::Int64)).transpose()? {
            Some(ScalarValue::Int64(by)) => by,
            _ => Some(1),
        };
        // A window read backwards turns the function round.
        let forward = self.forward != args.is_reversed();
        let default = literals.get(1).cloned();
        let by = by.map(|by| if forward { by } else { by.saturating_neg() });
        Ok(Box::new(NotNullShift { by, default }))
    }

    /// What DataFusion would put in its place is not ours.
    fn simplify(&self) -> Option<WindowFunctionSimplification> {
        None
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.sort_options()
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        // The same function: that the window is read backwards it is told ([`PartitionEvaluatorArgs::is_reversed`]).
        ReversedUDWF::Reversed(Arc::new(WindowUDF::from(Shift::new(self.forward))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn limit_effect(&self, _: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        // How far ahead `lead` looks is not known: NULLs may be skipped.
        if self.forward { LimitEffect::Unknown } else { LimitEffect::None }
    }
}

#[derive(Debug)]
struct NotNullShift {
    /// How many values ahead; below 0 behind; NULL gives NULL.
    by: Option<i64>,
    default: Option<ScalarValue>,
}

impl PartitionEvaluator for NotNullShift {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let array = &values[0];
        let default = match &self.default {
            Some(value) if !value.is_null() => value.cast_to(array.data_type())?.to_array()?,
            _ => ScalarValue::try_from(array.data_type())?.to_array()?,
        };
        // The default stands behind the values.
        let source = concat(&[array.as_ref(), default.as_ref()])?;
        let behind = array.len() as u64;
        let known: Vec<u64> = (0..rows).filter(|row| array.is_valid(*row)).map(|row| row as u64).collect();
        let mut places = Vec::with_capacity(rows);
        // Known values before this row.
        let mut before = 0_usize;
        for row in 0..rows {
            let valid = array.is_valid(row);
            let place = match self.by {
                None => None,
                Some(0) => Some(row as u64),
                Some(by) if by > 0 => {
                    let first = before + usize::from(valid);
                    Some(first.checked_add(by as usize - 1).and_then(|at| known.get(at).copied()).unwrap_or(behind))
                }
                Some(by) => {
                    let back = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
                    Some(before.checked_sub(back).and_then(|at| known.get(at).copied()).unwrap_or(behind))
                }
            };
            places.push(place);
            before += usize::from(valid);
        }
        Ok(take(source.as_ref(), &UInt64Array::from(places), None)?)
    }
}
