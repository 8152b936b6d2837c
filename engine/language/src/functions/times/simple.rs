//! A scalar function whose rows are worked out from arrays of one length; what all such functions share.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Date32Type, Float64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::error::{EngineError, ErrorKind};

/// A function by its parts.
#[derive(Debug)]
pub(super) struct Simple {
    name: &'static str,
    signature: Signature,
    types: fn(&[DataType]) -> Result<Vec<DataType>>,
    returns: fn(&[DataType]) -> DataType,
    run: fn(&[ArrayRef]) -> Result<ArrayRef>,
}

/// A function `name`: the types its arguments are cast to, the type of its result, and the result's rows.
pub(super) fn function(
    name: &'static str,
    types: fn(&[DataType]) -> Result<Vec<DataType>>,
    returns: fn(&[DataType]) -> DataType,
    run: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> ScalarUDF {
    Simple { name, signature: Signature::user_defined(Volatility::Immutable), types, returns, run }.into()
}

impl PartialEq for Simple {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Simple {}

impl Hash for Simple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Simple {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        (self.types)(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok((self.returns)(given))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        answer(&args.args, args.number_rows, self.run)
    }
}

/// Runs over arrays; where every argument is a constant, so is the answer.
pub(super) fn answer(
    args: &[ColumnarValue],
    rows: usize,
    run: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    if args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
        let arrays = args.iter().map(|arg| arg.to_array(1)).collect::<Result<Vec<_>>>()?;
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&run(&arrays)?, 0)?));
    }
    let arrays = args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
    Ok(ColumnarValue::Array(run(&arrays)?))
}

/// Rows in which every argument has a value.
pub(super) fn all_given(arrays: &[ArrayRef]) -> Option<NullBuffer> {
    arrays.iter().fold(None, |nulls, array| NullBuffer::union(nulls.as_ref(), array.nulls()))
}

/// The microseconds of a timestamp column.
pub(super) fn micros(array: &ArrayRef) -> &[i64] {
    array.as_primitive::<TimestampMicrosecondType>().values()
}

/// The days of a date column.
pub(super) fn days(array: &ArrayRef) -> &[i32] {
    array.as_primitive::<Date32Type>().values()
}

/// The values of a column of intervals.
pub(super) fn intervals(array: &ArrayRef) -> &[arrow::datatypes::IntervalMonthDayNano] {
    array.as_primitive::<IntervalMonthDayNanoType>().values()
}

/// The values of a column of doubles.
pub(super) fn doubles(array: &ArrayRef) -> &[f64] {
    array.as_primitive::<Float64Type>().values()
}

/// The values of a column of BIGINTs.
pub(super) fn integers(array: &ArrayRef) -> &[i64] {
    array.as_primitive::<Int64Type>().values()
}

/// A column of booleans.
pub(super) fn booleans(values: Vec<bool>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(BooleanArray::new(values.into(), nulls))
}

/// `INTERVAL`.
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
/// `TIMESTAMP`.
pub(super) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// `TIME`.
pub(super) const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);

/// `TIMESTAMPTZ`.
pub(super) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// True for the types of texts.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// No function takes arguments of these types.
pub(super) fn no_such<T>(name: &str, given: &[DataType]) -> Result<T> {
    let types: Vec<String> = given.iter().map(type_name).collect();
    Err(EngineError::no_function(name, &types.join(", ")).into())
}

/// PostgreSQL's name of a type.
pub(super) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(_, None) => "timestamp without time zone".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        text if is_text(text) => "text".to_owned(),
        DataType::Null => "unknown".to_owned(),
        decimal if decimal.is_numeric() => "numeric".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// An error of a kind of ours, from where DataFusion wants its own.
pub(crate) fn failed(kind: ErrorKind, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(EngineError::new(kind, message)))
}
