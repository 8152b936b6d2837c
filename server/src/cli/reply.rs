//! What a statement gives back, wherever it ran: rows as text, as PostgreSQL would write them, or a command's tag.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio_postgres::types::Type;

use super::Result;

/// What one statement gave.
pub(crate) enum Reply {
    /// Rows, streamed.
    Rows(Rows),
    /// No rows, but a tag: `CREATE TABLE`, `INSERT 0 5`.
    Command(String),
}

/// What a `COPY … TO STDOUT` gives.
pub(super) struct Copied {
    /// The bytes, in order.
    pub(super) pieces: BoxStream<'static, Result<Bytes>>,
    /// How many rows are in them by now, where that is known.
    pub(super) rows: Option<Arc<AtomicU64>>,
}

/// A stream of rows.
pub(crate) struct Rows {
    /// Columns, in order.
    pub(crate) columns: Vec<Column>,
    /// The rows, some at a time.
    pub(crate) chunks: BoxStream<'static, Result<Chunk>>,
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// How its values are written.
    pub(crate) kind: ValueKind,
}

/// How a value is written: numbers stand to the right and need no quotes in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Integers, decimals, floating-point numbers.
    Number,
    /// `t` or `f`.
    Boolean,
    /// Everything else.
    Text,
}

impl ValueKind {
    /// How values of a wire type are written.
    pub(crate) fn of(data_type: &Type) -> Self {
        match *data_type {
            Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC | Type::OID => {
                ValueKind::Number
            }
            Type::BOOL => ValueKind::Boolean,
            _ => ValueKind::Text,
        }
    }
}

/// Some rows of text cells, in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    columns: usize,
    rows: usize,
    text: String,
    cells: Vec<Option<Range<usize>>>,
}

impl Chunk {
    /// No rows yet.
    pub(crate) fn new(columns: usize) -> Self {
        Chunk { columns, ..Chunk::default() }
    }

    /// Adds one row: `write` appends the text of a cell, or returns false for NULL.
    pub(crate) fn push_row(&mut self, mut write: impl FnMut(usize, &mut String) -> Result<bool>) -> Result<()> {
        for column in 0..self.columns {
            let start = self.text.len();
            let is_value = write(column, &mut self.text)?;
            self.cells.push(is_value.then_some(start..self.text.len()));
        }
        self.rows += 1;
        Ok(())
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The text of a cell; `None` for NULL.
    pub(crate) fn cell(&self, row: usize, column: usize) -> Option<&str> {
        let range = self.cells.get(row * self.columns + column)?.clone()?;
        self.text.get(range)
    }
}

/// A small result in memory.
pub(crate) struct Table {
    /// Columns, in order.
    pub(crate) columns: Vec<Column>,
    /// Rows; `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// The value of a named column in a row, NULL as `None`.
    pub(crate) fn get<'a>(&self, row: &'a [Option<String>], column: &str) -> Option<&'a str> {
        let position = self.columns.iter().position(|c| c.name == column)?;
        row.get(position)?.as_deref()
    }

    /// True when there is such a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c.name == column)
    }
}

impl Reply {
    /// All rows in memory; a command has none. For results that are known to be small.
    pub(crate) async fn collect(self) -> Result<Table> {
        let mut rows = match self {
            Reply::Rows(rows) => rows,
            Reply::Command(_) => return Ok(Table { columns: Vec::new(), rows: Vec::new() }),
        };
        let mut table = Table { columns: rows.columns.clone(), rows: Vec::new() };
        while let Some(chunk) = rows.chunks.next().await {
            let chunk = chunk?;
            for row in 0..chunk.rows() {
                let cells = (0..table.columns.len()).map(|column| chunk.cell(row, column).map(str::to_owned));
                table.rows.push(cells.collect());
            }
        }
        Ok(table)
    }
}
