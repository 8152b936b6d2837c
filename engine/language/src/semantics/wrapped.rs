//! DataFusion's aggregates with one part of them computed in another way: the rest is passed on.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, GroupsAccumulator, ReversedUDAF, SetMonotonicity};

use super::extremes::groups_of;
use super::frames::MovingSum;
use super::moving_extremes::Counted;
use super::recomputed::Recomputed;
use crate::functions::aggregate_front::{AggregateFront, OverAggregate};

/// Which part is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ours {
    MovingDoubles,
    MovingExtreme,
    Recomputed,
    DoublesByGroup,
    RowByRow,
}

/// One of DataFusion's aggregates.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Wrapped {
    inner: Arc<AggregateUDF>,
    ours: Ours,
}

impl Wrapped {
    /// `sum` or `avg` of doubles in windows that move.
    pub(super) fn moving_doubles(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Wrapped::with(inner, Ours::MovingDoubles)
    }

    /// `min` or `max` in windows that move.
    pub(super) fn moving_extreme(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Wrapped::with(inner, Ours::MovingExtreme)
    }

    /// An aggregate that is computed anew for each frame of a window that moves.
    pub(super) fn recomputed(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Wrapped::with(inner, Ours::Recomputed)
    }

    /// `min` or `max` of doubles by group.
    pub(super) fn extreme_of_doubles(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Wrapped::with(inner, Ours::DoublesByGroup)
    }

    /// An aggregate whose own way to compute groups loses digits: computed as without groups.
    pub(super) fn row_by_row(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Wrapped::with(inner, Ours::RowByRow)
    }

    fn with(inner: &Arc<AggregateUDF>, ours: Ours) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(OverAggregate(Wrapped { inner: Arc::clone(inner), ours })))
    }
}

impl AggregateFront for Wrapped {
    fn inner(&self) -> &Arc<AggregateUDF> {
        &self.inner
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.ours {
            Ours::MovingDoubles => Ok(Box::new(MovingSum::new(self.inner.name() == "avg"))),
            Ours::MovingExtreme => {
                let nothing = ScalarValue::try_from(args.return_field.data_type())?;
                Ok(Box::new(Counted::new(self.inner.create_sliding_accumulator(args)?, nothing)))
            }
            Ours::Recomputed => Ok(Box::new(Recomputed::new(&self.inner, &args))),
            Ours::DoublesByGroup | Ours::RowByRow => self.inner.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs) -> bool {
        self.ours == Ours::DoublesByGroup
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match self.ours {
            Ours::DoublesByGroup => Ok(groups_of(args.return_field.data_type(), self.inner.name() == "min")),
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    /// Doubles are added in the order of their rows.
    fn reverse_expr(&self) -> ReversedUDAF {
        match self.ours {
            Ours::MovingExtreme => ReversedUDAF::Identical,
            Ours::MovingDoubles | Ours::Recomputed | Ours::DoublesByGroup | Ours::RowByRow => {
                ReversedUDAF::NotSupported
            }
        }
    }

    /// Would be taken as leave to keep the first few groups by DataFusion's own comparison, which knows no NaN.
    fn is_descending(&self) -> Option<bool> {
        None
    }

    /// A frame that moves loses rows too, and a frame of NULLs has no value.
    fn set_monotonicity(&self, _data_type: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}
