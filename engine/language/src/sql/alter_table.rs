//! `ALTER TABLE` to a changed definition.

use datafusion::sql::sqlparser::ast::{self, AlterTableOperation, ColumnOption, RenameTableNameKind, SqlOption};
use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::cold_format::ColdFormat;
use crate::sql::create_table::{Checks, check_columns, name_numbers, read_column, read_constraint};
use crate::sql::ident::{normalise, table_name};
use crate::sql::keys;
use crate::sql::options::{
    COLD_FORMAT, RETENTION, TableLayout, check_hypertable, check_retention, kept_options, read_options,
};

mod columns;
#[cfg(test)]
mod tests;

/// The definition after the operations, all or none. `has_rows` says whether the table holds rows, in any tier:
/// what those rows would contradict is refused.
///
/// # Errors
/// [`ErrorKind::FeatureNotSupported`] for operations zxq does not have, saying what to do instead; the errors of
/// [`fn@super::create_table`] for a bad column or option.
pub fn alter_table(def: &TableDef, operations: &[AlterTableOperation], has_rows: bool) -> Result<TableDef> {
    let mut changed = def.clone();
    for operation in operations {
        apply(&mut changed, operation, has_rows).map_err(|e| e.context(format!("ALTER TABLE {}", def.name)))?;
    }
    Ok(changed)
}

fn apply(def: &mut TableDef, operation: &AlterTableOperation, has_rows: bool) -> Result<()> {
    use AlterTableOperation as Op;
    match operation {
        Op::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
            add_column(def, column_def, *if_not_exists, has_rows)
        }
        Op::SetOptionsParens { options } => set_options(def, options, has_rows),
        Op::RenameTable { table_name: RenameTableNameKind::To(name) } => {
            let before = std::mem::replace(&mut def.name, table_name(name)?);
            def.renamed_from.get_or_insert(before);
            Ok(())
        }
        Op::AddConstraint { constraint, .. } => {
            let nullable: Vec<bool> = def.columns.iter().map(|column| column.nullable).collect();
            if keys::declare_constraint(def, constraint)? {
                let tightened = def.columns.iter().zip(nullable).find(|(now, before)| *before && !now.nullable);
                return match tightened.filter(|_| has_rows) {
                    Some((column, _)) => Err(EngineError::new(
                        ErrorKind::FeatureNotSupported,
                        format!(
                            "column \"{}\" of a primary key has to be NOT NULL before the table holds rows",
                            column.name
                        ),
                    )),
                    None => Ok(()),
                };
            }
            if has_rows {
                return Err(EngineError::new(
                    ErrorKind::FeatureNotSupported,
                    "a CHECK cannot be added to a table that holds rows: they may break it; make a new table and \
                     INSERT INTO it SELECT from this one",
                ));
            }
            let name = def.name.clone();
            let mut checks = Checks::with(&name, std::mem::take(&mut def.checks));
            read_constraint(constraint, &mut checks)?;
            def.checks = checks.finish();
            Ok(())
        }
        Op::DropConstraint { if_exists, name, .. } => {
            let name = normalise(name);
            let before = def.checks.len();
            def.checks.retain(|check| check.name != name);
            if def.checks.len() == before && !def.remove_key(&name) && !if_exists {
                return Err(EngineError::new(
                    ErrorKind::UndefinedObject,
                    format!("constraint \"{name}\" of relation \"{}\" does not exist", def.name),
                ));
            }
            Ok(())
        }
        Op::RenameColumn { old_column_name, new_column_name } => {
            empty_for(has_rows, "a column cannot be renamed")?;
            columns::rename(def, &normalise(old_column_name), &normalise(new_column_name))
        }
        Op::DropColumn { column_names, if_exists, .. } => {
            empty_for(has_rows, "a column cannot be dropped")?;
            column_names.iter().try_for_each(|column| columns::remove(def, &normalise(column), *if_exists))
        }
        other => Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!(
                "{other} is not supported: ALTER TABLE can ADD COLUMN, SET (option = value), ADD and DROP CONSTRAINT \
                 and RENAME TO, and of a table without rows RENAME COLUMN and DROP COLUMN; for anything else make a new table and INSERT INTO it SELECT from this one"
            ),
        )),
    }
}

fn empty_for(has_rows: bool, what: &str) -> Result<()> {
    if !has_rows {
        return Ok(());
    }
    Err(EngineError::new(
        ErrorKind::FeatureNotSupported,
        format!(
            "{what} while the table holds rows, which lie in files under that name: make a new table with CREATE TABLE … AS \
             SELECT, drop this one and rename the other"
        ),
    ))
}

fn add_column(def: &mut TableDef, column: &ast::ColumnDef, if_not_exists: bool, has_rows: bool) -> Result<()> {
    let name = normalise(&column.name);
    if def.column(&name).is_some() {
        if if_not_exists {
            return Ok(());
        }
        return Err(EngineError::new(
            ErrorKind::DuplicateColumn,
            format!("column \"{name}\" of relation \"{}\" already exists", def.name),
        ));
    }
    let (added, checks) = read_column(column)?;
    if column.options.iter().any(|o| matches!(o.option, ColumnOption::PrimaryKey(_) | ColumnOption::Unique(_))) {
        return Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!("column \"{name}\": add the column first, then the key with ADD CONSTRAINT"),
        ));
    }
    if has_rows && added.default.as_deref().is_some_and(|default| default.starts_with("nextval(")) {
        return Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!(
                "column \"{name}\": a numbered column cannot be added to a table that holds rows, which have no number"
            ),
        ));
    }
    if has_rows {
        let kind = match (added.nullable, &added.default, &added.generated) {
            (false, None, None) => ErrorKind::NotNullViolation,
            _ => ErrorKind::FeatureNotSupported,
        };
        let problem = if added.generated.is_some() {
            "a generated column cannot be added to a table that holds rows, which have no value for it"
        } else if !checks.is_empty() {
            "a CHECK cannot be added to a table that holds rows, which may break it"
        } else if kind == ErrorKind::NotNullViolation {
            "a NOT NULL column without DEFAULT cannot be added to a table that holds rows, which would have NULL \
             there: give it a DEFAULT"
        } else {
            ""
        };
        if !problem.is_empty() {
            return Err(EngineError::new(kind, format!("column \"{name}\": {problem}")));
        }
    }
    let mut all = Checks::with(&def.name, def.checks.clone());
    for check in checks {
        all.add(check, Some(&name))?;
    }
    let checks = all.finish();
    def.columns.push(added);
    let table = def.name.clone();
    name_numbers(&table, &mut def.columns);
    check_columns(&def.name, &def.columns)?;
    def.checks = checks;
    Ok(())
}

fn set_options(def: &mut TableDef, options: &[SqlOption], has_rows: bool) -> Result<()> {
    let options = read_options(options)?;
    if has_rows
        && let Some(name) = ["partition_by", "granularity", "sort_by"].iter().find(|name| options.contains_key(**name))
    {
        return Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!(
                "{name} cannot be changed on a table that holds rows, which lie as it said: make a new table and \
                 INSERT INTO it SELECT from this one"
            ),
        ));
    }
    let mut layout = TableLayout {
        partitioning: def.partitioning.clone(),
        time_column: def.time_column.clone(),
        sort_by: def.sort_by.clone(),
        lookup: def.lookup.clone(),
    };
    layout.apply(&def.columns, &options)?;
    if has_rows {
        // Rows lie sorted as they do, whatever the time column is called now.
        layout.sort_by.clone_from(&def.sort_by);
    }
    let kept = kept_options(&options)?;
    let format = ColdFormat::of(def);
    if let Some(wanted) = kept.get(COLD_FORMAT)
        && wanted != format.name()
    {
        return Err(EngineError::new(
            ErrorKind::FeatureNotSupported,
            format!(
                "cold_format cannot be changed from '{format}' to '{wanted}': make a new table WITH (cold_format = \
                 '{wanted}') and INSERT INTO it SELECT from this one"
            ),
        ));
    }
    def.options.extend(kept);
    def.partitioning = layout.partitioning;
    def.time_column = layout.time_column;
    def.sort_by = layout.sort_by;
    def.lookup = layout.lookup;
    if options.contains_key(RETENTION) {
        check_retention(def)?;
    }
    check_hypertable(def)
}
