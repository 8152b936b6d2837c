//! What of a client's statement the embedded DuckDB may run: queries, over functions that make rows and nothing else. DuckDB's
//! own parser decides, so that nothing depends on two parsers reading a text alike.

use duckdb::Connection;
use serde_json::Value;

use crate::sqlstate;
use crate::wire::error::WireError;

/// Functions that may stand in FROM.
const TABLE_FUNCTIONS: [&str; 5] =
    ["unnest", "generate_series", "range", "generate_subscripts", "regexp_split_to_table"];
/// Functions that make as much as they are asked for, in memory that nothing counts.
const WITHOUT_BOUNDS: [&str; 8] =
    ["repeat", "lpad", "rpad", "range", "generate_series", "list_resize", "array_resize", "bar"];
/// How deeply a statement may nest, as DuckDB's parser puts it.
const MOST_DEPTH: usize = 500;

/// Checks one statement.
///
/// # Errors
/// 0A000 for anything but a query; 42883 for a function that clients have no use for.
pub(super) fn check(connection: &Connection, sql: &str) -> Result<(), WireError> {
    let asked = connection.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get::<_, String>(0));
    let parsed = asked.map_err(|error| WireError::internal(format!("a statement could not be looked at: {error}")))?;
    let parsed: Value = serde_json::from_str(&parsed)
        .map_err(|_| WireError::too_many("the statement is nested too deeply".to_owned()))?;
    if parsed.get("error").and_then(Value::as_bool) == Some(true) {
        // What is no SQL is told where it is prepared, with its place.
        if parsed.get("error_type").and_then(Value::as_str) == Some("parser") {
            return Ok(());
        }
        return Err(WireError::unsupported("the catalog answers queries only"));
    }
    match parsed.get("statements").and_then(Value::as_array).map(Vec::as_slice) {
        Some([query]) => check_node(query, 0),
        _ => Err(WireError::unsupported("the catalog answers one query at a time")),
    }
}

fn check_node(node: &Value, depth: usize) -> Result<(), WireError> {
    if depth > MOST_DEPTH {
        return Err(WireError::too_many("the statement is nested too deeply".to_owned()));
    }
    match node {
        Value::Array(nodes) => nodes.iter().try_for_each(|node| check_node(node, depth + 1)),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            if text("type") == Some("TABLE_FUNCTION") {
                let function = fields.get("function").and_then(|function| function.get("function_name"));
                let name = function.and_then(Value::as_str).unwrap_or_default();
                if !TABLE_FUNCTIONS.contains(&name) && !name.starts_with("pg_") && !name.starts_with("_pg_") {
                    return Err(no_function(name));
                }
            } else if text("class") == Some("FUNCTION")
                && let Some(name) = text("function_name").filter(|name| WITHOUT_BOUNDS.contains(name))
            {
                return Err(no_function(name));
            }
            fields.iter().try_for_each(|(name, node)| match (name.as_str(), node) {
                // Looked at above, as what it is there.
                ("function", Value::Object(function)) if text("type") == Some("TABLE_FUNCTION") => {
                    function.get("children").map_or(Ok(()), |children| check_node(children, depth + 1))
                }
                (_, node) => check_node(node, depth + 1),
            })
        }
        _ => Ok(()),
    }
}

fn no_function(name: &str) -> WireError {
    let message = format!("function {name} does not exist in the catalog");
    WireError::new(sqlstate::of(zxq_engine::ErrorKind::UndefinedFunction), message)
}
