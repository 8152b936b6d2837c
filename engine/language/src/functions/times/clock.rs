//! What time it is: `now()` and its kin, to the microsecond, and local in the session's zone where they have none.

use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::session_zone;
use super::simple::{TIME, TIMESTAMP, timestamptz};
use crate::functions::out_of_range;

const MICROS_PER_DAY: i64 = 86_400_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Moment,
    Date,
    Local,
    LocalTime,
    /// The moment of the call, not of the statement.
    Clock,
}

/// Implements `now`, `current_date`, `localtimestamp`, `localtime` and `clock_timestamp`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    name: &'static str,
    aliases: Vec<String>,
    what: What,
    signature: Signature,
}

/// All of them.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let make = |name, aliases: &[&str], what| {
        let volatility = if what == What::Clock { Volatility::Volatile } else { Volatility::Stable };
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        ScalarUDF::from(Now { name, aliases, what, signature: Signature::nullary(volatility) })
    };
    vec![
        make("now", &["current_timestamp", "transaction_timestamp", "statement_timestamp"], What::Moment),
        make("current_date", &["today"], What::Date),
        make("localtimestamp", &[], What::Local),
        make("current_time", &["localtime"], What::LocalTime),
        make("clock_timestamp", &[], What::Clock),
    ]
}

impl Now {
    fn at(&self, moment: DateTime<Utc>, config: &ConfigOptions) -> Option<ScalarValue> {
        let micros = moment.timestamp_micros();
        let local = session_zone(config).to_local(micros)?;
        Some(match self.what {
            What::Moment | What::Clock => ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())),
            What::Date => ScalarValue::Date32(i32::try_from(local.div_euclid(MICROS_PER_DAY)).ok()),
            What::Local => ScalarValue::TimestampMicrosecond(Some(local), None),
            What::LocalTime => ScalarValue::Time64Microsecond(Some(local.rem_euclid(MICROS_PER_DAY))),
        })
    }
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.what {
            What::Moment | What::Clock => timestamptz(),
            What::Date => DataType::Date32,
            What::Local => TIMESTAMP,
            What::LocalTime => TIME,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.what != What::Clock {
            // Evaluated by itself it would be another moment at every place in a statement.
            return internal_err!("{} is the moment at which a statement began", self.name);
        }
        let now = self.at(Utc::now(), &args.config_options).ok_or_else(|| out_of_range("timestamp"))?;
        Ok(ColumnarValue::Scalar(now))
    }

    /// Everywhere in a statement the same: when it began.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let began = info.query_execution_start_time().filter(|_| self.what != What::Clock);
        Ok(match began.and_then(|moment| self.at(moment, &Arc::clone(info.config_options()))) {
            Some(value) => ExprSimplifyResult::Simplified(Expr::Literal(value, None)),
            None => ExprSimplifyResult::Original(args),
        })
    }
}
