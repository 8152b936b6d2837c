//! `sum` and `avg` of doubles in windows that move.
//!
//! Nothing is subtracted, see [`QueueSum`].

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;

use crate::functions::queue_sum::QueueSum;

/// Their sum, or average.
#[derive(Debug)]
pub(super) struct MovingSum {
    average: bool,
    queue: QueueSum<1>,
}

impl MovingSum {
    pub(super) fn new(average: bool) -> MovingSum {
        MovingSum { average, queue: QueueSum::default() }
    }
}

impl Accumulator for MovingSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = cast(&values[0], &DataType::Float64)?;
        values.as_primitive::<Float64Type>().iter().flatten().for_each(|value| self.queue.push([value]));
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.queue.pop(values[0].len() - values[0].null_count());
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let [sum] = self.queue.sum();
        let count = self.queue.len();
        let result = if self.average { sum / count as f64 } else { sum };
        Ok(ScalarValue::Float64((count > 0).then_some(result)))
    }

    fn size(&self) -> usize {
        self.queue.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("a frame that moves has no partial state")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        exec_err!("a frame that moves has no partial state")
    }
}
