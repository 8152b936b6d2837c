//! Table definitions from Arrow schemas: a file's, or a query's.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use zxq_catalog::{ColumnDef, TableDef};

use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::create_table::{check_columns, read_column};
use crate::sql::ident::normalise;
use crate::sql::options::TableLayout;
use crate::sql::statement::DIALECT;
use crate::sql::types::{ColumnType, canonical_type, kept_type};

#[cfg(test)]
mod tests;

/// The definition of a table that holds rows of this schema, laid out by default; its id is 0. Timestamps become
/// microseconds, dictionaries their values.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] naming a column of a type no table can hold; [`ErrorKind::DuplicateColumn`] for
/// names that are there twice.
pub fn table_from_schema(name: &str, schema: &Schema) -> Result<TableDef> {
    let columns = columns_with(schema, |field| canonical_type(field.data_type()))?;
    table_of_columns(name, columns, &BTreeMap::new())
}

/// As [`table_from_schema`], of a table of our own, with times of day, intervals and arrays too, columns of the types that
/// `types` names, laid out as these options of [`LAYOUT`](crate::sql::options::LAYOUT) say.
///
/// # Errors
/// Also [`ErrorKind::UndefinedColumn`] and [`ErrorKind::InvalidParameter`] for an option that does not fit.
pub fn table_for_load(
    name: &str,
    schema: &Schema,
    layout: &BTreeMap<String, String>,
    types: Option<&str>,
) -> Result<TableDef> {
    let mut columns = columns_of(schema)?;
    if let Some(types) = types {
        apply_types(&mut columns, types)?;
    }
    table_of_columns(name, columns, layout)
}

/// Gives columns the types that a text such as `price DECIMAL(18,4), qty BIGINT` names.
fn apply_types(columns: &mut [ColumnDef], types: &str) -> Result<()> {
    let wrong = |e: ParserError| {
        EngineError::new(
            ErrorKind::InvalidParameter,
            format!("types cannot be \"{types}\": write columns and types, as price DECIMAL(18,4), qty BIGINT ({e})"),
        )
    };
    let mut parser = Parser::new(&DIALECT).try_with_sql(types).map_err(wrong)?;
    let named = parser.parse_comma_separated(Parser::parse_column_def).map_err(wrong)?;
    parser.expect_token(&Token::EOF).map_err(wrong)?;
    for column in named {
        let name = normalise(&column.name);
        let known = columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let exact = columns.iter().position(|c| c.name == name);
        let at = exact.or_else(|| columns.iter().position(|c| c.name.eq_ignore_ascii_case(&name)));
        let Some(place) = at.and_then(|at| columns.get_mut(at)) else {
            return Err(EngineError::new(
                ErrorKind::UndefinedColumn,
                format!("types names column \"{name}\", which the source does not have; it has {known}"),
            ));
        };
        let (typed, checks) = read_column(&column)?;
        if !checks.is_empty() || typed.generated.is_some() {
            return Err(EngineError::new(
                ErrorKind::FeatureNotSupported,
                format!(
                    "types gives column \"{name}\" more than a type: create the table first, with what it shall check"
                ),
            ));
        }
        *place = ColumnDef { name: place.name.clone(), ..typed };
    }
    Ok(())
}

fn table_of_columns(name: &str, columns: Vec<ColumnDef>, layout: &BTreeMap<String, String>) -> Result<TableDef> {
    super::ident::check_name("table", name)?;
    check_columns(name, &columns)?;
    let layout = TableLayout::with_options(&columns, layout)?;
    Ok(TableDef {
        partitioning: layout.partitioning,
        time_column: layout.time_column,
        sort_by: layout.sort_by,
        lookup: layout.lookup,
        ..TableDef::new(0, name, columns)
    })
}

/// Column definitions for the fields of a schema.
pub(super) fn columns_of(schema: &Schema) -> Result<Vec<ColumnDef>> {
    columns_with(schema, kept_type)
}

/// True of a type whose values a column would not hold as they are meant: times of day in nanoseconds, of which digits would be
/// lost.
fn is_doubtful(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Time64(TimeUnit::Nanosecond))
}

fn columns_with(schema: &Schema, type_of: impl Fn(&Field) -> Option<ColumnType>) -> Result<Vec<ColumnDef>> {
    schema
        .fields()
        .iter()
        .map(|field| {
            let kind = type_of(field).filter(|_| !is_doubtful(field.data_type())).ok_or_else(|| {
                EngineError::new(
                    ErrorKind::FeatureNotSupported,
                    format!(
                        "column \"{}\" is of type {}, which a table cannot hold: leave the column out or cast it",
                        field.name(),
                        field.data_type()
                    ),
                )
            })?;
            Ok(ColumnDef {
                nullable: field.is_nullable(),
                max_chars: kind.max_chars,
                ..ColumnDef::new(field.name().clone(), kind.data_type, kind.sql_type)
            })
        })
        .collect()
}
