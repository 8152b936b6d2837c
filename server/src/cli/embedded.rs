//! A statement that runs in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use bytes::{Bytes, BytesMut};
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, future, stream};
use zxq_engine::error::EngineError;
use zxq_engine::{Engine, EngineConfig, EngineSession, Outcome, StatementKind};

use super::reply::{Chunk, Column, Copied, Reply, Rows, ValueKind};
use super::{CliError, Result};
use crate::wire::copy::options::{CopyCommand, CopyOptions, Header};
use crate::wire::copy::text_lines::TextLines;
use crate::wire::encode::{ColumnEncoding, EncodableBatch, Format};
use crate::wire::error::WireError;
use crate::wire::types;
use crate::wire::utility::{self, Utility};

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

    /// The engine of this process.
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

    /// Begins `COPY … TO STDOUT`: the statement that a server would be sent, its data made by the code that makes it there.
    pub(super) async fn copy_out(&self, statement: &str) -> Result<Copied> {
        let parsed = utility::parse(statement)?;
        let Some(Utility::Copy(copy)) = parsed else { return Err(not_a_query()) };
        let CopyCommand::Out { query, options, .. } = *copy else { return Err(not_a_query()) };
        let statements = self.session.parse(&query)?;
        // Looked at before it runs: what is no query may change something.
        let [statement] = statements.as_slice() else { return Err(not_a_query()) };
        if statement.kind() != StatementKind::Query {
            return Err(not_a_query());
        }
        let outcome = self.session.run_statement(statement).await?;
        let Outcome::Rows { schema, stream } = outcome else { return Err(not_a_query()) };
        let Some(format) = options.file_format()? else { return Ok(lines(&types::columns(&schema), &options, stream)) };
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let file = self.session.file_of(&names, stream, format)?;
        let rows = file.rows_so_far();
        let pieces = stream::unfold(file, |mut file| async move {
            let piece = file.next().await?;
            Some((piece.map_err(CliError::from), file))
        });
        Ok(Copied { pieces: pieces.boxed(), rows: Some(rows) })
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

/// The rows as lines of text or CSV.
fn lines(columns: &[types::Column], options: &CopyOptions, rows: SendableRecordBatchStream) -> Copied {
    let mut lines = TextLines::new(columns, options);
    let mut header = BytesMut::new();
    if options.header != Header::No {
        lines.put_header(&mut header);
    }
    let written = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&written);
    let pieces = rows.map(move |batch| -> Result<Bytes> {
        let batch = EncodableBatch::new(&batch.map_err(EngineError::from)?)?;
        let sources = batch.sources(lines.encodings())?;
        let mut text = BytesMut::new();
        for row in 0..batch.rows() {
            lines.put_row(&mut text, &sources, row)?;
        }
        counted.fetch_add(batch.rows() as u64, Ordering::Relaxed);
        Ok(text.freeze())
    });
    let pieces = stream::once(future::ready(Ok(header.freeze()))).chain(pieces);
    Copied { pieces: pieces.boxed(), rows: Some(written) }
}

fn not_a_query() -> CliError {
    CliError::Usage("only a table or the rows of a query are exported".to_owned())
}

impl From<WireError> for CliError {
    fn from(error: WireError) -> Self {
        CliError::Failed { message: error.message, hint: error.hint }
    }
}
