//! A statement that runs in this process.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::BytesMut;
use futures::StreamExt;
use zxq_engine::error::EngineError;
use zxq_engine::{Engine, EngineConfig, EngineSession, Outcome};

use super::reply::{Chunk, Column, Reply, Rows, ValueKind};
use super::{CliError, Result};
use crate::wire::encode::{ColumnEncoding, EncodableBatch, Format};
use crate::wire::types;

/// An engine of our own and one session on it.
pub(crate) struct Embedded {
    engine: Arc<Engine>,
    session: EngineSession,
}

impl Embedded {
    /// Opens the data directory.
    pub(super) async fn open(config: EngineConfig) -> Result<Self> {
        Ok(Embedded::over(Engine::open(config).await?))
    }

    /// A session on an engine that is open.
    pub(crate) fn over(engine: Arc<Engine>) -> Self {
        let session = engine.session();
        Embedded { engine, session }
    }

    /// The engine.
    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Runs one statement.
    pub(crate) async fn run(&self, statement: &str) -> Result<Reply> {
        let (schema, stream) = match self.session.run(statement).await? {
            Outcome::Rows { schema, stream } => (schema, stream),
            Outcome::Command { tag } => return Ok(Reply::Command(tag)),
        };
        let wire_columns = types::columns(&schema);
        let encodings: Vec<_> = wire_columns.iter().map(|column| ColumnEncoding::of(column, Format::Text)).collect();
        let columns = wire_columns
            .into_iter()
            .map(|column| Column { kind: ValueKind::of(&column.pg_type), name: column.name })
            .collect();
        let chunks = stream.map(move |batch| to_chunk(&batch.map_err(EngineError::from)?, &encodings)).boxed();
        Ok(Reply::Rows(Rows { columns, chunks }))
    }

    /// Notices since the last call.
    pub(super) fn take_notices(&self) -> Vec<String> {
        self.session.take_notices()
    }

    /// Closes the engine.
    pub(super) async fn close(self) -> Result<()> {
        Ok(self.engine.shutdown().await?)
    }
}

/// The batch as text, written by the code that writes it for the wire: both ways print the same.
fn to_chunk(batch: &RecordBatch, encodings: &[ColumnEncoding]) -> Result<Chunk> {
    let unprintable =
        |e: &dyn std::fmt::Display| CliError::failed(format!("cannot print a value: {e}"), "cast it to text");
    let encodable = EncodableBatch::new(batch).map_err(|e| unprintable(&e))?;
    let sources = encodable.sources(encodings).map_err(|e| unprintable(&e))?;
    let mut chunk = Chunk::new(sources.len());
    let mut value = BytesMut::new();
    for row in 0..encodable.rows() {
        chunk.push_row(|column, text| {
            let Some(source) = sources.get(column).filter(|source| !source.is_null(row)) else { return Ok(false) };
            value.clear();
            source.write_text(row, &mut value).map_err(|e| unprintable(&e))?;
            text.push_str(std::str::from_utf8(&value).map_err(|e| unprintable(&e))?);
            Ok(true)
        })?;
    }
    Ok(chunk)
}
