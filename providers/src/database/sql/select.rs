//! The SELECT that reads segments.

use std::collections::BTreeSet;
use std::sync::Arc;

use zxq_catalog::{ColumnDef, Segment, TableDef};

use super::filter::Predicate;
use super::{Dialect, quote};
use crate::error::{ProviderError, Result};
use crate::scalar;

/// Segments that EXPLAIN names one by one.
const SEGMENTS_SHOWN: usize = 3;

/// The parts of a SELECT over the rows of some segments of one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Select<'a> {
    /// The database that is asked.
    pub(crate) dialect: &'static dyn Dialect,
    /// The table whose segments are read.
    pub(crate) table: &'a TableDef,
    /// What to select: SQL expressions over the table's columns.
    pub(crate) expressions: &'a [String],
    /// Positions of the columns that `expressions` and `tail` read.
    pub(crate) columns: &'a BTreeSet<usize>,
    /// Conditions, all of which must hold.
    pub(crate) filters: &'a [Predicate],
    /// What follows: `GROUP BY …`, `ORDER BY …`; may be empty.
    pub(crate) tail: &'a str,
    /// Most rows that are read; `None`: all.
    pub(crate) limit: Option<usize>,
}

impl Select<'_> {
    /// The statement over exactly these segments.
    ///
    /// # Errors
    /// When a segment's location is not one of this store, or a column's default for older rows cannot be told.
    pub(crate) fn sql<'s>(&self, segments: impl IntoIterator<Item = &'s Arc<Segment>>) -> Result<String> {
        let parts = self.parts(segments)?;
        Ok(self.around(&union(&parts)))
    }

    /// The statement as EXPLAIN shows it, with only the first few segments.
    pub(crate) fn shown(&self, segments: &[&Arc<Segment>]) -> Result<String> {
        let mut parts = self.parts(segments.iter().take(SEGMENTS_SHOWN).copied())?;
        let hidden = segments.len().saturating_sub(SEGMENTS_SHOWN);
        if hidden > 0 {
            parts.push(format!("... {hidden} more segments"));
        }
        Ok(self.around(&union(&parts)))
    }

    fn parts<'s>(&self, segments: impl IntoIterator<Item = &'s Arc<Segment>>) -> Result<Vec<String>> {
        let mut needed = self.columns.clone();
        needed.extend(self.filters.iter().flat_map(|f| &f.columns));
        let columns: Vec<&ColumnDef> = needed.iter().filter_map(|position| self.table.columns.get(*position)).collect();
        segments.into_iter().map(|segment| one_segment(self.dialect, segment, &columns)).collect()
    }

    fn around(&self, source: &str) -> String {
        let mut sql = format!("SELECT {} FROM ({source}) AS t", self.expressions.join(", "));
        for (position, filter) in self.filters.iter().enumerate() {
            sql.push_str(if position == 0 { " WHERE " } else { " AND " });
            sql.push_str(&filter.sql);
        }
        if !self.tail.is_empty() {
            sql.push(' ');
            sql.push_str(self.tail);
        }
        if let Some(limit) = self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        sql
    }
}

fn one_segment(dialect: &dyn Dialect, segment: &Segment, columns: &[&ColumnDef]) -> Result<String> {
    let mut selected = Vec::with_capacity(columns.len().max(1));
    for column in columns {
        selected.push(match segment.stats.contains_key(&column.name) {
            true => quote(&column.name),
            false => format!("{} AS {}", default_sql(dialect, column)?, quote(&column.name)),
        });
    }
    if selected.is_empty() {
        selected.push("1 AS one".to_owned());
    }
    Ok(format!("SELECT {} FROM {}", selected.join(", "), dialect.location(&segment.location)?))
}

/// What a column holds in segments that are older than the column.
fn default_sql(dialect: &dyn Dialect, column: &ColumnDef) -> Result<String> {
    let value = scalar::constant_default(column)?;
    let literal = dialect.literal(&value, &column.data_type).ok_or_else(|| ProviderError::Unsupported {
        store: dialect.store(),
        what: format!("give column \"{}\" its default {value} in older rows", column.name),
    })?;
    // A bare number is an integer of the width that its digits need; the column is of its own.
    let sql_type = dialect.sql_type(&column.data_type).filter(|_| column.data_type.is_integer());
    Ok(sql_type.map_or(literal.clone(), |sql_type| format!("CAST({literal} AS {sql_type})")))
}

/// All rows of all parts. Parenthesised in groups, because parsers nest each further UNION one level deeper.
fn union(parts: &[String]) -> String {
    const GROUP: usize = 100;
    if parts.len() <= GROUP {
        return parts.join(" UNION ALL ");
    }
    let groups: Vec<String> = parts.chunks(GROUP).map(|g| format!("({})", g.join(" UNION ALL "))).collect();
    union(&groups)
}
