//! `percentile_disc(f) WITHIN GROUP (ORDER BY x)`, `percentile_cont` and `mode()`: values that stand at a place of the sorted
//! input. NULLs do not count. Several fractions in an array give an array.

use std::sync::Arc;

use arrow::array::make_comparator;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt64Array, new_null_array};
use arrow::compute::{SortOptions, cast, concat, filter, is_not_null, sort, take};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;

use crate::error::{EngineError, ErrorKind};
use crate::functions::overloads::no_such_function;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OrderedAggregate {
    Cont,
    Disc,
    Mode,
}

/// One of the three.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct OrderedSet {
    kind: OrderedAggregate,
    signature: Signature,
}

impl OrderedSet {
    fn of(kind: OrderedAggregate) -> Self {
        OrderedSet { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// `percentile_cont`: between two values where the place is between them.
    pub(super) fn percentile_cont() -> Self {
        OrderedSet::of(OrderedAggregate::Cont)
    }

    /// `percentile_disc`: a value that occurs.
    pub(super) fn percentile_disc() -> Self {
        OrderedSet::of(OrderedAggregate::Disc)
    }

    /// `mode`: the value that occurs most often.
    pub(super) fn mode() -> Self {
        OrderedSet::of(OrderedAggregate::Mode)
    }

    /// DataFusion's own is faster for many groups, and right for one fraction of values that ascend.
    fn is_datafusions(&self, args: &AccumulatorArgs) -> bool {
        let ascending = args.order_bys.first().is_none_or(|order| !order.options.descending);
        self.kind == OrderedAggregate::Cont
            && ascending
            && args.exprs.get(1).is_some_and(|fraction| fraction.downcast_ref::<Literal>().is_some())
            && matches!(Fractions::of(args), Ok(Fractions::One(Some(_))))
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

impl AggregateUDFImpl for OrderedSet {
    fn name(&self) -> &str {
        match self.kind {
            OrderedAggregate::Cont => "percentile_cont",
            OrderedAggregate::Disc => "percentile_disc",
            OrderedAggregate::Mode => "mode",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let refused = || Err(no_such_function(self.name(), given).into());
        let value = match (self.kind, given.first()) {
            (_, None) => return refused(),
            (OrderedAggregate::Cont, Some(value)) if value.is_numeric() || value.is_null() => DataType::Float64,
            (OrderedAggregate::Cont, Some(_)) => return refused(),
            (_, Some(DataType::Null)) => DataType::Utf8View,
            (_, Some(DataType::Dictionary(_, inner))) => inner.as_ref().clone(),
            (_, Some(value)) => value.clone(),
        };
        match (self.kind, &given[1..]) {
            (OrderedAggregate::Mode, []) => Ok(vec![value]),
            (OrderedAggregate::Cont | OrderedAggregate::Disc, [fraction])
                if fraction.is_numeric() || fraction.is_null() =>
            {
                Ok(vec![value, DataType::Float64])
            }
            (OrderedAggregate::Cont | OrderedAggregate::Disc, [DataType::List(item)])
                if item.data_type().is_numeric() =>
            {
                Ok(vec![value, list_of(DataType::Float64)])
            }
            _ => refused(),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(match given {
            [value, DataType::List(_)] => list_of(value.clone()),
            _ => given[0].clone(),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let values = list_of(args.input_fields[0].data_type().clone());
        Ok(vec![Arc::new(Field::new(format!("{}[values]", args.name), values, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if self.is_datafusions(&args) {
            return percentile_cont_udaf().accumulator(args);
        }
        let fractions = if self.kind == OrderedAggregate::Mode { Fractions::One(None) } else { Fractions::of(&args)? };
        Ok(Box::new(Values {
            kind: self.kind,
            fractions,
            descending: args.order_bys.first().is_some_and(|order| order.options.descending),
            data_type: args.expr_fields[0].data_type().clone(),
            kept: Vec::new(),
        }))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.is_datafusions(&args) && !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        percentile_cont_udaf().create_groups_accumulator(args)
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }
}

/// The fractions asked for.
#[derive(Debug, Clone)]
enum Fractions {
    One(Option<f64>),
    Several(Vec<Option<f64>>),
    /// An array that is NULL.
    Nothing,
}

impl Fractions {
    fn of(args: &AccumulatorArgs) -> Result<Fractions> {
        let Some(fraction) = args.exprs.get(1) else { return internal_err!("a percentile has a fraction") };
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let one_row = RecordBatch::try_new_with_options(Arc::new(arrow::datatypes::Schema::empty()), vec![], &options)?;
        let value = fraction.evaluate(&one_row)?.into_array(1)?;
        let checked = |fraction: Option<f64>| match fraction {
            Some(fraction) if !(0.0..=1.0).contains(&fraction) => Err(EngineError::new(
                ErrorKind::NumericOutOfRange,
                format!("percentile value {fraction} is not between 0 and 1"),
            )),
            other => Ok(other),
        };
        if let DataType::List(_) = value.data_type() {
            if value.is_null(0) {
                return Ok(Fractions::Nothing);
            }
            let several = cast(&value.as_list::<i32>().value(0), &DataType::Float64)?;
            let several = several.as_primitive::<Float64Type>().iter().map(checked);
            return Ok(Fractions::Several(several.collect::<Result<_, EngineError>>()?));
        }
        let value = cast(&value, &DataType::Float64)?;
        let value = value.as_primitive::<Float64Type>();
        Ok(Fractions::One(checked(value.is_valid(0).then(|| value.value(0)))?))
    }
}

#[derive(Debug)]
struct Values {
    kind: OrderedAggregate,
    fractions: Fractions,
    descending: bool,
    data_type: DataType,
    kept: Vec<ArrayRef>,
}

impl Values {
    fn keep(&mut self, values: &ArrayRef) -> Result<()> {
        let values = match values.null_count() {
            0 => Arc::clone(values),
            _ => filter(values, &is_not_null(values)?)?,
        };
        if !values.is_empty() {
            self.kept.push(values);
        }
        Ok(())
    }

    fn all(&self) -> Result<ArrayRef> {
        let kept: Vec<&dyn Array> = self.kept.iter().map(AsRef::as_ref).collect();
        match kept.is_empty() {
            true => Ok(new_null_array(&self.data_type, 0)),
            false => Ok(concat(&kept)?),
        }
    }

    fn at(&self, sorted: &ArrayRef, fractions: &[Option<f64>]) -> Result<ArrayRef> {
        let count = sorted.len();
        if self.kind == OrderedAggregate::Cont {
            let values = sorted.as_primitive::<Float64Type>();
            let between = |fraction: f64| {
                let place = fraction * (count - 1) as f64;
                let (low, high) = (values.value(place.floor() as usize), values.value(place.ceil() as usize));
                low + (place - place.floor()) * (high - low)
            };
            let found = fractions.iter().map(|fraction| fraction.filter(|_| count > 0).map(between));
            return Ok(Arc::new(found.collect::<Float64Array>()));
        }
        let places = fractions.iter().map(|fraction| {
            let row = fraction.filter(|_| count > 0).map(|fraction| (fraction * count as f64).ceil() as u64);
            row.map(|row| row.saturating_sub(1))
        });
        Ok(take(sorted, &places.collect::<UInt64Array>(), None)?)
    }
}

/// The value of the longest run; the first of them where several are as long.
fn most_frequent(sorted: &ArrayRef) -> Result<ScalarValue> {
    if sorted.is_empty() {
        return ScalarValue::try_from(sorted.data_type());
    }
    let compare = make_comparator(sorted, sorted, SortOptions::default())?;
    let (mut best, mut longest, mut start) = (0, 0, 0);
    for row in 1..=sorted.len() {
        if row == sorted.len() || compare(start, row).is_ne() {
            if row - start > longest {
                (best, longest) = (start, row - start);
            }
            start = row;
        }
    }
    ScalarValue::try_from_array(sorted, best)
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.keep(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let order = SortOptions { descending: self.descending, nulls_first: false };
        let sorted = sort(&self.all()?, Some(order))?;
        match &self.fractions {
            _ if self.kind == OrderedAggregate::Mode => most_frequent(&sorted),
            Fractions::One(fraction) => ScalarValue::try_from_array(&self.at(&sorted, &[*fraction])?, 0),
            // Of nothing there are no fractions.
            Fractions::Several(_) if sorted.is_empty() => ScalarValue::try_from(list_of(self.data_type.clone())),
            Fractions::Several(fractions) => {
                Ok(SingleRowListArrayBuilder::new(self.at(&sorted, fractions)?).build_list_scalar())
            }
            Fractions::Nothing => ScalarValue::try_from(list_of(self.data_type.clone())),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.kept.iter().map(|values| values.get_array_memory_size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![SingleRowListArrayBuilder::new(self.all()?).build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            self.keep(&lists.value(row))?;
        }
        Ok(())
    }
}
