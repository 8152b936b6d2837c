//! The few functions of the catalog that people put into queries over their own tables: those run in the engine.

use std::sync::Arc;

use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;

use super::Identity;

/// Gives a session its `current_user`, `current_database()` and the like.
pub(crate) fn register(context: &SessionContext, identity: &Identity) {
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
}

fn constant(name: &str, value: ScalarValue) -> ScalarUDF {
    let data_type = value.data_type();
    let function = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone()));
    create_udf(name, Vec::new(), data_type, Volatility::Stable, Arc::new(function))
}
