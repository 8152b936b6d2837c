//! Two answers to one query, compared cell by cell: whole numbers and decimals exactly, floats to nine digits.

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit};
use arrow::record_batch::RecordBatch;

/// Greatest relative difference of two floats that count as equal.
const TOLERANCE: f64 = 1e-9;

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Text(String),
    /// A decimal or whole number: digits and scale, without zeros at its end.
    Exact(i128, i8),
    Float(f64),
    /// Microseconds.
    Time(i64),
}

impl Cell {
    fn as_f64(&self) -> Option<f64> {
        match self {
            Cell::Exact(digits, scale) => Some(*digits as f64 / 10f64.powi(i32::from(*scale))),
            Cell::Float(value) => Some(*value),
            _ => None,
        }
    }

    fn fits(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Float(_), _) | (_, Cell::Float(_)) => match (self.as_f64(), other.as_f64()) {
                (Some(a), Some(b)) => a == b || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1e-3),
                _ => false,
            },
            _ => self == other,
        }
    }
}

/// Tells what differs first.
pub(super) fn compare(expected: &[RecordBatch], actual: &[RecordBatch]) -> Result<(), String> {
    let (expected, actual) = (rows(expected)?, rows(actual)?);
    if expected.len() != actual.len() {
        return Err(format!("{} rows, DuckDB has {}", actual.len(), expected.len()));
    }
    for (number, (want, have)) in expected.iter().zip(&actual).enumerate() {
        if want.len() != have.len() {
            return Err(format!("{} columns, DuckDB has {}", have.len(), want.len()));
        }
        if let Some(column) = (0..want.len()).find(|c| !want[*c].fits(&have[*c])) {
            return Err(format!("row {number}, column {column}: {have:?}, DuckDB has {want:?}"));
        }
    }
    Ok(())
}

fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Cell>>, String> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<Cell>> =
            batch.columns().iter().map(|column| cells(column.as_ref())).collect::<Result<_, String>>()?;
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect()));
    }
    Ok(rows)
}

fn cells(column: &dyn Array) -> Result<Vec<Cell>, String> {
    let to = |data_type: &DataType| cast(column, data_type).map_err(|e| e.to_string());
    let or_null = |row: usize, cell: Cell| if column.is_null(row) { Cell::Null } else { cell };
    let length = column.len();
    Ok(match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let values = to(&DataType::Utf8)?;
            let values = values.as_string::<i32>();
            (0..length).map(|row| or_null(row, Cell::Text(values.value(row).to_owned()))).collect()
        }
        DataType::Date32 | DataType::Timestamp(..) => {
            let values = to(&DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let values = cast(&values, &DataType::Int64).map_err(|e| e.to_string())?;
            let values = values.as_primitive::<Int64Type>();
            (0..length).map(|row| or_null(row, Cell::Time(values.value(row)))).collect()
        }
        DataType::Float32 | DataType::Float64 => {
            let values = to(&DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            (0..length).map(|row| or_null(row, Cell::Float(values.value(row)))).collect()
        }
        DataType::Decimal128(_, scale) => {
            let values = column.as_primitive::<Decimal128Type>();
            (0..length).map(|row| or_null(row, exact(values.value(row), *scale))).collect()
        }
        integer if integer.is_integer() => {
            let values = to(&DataType::Decimal128(38, 0))?;
            let values = values.as_primitive::<Decimal128Type>();
            (0..length).map(|row| or_null(row, exact(values.value(row), 0))).collect()
        }
        other => return Err(format!("a column of type {other}")),
    })
}

fn exact(mut digits: i128, mut scale: i8) -> Cell {
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    Cell::Exact(digits, scale)
}
