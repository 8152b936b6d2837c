//! `pg_typeof(any)`: the name of a value's type.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::overloads::no_such_function;
use crate::error::type_names;

/// `pg_typeof`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PgTypeof {
    signature: Signature,
}

impl Default for PgTypeof {
    fn default() -> Self {
        PgTypeof { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for PgTypeof {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [_] => Ok(given.to_vec()),
            _ => Err(no_such_function("pg_typeof", given).into()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = &args.arg_fields[0];
        let declared = zxq_catalog::declared::declared(field);
        let name = declared.map_or_else(|| type_names::of(field.data_type()), ToOwned::to_owned);
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))))
    }
}
