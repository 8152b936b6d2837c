//! Portals: a statement with its parameters, ready to give rows or giving them. SQL calls them cursors.

use std::sync::Arc;

use datafusion::scalar::ScalarValue;

use super::cursor::CursorRows;
use super::encode::Format;
use super::plan::Planned;
use super::rows::RowCursor;

/// A statement bound to its parameters.
pub(crate) struct Portal {
    /// The statement that it runs.
    pub(crate) statement: Arc<Planned>,
    /// Its parameters, `$1` first.
    pub(crate) parameters: Vec<ScalarValue>,
    /// Text or binary, per column.
    pub(crate) formats: Vec<Format>,
    /// Bytes that it keeps for as long as it is there: of its name, its parameters and its statement.
    pub(crate) bytes: usize,
    /// It outlives its transaction block.
    pub(crate) hold: bool,
    /// Savepoints that there were when SQL declared it: it goes when the block goes back to one of before.
    pub(crate) savepoints: usize,
    /// What it was declared as, where SQL declared it.
    pub(crate) declared: Option<Declared>,
    /// How far it has come.
    pub(crate) state: PortalState,
}

/// How far a portal has come.
pub(crate) enum PortalState {
    /// It has not run.
    Ready,
    /// It has rows left.
    Rows(RowCursor),
    /// It is a cursor, somewhere among its rows.
    Cursor(Box<CursorRows>),
    /// It has run to its end.
    Done,
}

/// What SQL declared a cursor as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// The statement that declared it.
    pub(crate) statement: String,
    /// Its rows come in binary.
    pub(crate) binary: bool,
    /// It can go back.
    pub(crate) scroll: bool,
    /// When, in microseconds since the Unix epoch.
    pub(crate) at: i64,
}
