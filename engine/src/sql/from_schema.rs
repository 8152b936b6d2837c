//! Table definitions from Arrow schemas: a file's, or a query's.

use arrow::datatypes::Schema;
use zxq_catalog::{ColumnDef, TableDef};

use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::create_table::check_columns;
use crate::sql::options::Layout;
use crate::sql::types::canonical_type;

#[cfg(test)]
mod tests;

/// The definition of a table that holds rows of this schema, laid out by default; its id is 0. Timestamps become
/// microseconds, dictionaries their values.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] naming a column of a type no table can hold; [`ErrorKind::DuplicateColumn`] for
/// names that differ only in case.
pub fn table_from_schema(name: &str, schema: &Schema) -> Result<TableDef> {
    let columns = columns_of(schema)?;
    super::ident::check_name("table", name)?;
    check_columns(name, &columns)?;
    let layout = Layout::default_for(&columns);
    Ok(TableDef {
        renamed_from: None,
        id: 0,
        name: name.to_owned(),
        columns,
        checks: Vec::new(),
        partitioning: layout.partitioning,
        time_column: layout.time_column,
        sort_by: layout.sort_by,
        lookup: layout.lookup,
        options: Default::default(),
    })
}

/// Column definitions for the fields of a schema.
pub(super) fn columns_of(schema: &Schema) -> Result<Vec<ColumnDef>> {
    schema
        .fields()
        .iter()
        .map(|field| {
            let kind = canonical_type(field.data_type()).ok_or_else(|| {
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
                name: field.name().clone(),
                data_type: kind.data_type,
                sql_type: kind.sql_type,
                nullable: field.is_nullable(),
                default: None,
                generated: None,
                max_chars: kind.max_chars,
            })
        })
        .collect()
}
