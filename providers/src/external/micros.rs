//! Times of other units in microseconds, which is what tables keep. Nanoseconds go down, before 1970 too: half a microsecond
//! before midnight is not yet the next day.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use crate::adapt::in_micros;

/// The unit that a column of the type has to be brought to microseconds from, with the type it gets.
pub(super) fn micros_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, _) => None,
        DataType::Timestamp(_, zone) => Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
        _ => None,
    }
}

/// A time of another unit in microseconds. No cast, which the planner would move to the literal beside it: there it is cut,
/// and rows would be missed.
#[derive(Debug)]
pub(super) struct InMicros {
    inner: Arc<dyn PhysicalExpr>,
}

impl InMicros {
    pub(super) fn of(inner: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        Arc::new(InMicros { inner })
    }
}

impl PartialEq for InMicros {
    fn eq(&self, other: &Self) -> bool {
        self.inner.as_ref() == other.inner.as_ref()
    }
}

impl Eq for InMicros {}

impl Hash for InMicros {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for InMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in_micros({})", self.inner)
    }
}

impl PhysicalExpr for InMicros {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        let inner = self.inner.data_type(input_schema)?;
        Ok(micros_type(&inner).unwrap_or(inner))
    }

    fn nullable(&self, input_schema: &Schema) -> Result<bool> {
        self.inner.nullable(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.inner.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(in_micros(&values)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(InMicros { inner }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in_micros(")?;
        self.inner.fmt_sql(f)?;
        write!(f, ")")
    }
}
