//! Functions with several forms, chosen by the types of their arguments as PostgreSQL chooses them; whole batches at once.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::type_names;
use crate::error::{EngineError, ErrorKind};

/// What an argument can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Takes {
    /// A text.
    Text,
    /// An integer of any width.
    Integer,
    /// A whole or decimal number.
    Number,
    /// A number of any kind, as a double.
    Double,
    /// Bytes.
    Bytes,
    /// An array.
    Array,
    /// Anything.
    Any,
}

impl Takes {
    /// The type an argument gets, and how far that is from what it was.
    fn fit(self, given: &DataType) -> Option<(DataType, u32)> {
        if let DataType::Dictionary(_, inner) = given {
            return self.fit(inner);
        }
        let text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let double = matches!(given, DataType::Float16 | DataType::Float32 | DataType::Float64);
        let decimal = matches!(
            given,
            DataType::Decimal32(_, _)
                | DataType::Decimal64(_, _)
                | DataType::Decimal128(_, _)
                | DataType::Decimal256(_, _)
        );
        let null = given.is_null();
        match self {
            Takes::Text if text || null => Some((DataType::Utf8View, 0)),
            Takes::Integer if given.is_integer() || null => Some((DataType::Int64, 0)),
            // As PostgreSQL, integers rather become doubles.
            Takes::Number if given.is_integer() => Some((DataType::Decimal128(20, 0), 2)),
            Takes::Number if matches!(given, DataType::Decimal128(_, _)) => Some((given.clone(), 0)),
            Takes::Number if null => Some((DataType::Decimal128(20, 0), 0)),
            Takes::Double if double || null => Some((DataType::Float64, 0)),
            Takes::Double if decimal => Some((DataType::Float64, 3)),
            Takes::Double if given.is_integer() => Some((DataType::Float64, 1)),
            Takes::Bytes
                if matches!(given, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) || null =>
            {
                Some((DataType::Binary, 0))
            }
            Takes::Array => match given {
                DataType::List(_) => Some((given.clone(), 0)),
                DataType::LargeList(item)
                | DataType::FixedSizeList(item, _)
                | DataType::ListView(item)
                | DataType::LargeListView(item) => Some((DataType::List(Arc::clone(item)), 0)),
                DataType::Null => Some((DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))), 0)),
                _ => None,
            },
            Takes::Any => Some((given.clone(), 0)),
            _ => None,
        }
    }
}

/// Computes a batch; every argument has as many values as there are rows.
pub(super) type Body = fn(&[ArrayRef], usize) -> Result<ArrayRef>;

/// One form of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// What its arguments have to be, in their order.
    pub(super) takes: &'static [Takes],
    /// The last argument may be repeated.
    pub(super) variadic: bool,
    /// The type of its result.
    pub(super) gives: fn(&[DataType]) -> DataType,
    /// What it does.
    pub(super) body: Body,
}

impl Form {
    /// A form with these arguments.
    pub(super) const fn new(takes: &'static [Takes], gives: fn(&[DataType]) -> DataType, body: Body) -> Form {
        Form { takes, variadic: false, gives, body }
    }

    /// The same, with any number of further arguments like the last.
    pub(super) const fn and_more(mut self) -> Form {
        self.variadic = true;
        self
    }

    fn fit(&self, given: &[DataType]) -> Option<(Vec<DataType>, u32)> {
        let enough = match self.variadic {
            true => given.len() >= self.takes.len(),
            false => given.len() == self.takes.len(),
        };
        if !enough {
            return None;
        }
        let mut types = Vec::with_capacity(given.len());
        let mut distance = 0;
        for (place, given) in given.iter().enumerate() {
            let takes = self.takes.get(place).or(self.takes.last())?;
            let (data_type, further) = takes.fit(given)?;
            types.push(data_type);
            distance += further;
        }
        Some((types, distance))
    }
}

/// A function with its forms.
#[derive(Debug)]
pub(super) struct Overloaded {
    name: &'static str,
    aliases: Vec<String>,
    forms: &'static [Form],
    signature: Signature,
}

impl PartialEq for Overloaded {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Overloaded {}

impl std::hash::Hash for Overloaded {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Overloaded {
    /// A function of this name whose result depends on its arguments alone.
    pub(super) fn new(name: &'static str, forms: &'static [Form]) -> Self {
        Overloaded { name, aliases: Vec::new(), forms, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The same under another name too.
    pub(super) fn also(mut self, name: &str) -> Self {
        self.aliases.push(name.to_owned());
        self
    }

    fn choose(&self, given: &[DataType]) -> Option<(&'static Form, Vec<DataType>)> {
        let fitting =
            self.forms.iter().filter_map(|form| form.fit(given).map(|(types, distance)| (distance, form, types)));
        let (_, form, types) = fitting.min_by_key(|(distance, _, _)| *distance)?;
        Some((form, types))
    }
}

/// `function f(text, integer) does not exist`, with what to do about it.
pub(super) fn no_such_function(name: &str, given: &[DataType]) -> EngineError {
    let types: Vec<String> = given.iter().map(type_names::of).collect();
    EngineError::no_function(name, &types.join(", "))
}

impl ScalarUDFImpl for Overloaded {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match self.choose(given) {
            Some((_, types)) => Ok(types),
            None => Err(no_such_function(self.name, given).into()),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match self.choose(given) {
            Some((form, types)) => Ok((form.gives)(&types)),
            None => Err(no_such_function(self.name, given).into()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let Some((form, _)) = self.choose(&given) else { return Err(no_such_function(self.name, &given).into()) };
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = (form.body)(&arrays, rows)?;
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// Results that are texts.
pub(super) fn text(_: &[DataType]) -> DataType {
    DataType::Utf8
}

/// Results that are integers.
pub(super) fn integer(_: &[DataType]) -> DataType {
    DataType::Int32
}

/// Results that are true or false.
pub(super) fn boolean(_: &[DataType]) -> DataType {
    DataType::Boolean
}

/// Results that are doubles.
pub(super) fn double(_: &[DataType]) -> DataType {
    DataType::Float64
}

/// Results that are arrays of texts.
pub(super) fn texts(_: &[DataType]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// Results of the first argument's type.
pub(super) fn as_first(given: &[DataType]) -> DataType {
    given.first().cloned().unwrap_or(DataType::Null)
}

/// A parameter that a function cannot take.
pub(super) fn invalid_parameter(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::InvalidParameter, message)
}
