//! What is inside of the errors that DataFusion hands on.
//!
//! Errors of ours, and of the stores, pass through DataFusion on their way to a user. It wraps them: in words about what it
//! was doing, in lists, in boxes that several streams share. A crate that knows more errors than this one takes the cause out here and
//! makes an error of its own of it.

use std::error::Error;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::EngineError;
use super::told::told;

/// What one of DataFusion's errors comes from.
#[derive(Debug)]
pub enum Cause {
    /// DataFusion or Arrow found it; it is in words of users.
    Own(EngineError),
    /// Somebody else's error, which was handed through them.
    HandedOn(Box<dyn Error + Send + Sync>),
    /// Several streams have it, such as those of one build side: it can be looked at, but not taken.
    Shared(Arc<DataFusionError>),
}

/// A cause, and what was said about where it turned up.
#[derive(Debug)]
pub struct Unwrapped {
    /// The cause.
    pub cause: Cause,
    /// What to put before its message, one after the other.
    pub contexts: Vec<String>,
}

impl From<Cause> for Unwrapped {
    fn from(cause: Cause) -> Self {
        Unwrapped { cause, contexts: Vec::new() }
    }
}

/// Takes off what DataFusion has put around an error.
pub fn unwrapped(error: DataFusionError) -> Unwrapped {
    match error {
        DataFusionError::External(inner) => Cause::HandedOn(inner).into(),
        DataFusionError::ArrowError(inner, _) => match *inner {
            ArrowError::ExternalError(inner) => Cause::HandedOn(inner).into(),
            own => Cause::Own(own.into()).into(),
        },
        DataFusionError::Context(context, inner) => {
            let mut inside = unwrapped(*inner);
            // Which rule of the optimiser came across a mistake is nothing to a user.
            let of_a_rule =
                ["apply_function_rewrites", "type_coercion", "postgres_semantics"].contains(&context.as_str());
            if !(context.is_empty() || context.starts_with("Optimizer rule ") || of_a_rule) {
                inside.contexts.push(context);
            }
            inside
        }
        DataFusionError::Diagnostic(_, inner) => unwrapped(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => unwrapped(errors.swap_remove(0)),
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(only) => unwrapped(only),
            Err(inner) => Cause::Shared(inner).into(),
        },
        other => Cause::Own(told(&other).with_source(other)).into(),
    }
}

/// The error of that type that others were wrapped around; it is looked at where it cannot be taken out.
pub fn within<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(found) = this.downcast_ref::<T>() {
            return Some(found);
        }
        error = this.source();
    }
    None
}
