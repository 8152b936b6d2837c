//! `array_agg` and `string_agg`: DataFusion's, each of which puts its rows in order itself.
//!
//! DataFusion lets one of two aggregates with opposite orders read its input from behind. Where rows are aggregated in two
//! steps, the second step does not know that, and its result is in the wrong order. It also says that rows come in order where
//! they come in the reverse one and the function has no reverse (`update_aggr_exprs.rs`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, not_impl_err};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, ReversedUDAF, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use crate::error::{EngineError, ErrorKind};
use crate::functions::aggregate_front::AggregateFront;
use crate::functions::made_texts::MOST_BYTES;
use crate::functions::overloads::no_such_function;

/// Longest separator, in bytes: what a batch adds to a text is counted once it is there.
const LONGEST_SEPARATOR: usize = 8 << 10;

/// `array_agg`, never read from behind. The one behind it sorts until it is told that it need not.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ArrayAgg {
    inner: Arc<AggregateUDF>,
}

impl Default for ArrayAgg {
    fn default() -> Self {
        ArrayAgg { inner: array_agg_udaf() }
    }
}

impl AggregateFront for ArrayAgg {
    fn inner(&self) -> &Arc<AggregateUDF> {
        &self.inner
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }

    fn always_sorts(&self) -> bool {
        true
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

/// `string_agg`: with an order or without doubles it joins what `array_agg` has gathered.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct StringAgg {
    texts: Arc<AggregateUDF>,
    gathers: Arc<AggregateUDF>,
    signature: Signature,
}

impl Default for StringAgg {
    fn default() -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        StringAgg { texts: string_agg_udaf(), gathers: array_agg_udaf(), signature }
    }
}

impl AggregateFront for StringAgg {
    fn inner(&self) -> &Arc<AggregateUDF> {
        &self.texts
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let text = |data_type: &DataType| match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
            DataType::Dictionary(_, inner) => !inner.is_numeric(),
            _ => false,
        };
        match given {
            [value, separator] if text(value) && text(separator) => Ok(vec![DataType::Utf8View, DataType::Utf8]),
            _ => Err(no_such_function(self.texts.name(), given).into()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if args.is_distinct || !args.ordering_fields.is_empty() {
            return self.gathers.state_fields(args);
        }
        self.texts.state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::SoftRequirement
    }

    fn always_sorts(&self) -> bool {
        true
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let separator = separator_of(&args)?;
        if !args.is_distinct && args.order_bys.is_empty() {
            return self.texts.accumulator(args);
        }
        let list = DataType::new_list(args.expr_fields[0].data_type().clone(), true);
        let gathered = self.gathers.accumulator(AccumulatorArgs {
            return_field: Arc::new(Field::new("gathered", list, true)),
            exprs: &args.exprs[..1],
            expr_fields: &args.expr_fields[..1],
            ..args
        })?;
        Ok(Box::new(Joined { gathered, separator }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct && args.order_bys.is_empty() && separator_of(&args).is_ok()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

/// The separator, which is one for all rows; NULL separates by nothing.
fn separator_of(args: &AccumulatorArgs) -> Result<String> {
    match args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>()) {
        Some(literal) => {
            let separator = literal.value().try_as_str().flatten().unwrap_or_default();
            if separator.len() > LONGEST_SEPARATOR {
                let message = format!("the separator of string_agg is longer than {LONGEST_SEPARATOR} bytes");
                return Err(EngineError::new(ErrorKind::LimitExceeded, message).into());
            }
            Ok(separator.to_owned())
        }
        None => not_impl_err!("the separator of string_agg must be a constant"),
    }
}

#[derive(Debug)]
struct Joined {
    gathered: Box<dyn Accumulator>,
    separator: String,
}

impl Joined {
    /// The values and the columns of the order, without the separators.
    fn without_separators(values: &[ArrayRef]) -> Vec<ArrayRef> {
        values.iter().enumerate().filter(|(place, _)| *place != 1).map(|(_, values)| Arc::clone(values)).collect()
    }
}

impl Accumulator for Joined {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.gathered.update_batch(&Joined::without_separators(values))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let ScalarValue::List(list) = self.gathered.evaluate()? else {
            return internal_err!("array_agg gives a list");
        };
        if list.is_null(0) {
            return Ok(ScalarValue::LargeUtf8(None));
        }
        let items = cast(&list.value(0), &DataType::Utf8View)?;
        let texts: Vec<&str> = items.as_string_view().iter().flatten().collect();
        let bytes = texts.iter().map(|text| text.len() + self.separator.len()).sum::<usize>();
        if bytes > MOST_BYTES {
            return Err(EngineError::new(ErrorKind::LimitExceeded, "requested length too large").into());
        }
        Ok(ScalarValue::LargeUtf8((!texts.is_empty()).then(|| texts.join(&self.separator))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.gathered.size() + self.separator.capacity()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.gathered.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.gathered.merge_batch(states)
    }
}
