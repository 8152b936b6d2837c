//! Portals: a statement with its parameters, ready to give rows or giving them. SQL calls them cursors.

use std::sync::Arc;

use datafusion::scalar::ScalarValue;

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
    /// It outlives its transaction block.
    pub(crate) hold: bool,
    /// How far it has come.
    pub(crate) state: PortalState,
}

/// How far a portal has come.
pub(crate) enum PortalState {
    /// It has not run.
    Ready,
    /// It has rows left.
    Rows(RowCursor),
    /// It has run to its end.
    Done,
}
