//! `to_char` of times and of numbers, under its one name.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::numbers::to_char::FORMS;
use super::overloads::{Overloaded, no_such_function};

/// `to_char`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ToCharOfAny {
    times: Arc<ScalarUDF>,
    numbers: Arc<ScalarUDF>,
    aliases: Vec<String>,
    signature: Signature,
}

impl ToCharOfAny {
    /// With the function that shows times.
    pub(super) fn new(times: impl ScalarUDFImpl + 'static) -> Self {
        let times = Arc::new(ScalarUDF::from(times));
        ToCharOfAny {
            aliases: times.aliases().to_vec(),
            numbers: Arc::new(Overloaded::new("to_char", FORMS).into()),
            signature: Signature::user_defined(Volatility::Immutable),
            times,
        }
    }

    fn of(&self, first: Option<&DataType>) -> &Arc<ScalarUDF> {
        match first {
            Some(number) if number.is_numeric() => &self.numbers,
            _ => &self.times,
        }
    }
}

impl ScalarUDFImpl for ToCharOfAny {
    fn name(&self) -> &str {
        "to_char"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> = given.iter().map(|given| Arc::new(Field::new("", given.clone(), true))).collect();
        match fields_with_udf(&fields, self.of(given.first()).as_ref()) {
            Ok(fields) => Ok(fields.iter().map(|field| field.data_type().clone()).collect()),
            Err(_) => Err(no_such_function("to_char", given).into()),
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.of(given.first()).return_type(given)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let first = args.arg_fields.first().map(|field| field.data_type().clone());
        self.of(first.as_ref()).return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let first = args.arg_fields.first().map(|field| field.data_type().clone());
        self.of(first.as_ref()).invoke_with_args(args)
    }
}
