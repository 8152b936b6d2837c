//! `make_interval(days => 10)` and `time_bucket('1 day', ts, timezone => 'Europe/Berlin')`: arguments by name, put in their
//! places.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use crate::error::{EngineError, ErrorKind};

const MAKE_INTERVAL: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
const TIME_BUCKET: [&str; 5] = ["bucket_width", "ts", "timezone", "origin", "offset"];

/// Orders the arguments of a function that takes them by name.
///
/// # Errors
/// A name that it does not have, or one given twice.
pub(super) fn order(function: &mut Function) -> Result<(), EngineError> {
    let name = function.name.to_string().to_ascii_lowercase();
    let (names, missing): (&[&str], Value) = match name.as_str() {
        "make_interval" => (&MAKE_INTERVAL, Value::Number("0".to_owned(), false)),
        "time_bucket" => (&TIME_BUCKET, Value::Null),
        _ => return Ok(()),
    };
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    if !list.args.iter().any(|arg| matches!(arg, FunctionArg::Named { .. })) {
        return Ok(());
    }
    let mut places: Vec<Option<FunctionArgExpr>> = vec![None; names.len()];
    let wrong = |what: String| EngineError::new(ErrorKind::UndefinedFunction, format!("function {name}: {what}"));
    for (position, argument) in list.args.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Named { name: given, arg, .. } => {
                let place = names.iter().position(|known| given.value.eq_ignore_ascii_case(known));
                (place.ok_or_else(|| wrong(format!("there is no argument {given}")))?, arg)
            }
            FunctionArg::Unnamed(arg) => (position, arg),
            FunctionArg::ExprNamed { .. } => return Ok(()),
        };
        match places.get_mut(place) {
            Some(empty @ None) => *empty = Some(value.clone()),
            _ => return Err(wrong(format!("argument {} is given twice", place + 1))),
        }
    }
    // Without a time zone, an origin or an offset is the third argument.
    if name == "time_bucket" && places[2].is_none() && (places[3].is_none() || places[4].is_none()) {
        places.remove(2);
    }
    while places.last().is_some_and(Option::is_none) {
        places.pop();
    }
    if places.len() == 4 && places[2].is_none() && name == "time_bucket" {
        places.remove(2);
    }
    let filled = |place: Option<FunctionArgExpr>| {
        place.unwrap_or_else(|| FunctionArgExpr::Expr(Expr::Value(missing.clone().into())))
    };
    list.args = places.into_iter().map(|place| FunctionArg::Unnamed(filled(place))).collect();
    Ok(())
}
