//! The few functions of the catalog that people put into queries over their own tables: those run in the engine.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility, create_udf,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use parking_lot::RwLock;
use zxq_engine::{EngineError, ErrorKind};

use super::Identity;
use crate::wire::settings::{SessionSettings, known};

/// Gives a session its `current_user`, `current_database()` and the like.
pub(crate) fn register(context: &SessionContext, identity: &Identity, settings: Arc<RwLock<SessionSettings>>) {
    let text = |value: &str| ScalarValue::Utf8View(Some(value.to_owned()));
    let functions = [
        constant("current_user", text(&identity.user)),
        constant("session_user", text(&identity.session_user)),
        constant("current_database", text(&identity.database)),
        constant("current_catalog", text(&identity.database)),
        constant("current_schema", text("public")),
        constant("pg_backend_pid", ScalarValue::Int32(Some(identity.pid))),
    ];
    for function in functions {
        context.register_udf(function);
    }
    context.register_udf(ScalarUDF::from(CurrentSetting::new(settings)));
}

/// `current_setting('name')`, and with `true` after it NULL for what there is not.
struct CurrentSetting {
    settings: Arc<RwLock<SessionSettings>>,
    signature: Signature,
}

impl CurrentSetting {
    fn new(settings: Arc<RwLock<SessionSettings>>) -> Self {
        let forms = vec![
            TypeSignature::Exact(vec![DataType::Utf8View]),
            TypeSignature::Exact(vec![DataType::Utf8View, DataType::Boolean]),
        ];
        CurrentSetting { settings, signature: Signature::one_of(forms, Volatility::Stable) }
    }

    fn value(&self, name: &str, missing_ok: bool) -> Result<ScalarValue> {
        let settings = self.settings.read();
        let value = match known(name) {
            Some(known) => Some(settings.get(known).to_owned()),
            None => settings.custom(name).map(str::to_owned),
        };
        if value.is_none() && !missing_ok {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            let error = EngineError::new(ErrorKind::UndefinedObject, message);
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(ScalarValue::Utf8View(value))
    }
}

impl fmt::Debug for CurrentSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurrentSetting")
    }
}

// There is one in a session.
impl PartialEq for CurrentSetting {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }
}

impl Eq for CurrentSetting {}

impl Hash for CurrentSetting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.settings).hash(state);
    }
}

impl ScalarUDFImpl for CurrentSetting {
    fn name(&self) -> &str {
        "current_setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let at = |column: usize, row: usize| match args.args.get(column) {
            Some(ColumnarValue::Scalar(value)) => Ok(Some(value.clone())),
            Some(ColumnarValue::Array(values)) => ScalarValue::try_from_array(values, row).map(Some),
            None => Ok(None),
        };
        let setting = |row: usize| {
            let Some(name) = at(0, row)?.and_then(|name| name.try_as_str().flatten().map(str::to_owned)) else {
                return Ok(ScalarValue::Utf8View(None));
            };
            self.value(&name, matches!(at(1, row)?, Some(ScalarValue::Boolean(Some(true)))))
        };
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            return Ok(ColumnarValue::Scalar(setting(0)?));
        }
        let values = (0..rows).map(setting).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(values)?))
    }
}

fn constant(name: &str, value: ScalarValue) -> ScalarUDF {
    let data_type = value.data_type();
    let function = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone()));
    create_udf(name, Vec::new(), data_type, Volatility::Stable, Arc::new(function))
}
