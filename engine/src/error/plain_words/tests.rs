#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use datafusion::error::DataFusionError;

use super::{ErrorKind, reworded};

fn plan(text: &str) -> Option<(ErrorKind, String)> {
    reworded(&DataFusionError::Plan(text.to_owned()))
}

#[test]
fn operators_are_named_with_types_of_sql() {
    let text = "Cannot coerce arithmetic expression Utf8View + Decimal128(12, 2) to valid types";
    let message = "operator does not exist: text + numeric".to_owned();
    assert_eq!(plan(text), Some((ErrorKind::UndefinedFunction, message)));
}

#[test]
fn notation_of_rust_is_cut_off() {
    let error = DataFusionError::NotImplemented(
        "Unsupported JOIN operator AsOf { match_condition: CompoundIdentifier([Ident { value: \"t\" }]) }".to_owned(),
    );
    let (kind, message) = reworded(&error).unwrap();
    assert_eq!(kind, ErrorKind::FeatureNotSupported);
    assert!(!message.contains("Ident {"), "{message}");
}

#[test]
fn a_column_outside_of_groups_is_a_grouping_error() {
    let text = "Column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column \"t.id\" \
                must appear in the GROUP BY clause or must be part of an aggregate function, currently only \"t.v\" appears";
    let (kind, message) = plan(text).unwrap();
    assert_eq!(kind, ErrorKind::Grouping);
    assert_eq!(message, "column \"t.id\" must appear in the GROUP BY clause or be used in an aggregate function");
}

#[test]
fn other_texts_stay() {
    assert_eq!(plan("table 'zxq.public.x' not found"), None);
}
