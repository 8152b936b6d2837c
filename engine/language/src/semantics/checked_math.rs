//! Functions of doubles that are not defined everywhere: `sqrt(-1)`, `ln(0)`, `power(0, -1)` and `exp(1000)` are errors.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExprSchemable, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, StructFieldMapping,
};

use super::failure;
use super::number_types::Class;
use super::operators::converted;
use crate::error::ErrorKind;

/// The function with its checks; others as they are. Decimals are computed as doubles.
pub(crate) fn function(call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let ScalarFunction { func, args } = call;
    let unchanged = |args| Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&func), args)));
    if func.inner().is::<CheckedMath>() {
        return unchanged(args);
    }
    let Some(check) = Check::of(func.name()) else { return unchanged(args) };
    let class = |arg: &Expr| arg.get_type(schema).ok().and_then(|data_type| Class::of(&data_type));
    let classes: Vec<Option<Class>> = args.iter().map(class).collect();
    if classes.iter().any(Option::is_none) {
        return unchanged(args);
    }
    let inexact = classes.iter().flatten().any(|class| matches!(class, Class::Real | Class::Double));
    let applies = match check {
        Check::Round => inexact && args.len() == 1,
        Check::Absolute => matches!(classes.as_slice(), [Some(Class::Integer(_))]),
        _ => true,
    };
    if !applies {
        return unchanged(args);
    }
    let args = match check {
        Check::Absolute => args,
        Check::Round if matches!(classes.as_slice(), [Some(Class::Real)]) => args,
        _ => args.into_iter().map(|arg| converted(arg, &DataType::Float64, schema)).collect::<Result<_>>()?,
    };
    let checked = Arc::new(ScalarUDF::from(CheckedMath { inner: func, check }));
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(checked, args)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Check {
    SquareRoot,
    Logarithm,
    Power,
    Exponential,
    Arc,
    /// Halves go to the even neighbour.
    Round,
    /// The least integer has no absolute value.
    Absolute,
}

impl Check {
    fn of(name: &str) -> Option<Check> {
        Some(match name {
            "sqrt" => Check::SquareRoot,
            "ln" | "log" | "log10" | "log2" => Check::Logarithm,
            "power" => Check::Power,
            "exp" => Check::Exponential,
            "acos" | "asin" | "atanh" | "acosh" => Check::Arc,
            "round" => Check::Round,
            "abs" => Check::Absolute,
            _ => return None,
        })
    }
}

/// A function of DataFusion's with PostgreSQL's errors.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct CheckedMath {
    inner: Arc<ScalarUDF>,
    check: Check,
}

// What the function behind says of its values holds for those that it computes, and not for those that are refused here: it
// is not passed on.
#[deny(clippy::missing_trait_methods)]
impl ScalarUDFImpl for CheckedMath {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
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

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn with_updated_config(&self, _config: &ConfigOptions) -> Option<ScalarUDF> {
        None
    }

    fn is_nullable(&self, _args: &[Expr], _schema: &dyn ExprSchema) -> bool {
        true
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }

    fn preimage(&self, _args: &[Expr], _literal: &Expr, _info: &SimplifyContext) -> Result<PreimageResult> {
        Ok(PreimageResult::None)
    }

    fn short_circuits(&self) -> bool {
        false
    }

    fn conditional_arguments<'a>(&self, _args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        None
    }

    fn evaluate_bounds(&self, _inputs: &[&Interval]) -> Result<Interval> {
        Interval::make_unbounded(&DataType::Null)
    }

    fn propagate_constraints(&self, _interval: &Interval, _inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        Ok(Some(Vec::new()))
    }

    fn output_ordering(&self, _inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(SortProperties::Unordered)
    }

    fn preserves_lex_ordering(&self, _inputs: &[ExprProperties]) -> Result<bool> {
        Ok(false)
    }

    fn struct_field_mapping(&self, _literals: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        None
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn placement(&self, _args: &[ExpressionPlacement]) -> ExpressionPlacement {
        ExpressionPlacement::KeepInPlace
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args.clone();
        let rows = args.number_rows;
        match self.check {
            Check::Round => return rounded(&given[0]),
            Check::Absolute => {
                no_least(&given[0])?;
                return self.inner.invoke_with_args(args);
            }
            _ => {}
        }
        let result = match self.inner.invoke_with_args(args) {
            // DataFusion's power refuses some arguments itself, without a code.
            Err(error) if self.check == Check::Power => return Err(self.refused(error, &given, rows)),
            result => result?,
        };
        let doubles = match &result {
            ColumnarValue::Array(values) if *values.data_type() == DataType::Float64 => Arc::clone(values),
            ColumnarValue::Scalar(value) if value.data_type() == DataType::Float64 => value.to_array()?,
            _ => return Ok(result),
        };
        let suspicious = |value: &f64| !value.is_finite() || *value == 0.0;
        if doubles.as_primitive::<Float64Type>().values().iter().any(suspicious) {
            let arrays = given.iter().map(|arg| doubles_of(arg, rows)).collect::<Result<Vec<_>>>()?;
            self.check_rows(doubles.as_primitive(), &arrays)?;
        }
        Ok(result)
    }
}

impl CheckedMath {
    /// The error of the first row whose arguments are outside the domain; else the one that there is.
    fn refused(&self, error: DataFusionError, given: &[ColumnarValue], rows: usize) -> DataFusionError {
        let arrays = given.iter().map(|arg| doubles_of(arg, rows)).collect::<Result<Vec<_>>>();
        let Ok(arrays) = arrays else { return error };
        let unknown = Float64Array::from(vec![f64::NAN; rows]);
        self.check_rows(&unknown, &arrays).err().unwrap_or(error)
    }

    fn check_rows(&self, results: &Float64Array, given: &[Float64Array]) -> Result<()> {
        for row in 0..results.len() {
            if results.is_valid(row) && given.iter().all(|arg| arg.is_valid(row)) {
                let arguments: Vec<f64> = given.iter().map(|arg| arg.value(row)).collect();
                self.check(results.value(row), &arguments)?;
            }
        }
        Ok(())
    }

    fn check(&self, result: f64, given: &[f64]) -> Result<()> {
        let out_of_range = |what| Err(failure(ErrorKind::NumericOutOfRange, format!("value out of range: {what}")));
        match (self.check, given) {
            (Check::SquareRoot, [x]) if *x < 0.0 => {
                Err(failure(ErrorKind::InvalidPower, "cannot take square root of a negative number"))
            }
            (Check::Logarithm, given) => {
                if given.contains(&0.0) {
                    return Err(failure(ErrorKind::InvalidLogarithm, "cannot take logarithm of zero"));
                }
                if given.iter().any(|x| *x < 0.0) {
                    return Err(failure(ErrorKind::InvalidLogarithm, "cannot take logarithm of a negative number"));
                }
                match given {
                    [base, _] if *base == 1.0 => Err(super::division_by_zero()),
                    _ => Ok(()),
                }
            }
            (Check::Power, [x, y]) => {
                if *x == 0.0 && *y < 0.0 {
                    return Err(failure(ErrorKind::InvalidPower, "zero raised to a negative power is undefined"));
                }
                if *x < 0.0 && y.is_finite() && y.fract() != 0.0 {
                    let message = "a negative number raised to a non-integer power yields a complex result";
                    return Err(failure(ErrorKind::InvalidPower, message));
                }
                let finite = x.is_finite() && y.is_finite();
                match result {
                    _ if finite && result.is_infinite() => out_of_range("overflow"),
                    _ if finite && result == 0.0 && *x != 0.0 => out_of_range("underflow"),
                    _ => Ok(()),
                }
            }
            (Check::Exponential, [x]) if x.is_finite() => match result {
                _ if result.is_infinite() => out_of_range("overflow"),
                0.0 => out_of_range("underflow"),
                _ => Ok(()),
            },
            (Check::Arc, [x]) if result.is_nan() && !x.is_nan() => {
                Err(failure(ErrorKind::NumericOutOfRange, "input is out of range"))
            }
            _ => Ok(()),
        }
    }
}

fn doubles_of(arg: &ColumnarValue, rows: usize) -> Result<Float64Array> {
    let values = arg.to_array(rows)?;
    Ok(cast(&values, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

fn rounded(arg: &ColumnarValue) -> Result<ColumnarValue> {
    let even = |values: &ArrayRef| -> Result<ArrayRef> {
        Ok(match values.as_primitive_opt::<Float32Type>() {
            Some(values) => Arc::new(values.unary::<_, Float32Type>(f32::round_ties_even)),
            None => {
                let values = cast(values, &DataType::Float64)?;
                Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round_ties_even))
            }
        })
    };
    Ok(match arg {
        ColumnarValue::Array(values) => ColumnarValue::Array(even(values)?),
        ColumnarValue::Scalar(value) => {
            let values = even(&value.to_array()?)?;
            ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
        }
    })
}

fn no_least(arg: &ColumnarValue) -> Result<()> {
    use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
    let values = match arg {
        ColumnarValue::Array(values) => Arc::clone(values),
        ColumnarValue::Scalar(value) => value.to_array()?,
    };
    let (least, name) = match values.data_type() {
        DataType::Int16 => (values.as_primitive::<Int16Type>().iter().flatten().any(|v| v == i16::MIN), "smallint"),
        DataType::Int32 => (values.as_primitive::<Int32Type>().iter().flatten().any(|v| v == i32::MIN), "integer"),
        DataType::Int64 => (values.as_primitive::<Int64Type>().iter().flatten().any(|v| v == i64::MIN), "bigint"),
        _ => return Ok(()),
    };
    if least { Err(super::out_of_range(name)) } else { Ok(()) }
}
