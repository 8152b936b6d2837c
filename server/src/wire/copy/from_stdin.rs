//! `COPY … FROM STDIN`: the client's data, through a bounded pipe, into the engine's loader.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::{Field, FieldRef};
use pgwire::messages::copy::CopyInResponse;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use zxq_engine::catalog::declared::{PG_TYPE, annotation};
use zxq_engine::catalog::{ColumnDef, TableDef};
use zxq_engine::roles::RoleId;
use zxq_engine::{EngineError, EngineSession, ErrorKind, FileFormat, JobHandle, LoadReport, LoadRequest, LoadSource};

use super::binary_reader::BinaryReader;
use super::loader_csv::LoaderCsv;
use super::moments::Moments;
use super::options::{CopyFormat, CopyOptions, Header, no_column};
use super::pipe::{PipeReader, PipeWriter, pipe};
use super::text_reader::TextReader;
use super::text_rows::{TextRows, shortened};
use crate::sqlstate;
use crate::wire::error::{Stop, WireError};
use crate::wire::link::{Guard, Link, SWEEPING};

/// A COPY into a table.
#[derive(Debug)]
pub(crate) struct CopyIn {
    /// The table that gets the rows.
    pub(crate) table: String,
    /// The columns named, empty for all.
    pub(crate) columns: Vec<String>,
    /// Options.
    pub(crate) options: CopyOptions,
    /// Who owns the table, should it be made.
    pub(crate) owner: Option<RoleId>,
}

/// How the client's data ended.
enum End {
    /// All of it came.
    Complete,
    /// The client gave up, with its reason.
    Failed(String),
}

impl CopyIn {
    /// Takes the client's data and loads it; returns the rows loaded and the rows quarantined. Times without a zone are
    /// local to this one.
    ///
    /// # Errors
    /// Malformed data, what the load says, the guard's reason, or that the client is gone. Then nothing was loaded.
    pub(crate) async fn run(
        self,
        session: &EngineSession,
        zone: &str,
        link: &mut Link,
        guard: &Guard,
    ) -> Result<LoadReport, Stop> {
        let target = self.target(session)?;
        let (writer, pipe_reader) = pipe();
        let request = LoadRequest {
            table: self.table.clone(),
            tier: self.options.tier,
            on_error: self.options.on_error,
            asset_class: self.options.asset_class.clone(),
            create: self.options.create,
            layout: self.options.layout.clone(),
            reading: self.options.reading.clone(),
            owner: self.owner,
        };
        let format = i8::from(matches!(self.options.format, CopyFormat::Binary | CopyFormat::Parquet));
        let count = target.copied.len();
        let (table, by_row) = (self.table.clone(), self.options.format == CopyFormat::Binary);
        let (source, mut reader) = self.source(target, pipe_reader, zone)?;
        // Whatever ends this early drops it, which asks it to stop; it then leaves nothing.
        let load = session.start_load(request, source);
        let job = load.running();

        let columns = i16::try_from(count).unwrap_or(i16::MAX);
        let formats = vec![i16::from(format); usize::try_from(columns).unwrap_or(0)];
        link.put(&PgWireBackendMessage::CopyInResponse(CopyInResponse::new(format, columns, formats)))?;
        link.flush().await?;

        let received = tokio::select! {
            biased;
            received = receive(link, &writer, reader.as_mut()) => received,
            reason = guard.stopped() => Err(reason.into()),
        };
        match received {
            Ok(End::Complete) => {
                let rest = async {
                    writer.finish().await;
                    load.await.map_err(|error| in_copy(error, &table, by_row))
                };
                // From here the load may commit at any moment: only it knows whether it can still be stopped.
                link.run_job(guard, &job, rest).await
            }
            Ok(End::Failed(reason)) => {
                writer.fail(reason.clone()).await;
                stop(load).await;
                let message = format!("COPY from stdin failed: {reason}");
                Err(WireError::new(sqlstate::QUERY_CANCELED, message).into())
            }
            Err(Stop::Failed(error)) => {
                drop(writer);
                stop(load).await;
                Err(error.into())
            }
            Err(gone) => Err(gone),
        }
    }

    /// The table, and its columns that the data has.
    ///
    /// # Errors
    /// 42P01, 42703, 42701, 42P10; 0A000 for options of zxq that the binary format does not have.
    fn target(&self, session: &EngineSession) -> Result<Target, WireError> {
        let stored = || session.engine().snapshot().table(&self.table).map(|table| Arc::clone(&table.def));
        let Some(def) = session.temporary_definition(&self.table).or_else(stored) else {
            if !self.options.create {
                session.engine().table(&self.table)?;
            }
            if self.options.format == CopyFormat::Binary {
                return Err(WireError::unsupported("a table cannot be made of data in binary format")
                    .hint("Create the table first"));
            }
            return Ok(Target { table: None, all: Vec::new(), copied: self.columns.clone() });
        };
        for (at, name) in self.columns.iter().enumerate() {
            let Some(column) = def.column(name) else { return Err(no_column(&self.table, name)) };
            if column.generated.is_some() {
                let message = format!("column \"{name}\" is a generated column");
                return Err(WireError::new(sqlstate::INVALID_COLUMN_REFERENCE, message)
                    .detail("Generated columns cannot be used in COPY."));
            }
            if self.columns[..at].contains(name) {
                let message = format!("column \"{name}\" specified more than once");
                return Err(WireError::new(sqlstate::of(ErrorKind::DuplicateColumn), message));
            }
        }
        let given = def.columns.iter().filter(|column| column.generated.is_none());
        let all: Vec<String> = given.map(|column| column.name.clone()).collect();
        let copied = if self.columns.is_empty() { all.clone() } else { self.columns.clone() };
        let names: Vec<String> = def.columns.iter().map(|column| column.name.clone()).collect();
        self.options.check_columns(&self.table, &names, &copied)?;
        if self.options.format == CopyFormat::Binary && self.options.asset_class.is_some() {
            return Err(WireError::unsupported("asset_class is not for the binary format")
                .hint("Send the column with the rows"));
        }
        Ok(Target { table: Some(def), all, copied })
    }

    /// Where the loader's rows come from; what is to be made of the client's data before, where it is read on its way.
    fn source(
        &self,
        target: Target,
        pipe: PipeReader,
        zone: &str,
    ) -> Result<(LoadSource, Option<TextRows>), WireError> {
        let name = self.options.name.clone().unwrap_or_else(|| "stdin".to_owned());
        let stream = |name: String, format: FileFormat, pipe: PipeReader| LoadSource::Stream {
            name,
            format: Some(format),
            reader: Box::new(pipe),
        };
        let text = || TextRows::new(&self.table, &self.options, self.columns.clone(), target.all.clone());
        match (self.options.format, &target.table) {
            (CopyFormat::Parquet, _) => Ok((stream(name, FileFormat::Parquet, pipe), None)),
            (CopyFormat::Arrow, _) => Err(WireError::internal("COPY FROM in the format arrow")),
            (CopyFormat::Binary, Some(def)) => {
                let columns = target.copied.iter().filter_map(|name| def.column(name)).map(row_field).collect();
                let reader = BinaryReader::new(name, self.table.clone(), columns, Box::new(pipe))?;
                Ok((LoadSource::Rows(Box::new(reader)), None))
            }
            (CopyFormat::Binary, None) => Err(WireError::internal("a binary COPY without a table")),
            (CopyFormat::Text | CopyFormat::Csv, Some(def)) if !self.is_for_the_loader() => {
                let reader = TextReader::new(name, pipe, text(), Moments::of(def, zone));
                Ok((LoadSource::Rows(Box::new(reader)), None))
            }
            (CopyFormat::Text | CopyFormat::Csv, _) => Ok((stream(name, FileFormat::Csv, pipe), Some(text()))),
        }
    }

    /// True where the loader reads the text by itself: for what only it has, or because it can take it as it is.
    fn is_for_the_loader(&self) -> bool {
        let options = &self.options;
        let of_loader = options.asset_class.is_some() || !options.reading.is_empty();
        of_loader || options.format == CopyFormat::Csv && options.header == Header::Yes && self.columns.is_empty()
    }
}

/// The failure with where in the data it is, as PostgreSQL says it.
fn in_copy(error: EngineError, table: &str, by_row: bool) -> WireError {
    let place = error.bad_row().map(|bad| {
        let mut place = format!("COPY {table}, line {}", bad.number);
        match (&bad.column, &bad.value) {
            (Some(column), Some(value)) if !by_row => {
                place.push_str(&format!(", column {column}: \"{}\"", shortened(value)));
            }
            (Some(column), _) => place.push_str(&format!(", column {column}")),
            (None, _) => {}
        }
        place
    });
    let error = WireError::from(error);
    match place {
        Some(place) => error.within(place),
        None => error,
    }
}

/// What a COPY goes into.
struct Target {
    /// `None` for a table that the load makes.
    table: Option<Arc<TableDef>>,
    /// All columns that data can have.
    all: Vec<String>,
    /// Those that this data has.
    copied: Vec<String>,
}

/// A column as rows have it.
fn row_field(column: &ColumnDef) -> FieldRef {
    let field = Field::new(&column.name, column.row_type(), true);
    Arc::new(match annotation(&column.sql_type) {
        Some(declared) => field.with_metadata(HashMap::from([(PG_TYPE.to_owned(), declared)])),
        None => field,
    })
}

/// Stops a load whose data is not complete, and gives it time to sweep what it had written: the client may look.
async fn stop(load: JobHandle<LoadReport>) {
    load.ask_to_stop();
    // What it says is that it was stopped, or that its data broke off. The client knows why.
    let _ = tokio::time::timeout(SWEEPING, load).await;
}

/// Hands the client's data to the pipe until it ends, or until the loader has failed and takes no more.
async fn receive(link: &mut Link, writer: &PipeWriter, mut reader: Option<&mut TextRows>) -> Result<End, Stop> {
    loop {
        let Some(message) = link.next().await? else {
            return Err(Stop::Gone(std::io::ErrorKind::UnexpectedEof.into()));
        };
        match message {
            PgWireFrontendMessage::CopyData(copy) => {
                let data = match reader.as_deref_mut() {
                    Some(reader) => {
                        let mut csv = LoaderCsv(Vec::with_capacity(copy.data.len() + copy.data.len() / 8));
                        reader.push(&copy.data, &mut csv)?;
                        Bytes::from(csv.0)
                    }
                    None => copy.data,
                };
                if !writer.write(data).await {
                    // The loader has failed: say so now, and not after the client has sent everything.
                    return Ok(End::Complete);
                }
            }
            PgWireFrontendMessage::CopyDone(_) => {
                if let Some(reader) = reader.as_deref_mut() {
                    let mut csv = LoaderCsv::default();
                    reader.finish(&mut csv)?;
                    writer.write(csv.0.into()).await;
                }
                return Ok(End::Complete);
            }
            PgWireFrontendMessage::CopyFail(fail) => return Ok(End::Failed(fail.message)),
            PgWireFrontendMessage::Flush(_) | PgWireFrontendMessage::Sync(_) => {}
            PgWireFrontendMessage::Terminate(_) => {
                return Err(Stop::Gone(std::io::ErrorKind::ConnectionAborted.into()));
            }
            _ => {
                return Err(WireError::protocol("unexpected message type during COPY from stdin").into());
            }
        }
    }
}
