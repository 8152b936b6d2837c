//! A source's columns matched to a table's.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use zxq_catalog::{ColumnDef, TableDef};

use crate::error::{EngineError, ErrorKind, Result};
use crate::load::ReadOptions;

/// The column of a table that is made for a file, when `asset_class` is supplied for it.
const DEFAULT_CLASS_COLUMN: &str = "asset_class";

/// What becomes of each column of a source, in the source's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnPlan {
    /// The table's name for the column; `None` for one that is not read.
    pub(super) names: Vec<Option<String>>,
    /// A column of one value, added to the source's.
    pub(super) constant: Option<Constant>,
}

/// A column of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constant {
    name: String,
    value: String,
}

impl Constant {
    pub(super) fn field(&self) -> FieldRef {
        Arc::new(Field::new(&self.name, DataType::Utf8View, true))
    }

    pub(super) fn values(&self, rows: usize) -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(self.value.as_str(), rows)))
    }
}

/// Matches a source's columns to the table's by name; where none is called exactly so, whatever the case. Values of generated columns are not read.
pub(super) fn plan_columns(
    source: &str,
    columns: &[String],
    table: Option<&TableDef>,
    options: &ReadOptions,
) -> Result<ColumnPlan> {
    refuse_duplicates(source, columns, |name| name)?;
    let constant = constant_column(source, columns, table, options)?;
    let Some(table) = table else {
        let names = columns.iter().map(|name| Some(name.clone())).collect();
        return Ok(ColumnPlan { names, constant });
    };
    let mut names = Vec::with_capacity(columns.len());
    for name in columns {
        let column = find(table, name).ok_or_else(|| {
            let known: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            EngineError::new(
                ErrorKind::UndefinedColumn,
                format!(
                    "{source}: column \"{name}\" is not a column of table \"{}\", which has {}",
                    table.name,
                    known.join(", ")
                ),
            )
        })?;
        names.push(column.generated.is_none().then(|| column.name.clone()));
    }
    refuse_duplicates(source, columns, |name| find(table, name).map_or(name, |column| column.name.as_str()))?;
    for column in &table.columns {
        let supplied = names.iter().flatten().any(|name| *name == column.name)
            || constant.as_ref().is_some_and(|c| c.name == column.name);
        if !supplied && is_required(table, column, &names) {
            return Err(EngineError::new(
                ErrorKind::NotNullViolation,
                format!(
                    "{source}: column \"{}\" of table \"{}\" is NOT NULL without a DEFAULT, and the file has no such \
                     column; it has {}",
                    column.name,
                    table.name,
                    columns.join(", ")
                ),
            ));
        }
    }
    Ok(ColumnPlan { names, constant })
}

fn find<'a>(table: &'a TableDef, name: &str) -> Option<&'a ColumnDef> {
    let trimmed = name.trim();
    let exact = table.column(name).or_else(|| table.column(trimmed));
    exact.or_else(|| table.columns.iter().find(|c| c.name.eq_ignore_ascii_case(trimmed)))
}

/// True when nothing but the source can give the column its values.
fn is_required(table: &TableDef, column: &ColumnDef, supplied: &[Option<String>]) -> bool {
    let from_time = table.partitioning.date_column.as_deref() == Some(&column.name)
        && table.time_column.as_ref().is_some_and(|time| supplied.iter().flatten().any(|name| name == time));
    let from_nanoseconds = column.data_type == DataType::Int64
        && column.name.strip_suffix("_ns").is_some_and(|base| supplied.iter().flatten().any(|name| name == base));
    !column.nullable && column.default.is_none() && column.generated.is_none() && !from_time && !from_nanoseconds
}

/// Refuses two columns of a source that mean the same one.
fn refuse_duplicates<'a>(source: &str, columns: &'a [String], meant: impl Fn(&'a str) -> &'a str) -> Result<()> {
    for (i, name) in columns.iter().enumerate() {
        if columns.iter().take(i).any(|earlier| meant(earlier) == meant(name)) {
            return Err(EngineError::new(
                ErrorKind::DuplicateColumn,
                format!("{source}: column \"{name}\" is there more than once: name each column once"),
            ));
        }
    }
    Ok(())
}

fn constant_column(
    source: &str,
    columns: &[String],
    table: Option<&TableDef>,
    options: &ReadOptions,
) -> Result<Option<Constant>> {
    let Some(value) = &options.asset_class else { return Ok(None) };
    let name = match table {
        None => DEFAULT_CLASS_COLUMN,
        Some(table) => match &table.partitioning.class_column {
            Some(name) => name,
            None => {
                return Err(EngineError::new(
                    ErrorKind::InvalidParameter,
                    format!(
                        "an asset class was given, but table \"{}\" is not partitioned by one: leave it out",
                        table.name
                    ),
                ));
            }
        },
    };
    if columns.iter().any(|column| column.eq_ignore_ascii_case(name)) {
        return Err(EngineError::new(
            ErrorKind::InvalidParameter,
            format!("{source} has a column \"{name}\" of its own: leave the asset class out"),
        ));
    }
    Ok(Some(Constant { name: name.to_owned(), value: value.clone() }))
}
