//! `version()`.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// The PostgreSQL release whose protocol and catalogs zxq speaks: what clients check before they use a feature.
pub const POSTGRES_VERSION: &str = "15.7";

/// What `version()` returns.
pub fn version_text() -> String {
    format!("PostgreSQL {POSTGRES_VERSION} (zxq {})", env!("CARGO_PKG_VERSION"))
}

/// Implements `version()`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    signature: Signature,
}

impl Default for Version {
    fn default() -> Self {
        Version { signature: Signature::nullary(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Version {
    fn name(&self) -> &str {
        "version"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(version_text()))))
    }
}
