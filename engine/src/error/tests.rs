use super::*;

const PLACE: Option<Place> = Some(Place { line: 2, column: 7 });

fn of_the_language() -> LanguageError {
    LanguageError::new(ErrorKind::InvalidText, "no such day").with_hint("write it otherwise").at(PLACE)
}

/// The message of what a user is shown, which has kept everything else.
fn message(error: DataFusionError) -> String {
    let error = EngineError::from(error);
    assert_eq!((error.kind(), error.hint()), (ErrorKind::InvalidText, Some("write it otherwise")));
    assert_eq!(error.place(), PLACE);
    error.message().to_owned()
}

#[test]
fn errors_of_the_language_come_through_datafusion_whole() {
    assert_eq!(message(of_the_language().into()), "no such day");
    assert_eq!(message(ArrowError::ExternalError(Box::new(of_the_language())).into()), "no such day");
    let of_a_rule = DataFusionError::Context("type_coercion".to_owned(), Box::new(of_the_language().into()));
    let inner = DataFusionError::Context("value of a".to_owned(), Box::new(of_a_rule));
    let outer = DataFusionError::Context("row 3".to_owned(), Box::new(inner));
    assert_eq!(message(outer), "row 3: value of a: no such day");
}

#[test]
fn errors_that_streams_share_keep_what_they_know() {
    let shared = Arc::new(DataFusionError::from(of_the_language()));
    assert_eq!(message(DataFusionError::Shared(Arc::clone(&shared))), "no such day");
    let bad_row = BadRow { number: 4, column: Some("day".to_owned()), value: None, broken: None };
    let ours = EngineError::from(of_the_language()).in_row(bad_row.clone());
    let shared = Arc::new(DataFusionError::from(ours));
    let error = EngineError::from(DataFusionError::Shared(Arc::clone(&shared)));
    assert_eq!(error.bad_row(), Some(&bad_row));
    assert_eq!(message(DataFusionError::Shared(Arc::clone(&shared))), "no such day");
}
