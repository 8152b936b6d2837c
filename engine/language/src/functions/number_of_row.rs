//! What stands for `nextval` in the plan of a query that reads rows, until the numbers are known to be wanted: a function that
//! has another value in every row and is never computed.

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::{EngineError, ErrorKind};
use crate::sql::sequences::NUMBER_OF_ROW;

/// The function; its arguments are the name of the sequence and the place of the call.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct NumberOfRow {
    signature: Signature,
}

impl Default for NumberOfRow {
    fn default() -> Self {
        NumberOfRow { signature: Signature::any(2, Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for NumberOfRow {
    fn name(&self) -> &str {
        NUMBER_OF_ROW
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let message = format!("function {NUMBER_OF_ROW}(…) does not exist");
        Err(DataFusionError::External(Box::new(EngineError::new(ErrorKind::UndefinedFunction, message))))
    }
}
