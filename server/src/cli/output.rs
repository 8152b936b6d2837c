//! Prints results as a table, as CSV or as JSON, streaming.

use std::io::Write;

use clap::ValueEnum;
use futures::StreamExt;
use zxq_engine::counted;

use super::reply::{Chunk, Column, Reply, Rows, Table, ValueKind};
use super::{CliError, Result};

/// Rows whose widths decide the widths of a table's columns; later rows are printed as they come.
const MEASURED_ROWS: usize = 10_000;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns, for people
    Table,
    /// Comma-separated values with a header line
    Csv,
    /// One array of objects per statement, one after the other; numbers are exact
    Json,
}

/// Prints one result. Commands print their tag in the table format and nothing in the others.
pub(super) async fn print(out: &mut impl Write, format: Format, reply: Reply) -> Result<()> {
    let rows = match reply {
        Reply::Rows(rows) => rows,
        Reply::Command(tag) if format == Format::Table => {
            return writeln!(out, "{tag}").map_err(CliError::output);
        }
        Reply::Command(_) => return Ok(()),
    };
    match format {
        Format::Table => table(out, rows).await?,
        Format::Csv => csv(out, rows).await?,
        Format::Json => json(out, rows).await?,
    }
    out.flush().map_err(CliError::output)
}

async fn table(out: &mut impl Write, mut rows: Rows) -> Result<()> {
    let mut measured = Vec::new();
    let mut count: usize = 0;
    while count < MEASURED_ROWS
        && let Some(chunk) = rows.chunks.next().await.transpose()?
    {
        count += chunk.rows();
        measured.push(chunk);
    }
    let mut widths: Vec<usize> = rows.columns.iter().map(|column| width(&column.name)).collect();
    for chunk in &measured {
        for row in 0..chunk.rows() {
            for (column, widest) in widths.iter_mut().enumerate() {
                *widest = (*widest).max(chunk.cell(row, column).map_or(0, width));
            }
        }
    }
    let kinds: Vec<ValueKind> = rows.columns.iter().map(|column| column.kind).collect();
    header(out, &rows.columns, &widths).map_err(CliError::output)?;
    for chunk in measured {
        table_rows(out, &chunk, &kinds, &widths).map_err(CliError::output)?;
    }
    while let Some(chunk) = rows.chunks.next().await.transpose()? {
        count += chunk.rows();
        table_rows(out, &chunk, &kinds, &widths).map_err(CliError::output)?;
    }
    writeln!(out, "({})\n", counted(count as u64, "row")).map_err(CliError::output)
}

/// Prints a small result as a table, each line indented.
pub(crate) fn print_table(out: &mut impl Write, table: &Table, indent: &str) -> std::io::Result<()> {
    let mut widths: Vec<usize> = table.columns.iter().map(|column| width(&column.name)).collect();
    let mut chunk = Chunk::new(widths.len());
    for row in &table.rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(cell.as_deref().map_or(0, width));
        }
        // Copying text cannot fail.
        let _ = chunk.push_row(|column, text| {
            Ok(row.get(column).and_then(Option::as_ref).map(|cell| text.push_str(cell)).is_some())
        });
    }
    let kinds: Vec<ValueKind> = table.columns.iter().map(|column| column.kind).collect();
    let mut lines = Vec::new();
    header(&mut lines, &table.columns, &widths)?;
    table_rows(&mut lines, &chunk, &kinds, &widths)?;
    for line in String::from_utf8_lossy(&lines).lines() {
        writeln!(out, "{indent}{line}")?;
    }
    Ok(())
}

/// Columns a text takes: of its longest line.
fn width(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn header(out: &mut impl Write, columns: &[Column], widths: &[usize]) -> std::io::Result<()> {
    let names: Vec<String> = columns.iter().zip(widths).map(|(c, w)| format!(" {:^w$} ", c.name, w = *w)).collect();
    writeln!(out, "{}", names.join("|"))?;
    let rules: Vec<String> = widths.iter().map(|w| "-".repeat(w + 2)).collect();
    writeln!(out, "{}", rules.join("+"))
}

/// Numbers to the right, the rest to the left. A cell of several lines makes a row of several lines, each but the last
/// marked with `+`, as in psql.
fn table_rows(out: &mut impl Write, chunk: &Chunk, kinds: &[ValueKind], widths: &[usize]) -> std::io::Result<()> {
    for row in 0..chunk.rows() {
        let cells: Vec<Vec<&str>> =
            (0..kinds.len()).map(|column| chunk.cell(row, column).unwrap_or_default().lines().collect()).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
        for line in 0..height {
            for (column, ((cell, kind), width)) in cells.iter().zip(kinds).zip(widths).enumerate() {
                let text = cell.get(line).copied().unwrap_or_default();
                let last = column + 1 == kinds.len();
                let mark = match line + 1 < cell.len() {
                    true => "+",
                    // Nothing follows the last column, so nothing needs padding.
                    false if last => "",
                    false => " ",
                };
                match kind {
                    ValueKind::Number => write!(out, " {text:>width$}{mark}")?,
                    _ if mark.is_empty() => write!(out, " {text}")?,
                    _ => write!(out, " {text:<width$}{mark}")?,
                }
                if !last {
                    write!(out, "|")?;
                }
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

async fn csv(out: &mut impl Write, mut rows: Rows) -> Result<()> {
    let names: Vec<String> = rows.columns.iter().map(|column| csv_cell(&column.name)).collect();
    writeln!(out, "{}", names.join(",")).map_err(CliError::output)?;
    while let Some(chunk) = rows.chunks.next().await.transpose()? {
        csv_rows(out, &chunk, rows.columns.len()).map_err(CliError::output)?;
    }
    Ok(())
}

fn csv_rows(out: &mut impl Write, chunk: &Chunk, columns: usize) -> std::io::Result<()> {
    for row in 0..chunk.rows() {
        for column in 0..columns {
            if column > 0 {
                out.write_all(b",")?;
            }
            match chunk.cell(row, column) {
                // NULL is nothing at all, an empty text is a pair of quotes.
                None => {}
                Some(text) if text.is_empty() || text.contains(['"', ',', '\n', '\r']) => {
                    out.write_all(csv_cell(text).as_bytes())?;
                }
                Some(text) => out.write_all(text.as_bytes())?,
            }
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn csv_cell(text: &str) -> String {
    if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

async fn json(out: &mut impl Write, mut rows: Rows) -> Result<()> {
    let keys: Vec<String> = rows.columns.iter().map(|column| json_text(&column.name)).collect();
    let mut separator = "[\n  ";
    while let Some(chunk) = rows.chunks.next().await.transpose()? {
        for row in 0..chunk.rows() {
            let values = rows.columns.iter().enumerate().zip(&keys).map(|((position, column), key)| {
                format!("{key}: {}", json_value(column.kind, chunk.cell(row, position)))
            });
            let object = values.collect::<Vec<_>>().join(", ");
            write!(out, "{separator}{{{object}}}").map_err(CliError::output)?;
            separator = ",\n  ";
        }
    }
    let end = if separator.starts_with('[') { "[]" } else { "\n]" };
    writeln!(out, "{end}").map_err(CliError::output)
}

/// Numbers as they are written, which is exact; what JSON cannot write (NaN, Infinity) as text.
fn json_value(kind: ValueKind, value: Option<&str>) -> String {
    match (kind, value) {
        (_, None) => "null".to_owned(),
        (ValueKind::Boolean, Some(text)) => (text == "t").to_string(),
        (ValueKind::Number, Some(text)) if text.ends_with(|c: char| c.is_ascii_digit()) => text.to_owned(),
        (_, Some(text)) => json_text(text),
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
