//! What reads bytes of strangers, for tests that give it bytes nobody would write: see `fuzz/` and `tests/src/fuzz_targets.rs`.
//! Not for programs.

use crate::wire::copy::options::CopyCommand;
use crate::wire::copy::text_rows::TextRows;
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
    let CopyCommand::In { columns: named, options, .. } = *command else { return Err(format!("no COPY IN: {copy}")) };
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    let mut rows = TextRows::new(&options, named, columns);
    let mut out = Vec::new();
    for piece in pieces {
        rows.push(piece, &mut out).map_err(|error| error.to_string())?;
    }
    rows.finish(&mut out).map_err(|error| error.to_string())?;
    Ok(out)
}
