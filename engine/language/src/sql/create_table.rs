//! `CREATE TABLE` to a table definition.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast::{
    self, ColumnOption, CreateTable, CreateTableOptions, Expr, GeneratedAs, GeneratedExpressionMode, TableConstraint,
    visit_expressions,
};
use zxq_catalog::{CheckDef, ColumnDef, TableDef};

use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::from_schema::columns_of;
use crate::sql::ident::{check_name, normalise, quote_ident, quoted_text, table_name};
use crate::sql::keys;
use crate::sql::options::{TableLayout, check_hypertable, check_retention, kept_options, read_options};
use crate::sql::relations::parts;
use crate::sql::statement::parse_expression;
use crate::sql::types::column_type;

#[cfg(test)]
pub(in crate::sql) mod tests;

/// The definition that a `CREATE TABLE` with a column list asks for; its id is 0. `IF NOT EXISTS` is
/// `create.if_not_exists`. DEFAULT, CHECK and GENERATED expressions are kept as text:
/// `RowChecker::new` tells whether they make sense.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] for clauses zxq does not have (keys, inheritance, temporary tables, …), saying
/// what to do instead; [`ErrorKind::InvalidDefinition`], [`ErrorKind::DuplicateColumn`],
/// [`ErrorKind::UndefinedColumn`] and [`ErrorKind::InvalidParameter`] for definitions that cannot be right.
pub fn create_table(create: &CreateTable) -> Result<TableDef> {
    refuse_unsupported(create)?;
    if create.query.is_some() {
        return Err(EngineError::internal("CREATE TABLE AS has no column list"));
    }
    let name = new_name(create)?;
    let mut columns = Vec::with_capacity(create.columns.len());
    let mut checks = Checks::new(&name);
    for column in &create.columns {
        let (column, column_checks) = read_column(column)?;
        for check in column_checks {
            checks.add(check, Some(&column.name))?;
        }
        columns.push(column);
    }
    for constraint in &create.constraints {
        read_constraint(constraint, &mut checks)?;
    }
    let checks = checks.finish();
    let mut table = build(name, columns, checks, create)?;
    keys::declare(&mut table, &create.columns, &create.constraints)?;
    Ok(table)
}

/// The definition that `CREATE TABLE … AS SELECT …` asks for: the query's columns, the statement's options.
///
/// # Errors
/// As [`create_table`]; [`ErrorKind::FeatureNotSupported`] for a result column no table can hold.
pub fn create_table_as(create: &CreateTable, schema: &Schema) -> Result<TableDef> {
    refuse_unsupported(create)?;
    // Numbers of rows, as window functions give them, are of a type that PostgreSQL does not have.
    let counted = |field: &Arc<Field>| match field.data_type() {
        DataType::UInt64 => Arc::new(field.as_ref().clone().with_data_type(DataType::Int64)),
        _ => Arc::clone(field),
    };
    let mut columns = columns_of(&Schema::new(schema.fields().iter().map(counted).collect::<Vec<_>>()))?;
    // That a query gives no NULL says nothing of rows to come.
    columns.iter_mut().for_each(|column| column.nullable = true);
    if create.columns.len() > columns.len() {
        return Err(EngineError::new(ErrorKind::Syntax, "too many column names were specified"));
    }
    for (column, named) in columns.iter_mut().zip(&create.columns) {
        column.name = normalise(&named.name);
    }
    build(new_name(create)?, columns, Vec::new(), create)
}

/// The name of the table; that of a temporary one may be in its schema.
fn new_name(create: &CreateTable) -> Result<String> {
    match parts(&create.name).as_slice() {
        [_, table] if create.temporary => {
            check_name("table", table)?;
            Ok(table.clone())
        }
        _ => table_name(&create.name),
    }
}

fn build(name: String, mut columns: Vec<ColumnDef>, checks: Vec<CheckDef>, create: &CreateTable) -> Result<TableDef> {
    check_columns(&name, &columns)?;
    name_numbers(&name, &mut columns);
    let options = match &create.table_options {
        CreateTableOptions::None => Vec::new(),
        CreateTableOptions::With(options) => options.clone(),
        other => return Err(unsupported(&other.to_string(), "write table options as WITH (name = 'value', …)")),
    };
    let options = read_options(&options)?;
    let layout = TableLayout::with_options(&columns, &options)?;
    let table = TableDef {
        renamed_from: None,
        owner: None,
        id: 0,
        name,
        columns,
        checks,
        partitioning: layout.partitioning,
        time_column: layout.time_column,
        sort_by: layout.sort_by,
        lookup: layout.lookup,
        options: kept_options(&options)?,
    };
    check_retention(&table)?;
    check_hypertable(&table)?;
    Ok(table)
}

/// Refuses column lists that no tier could keep.
pub(super) fn check_columns(table: &str, columns: &[ColumnDef]) -> Result<()> {
    if columns.is_empty() {
        return Err(EngineError::new(
            ErrorKind::InvalidDefinition,
            format!("table \"{table}\" has no columns: give it at least one"),
        ));
    }
    let mut seen = BTreeSet::new();
    for column in columns {
        check_name("column", &column.name)?;
        if !seen.insert(&column.name) {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(EngineError::new(ErrorKind::DuplicateColumn, message));
        }
    }
    Ok(())
}

fn unsupported(what: &str, instead: &str) -> EngineError {
    EngineError::new(ErrorKind::FeatureNotSupported, format!("{what} is not supported: {instead}"))
}

fn refuse_unsupported(create: &CreateTable) -> Result<()> {
    let problems = [
        (create.or_replace, "CREATE OR REPLACE TABLE", "drop the table first"),
        (create.external, "EXTERNAL here", "load the file with zxq load or CALL zxq.load"),
        (create.like.is_some(), "CREATE TABLE LIKE", "write the columns out; SHOW CREATE TABLE prints them"),
        (create.clone.is_some(), "CREATE TABLE CLONE", "use CREATE TABLE AS SELECT"),
        (create.inherits.is_some(), "INHERITS", "write the columns out"),
        (create.partition_of.is_some(), "PARTITION OF", "partitions are made by themselves; see partition_by"),
        (
            create.partition_by.is_some(),
            "PARTITION BY",
            "write WITH (partition_by = 'trade_date, asset_class', granularity = 'day')",
        ),
        (create.order_by.is_some(), "ORDER BY here", "write WITH (sort_by = 'symbol, timestamp')"),
        (create.primary_key.is_some(), "PRIMARY KEY", NO_UNIQUENESS),
        (create.location.is_some(), "LOCATION", "leave it out; the engine's data directory holds every table"),
    ];
    match problems.into_iter().find(|(there, _, _)| *there) {
        Some((_, what, instead)) => Err(unsupported(what, instead)),
        None => Ok(()),
    }
}

const NO_UNIQUENESS: &str = "zxq keeps every row it is given, once, and does not enforce uniqueness across tiers; drop \
                             the clause, and write WITH (lookup = 'column') for fast access by that column";
const NO_REFERENCES: &str = "zxq does not enforce references between tables; drop the clause";

/// A CHECK as it is written.
pub(super) struct WrittenCheck {
    name: Option<String>,
    expression: String,
}

/// A column, and the CHECKs written beside it.
pub(super) fn read_column(column: &ast::ColumnDef) -> Result<(ColumnDef, Vec<WrittenCheck>)> {
    let name = normalise(&column.name);
    let of_column = |e: EngineError| e.context(format!("column \"{name}\""));
    let kind = column_type(&column.data_type).map_err(of_column)?;
    let mut checks = Vec::new();
    let mut def =
        ColumnDef { max_chars: kind.max_chars, ..ColumnDef::new(name.clone(), kind.data_type, kind.sql_type) };
    let mut said_null = false;
    let mut numbered = is_serial(&column.data_type);
    for option in &column.options {
        match &option.option {
            ColumnOption::Null => said_null = true,
            ColumnOption::NotNull => def.nullable = false,
            ColumnOption::Default(expr) => def.default = Some(expr.to_string()),
            ColumnOption::Check(check) => {
                if check.enforced == Some(false) {
                    return Err(of_column(unsupported("CHECK … NOT ENFORCED", "drop the clause")));
                }
                let name = option.name.as_ref().or(check.name.as_ref()).map(normalise);
                checks.push(WrittenCheck { name, expression: check.expr.to_string() });
            }
            ColumnOption::Generated {
                generated_as: GeneratedAs::Always | GeneratedAs::ExpStored,
                generation_expr: Some(expr),
                generation_expr_mode: Some(GeneratedExpressionMode::Stored),
                ..
            } => def.generated = Some(expr.to_string()),
            ColumnOption::Generated { generation_expr: Some(_), .. } => {
                return Err(of_column(unsupported("a generated column that is not STORED", "write STORED after it")));
            }
            // Numbered, as SERIAL is; where they begin and how far apart they are is not for the table to say.
            ColumnOption::Generated { generated_as: GeneratedAs::Always | GeneratedAs::ByDefault, .. } => {
                numbered = true
            }
            ColumnOption::Generated { .. } | ColumnOption::Identity(_) => {
                return Err(of_column(unsupported("this form of IDENTITY", "write GENERATED BY DEFAULT AS IDENTITY")));
            }
            // Declared with the others of the table.
            ColumnOption::PrimaryKey(_) => def.nullable = false,
            ColumnOption::Unique(_) => {}
            ColumnOption::ForeignKey(_) => return Err(of_column(unsupported("REFERENCES", NO_REFERENCES))),
            ColumnOption::Collation(collation) if is_byte_order(&collation.to_string()) => {}
            ColumnOption::Collation(collation) => {
                return Err(of_column(unsupported(
                    &format!("COLLATE {collation}"),
                    "texts compare byte by byte, as with COLLATE \"C\"; drop the clause",
                )));
            }
            other => return Err(of_column(unsupported(&other.to_string(), "drop the clause"))),
        }
    }
    if numbered {
        if !def.data_type.is_signed_integer() {
            let message = "identity column type must be smallint, integer, or bigint";
            return Err(of_column(EngineError::new(ErrorKind::InvalidParameter, message)));
        }
        if def.default.is_some() || def.generated.is_some() {
            let message = "both default and identity specified";
            return Err(of_column(EngineError::new(ErrorKind::Syntax, message)));
        }
        def.nullable = false;
        def.default = Some(NUMBERED.to_owned());
    }
    let contradiction = if said_null && !def.nullable {
        "it is both NULL and NOT NULL"
    } else if def.generated.is_some() && def.default.is_some() {
        "it has both DEFAULT and GENERATED"
    } else {
        return Ok((def, checks));
    };
    Err(of_column(EngineError::new(ErrorKind::InvalidDefinition, contradiction)))
}

/// The DEFAULT of a numbered column, until its table is known.
const NUMBERED: &str = "nextval()";

fn is_serial(data_type: &ast::DataType) -> bool {
    let name = data_type.to_string().to_ascii_lowercase();
    let name = name.trim_start_matches("pg_catalog.");
    matches!(name, "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8")
}

/// The DEFAULTs of numbered columns as PostgreSQL has them, which clients look for.
pub(super) fn name_numbers(table: &str, columns: &mut [ColumnDef]) {
    for column in columns.iter_mut().filter(|column| column.default.as_deref() == Some(NUMBERED)) {
        column.default = Some(own_numbers(table, &column.name));
    }
}

/// The DEFAULT of a column that is numbered by itself.
pub(super) fn own_numbers(table: &str, column: &str) -> String {
    let sequence = quote_ident(&format!("{table}_{column}_seq"));
    format!("nextval({}::regclass)", quoted_text(&sequence))
}

fn is_byte_order(collation: &str) -> bool {
    matches!(collation.trim_matches('"').to_ascii_uppercase().as_str(), "C" | "POSIX" | "UCS_BASIC" | "DEFAULT")
}

/// Adds a table constraint to the checks.
pub(super) fn read_constraint(constraint: &TableConstraint, checks: &mut Checks<'_>) -> Result<()> {
    match constraint {
        TableConstraint::Check(check) if check.enforced != Some(false) => {
            let written = WrittenCheck { name: check.name.as_ref().map(normalise), expression: check.expr.to_string() };
            checks.add(written, only_column(&check.expr).as_deref())
        }
        // Declared once the columns are known.
        TableConstraint::PrimaryKey(_) | TableConstraint::Unique(_) => Ok(()),
        TableConstraint::ForeignKey(_) => Err(unsupported("FOREIGN KEY", NO_REFERENCES)),
        other => Err(unsupported(&other.to_string(), "drop the clause")),
    }
}

/// The column an expression reads, if it reads just one.
fn only_column(expr: &Expr) -> Option<String> {
    let mut names = columns_of_expression(expr);
    if names.len() == 1 { names.pop_first() } else { None }
}

/// The columns that an expression of a table's definition reads; none for a text that is no expression.
pub fn columns_read(expression: &str) -> BTreeSet<String> {
    parse_expression(expression).map(|expr| columns_of_expression(&expr)).unwrap_or_default()
}

fn columns_of_expression(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions(expr, |part| {
        match part {
            Expr::Identifier(ident) => drop(names.insert(normalise(ident))),
            Expr::CompoundIdentifier(parts) => drop(parts.last().map(|ident| names.insert(normalise(ident)))),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    names
}

/// Gathers CHECK constraints and names those without a name as PostgreSQL does.
pub(super) struct Checks<'a> {
    table: &'a str,
    found: Vec<CheckDef>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(table: &'a str) -> Self {
        Checks { table, found: Vec::new() }
    }

    /// Checks that are there already.
    pub(super) fn with(table: &'a str, found: Vec<CheckDef>) -> Self {
        Checks { table, found }
    }

    /// Adds a CHECK; `column` is the one it is about, if it is about one.
    pub(super) fn add(&mut self, check: WrittenCheck, column: Option<&str>) -> Result<()> {
        let taken = |name: &str| self.found.iter().any(|c| c.name == name);
        let name = match check.name {
            Some(name) if taken(&name) => {
                return Err(EngineError::new(
                    ErrorKind::InvalidDefinition,
                    format!("constraint \"{name}\" of table \"{}\" is there already: choose another name", self.table),
                ));
            }
            Some(name) => name,
            None => {
                let base = match column {
                    Some(column) => format!("{}_{column}_check", self.table),
                    None => format!("{}_check", self.table),
                };
                let mut name = base.clone();
                let mut number = 1;
                while taken(&name) {
                    name = format!("{base}{number}");
                    number += 1;
                }
                name
            }
        };
        self.found.push(CheckDef { name, expression: check.expression });
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<CheckDef> {
        self.found
    }
}
