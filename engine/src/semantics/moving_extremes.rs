//! `min` and `max` in windows that move: of a frame that has only NULLs they are NULL. DataFusion's keep the last value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ReversedUDAF, Signature};

/// DataFusion's `min` or `max`, which counts what is known where the frame moves.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct MovingExtreme {
    inner: Arc<AggregateUDF>,
}

impl MovingExtreme {
    /// In place of this one.
    pub(crate) fn of(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(MovingExtreme { inner: Arc::clone(inner) }))
    }
}

impl AggregateUDFImpl for MovingExtreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.inner.return_type(given)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let nothing = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(Counted { inner: self.inner.create_sliding_accumulator(args)?, known: 0, nothing }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

#[derive(Debug)]
struct Counted {
    inner: Box<dyn Accumulator>,
    /// Values in the frame that are not NULL.
    known: usize,
    nothing: ScalarValue,
}

fn known(values: &[ArrayRef]) -> usize {
    values.first().map_or(0, |values| values.len() - values.null_count())
}

impl Accumulator for Counted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.known += known(values);
        self.inner.update_batch(values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.known -= known(values);
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.known == 0 { Ok(self.nothing.clone()) } else { self.inner.evaluate() }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("a frame that moves has no partial state")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        exec_err!("a frame that moves has no partial state")
    }
}
