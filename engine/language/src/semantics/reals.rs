//! `REAL` beside other numbers: PostgreSQL compares the two as doubles, DataFusion as reals. And the sum of reals, which is one.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::cast as cast_array;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, InList};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, Between, EmitTo, Expr, GroupsAccumulator, Operator, ReversedUDAF,
};

use super::arithmetic::type_of;
use super::frames::MovingSum;
use super::number_types::Class;
use super::operators::converted;
use crate::functions::aggregate_front::{AggregateFront, OverAggregate};

/// A comparison whose sides are of one type where one of them is a real.
pub(super) fn compared(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom),
            right,
        }) => {
            let [left, right] = alike([*left, *right], schema)?;
            Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let [expr, low, high] = alike([*expr, *low, *high], schema)?;
            Expr::Between(Between { expr: Box::new(expr), negated, low: Box::new(low), high: Box::new(high) })
        }
        Expr::InList(InList { expr, list, negated }) => {
            let mut parts: Vec<Expr> = std::iter::once(*expr).chain(list).collect();
            make_alike(&mut parts, schema)?;
            let list = parts.split_off(1);
            match parts.pop() {
                Some(expr) => Expr::InList(InList { expr: Box::new(expr), list, negated }),
                None => return datafusion::common::internal_err!("IN has a left side"),
            }
        }
        other => other,
    })
}

fn alike<const N: usize>(mut parts: [Expr; N], schema: &DFSchema) -> Result<[Expr; N]> {
    make_alike(&mut parts, schema)?;
    Ok(parts)
}

/// Doubles of reals and others; constants that a real holds exactly become reals, so that columns stay as they are.
fn make_alike(parts: &mut [Expr], schema: &DFSchema) -> Result<()> {
    let classes: Vec<Option<Class>> =
        parts.iter().map(|part| type_of(part, schema).ok().and_then(|data_type| Class::of(&data_type))).collect();
    let others = || classes.iter().flatten().filter(|class| **class != Class::Real);
    if others().next().is_none() || !classes.contains(&Some(Class::Real)) {
        return Ok(());
    }
    let is_other = |class: &Option<Class>| class.is_some_and(|class| class != Class::Real);
    let exact: Vec<Option<Expr>> =
        parts.iter().zip(&classes).map(|(part, class)| if is_other(class) { exact_real(part) } else { None }).collect();
    if exact.iter().flatten().count() == others().count() {
        for (part, exact) in parts.iter_mut().zip(exact) {
            if let Some(exact) = exact {
                *part = exact;
            }
        }
        return Ok(());
    }
    for (part, class) in parts.iter_mut().zip(&classes) {
        if class.is_some() {
            *part = converted(std::mem::take(part), &DataType::Float64, schema)?;
        }
    }
    Ok(())
}

/// The real that is exactly this constant.
fn exact_real(part: &Expr) -> Option<Expr> {
    let Expr::Literal(value, metadata) = part else { return None };
    let ScalarValue::Float64(Some(double)) = value.cast_to(&DataType::Float64).ok()? else { return None };
    // A decimal's double may be another number than the decimal.
    let is_same = match value {
        ScalarValue::Decimal128(..) => {
            ScalarValue::Float64(Some(double)).cast_to(&value.data_type()).is_ok_and(|back| back == *value)
        }
        _ => true,
    };
    let real = double as f32;
    (is_same && f64::from(real) == double).then(|| Expr::Literal(ScalarValue::Float32(Some(real)), metadata.clone()))
}

/// `sum(real)`: added as doubles, and a real.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SumOfReals {
    inner: Arc<AggregateUDF>,
}

impl SumOfReals {
    /// In place of DataFusion's `sum`.
    pub(super) fn over(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(OverAggregate(SumOfReals { inner: Arc::clone(inner) })))
    }
}

/// The result of the sum behind.
fn double_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(DataType::Float64))
}

impl AggregateFront for SumOfReals {
    fn inner(&self) -> &Arc<AggregateUDF> {
        &self.inner
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float32)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let field: Field = self.inner.return_field(fields)?.as_ref().clone();
        Ok(Arc::new(field.with_data_type(DataType::Float32)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(StateFieldsArgs { return_field: double_field(&args.return_field), ..args })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let args = AccumulatorArgs { return_field: double_field(&args.return_field), ..args };
        Ok(Box::new(AsReal(self.inner.accumulator(args)?)))
    }

    fn create_sliding_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(AsReal(Box::new(MovingSum::new(false)))))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        let args = AccumulatorArgs { return_field: double_field(&args.return_field), ..args };
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let args = AccumulatorArgs { return_field: double_field(&args.return_field), ..args };
        Ok(Box::new(GroupsAsReal(self.inner.create_groups_accumulator(args)?)))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

/// A sum of doubles whose result is a real.
#[derive(Debug)]
struct AsReal(Box<dyn Accumulator>);

#[deny(clippy::missing_trait_methods)]
impl Accumulator for AsReal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.evaluate()?.cast_to(&DataType::Float32)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }
}

/// The same by group.
struct GroupsAsReal(Box<dyn GroupsAccumulator>);

#[deny(clippy::missing_trait_methods)]
impl GroupsAccumulator for GroupsAsReal {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.0.update_batch(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(cast_array(&self.0.evaluate(emit_to)?, &DataType::Float32)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.state(emit_to)
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.0.merge_batch(states, groups, filter, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.0.convert_to_state(values, filter)
    }

    fn supports_convert_to_state(&self) -> bool {
        self.0.supports_convert_to_state()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
