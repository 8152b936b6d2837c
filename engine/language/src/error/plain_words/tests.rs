#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use datafusion::error::DataFusionError;

use super::{EngineError, ErrorKind, reworded};
use crate::error::Subject;

fn plan(text: &str) -> Option<EngineError> {
    reworded(&DataFusionError::Plan(text.to_owned()))
}

#[test]
fn operators_are_named_with_types_of_sql() {
    let text = "Cannot coerce arithmetic expression Utf8View + Decimal128(12, 2) to valid types";
    let error = plan(text).unwrap();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::UndefinedFunction, "operator does not exist: text + numeric")
    );
    assert!(error.hint().is_some_and(|hint| hint.starts_with("No operator matches")), "{error:?}");
}

#[test]
fn notation_of_rust_is_cut_off() {
    let error = DataFusionError::NotImplemented(
        "Unsupported JOIN operator AsOf { match_condition: CompoundIdentifier([Ident { value: \"t\" }]) }".to_owned(),
    );
    let error = reworded(&error).unwrap();
    assert_eq!(error.kind(), ErrorKind::FeatureNotSupported);
    assert!(!error.message().contains("Ident {"), "{error}");
}

#[test]
fn a_column_outside_of_groups_is_a_grouping_error() {
    let text = "Column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column \"t.id\" \
                must appear in the GROUP BY clause or must be part of an aggregate function, currently only \"t.v\" appears";
    let error = plan(text).unwrap();
    assert_eq!(error.kind(), ErrorKind::Grouping);
    assert_eq!(error.subject(), Some(&Subject::Name("t.id".to_owned())));
    assert_eq!(
        error.message(),
        "column \"t.id\" must appear in the GROUP BY clause or be used in an aggregate function"
    );
}

#[test]
fn other_texts_stay() {
    assert!(plan("table 'zxq.public.x' not found").is_none());
}
