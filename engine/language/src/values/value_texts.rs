//! Single values as PostgreSQL writes them, for those who get texts from a client. The engine reads whole columns.

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

/// A decimal with the digits that it is written with: the unscaled integer, and how many of its digits are behind the point;
/// `None` where 38 digits do not hold it, or it is none.
pub fn decimal(written: &str) -> Option<(i128, u8)> {
    text::exact_decimal(written)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        assert_eq!(decimal("-0.00000000000000000000000000000000000001"), Some((-1, 38)));
        assert_eq!(decimal("99999999999999999999999999999999999999"), Some((10i128.pow(38) - 1, 0)));
        assert_eq!(decimal("100000000000000000000000000000000000000"), None);
        assert_eq!(decimal("."), None);
        assert_eq!(decimal("1.50"), Some((150, 2)));
        assert_eq!(decimal("1.5e3"), Some((1500, 0)));
        assert_eq!(decimal("0e-100"), Some((0, 38)));
        assert_eq!(decimal("1e-9223372036854775808"), None);
        assert_eq!(decimal("1e9223372036854775807"), None);
    }
}
