//! DataFusion's aggregates with one part of them computed in another way: the rest is passed on, here for all of them.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator, Operator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};

use super::extremes::groups_of;
use super::frames::MovingSum;
use super::moving_extremes::Counted;

/// Which part is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ours {
    MovingDoubles,
    MovingExtreme,
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

    /// `min` or `max` of doubles by group.
    pub(super) fn extreme_of_doubles(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Wrapped::with(inner, Ours::DoublesByGroup)
    }

    /// An aggregate whose own way to compute groups loses digits: computed as without groups.
    pub(super) fn row_by_row(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Wrapped::with(inner, Ours::RowByRow)
    }

    fn with(inner: &Arc<AggregateUDF>, ours: Ours) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(Wrapped { inner: Arc::clone(inner), ours }))
    }
}

#[deny(clippy::missing_trait_methods)]
impl AggregateUDFImpl for Wrapped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.human_display(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_schema_name(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.display_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_display_name(params)
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

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.ours {
            Ours::MovingDoubles => Ok(Box::new(MovingSum::new(self.inner.name() == "avg"))),
            Ours::MovingExtreme => {
                let nothing = ScalarValue::try_from(args.return_field.data_type())?;
                Ok(Box::new(Counted::new(self.inner.create_sliding_accumulator(args)?, nothing)))
            }
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

    /// None of them wants its rows in an order.
    fn with_beneficial_ordering(self: Arc<Self>, _ordered: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(None)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    /// What DataFusion would put in its place is not ours.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        None
    }

    /// As `simplify`.
    fn simplify_expr_op_literal(
        &self,
        _function: &AggregateFunction,
        _arg: &Expr,
        _op: Operator,
        _literal: &Expr,
        _arg_is_left: bool,
    ) -> Result<Option<Expr>> {
        Ok(None)
    }

    /// Doubles are added in the order of their rows.
    fn reverse_expr(&self) -> ReversedUDAF {
        match self.ours {
            Ours::MovingExtreme => ReversedUDAF::Identical,
            Ours::MovingDoubles | Ours::DoublesByGroup | Ours::RowByRow => ReversedUDAF::NotSupported,
        }
    }

    /// Would be taken as leave to keep the first few groups by DataFusion's own comparison, which knows no NaN.
    fn is_descending(&self) -> Option<bool> {
        None
    }

    fn value_from_stats(&self, args: &StatisticsArgs) -> Option<ScalarValue> {
        self.inner.value_from_stats(args)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    /// A frame that moves loses rows too, and a frame of NULLs has no value.
    fn set_monotonicity(&self, _data_type: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}
