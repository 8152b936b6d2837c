//! Names in SQL text: how they are folded, split and quoted.

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};
pub use zxq_catalog::quoting::{quoted, quoted_text};

use super::keywords;
use crate::error::{EngineError, ErrorKind, Result};

/// Longest name, in bytes; PostgreSQL's limit, which clients rely on.
const MAX_NAME: usize = 63;

/// The name an identifier stands for: lower case unless it was quoted.
pub fn normalise(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// True for the word DEFAULT in the place of a value.
pub fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

/// The table an object name stands for: `t` or `public.t`.
///
/// # Errors
/// Any other schema, or a name that cannot be a table's.
pub fn table_name(name: &ObjectName) -> Result<String> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(normalise).collect();
    let table = match parts.as_slice() {
        [table] => table,
        [schema, table] if schema == "public" => table,
        [_, schema, table] if schema == "public" => table,
        _ => {
            return Err(EngineError::new(
                ErrorKind::InvalidDefinition,
                format!(
                    "cannot make or change a table called {name}: tables live in schema public, write just the \
                     table's name (schemas hot, warm, cold and zxq are views of them)"
                ),
            ));
        }
    };
    check_name("table", table)?;
    Ok(table.clone())
}

/// Refuses names that storage or clients cannot keep.
pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
    let problem = if name.trim().is_empty() {
        "is empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!("is longer than {MAX_NAME} bytes")
    } else if name.chars().any(char::is_control) {
        "holds control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(EngineError::new(ErrorKind::InvalidDefinition, format!("{what} name {name:?} {problem}: choose another name")))
}

/// A name as it must be written in SQL: quoted when it would otherwise be folded or read as a keyword.
pub fn quote_ident(name: &str) -> String {
    quoted_unless_plain(name, keywords::is_reserved)
}

/// A name as PostgreSQL's `quote_ident` writes it: names of types are quoted too.
pub(crate) fn quote_ident_as_postgres(name: &str) -> String {
    quoted_unless_plain(name, keywords::is_keyword)
}

fn quoted_unless_plain(name: &str, is_word: fn(&str) -> bool) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !is_word(name) { name.to_owned() } else { quoted(name) }
}
