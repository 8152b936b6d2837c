//! What the catalog's statistics prove about the rows that a statement reads.

use std::sync::Arc;

use arrow::datatypes::DataType;
use zxq_catalog::{Segment, TableDef, Value};

use super::Dialect;
use crate::scalar;

/// A table, and the segments of it that are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The database that is asked.
    pub(crate) dialect: &'static dyn Dialect,
    table: &'a TableDef,
    segments: &'a [&'a Arc<Segment>],
}

impl<'a> Facts<'a> {
    /// Facts about exactly these segments' rows.
    pub(crate) fn new(dialect: &'static dyn Dialect, table: &'a TableDef, segments: &'a [&'a Arc<Segment>]) -> Self {
        Facts { dialect, table, segments }
    }

    /// Position in the table and type of a column.
    pub(crate) fn column(&self, name: &str) -> Option<(usize, &'a DataType)> {
        let position = self.table.column_index(name)?;
        self.table.columns.get(position).map(|c| (position, &c.data_type))
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.segments.iter().map(|s| s.rows).sum()
    }

    /// True when the column has no NULL.
    pub(crate) fn no_null(&self, name: &str) -> bool {
        self.segments.iter().all(|segment| segment.stats.get(name).is_some_and(|stats| stats.null_count == 0))
    }

    /// True when no value of a float column is NaN.
    pub(crate) fn no_nan(&self, name: &str) -> bool {
        self.extremes(name).is_some()
    }

    /// The smallest and largest values of every segment; `None` when some segment does not know them.
    pub(crate) fn extremes(&self, name: &str) -> Option<Vec<Value>> {
        let mut values = Vec::with_capacity(self.segments.len() * 2);
        for segment in self.segments {
            match segment.stats.get(name) {
                Some(stats) if stats.has_bounds => values.extend(stats.min.iter().chain(&stats.max).cloned()),
                Some(_) => return None,
                // The column is younger than the segment: every row has its default.
                None => {
                    let default = scalar::constant_default(self.table.column(name)?).ok()?;
                    if !default.is_null() {
                        values.push(scalar::from_scalar(&default)?);
                    }
                }
            }
        }
        Some(values)
    }
}
