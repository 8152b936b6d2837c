//! What of a client's statement the embedded DuckDB may run: queries, over the relations of the catalog and functions that make
//! rows, and nothing else. DuckDB's own parser decides, so that nothing depends on two parsers reading a text alike.

use std::collections::HashSet;

use duckdb::Connection;
use serde_json::{Map, Value};

use super::detect::{INFORMATION_RELATIONS, PG_RELATIONS};
use crate::sqlstate;
use crate::wire::error::WireError;

/// Longest statement, in bytes, parameters filled in: clients ask for a list of names, not for a book.
const LONGEST: usize = 1 << 20;

/// Functions that may stand in FROM.
const TABLE_FUNCTIONS: [&str; 5] =
    ["unnest", "generate_series", "range", "generate_subscripts", "regexp_split_to_table"];
/// Functions that make as much as they are asked for, in memory that nothing counts.
const WITHOUT_BOUNDS: [&str; 9] =
    ["repeat", "lpad", "rpad", "range", "generate_series", "list_resize", "array_resize", "bar", "printf"];
/// Functions that put a text in the place of each of many: it has to be a short one, written out.
const REPLACING: [&str; 2] = ["replace", "regexp_replace"];
/// Longest text that they put there, in bytes.
const LONGEST_REPLACEMENT: usize = 64;
/// Most calls of them: one in another multiplies.
const MOST_REPLACING: usize = 4;
/// How deeply a statement may nest, as DuckDB's parser puts it.
const MOST_DEPTH: usize = 500;

/// Checks one statement.
///
/// # Errors
/// 0A000 for anything but a query; 42P01 and 42883 for relations and functions that are not the catalog's; 54000 for what is too
/// long or nested too deeply.
pub(super) fn check(connection: &Connection, sql: &str) -> Result<(), WireError> {
    check_length(sql)?;
    let asked = connection.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get::<_, String>(0));
    let parsed = asked.map_err(|error| WireError::internal(format!("a statement could not be looked at: {error}")))?;
    let parsed: Value = serde_json::from_str(&parsed)
        .map_err(|_| WireError::too_many("the statement is nested too deeply".to_owned()))?;
    if parsed.get("error").and_then(Value::as_bool) == Some(true) {
        // What is no SQL is told where it is prepared, with its place.
        if parsed.get("error_type").and_then(Value::as_str) == Some("parser") {
            return Ok(());
        }
        return Err(queries_only());
    }
    match parsed.get("statements").and_then(Value::as_array).map(Vec::as_slice) {
        Some([query]) => {
            let mut check = Check::default();
            check.note_defined(query, 0)?;
            check.node(query)
        }
        _ => Err(WireError::unsupported("the catalog answers one query at a time")),
    }
}

/// Checks that a statement is not too long.
///
/// # Errors
/// 54000.
pub(super) fn check_length(sql: &str) -> Result<(), WireError> {
    if sql.len() <= LONGEST {
        return Ok(());
    }
    Err(WireError::too_many(format!("a query of the catalog has at most {} MiB of text", LONGEST >> 20)))
}

/// A statement that is looked at.
#[derive(Default)]
struct Check {
    /// Names that WITH defines, in lower case.
    defined: HashSet<String>,
    /// Calls that put texts in the place of others.
    replacing: usize,
}

impl Check {
    /// Notes what WITH defines anywhere in the statement, and that it nests no deeper than it may.
    fn note_defined(&mut self, node: &Value, depth: usize) -> Result<(), WireError> {
        if depth > MOST_DEPTH {
            return Err(WireError::too_many("the statement is nested too deeply".to_owned()));
        }
        match node {
            Value::Array(nodes) => nodes.iter().try_for_each(|node| self.note_defined(node, depth + 1)),
            Value::Object(fields) => {
                let tables = fields.get("cte_map").and_then(|tables| tables.get("map")).and_then(Value::as_array);
                let names = tables.into_iter().flatten().filter_map(|table| table.get("key").and_then(Value::as_str));
                self.defined.extend(names.map(str::to_lowercase));
                fields.values().try_for_each(|node| self.note_defined(node, depth + 1))
            }
            _ => Ok(()),
        }
    }

    fn node(&mut self, node: &Value) -> Result<(), WireError> {
        match node {
            Value::Array(nodes) => nodes.iter().try_for_each(|node| self.node(node)),
            Value::Object(fields) => {
                match (text(fields, "class"), text(fields, "type")) {
                    (None, Some("TABLE_FUNCTION")) => return self.table_function(fields),
                    (None, Some("BASE_TABLE")) => self.table(fields)?,
                    // DESCRIBE, SHOW and SUMMARIZE in place of a table.
                    (None, Some("SHOW_REF")) => return Err(queries_only()),
                    (Some("FUNCTION"), _) => self.function(fields)?,
                    _ => {}
                }
                fields.values().try_for_each(|node| self.node(node))
            }
            _ => Ok(()),
        }
    }

    /// A table function, and what stands in its brackets.
    fn table_function(&mut self, fields: &Map<String, Value>) -> Result<(), WireError> {
        let function = fields.get("function");
        let name = function.and_then(|function| function.get("function_name")).and_then(Value::as_str);
        let name = name.unwrap_or_default();
        if !TABLE_FUNCTIONS.contains(&name) && !name.starts_with("pg_") && !name.starts_with("_pg_") {
            return Err(no_function(name));
        }
        for (field, node) in fields {
            match (field.as_str(), node) {
                // Looked at above, as what it is there.
                ("function", Value::Object(function)) => {
                    function.get("children").map_or(Ok(()), |children| self.node(children))?;
                }
                (_, node) => self.node(node)?,
            }
        }
        Ok(())
    }

    /// A relation of the catalog, or one that the statement defines: no other holds what everybody may see.
    fn table(&self, fields: &Map<String, Value>) -> Result<(), WireError> {
        let name = text(fields, "table_name").unwrap_or_default();
        let lower = name.to_lowercase();
        let is_known = match text(fields, "schema_name").unwrap_or_default().to_lowercase().as_str() {
            "pgc" => PG_RELATIONS.contains(lower.as_str()),
            "pgi" => INFORMATION_RELATIONS.contains(lower.as_str()),
            "" => self.defined.contains(&lower),
            _ => false,
        };
        if is_known && text(fields, "catalog_name").unwrap_or_default().is_empty() {
            return Ok(());
        }
        let message = format!("relation \"{name}\" does not exist in the catalog");
        Err(WireError::new(sqlstate::of(zxq_engine::ErrorKind::UndefinedTable), message))
    }

    fn function(&mut self, fields: &Map<String, Value>) -> Result<(), WireError> {
        let name = text(fields, "function_name").unwrap_or_default();
        if WITHOUT_BOUNDS.contains(&name) {
            return Err(no_function(name));
        }
        if REPLACING.contains(&name) {
            self.replacing += 1;
            let by = fields.get("children").and_then(|arguments| arguments.get(2)).and_then(|by| by.get("value"));
            let is_null = by.is_some_and(|by| by.get("is_null") == Some(&Value::Bool(true)));
            let by = by.and_then(|value| value.get("value")).and_then(Value::as_str);
            let is_short = is_null || by.is_some_and(|by| by.len() <= LONGEST_REPLACEMENT);
            if !is_short || self.replacing > MOST_REPLACING {
                let message =
                    format!("{name} takes a short text that is written out, few times in a query of the catalog");
                return Err(WireError::unsupported(message));
            }
        }
        Ok(())
    }
}

fn text<'n>(fields: &'n Map<String, Value>, name: &str) -> Option<&'n str> {
    fields.get(name).and_then(Value::as_str)
}

fn queries_only() -> WireError {
    WireError::unsupported("the catalog answers queries only")
}

fn no_function(name: &str) -> WireError {
    let message = format!("function {name} does not exist in the catalog");
    WireError::new(sqlstate::of(zxq_engine::ErrorKind::UndefinedFunction), message)
}
