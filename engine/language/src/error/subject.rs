//! What a mistake is about, so that clients can be pointed at it; and the mistakes that are always about something.

use std::fmt;

use super::{EngineError, ErrorKind};

/// What to do about a function that there is not.
const FUNCTION_HINT: &str =
    "No function matches the given name and argument types. You might need to add explicit type casts.";
/// What to do about an operator that there is not.
const OPERATOR_HINT: &str =
    "No operator matches the given name and argument types. You might need to add explicit type casts.";

/// What of a statement is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A name, as it reads without quotes; the parts of a qualified one have points between them.
    Name(String),
    /// A text that is no value of the type that it has to have.
    Value(String),
}

impl EngineError {
    /// The same failure, of this name.
    #[must_use]
    pub fn about_name(self, name: impl Into<String>) -> Self {
        self.about(Subject::Name(name.into()))
    }

    /// The same failure, of this text.
    #[must_use]
    pub fn about_value(self, text: impl Into<String>) -> Self {
        self.about(Subject::Value(text.into()))
    }

    fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(Box::new(subject));
        self
    }

    /// What of the statement is wrong, where that is known and the place is not.
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_deref()
    }

    /// There is no such relation.
    pub fn no_relation(name: &str) -> Self {
        EngineError::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist")).about_name(name)
    }

    /// There is no function of this name for arguments of these types.
    pub fn no_function(name: &str, arguments: &str) -> Self {
        EngineError::new(ErrorKind::UndefinedFunction, format!("function {name}({arguments}) does not exist"))
            .with_hint(FUNCTION_HINT)
            .about_name(name)
    }

    /// There is no such operator: `date + date`.
    pub fn no_operator(shown: impl fmt::Display) -> Self {
        EngineError::new(ErrorKind::UndefinedFunction, format!("operator does not exist: {shown}"))
            .with_hint(OPERATOR_HINT)
    }

    /// A text that is no value of the type of that name.
    pub fn no_value(kind: ErrorKind, type_name: &str, text: &str) -> Self {
        EngineError::new(kind, format!("invalid input syntax for type {type_name}: \"{text}\"")).about_value(text)
    }
}
