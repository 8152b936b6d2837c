//! `gen_random_uuid()`.

use std::sync::Arc;

use arrow::array::StringViewBuilder;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use uuid::Uuid;
use zxq_catalog::declared::annotated;

/// `gen_random_uuid`
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RandomUuid {
    signature: Signature,
}

impl Default for RandomUuid {
    fn default() -> Self {
        RandomUuid { signature: Signature::nullary(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for RandomUuid {
    fn name(&self) -> &str {
        "gen_random_uuid"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("gen_random_uuid has a declared type")
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(annotated(DataType::Utf8View, "uuid"))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut results = StringViewBuilder::with_capacity(args.number_rows);
        let mut buffer = Uuid::encode_buffer();
        for _ in 0..args.number_rows {
            results.append_value(Uuid::new_v4().hyphenated().encode_lower(&mut buffer));
        }
        Ok(ColumnarValue::Array(Arc::new(results.finish())))
    }
}
