//! Functions on texts: PostgreSQL's where DataFusion has none, or answers otherwise.
//!
//! - [`shown`]: any value as the text that PostgreSQL shows, which the others build upon.
//! - [`concat`]: `concat`, `concat_ws`; [`format`](mod@format): `format`; [`quoting`]: `quote_literal` and its like.
//! - [`letters`]: `upper`, `lower`, `length`, `chr`; [`parts`]: `substring`, `overlay`, `replace`, `repeat`,
//!   `lpad`, `rpad`.
//! - [`encodings`]: `encode`, `decode`; [`bytes`]: `get_byte`, `set_bit`, `convert_to` and their like.

mod bytes;
mod concat;
mod encodings;
mod format;
mod letters;
mod parts;
mod quoting;
pub(super) mod shown;

use datafusion::logical_expr::ScalarUDF;

/// All of them.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let families = [
        bytes::functions(),
        concat::functions(),
        encodings::functions(),
        format::functions(),
        letters::functions(),
        parts::functions(),
        quoting::functions(),
    ];
    families.into_iter().flatten().collect()
}
