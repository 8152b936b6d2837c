//! `series_array(from, to [, step])`: what `generate_series` counts, as an array; its rows are `unnest` of it. And DuckDB's
//! `range([from,] to [, step])`, which leaves `to` out.
//!
//! Integers, decimals, timestamps and dates (which become timestamps with a time zone, as in PostgreSQL). Times step from each
//! value to the next, so that a month after 31 January is 29 February and then 29 March.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray, ListArray, PrimitiveArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::numeric::add;
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::overloads::no_such_function;
use crate::error::{EngineError, ErrorKind};

/// Most values of one series; more belong into FROM, where integers are counted without an array.
const MOST: usize = 10_000_000;

/// Implements `series_array` and `range`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SeriesArray {
    ends: Ends,
    signature: Signature,
}

/// Whether a series has its last value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ends {
    With,
    Before,
}

impl Ends {
    /// True where a series that goes up, or down, has this value.
    fn has<T: PartialOrd>(self, value: T, last: T, up: bool) -> bool {
        match self {
            Ends::With if up => value <= last,
            Ends::With => value >= last,
            Ends::Before if up => value < last,
            Ends::Before => value > last,
        }
    }
}

impl SeriesArray {
    /// `series_array`.
    pub(super) fn with_its_end() -> Self {
        SeriesArray { ends: Ends::With, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// `range`.
    pub(super) fn before_its_end() -> Self {
        SeriesArray { ends: Ends::Before, ..SeriesArray::with_its_end() }
    }
}

impl ScalarUDFImpl for SeriesArray {
    fn name(&self) -> &str {
        match self.ends {
            Ends::With => "series_array",
            Ends::Before => "range",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (from, to, step) = match given {
            [to] if self.ends == Ends::Before && (to.is_integer() || to.is_null()) => return Ok(vec![DataType::Int64]),
            [from, to] => (from, to, None),
            [from, to, step] => (from, to, Some(step)),
            _ => return Err(self.no_function(given)),
        };
        let bounds = [from, to];
        let is = |test: &dyn Fn(&DataType) -> bool| bounds.iter().any(|t| test(t)) || step.is_some_and(test);
        let zoned = |t: &DataType| matches!(t, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, Some(_)));
        let moment = |t: &DataType| matches!(t, DataType::Timestamp(_, None));
        if bounds.iter().any(|t| zoned(t) || moment(t)) {
            let text_or = |t: &DataType| is_text(t) || *t == DataType::Null;
            if !bounds.iter().all(|t| zoned(t) || moment(t) || text_or(t))
                || !step.is_some_and(|t| matches!(t, DataType::Interval(_)) || text_or(t))
            {
                return Err(self.no_function(given));
            }
            let zone = bounds.iter().find_map(|t| match t {
                DataType::Timestamp(_, Some(zone)) => Some(Arc::clone(zone)),
                DataType::Date32 | DataType::Date64 => Some(Arc::from("UTC")),
                _ => None,
            });
            let time = DataType::Timestamp(TimeUnit::Microsecond, zone);
            return Ok(vec![time.clone(), time, DataType::Interval(IntervalUnit::MonthDayNano)]);
        }
        let number = |t: &DataType| t.is_integer() || matches!(t, DataType::Decimal128(..)) || *t == DataType::Null;
        if !bounds.iter().all(|t| number(t)) || step.is_some_and(|t| !number(t)) {
            return Err(self.no_function(given));
        }
        let scale = given.iter().filter_map(|t| match t {
            DataType::Decimal128(_, scale) => Some(*scale),
            _ => None,
        });
        let common = match scale.max() {
            Some(scale) if is(&|t| matches!(t, DataType::Decimal128(..))) => DataType::Decimal128(38, scale.max(0)),
            _ => DataType::Int64,
        };
        Ok(vec![common; given.len()])
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let item = given.first().cloned().unwrap_or(DataType::Int64);
        Ok(DataType::List(Arc::new(Field::new_list_field(item, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let mut arrays: Vec<ArrayRef> = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<_>>()?;
        if arrays.len() == 1 {
            arrays.insert(0, Arc::new(Int64Array::from(vec![0; rows])));
        }
        let list: ArrayRef = match arrays[0].data_type() {
            DataType::Int64 => Arc::new(integers(&arrays, rows, self.ends)?),
            DataType::Decimal128(..) => Arc::new(decimals(&arrays, rows, self.ends)?),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Arc::new(times(&arrays, rows, self.ends)?),
            other => return Err(self.no_function(std::slice::from_ref(other))),
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&list, 0)?),
            false => ColumnarValue::Array(list),
        })
    }
}

impl SeriesArray {
    fn no_function(&self, given: &[DataType]) -> DataFusionError {
        let name = match self.ends {
            Ends::With => "generate_series",
            Ends::Before => "range",
        };
        no_such_function(name, given).into()
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn zero_step() -> DataFusionError {
    EngineError::new(ErrorKind::InvalidParameter, "step size cannot equal zero").into()
}

fn too_many() -> DataFusionError {
    let message = format!("a series of more than {MOST} values: put it into FROM, or ask for fewer");
    EngineError::new(ErrorKind::LimitExceeded, message).into()
}

/// Lists of values, one after the other.
struct Lists<T> {
    values: Vec<T>,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl<T> Lists<T> {
    fn new(rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Lists { values: Vec::new(), ends, valid: Vec::with_capacity(rows) }
    }

    fn push(&mut self, value: T) -> Result<()> {
        if self.values.len() >= MOST {
            return Err(too_many());
        }
        self.values.push(value);
        Ok(())
    }

    fn end(&mut self, valid: bool) {
        self.ends.push(self.values.len() as i32);
        self.valid.push(valid);
    }

    fn list(ends: Vec<i32>, valid: Vec<bool>, values: ArrayRef) -> Result<ListArray> {
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        Ok(ListArray::try_new(field, OffsetBuffer::new(ends.into()), values, Some(NullBuffer::from(valid)))?)
    }
}

fn integers(arrays: &[ArrayRef], rows: usize, ends: Ends) -> Result<ListArray> {
    let (from, to) = (arrays[0].as_primitive::<Int64Type>(), arrays[1].as_primitive::<Int64Type>());
    let step = arrays.get(2).map(|s| s.as_primitive::<Int64Type>());
    let mut lists = Lists::new(rows);
    for row in 0..rows {
        let valid = from.is_valid(row) && to.is_valid(row) && step.is_none_or(|s| s.is_valid(row));
        if valid {
            count(from.value(row), to.value(row), step.map_or(1, |s| s.value(row)), ends, &mut lists)?;
        }
        lists.end(valid);
    }
    let Lists { values, ends, valid } = lists;
    Lists::<i64>::list(ends, valid, Arc::new(Int64Array::from(values)))
}

fn decimals(arrays: &[ArrayRef], rows: usize, ends: Ends) -> Result<ListArray> {
    let (from, to) = (arrays[0].as_primitive::<Decimal128Type>(), arrays[1].as_primitive::<Decimal128Type>());
    let step = arrays.get(2).map(|s| s.as_primitive::<Decimal128Type>());
    let one = 10_i128.pow(u32::from(from.scale().unsigned_abs()));
    let mut lists = Lists::new(rows);
    for row in 0..rows {
        let valid = from.is_valid(row) && to.is_valid(row) && step.is_none_or(|s| s.is_valid(row));
        if valid {
            count(from.value(row), to.value(row), step.map_or(one, |s| s.value(row)), ends, &mut lists)?;
        }
        lists.end(valid);
    }
    let Lists { values, ends, valid } = lists;
    let values = PrimitiveArray::<Decimal128Type>::from_iter_values(values).with_data_type(from.data_type().clone());
    Lists::<i128>::list(ends, valid, Arc::new(values))
}

/// Numbers that can be counted: 64 bits, and the unscaled ones of decimals.
trait Countable: Copy + PartialOrd {
    const ZERO: Self;
    fn plus(self, step: Self) -> Option<Self>;
}

impl Countable for i64 {
    const ZERO: i64 = 0;
    fn plus(self, step: i64) -> Option<i64> {
        self.checked_add(step)
    }
}

impl Countable for i128 {
    const ZERO: i128 = 0;
    fn plus(self, step: i128) -> Option<i128> {
        self.checked_add(step)
    }
}

fn count<T: Countable>(from: T, to: T, step: T, ends: Ends, lists: &mut Lists<T>) -> Result<()> {
    if step == T::ZERO {
        return Err(zero_step());
    }
    let mut next = Some(from);
    while let Some(value) = next.filter(|value| ends.has(*value, to, step > T::ZERO)) {
        lists.push(value)?;
        next = value.plus(step);
    }
    Ok(())
}

fn times(arrays: &[ArrayRef], rows: usize, ends: Ends) -> Result<ListArray> {
    let from = arrays[0].as_primitive::<TimestampMicrosecondType>();
    let to = arrays[1].as_primitive::<TimestampMicrosecondType>();
    let step = arrays.get(2).ok_or_else(zero_step)?.as_primitive::<IntervalMonthDayNanoType>();
    let mut lists = Lists::new(rows);
    for row in 0..rows {
        let valid = from.is_valid(row) && to.is_valid(row) && step.is_valid(row);
        if valid {
            let by = step.value(row);
            let sign = i128::from(by.months) * 30 * 86_400_000_000_000
                + i128::from(by.days) * 86_400_000_000_000
                + i128::from(by.nanoseconds);
            if sign == 0 {
                return Err(zero_step());
            }
            let (last, up) = (to.value(row), sign > 0);
            let mut value = from.value(row);
            while ends.has(value, last, up) {
                lists.push(value)?;
                let Some(next) = stepped(value, from.data_type(), by)? else { break };
                value = next;
            }
        }
        lists.end(valid);
    }
    let Lists { values, ends, valid } = lists;
    let values = TimestampMicrosecondArray::from(values).with_data_type(from.data_type().clone());
    Lists::<i64>::list(ends, valid, Arc::new(values))
}

type Step = <IntervalMonthDayNanoType as arrow::datatypes::ArrowPrimitiveType>::Native;

/// The next time; `None` where none can be represented.
fn stepped(value: i64, data_type: &DataType, by: Step) -> Result<Option<i64>> {
    let fixed_days = match data_type {
        DataType::Timestamp(_, Some(zone)) => zone.as_ref() == "UTC",
        _ => true,
    };
    if by.months == 0 && (by.days == 0 || fixed_days) {
        let micros = i64::from(by.days).checked_mul(86_400_000_000).and_then(|d| d.checked_add(by.nanoseconds / 1000));
        return Ok(micros.and_then(|micros| value.checked_add(micros)));
    }
    let time = TimestampMicrosecondArray::from(vec![value]);
    let time = match data_type {
        DataType::Timestamp(_, Some(zone)) if zone.as_ref() != "UTC" => time.with_data_type(data_type.clone()),
        _ => time,
    };
    let interval = IntervalMonthDayNanoArray::from(vec![by]);
    match add(&time, &interval) {
        Ok(sum) => Ok(Some(sum.as_primitive::<TimestampMicrosecondType>().value(0))),
        Err(_) => Ok(None),
    }
}
