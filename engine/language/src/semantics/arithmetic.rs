//! `+ - * / %` and the unary minus of numbers, checked: a result that its type cannot hold is an error, never another number.
//!
//! A batch is computed in one loop that notes whether anything went wrong; only then is the row looked for.

pub(crate) mod decimals;
mod doubles;
mod integers;

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(crate) use self::decimals::{power_of_ten, rounded, rounded_wide};
use super::number_types::{Class, result_type};
use crate::error::{EngineError, type_names};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// `a + b`
    Plus,
    /// `a - b`
    Minus,
    /// `a * b`
    Times,
    /// `a / b`
    Divided,
    /// `a % b`
    Modulo,
    /// `-a`
    Negate,
}

impl Operation {
    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Operation::Plus => "+",
            Operation::Minus | Operation::Negate => "-",
            Operation::Times => "*",
            Operation::Divided => "/",
            Operation::Modulo => "%",
        }
    }

    fn precedence(self) -> u8 {
        match self {
            Operation::Plus | Operation::Minus => 0,
            Operation::Times | Operation::Divided | Operation::Modulo => 1,
            // Has brackets of its own.
            Operation::Negate => 2,
        }
    }
}

/// Operators below each other that a name writes out. DataFusion makes the names of all parts of a call whenever it asks for
/// its type, and asks at every operator of a chain: with names as long as the chain, that takes time by the third power.
const MOST_WRITTEN: u16 = 64;

/// The function behind an operator. Its arguments are of one class: the same integer or floating type, or decimals.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arithmetic {
    operation: Operation,
    /// Digits behind the point of a quotient, where they are known to be others than its type's usual.
    digits: Option<i8>,
    /// Operators below each other, with this one.
    depth: u16,
    /// Stands for the operands in the name of a long chain.
    mark: Option<u64>,
    signature: Signature,
}

impl Arithmetic {
    /// A call of the function of an operator.
    pub(crate) fn call(operation: Operation, digits: Option<i8>, operands: Vec<Expr>) -> Expr {
        let signature = Signature::user_defined(Volatility::Immutable);
        let below = operands.iter().filter_map(called).map(|(inner, _)| inner.depth).max();
        let depth = below.unwrap_or(0).saturating_add(1);
        let mark = (depth > MOST_WRITTEN).then(|| mark_of(operation, digits, &operands));
        let function = Arc::new(ScalarUDF::from(Arithmetic { operation, digits, depth, mark, signature }));
        Expr::ScalarFunction(ScalarFunction::new_udf(function, operands))
    }

    /// True where a value of the right type can still make it fail in common data: a divisor of zero.
    pub(crate) fn divides(&self) -> bool {
        matches!(self.operation, Operation::Divided | Operation::Modulo)
    }

    /// True where it multiplies.
    pub(crate) fn multiplies(&self) -> bool {
        self.operation == Operation::Times
    }

    /// True where it divides.
    pub(crate) fn gives_quotients(&self) -> bool {
        self.operation == Operation::Divided
    }

    /// Writes a call of it, so that no two calls are written alike. Operands that are such calls too are written in place:
    /// each would otherwise make a text of its own, which a long chain copies at every link.
    fn write(&self, args: &[Expr], out: &mut String) -> Result<()> {
        if let Some(mark) = self.mark {
            write!(out, "({} of {} #{mark:016x})", self.operation.symbol(), self.depth)?;
            return Ok(());
        }
        if let [one] = args {
            out.push_str("(- ");
            Arithmetic::write_operand(one, false, out)?;
            out.push(')');
            return Ok(());
        }
        for (at, arg) in args.iter().enumerate() {
            if at > 0 {
                write!(out, " {} ", self.operation.symbol())?;
            }
            let binds_less = |inner: &Arithmetic| match at {
                0 => inner.operation.precedence() < self.operation.precedence(),
                _ => inner.operation.precedence() <= self.operation.precedence(),
            };
            Arithmetic::write_operand(arg, called(arg).is_some_and(|(inner, _)| binds_less(inner)), out)?;
        }
        Ok(())
    }

    fn write_operand(operand: &Expr, brackets: bool, out: &mut String) -> Result<()> {
        if brackets {
            out.push('(');
        }
        match called(operand) {
            Some((inner, args)) => inner.write(args, out)?,
            None => write!(out, "{}", operand.schema_name())?,
        }
        if brackets {
            out.push(')');
        }
        Ok(())
    }
}

/// A number that tells a call from others, by its operands' own where they have one: a link is added without going through the
/// chain.
fn mark_of(operation: Operation, digits: Option<i8>, operands: &[Expr]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (operation, digits).hash(&mut hasher);
    for operand in operands {
        match called(operand).and_then(|(inner, _)| inner.mark) {
            Some(mark) => mark.hash(&mut hasher),
            None => operand.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// The operator that an expression is a call of, and its operands.
fn called(expr: &Expr) -> Option<(&Arithmetic, &[Expr])> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    Some((func.inner().downcast_ref::<Arithmetic>()?, args))
}

/// The type of an expression. DataFusion makes the names of all parts of a call before it says its type, which takes long for
/// a chain of operators.
pub(crate) fn type_of(expr: &Expr, schema: &DFSchema) -> Result<DataType> {
    let Some((operator, args)) = called(expr) else { return expr.get_type(schema) };
    let given = args.iter().map(|arg| type_of(arg, schema)).collect::<Result<Vec<DataType>>>()?;
    operator.return_type(&given)
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.operation.symbol()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let mut name = String::new();
        self.write(args, &mut name)?;
        Ok(name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The operands are of one class already, unless a column has come to another type since.
    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [Some(left), Some(right)] = [given.first(), given.last()].map(|t| t.and_then(Class::of)) else {
            return Ok(given.to_vec());
        };
        let types = match left.with(right) {
            Class::Decimal(_, _) => [left, right].map(|class| match class.as_decimal() {
                Some((precision, scale)) => DataType::Decimal128(precision, scale),
                None => class.data_type(),
            }),
            both => [both.data_type(), both.data_type()],
        };
        Ok(types[..given.len().min(2)].to_vec())
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        // A column of an outer query may have come to a narrower type than the operator was resolved with.
        let settled = self.coerce_types(given)?;
        let both = match settled.as_slice() {
            [one] if self.operation == Operation::Negate => (one, one),
            [left, right] => (left, right),
            _ => return plan_err!("operator {} takes two numbers", self.name()),
        };
        if self.operation == Operation::Negate {
            return Ok(both.0.clone());
        }
        match (result_type(self.operation, both.0, both.1), self.digits) {
            (Some(DataType::Decimal128(precision, _)), Some(digits)) => Ok(DataType::Decimal128(precision, digits)),
            (Some(data_type), _) => Ok(data_type),
            (None, _) => {
                let (left, right) = (type_names::of(both.0), type_names::of(both.1));
                Err(EngineError::no_operator(format!("{left} {} {right}", self.name())).into())
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let to = args.return_field.data_type();
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        if args.args.iter().any(|arg| matches!(arg, ColumnarValue::Scalar(value) if value.is_null())) {
            return Ok(match all_scalar {
                true => ColumnarValue::Scalar(ScalarValue::try_new_null(to)?),
                false => ColumnarValue::Array(new_null_array(to, rows)),
            });
        }
        let given: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let settled = self.coerce_types(&given)?;
        let sides = args.args.iter().zip(&settled).map(|(arg, to)| side(arg, to)).collect::<Result<Vec<_>>>()?;
        let left = &sides[0];
        let right = sides.get(1).unwrap_or(left);
        let result = self.compute(left, right, to)?;
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

impl Arithmetic {
    fn compute(&self, left: &Side, right: &Side, to: &DataType) -> Result<ArrayRef> {
        match left.values.data_type() {
            DataType::Int16 => integers::small(self.operation, &left.of::<Int16Type>(), &right.of::<Int16Type>()),
            DataType::Int32 => integers::integer(self.operation, &left.of::<Int32Type>(), &right.of::<Int32Type>()),
            DataType::Int64 => integers::big(self.operation, &left.of::<Int64Type>(), &right.of::<Int64Type>()),
            DataType::Float32 => doubles::real(self.operation, &left.of::<Float32Type>(), &right.of::<Float32Type>()),
            DataType::Float64 => doubles::double(self.operation, &left.of::<Float64Type>(), &right.of::<Float64Type>()),
            DataType::Decimal128(_, _) => {
                let scale = |side: &Side| match side.values.data_type() {
                    DataType::Decimal128(_, scale) => *scale,
                    _ => 0,
                };
                let scales = (scale(left), scale(right));
                decimals::compute(
                    self.operation,
                    (&left.of::<Decimal128Type>(), scales.0),
                    (&right.of::<Decimal128Type>(), scales.1),
                    to,
                )
            }
            other => plan_err!("operator {} takes numbers, not {other}", self.name()),
        }
    }
}

/// An argument as an array; a constant has one value.
struct Side {
    values: ArrayRef,
    constant: bool,
}

fn side(value: &ColumnarValue, to: &DataType) -> Result<Side> {
    let (values, constant) = match value {
        ColumnarValue::Array(values) => (Arc::clone(values), false),
        ColumnarValue::Scalar(value) => (value.to_array()?, true),
    };
    let values = if values.data_type() == to { values } else { arrow::compute::cast(&values, to)? };
    Ok(Side { values, constant })
}

impl Side {
    fn of<T: ArrowPrimitiveType>(&self) -> Operand<'_, T> {
        Operand { array: self.values.as_primitive::<T>(), constant: self.constant }
    }
}

/// A typed argument.
struct Operand<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    constant: bool,
}

impl<T: ArrowPrimitiveType> Operand<'_, T> {
    fn value(&self, row: usize) -> T::Native {
        self.array.value(if self.constant { 0 } else { row })
    }
}

fn rows<T: ArrowPrimitiveType>(left: &Operand<'_, T>, right: &Operand<'_, T>) -> usize {
    if left.constant { right.array.len() } else { left.array.len() }
}

/// Rows where neither is NULL.
fn nulls<T: ArrowPrimitiveType>(left: &Operand<'_, T>, right: &Operand<'_, T>) -> Option<NullBuffer> {
    match (left.constant, right.constant) {
        (false, false) => NullBuffer::union(left.array.nulls(), right.array.nulls()),
        (true, false) => right.array.nulls().cloned(),
        (_, true) => left.array.nulls().cloned(),
    }
}

/// Every pair of values through `each`, in a loop for each mixture of columns and constants.
fn combine<T: ArrowPrimitiveType, O>(
    left: &Operand<'_, T>,
    right: &Operand<'_, T>,
    mut each: impl FnMut(T::Native, T::Native) -> O,
) -> Vec<O> {
    let (a, b) = (left.array.values(), right.array.values());
    match (left.constant, right.constant) {
        (false, false) => a.iter().zip(b.iter()).map(|(a, b)| each(*a, *b)).collect(),
        (true, false) => {
            let a = a[0];
            b.iter().map(|b| each(a, *b)).collect()
        }
        (_, true) => {
            let b = b[0];
            a.iter().map(|a| each(*a, b)).collect()
        }
    }
}

/// As [`combine`], for what says of each result whether it is wrong.
fn noting<T: ArrowPrimitiveType>(
    left: &Operand<'_, T>,
    right: &Operand<'_, T>,
    failed: &mut bool,
    each: impl Fn(T::Native, T::Native) -> (T::Native, bool),
) -> Vec<T::Native> {
    let mut any = false;
    let values = combine(left, right, |a, b| {
        let (value, wrong) = each(a, b);
        any |= wrong;
        value
    });
    *failed |= any;
    values
}

/// Looks for the row that failed: what lies under a NULL does not count.
fn check_rows<T: ArrowPrimitiveType>(
    left: &Operand<'_, T>,
    right: &Operand<'_, T>,
    nulls: Option<&NullBuffer>,
    check: impl Fn(T::Native, T::Native) -> Result<()>,
) -> Result<()> {
    for row in 0..rows(left, right) {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            check(left.value(row), right.value(row))?;
        }
    }
    Ok(())
}
