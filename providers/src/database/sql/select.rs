//! The SELECT that reads segments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zxq_catalog::{ColumnDef, Segment, TableDef};

use super::filter::Predicate;
use super::{Dialect, POSITION_COLUMN, quote};
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
        let mut parts = Vec::new();
        // Segments of one table were written by one job, so they have the same columns.
        let mut shared: BTreeMap<String, (&Segment, Vec<u32>)> = BTreeMap::new();
        for segment in segments {
            let place = self.dialect.place(&segment.location)?;
            match place.position {
                None => parts.push(one_table(self.dialect, segment, &place.table, &columns)?),
                Some(position) => {
                    shared.entry(place.table).or_insert((segment.as_ref(), Vec::new())).1.push(position);
                }
            }
        }
        for (table, (first, positions)) in shared {
            let (count, positions) = (positions.len(), among(positions));
            parts.push(format!("{} WHERE {positions}", one_table(self.dialect, first, &table, &columns)?));
            parts.extend(self.dialect.guard(&table, &positions, count, columns.len().max(1)));
        }
        Ok(parts)
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

/// The rows of a table that holds this segment, and perhaps others with the same columns.
fn one_table(dialect: &dyn Dialect, segment: &Segment, table: &str, columns: &[&ColumnDef]) -> Result<String> {
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
    Ok(format!("SELECT {} FROM {table}", selected.join(", ")))
}

/// The condition that a row lies at one of these positions: neighbours as one range.
pub(crate) fn among(mut positions: Vec<u32>) -> String {
    positions.sort_unstable();
    positions.dedup();
    let neighbours = positions.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let (alone, ranges): (Vec<&[u32]>, Vec<&[u32]>) = neighbours.partition(|run| run.len() == 1);
    let column = quote(POSITION_COLUMN);
    let mut conditions: Vec<String> = ranges
        .iter()
        .filter_map(|run| Some(format!("{column} BETWEEN {} AND {}", run.first()?, run.last()?)))
        .collect();
    let alone: Vec<String> = alone.concat().iter().map(u32::to_string).collect();
    if !alone.is_empty() {
        conditions.push(format!("{column} IN ({})", alone.join(", ")));
    }
    conditions.join(" OR ")
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

#[cfg(test)]
mod tests {
    use super::among;

    #[test]
    fn neighbours_are_a_range_and_others_a_list() {
        assert_eq!(among(vec![7]), "\"zxq_position\" IN (7)");
        assert_eq!(among(vec![2, 0, 1, 1]), "\"zxq_position\" BETWEEN 0 AND 2");
        let expected =
            "\"zxq_position\" BETWEEN 0 AND 1 OR \"zxq_position\" BETWEEN 8 AND 9 OR \"zxq_position\" IN (3, 5)";
        assert_eq!(among(vec![9, 0, 1, 3, 5, 8]), expected);
    }
}
