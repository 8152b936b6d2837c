//! Rows of a stream into a temporary table, as COPY brings them.

use std::sync::Arc;

use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind, Result};
use crate::load::ReadOptions;
use crate::load::csv_options::CsvOptions;
use crate::load::inputs::{Inputs, LoadSource};
use crate::session::EngineSession;
use crate::session::temporary::TemporaryTable;
use crate::supervisor::JobHandle;
use crate::supervisor::control::JobControl;
use crate::write::bulk_load::{LoadReport, LoadRequest};

impl EngineSession {
    /// The definition of the session's own table of that name.
    pub fn temporary_definition(&self, name: &str) -> Option<Arc<TableDef>> {
        self.names.temporaries.table(name).map(|table| Arc::clone(table.definition()))
    }

    /// Starts a load into the session's own table.
    pub(in crate::session) fn start_own_load(
        &self,
        table: Arc<TemporaryTable>,
        request: LoadRequest,
        source: LoadSource,
    ) -> JobHandle<LoadReport> {
        let now = self.engine.now_us();
        self.engine
            .supervisor
            .start("load", move |control| async move { load(&table, request, source, now, &control).await })
    }
}

async fn load(
    table: &TemporaryTable,
    request: LoadRequest,
    source: LoadSource,
    now: i64,
    control: &JobControl,
) -> Result<LoadReport> {
    let options = ReadOptions {
        format: None,
        on_error: request.on_error,
        asset_class: request.asset_class,
        csv: CsvOptions::of(&request.reading)?,
    };
    let opening = tokio::task::spawn_blocking(move || Inputs::open(source, options));
    let inputs = control
        .wait(opening)
        .await?
        .map_err(|e| EngineError::internal(format!("opening the sources stopped: {e}")))??;
    let mut batches = inputs.read(Arc::clone(table.definition()), Arc::clone(table.checker()), now);
    let memory = table.reservation();
    let mut rows = Vec::new();
    let mut digits_cut = false;
    while let Some(read) = control.wait(batches.recv()).await? {
        let read = read?;
        digits_cut |= read.digits_cut;
        if read.rejected.is_some() {
            let message = "a temporary table has no place for rows that are refused: leave on_error out";
            return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
        }
        memory.try_grow(read.rows.get_array_memory_size())?;
        rows.push(read.rows);
    }
    let rows = table.append_checked(&rows)?;
    Ok(LoadReport { rows, digits_cut, ..LoadReport::default() })
}
