//! A table definition back as `CREATE TABLE`.

use std::fmt::Write;

use zxq_catalog::{Granularity, KeyKind, TableDef, is_inner_option};

use crate::sql::ident::{quote_ident, quoted_text};
use crate::sql::options::{Age, TIMES, TableLayout, render_age};
use crate::sql::sequences::SequenceDef;

#[cfg(test)]
mod tests;

/// The statement that makes a table like this one. Running it gives an equal definition.
pub fn show_create_table(def: &TableDef) -> String {
    if let Some((format, location)) = def.external() {
        let name = quote_ident(&def.name);
        return format!("CREATE EXTERNAL TABLE {name} STORED AS {format} LOCATION {}", quoted_text(location));
    }
    if let Some(schema) = def.name.strip_suffix('.').filter(|_| def.is_schema()) {
        return format!("CREATE SCHEMA {}", quote_ident(schema));
    }
    if let Some(sequence) = def.sequence().and_then(SequenceDef::parse) {
        return sequence.create(&def.name);
    }
    if let Some(query) = def.view() {
        let columns: Vec<String> = def.columns.iter().map(|column| quote_ident(&column.name)).collect();
        return format!("CREATE VIEW {} ({}) AS {query}", quote_ident(&def.name), columns.join(", "));
    }
    let mut lines = Vec::with_capacity(def.columns.len() + def.checks.len());
    for column in &def.columns {
        let mut line = format!("    {} {}", quote_ident(&column.name), column.sql_type);
        if !column.nullable {
            line.push_str(" NOT NULL");
        }
        if let Some(default) = &column.default {
            let _ = write!(line, " DEFAULT {default}");
        }
        if let Some(expression) = &column.generated {
            let _ = write!(line, " GENERATED ALWAYS AS ({expression}) STORED");
        }
        lines.push(line);
    }
    for check in &def.checks {
        lines.push(format!("    CONSTRAINT {} CHECK ({})", quote_ident(&check.name), check.expression));
    }
    for key in def.keys().iter().filter(|key| key.kind.is_constraint()) {
        let kind = if key.kind == KeyKind::Primary { "PRIMARY KEY" } else { "UNIQUE" };
        let columns: Vec<String> = key.columns.iter().map(|column| quote_ident(column)).collect();
        lines.push(format!("    CONSTRAINT {} {kind} ({})", quote_ident(&key.name), columns.join(", ")));
    }
    let mut sql = format!("CREATE TABLE {} (\n{}\n)", quote_ident(&def.name), lines.join(",\n"));
    let options = options(def);
    if !options.is_empty() {
        let list: Vec<String> =
            options.iter().map(|(name, value)| format!("    {name} = {}", quoted_text(value))).collect();
        let _ = write!(sql, " WITH (\n{}\n)", list.join(",\n"));
    }
    sql
}

/// The options worth writing: those that are set, and those left empty on purpose where zxq would choose something.
fn options(def: &TableDef) -> Vec<(&str, String)> {
    let chosen = TableLayout::default_for(&def.columns);
    let mut options = Vec::new();
    let mut list = |name, columns: Vec<&str>, usual_is_empty: bool| {
        if !columns.is_empty() || !usual_is_empty {
            options.push((name, columns.join(", ")));
        }
    };
    list("time_column", def.time_column.as_deref().into_iter().collect(), chosen.time_column.is_none());
    list("partition_by", def.partitioning.columns().collect(), chosen.partitioning.columns().next().is_none());
    list("sort_by", def.sort_by.iter().map(String::as_str).collect(), chosen.sort_by.is_empty());
    list("lookup", def.lookup.iter().map(String::as_str).collect(), chosen.lookup.is_empty());
    if def.partitioning.date_column.is_some() || def.partitioning.granularity != Granularity::Day {
        let place = options.iter().position(|(name, _)| *name == "partition_by").map_or(0, |i| i + 1);
        options.insert(place, ("granularity", def.partitioning.granularity.name().to_owned()));
    }
    for (name, value) in def.options.iter().filter(|(name, _)| !is_inner_option(name)) {
        let value = match name.as_str() {
            time if TIMES.contains(&time) => match Age::of(def, time) {
                Some(Age::After(age)) => render_age(age),
                _ => value.clone(),
            },
            _ => value.clone(),
        };
        options.push((name, value));
    }
    options
}
