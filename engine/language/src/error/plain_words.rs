//! What DataFusion's planner reports, in words of users and with PostgreSQL's codes: none of its own types are shown.

use datafusion::error::DataFusionError;

use super::{EngineError, ErrorKind, no_such_function};

#[cfg(test)]
mod tests;

/// Beginnings of Rust's own notation, which no message shows.
const NOTATION: [&str; 14] = [
    "Some(",
    "Ident {",
    "Field {",
    "Column {",
    "Column(",
    "Literal(",
    "Span(",
    "Schema {",
    "DFSchema",
    "Signature {",
    "AggregateUDF {",
    "WindowUDF {",
    "Identifier(",
    "ObjectName(",
];

/// An error that is reworded; `None` where it can be shown as it is.
pub(super) fn reworded(error: &DataFusionError) -> Option<EngineError> {
    match error {
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Internal(text)
        | DataFusionError::Execution(text) => {
            let text = text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
            let unsupported = matches!(error, DataFusionError::NotImplemented(_));
            let kind = if unsupported { ErrorKind::FeatureNotSupported } else { super::told::kind_of_plan_text(text) };
            no_such_function::in_words_of_postgres(text)
                .or_else(|| of_text(text))
                .or_else(|| without_notation(text, kind))
        }
        _ => None,
    }
}

/// True for the name of a type that PostgreSQL does not have either.
fn is_no_type(name: &str) -> bool {
    const OF_POSTGRES: [&str; 38] = [
        "bit",
        "box",
        "cidr",
        "circle",
        "hstore",
        "inet",
        "int2vector",
        "line",
        "lseg",
        "macaddr",
        "macaddr8",
        "money",
        "oidvector",
        "path",
        "pg_lsn",
        "point",
        "polygon",
        "record",
        "refcursor",
        "regclass",
        "regnamespace",
        "regoper",
        "regproc",
        "regprocedure",
        "regrole",
        "regtype",
        "time",
        "timetz",
        "tsquery",
        "tsrange",
        "tstzrange",
        "tsvector",
        "txid_snapshot",
        "unknown",
        "varbit",
        "void",
        "xid",
        "xml",
    ];
    let bare = name.split(['(', '[']).next().unwrap_or(name).to_ascii_lowercase();
    let is_name = bare.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
    !bare.is_empty() && is_name && !OF_POSTGRES.contains(&bare.as_str())
}

fn of_text(text: &str) -> Option<EngineError> {
    let plain = |kind: ErrorKind, message: &str| Some(EngineError::new(kind, message));
    if text.contains("must appear in the GROUP BY clause") || text.contains("must be in GROUP BY") {
        let column = text.split_once("column \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
        let what = column.map_or_else(|| "a column".to_owned(), |name| format!("column \"{name}\""));
        let message = format!("{what} must appear in the GROUP BY clause or be used in an aggregate function");
        let error = EngineError::new(ErrorKind::Grouping, message);
        return Some(match column {
            Some(name) => error.about_name(name),
            None => error,
        });
    }
    if text.starts_with("Aggregate functions are not allowed in the WHERE clause") {
        return plain(ErrorKind::Grouping, "aggregate functions are not allowed in WHERE");
    }
    if let Some(expression) = text.strip_prefix("Physical plan does not support logical expression ") {
        return match expression.split(['(', '{', ' ']).next() {
            Some("AggregateFunction") => plain(
                ErrorKind::Grouping,
                "aggregate functions are not allowed here, nor as arguments of other aggregate functions",
            ),
            Some("WindowFunction") => plain(
                ErrorKind::Windowing,
                "window functions are not allowed here, nor within other window functions: use a subquery",
            ),
            Some("ScalarSubquery" | "Exists" | "InSubquery" | "SetComparison" | "OuterReferenceColumn") => {
                plain(ErrorKind::FeatureNotSupported, "a subquery of this form cannot be used here: write it as a join")
            }
            _ => plain(ErrorKind::FeatureNotSupported, "an expression of this form cannot be used here"),
        };
    }
    if text.contains("orrelated") && text.contains("subquery") || text.starts_with("In/Exist/SetComparison subquery") {
        return plain(
            ErrorKind::FeatureNotSupported,
            "a subquery of this form cannot be used here: write it as a join",
        );
    }
    if let Some(name) = text.strip_prefix("Unsupported SQL type ").map(|name| name.split(' ').next().unwrap_or(name))
        && is_no_type(name)
    {
        let message = format!("type \"{name}\" does not exist");
        return Some(EngineError::new(ErrorKind::UndefinedObject, message).about_name(name));
    }
    if text.starts_with("Unsupported LIMIT expression") || text.starts_with("Unsupported OFFSET expression") {
        return plain(ErrorKind::FeatureNotSupported, "LIMIT and OFFSET take a number or a parameter");
    }
    if text.starts_with("LIMIT must be >=") {
        return plain(ErrorKind::InvalidRowCount, "LIMIT must not be negative");
    }
    if text.starts_with("OFFSET must be >=") {
        return plain(ErrorKind::InvalidRowOffset, "OFFSET must not be negative");
    }
    if let Some(rest) = text.strip_prefix("Order by column out of bounds, specified: ") {
        let position = rest.split(',').next().unwrap_or_default();
        let message = format!("ORDER BY position {position} is not in select list");
        return Some(EngineError::new(ErrorKind::InvalidColumnReference, message));
    }
    if text.starts_with("SELECT DISTINCT ON expressions must match") {
        return plain(
            ErrorKind::InvalidColumnReference,
            "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
        );
    }
    if text.starts_with("Projections require unique expression names") {
        return plain(ErrorKind::AmbiguousColumn, "two columns of the result have the same name: give them others");
    }
    if text.starts_with("Too many columns! The subquery") {
        return plain(ErrorKind::Syntax, "subquery has too many columns");
    }
    if text.contains("queries have different number of columns") {
        let operation = text.split(' ').next().unwrap_or_default();
        let message = format!("each {operation} query must have the same number of columns");
        return Some(EngineError::new(ErrorKind::Syntax, message));
    }
    if let Some(rest) = text.strip_prefix("Function '").or_else(|| text.strip_prefix("Internal error: Function '"))
        && text.contains("failed to match any signature")
    {
        let name = rest.split('\'').next().unwrap_or_default();
        let message = format!("function {name} does not exist for arguments of these types");
        return Some(EngineError::new(ErrorKind::UndefinedFunction, message).about_name(name));
    }
    if text.contains("does not satisfy order requirements")
        || text.contains("does not satisfy distribution requirements")
    {
        return plain(ErrorKind::Internal, "no valid plan was found for this statement");
    }
    if text.contains("panicked with message") {
        return plain(ErrorKind::Internal, "a part of the statement ended unexpectedly");
    }
    None
}

/// The words before Rust's notation begins.
fn without_notation(text: &str, kind: ErrorKind) -> Option<EngineError> {
    let start = NOTATION.iter().filter_map(|notation| text.find(notation)).min()?;
    let words = text[..start].trim_end_matches(|c: char| !c.is_alphanumeric());
    let message = match words.is_empty() {
        true => "this form is not supported".to_owned(),
        false => words.to_owned(),
    };
    Some(EngineError::new(kind, message))
}
