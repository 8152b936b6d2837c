//! `min` and `max` in windows that move: of a frame that has only NULLs they are NULL. DataFusion's keep the last value.

use arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;

/// DataFusion's, which counts what is known.
#[derive(Debug)]
pub(super) struct Counted {
    inner: Box<dyn Accumulator>,
    /// Values in the frame that are not NULL.
    known: usize,
    nothing: ScalarValue,
}

impl Counted {
    /// `nothing` is the NULL of the type.
    pub(super) fn new(inner: Box<dyn Accumulator>, nothing: ScalarValue) -> Counted {
        Counted { inner, known: 0, nothing }
    }
}

fn known(values: &[ArrayRef]) -> usize {
    values.first().map_or(0, |values| values.len() - values.null_count())
}

#[deny(clippy::missing_trait_methods)]
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
