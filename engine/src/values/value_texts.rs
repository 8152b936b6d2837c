//! Single values as PostgreSQL writes them, for those who get texts from a client. The rest of the engine reads whole columns.

use crate::values::{array_text, bytea, json, text, uuid_text};

pub use crate::values::CastProblem;

/// An integer.
///
/// # Errors
/// When it is none, or too large for its type.
pub fn integer<T: TryFrom<i64>>(written: &str) -> Result<T, CastProblem> {
    text::integer(written)
}

/// A `real`.
///
/// # Errors
/// When it is none, or too large.
pub fn real(written: &str) -> Result<f32, CastProblem> {
    text::real(written)
}

/// A `double precision`.
///
/// # Errors
/// When it is none, or too large.
pub fn double(written: &str) -> Result<f64, CastProblem> {
    text::double(written)
}

/// A boolean, in any of its spellings.
///
/// # Errors
/// When it is none.
pub fn boolean(written: &str) -> Result<bool, CastProblem> {
    text::boolean(written)
}

/// A text in the form in which `uuid`, `json` or `jsonb` keeps it; `None` where it is no value of that type.
pub fn kept(written: &str, type_name: &str) -> Option<String> {
    match type_name {
        "uuid" => uuid_text::canonical(written),
        "jsonb" => json::normalise(written),
        "json" => json::is_valid(written).then(|| written.to_owned()),
        _ => None,
    }
}

/// The bytes that a text stands for: `\x0aff`, or PostgreSQL's older escape format; `None` where it is neither.
pub fn bytes(written: &str) -> Option<Vec<u8>> {
    bytea::parse(written)
}

/// The elements of a one-dimensional array, `None` for NULL; `None` altogether where it is malformed.
pub fn elements(written: &str) -> Option<Vec<Option<String>>> {
    array_text::elements(written)
}
