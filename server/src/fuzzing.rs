//! What reads bytes of strangers, for tests that give it bytes nobody would write: see `fuzz/` and `tests/src/fuzz_targets.rs`.
//! Not for programs.

use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use zxq_engine::RowReader;
use zxq_engine::catalog::declared::PG_TYPE;

use crate::wire::copy::binary_reader::BinaryReader;
use crate::wire::copy::loader_csv::LoaderCsv;
use crate::wire::copy::options::CopyCommand;
use crate::wire::copy::text_rows::TextRows;
use crate::wire::error::WireError;
use crate::wire::lexer::{self, Lexer};
use crate::wire::utility::{self, Utility};

/// Where each token of a text starts and ends, in bytes.
///
/// # Errors
/// For a quote or comment without an end.
pub fn tokens(text: &str) -> Result<Vec<(usize, usize)>, String> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    while let Some(token) = lexer.next().map_err(|error| error.to_string())? {
        // Also what it means must be readable.
        let _ = token.value();
        found.push((token.start, token.end()));
    }
    Ok(found)
}

/// The statements of a text, with the byte at which each starts.
///
/// # Errors
/// As [`tokens`].
pub fn statements(text: &str) -> Result<Vec<(usize, &str)>, String> {
    let statements = lexer::split(text).map_err(|error| error.to_string())?;
    Ok(statements.into_iter().map(|statement| (statement.offset, statement.text)).collect())
}

/// Whether the connection runs this statement by itself.
///
/// # Errors
/// When it begins like one that it runs and does not go on like one.
pub fn is_utility(text: &str) -> Result<bool, String> {
    utility::parse(text).map(|found| found.is_some()).map_err(|error| error.to_string())
}

/// What the loader gets of COPY data that comes in these pieces. `copy` is the statement, `columns` are those of the table.
///
/// # Errors
/// When `copy` is no `COPY … FROM STDIN`, and for data that is not what it says.
pub fn copy_rows(copy: &str, columns: &[&str], pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
    let Ok(Some(Utility::Copy(command))) = utility::parse(copy) else { return Err(format!("no COPY: {copy}")) };
    let CopyCommand::In { table, columns: named, options } = *command else {
        return Err(format!("no COPY IN: {copy}"));
    };
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    let mut rows = TextRows::new(&table, &options, named, columns);
    let mut out = LoaderCsv::default();
    for piece in pieces {
        rows.push(piece, &mut out).map_err(|error| error.to_string())?;
    }
    rows.finish(&mut out).map_err(|error| error.to_string())?;
    Ok(out.0)
}

/// How many rows binary COPY data has that is read in pieces of at most so many bytes: of an integer, a number, a text, a moment, an
/// interval, a UUID and an array.
///
/// # Errors
/// For data that is not what it should be.
pub fn copy_binary_rows(data: &[u8], piece: usize) -> Result<usize, String> {
    let column = |name: &str, data_type: DataType, declared: Option<&str>| {
        let metadata = declared.map(|declared| (PG_TYPE.to_owned(), declared.to_owned()));
        Arc::new(Field::new(name, data_type, true).with_metadata(metadata.into_iter().collect()))
    };
    let columns = vec![
        column("a", DataType::Int32, None),
        column("b", DataType::Decimal128(12, 3), None),
        column("c", DataType::Utf8View, None),
        column("d", DataType::Timestamp(TimeUnit::Microsecond, None), None),
        column("e", DataType::Interval(IntervalUnit::MonthDayNano), None),
        column("f", DataType::Utf8View, Some("uuid")),
        column("g", DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))), None),
    ];
    let bytes = Pieces { data: data.to_vec(), at: 0, most: piece.max(1) };
    let reader = BinaryReader::new("data".to_owned(), "t".to_owned(), columns, Box::new(bytes));
    let mut reader = reader.map_err(|error| error.to_string())?;
    let mut rows = 0;
    while let Some(batch) = reader.next().map_err(|error| WireError::from(error).to_string())? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

/// Bytes that come in pieces.
struct Pieces {
    data: Vec<u8>,
    at: usize,
    most: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.most.min(buffer.len()).min(self.data.len() - self.at);
        buffer[..count].copy_from_slice(&self.data[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
