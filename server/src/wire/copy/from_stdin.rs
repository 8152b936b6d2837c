//! `COPY … FROM STDIN`: the client's data, through a bounded pipe, into the engine's loader.

use bytes::Bytes;
use pgwire::messages::copy::CopyInResponse;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use zxq_engine::roles::RoleId;
use zxq_engine::{Engine, EngineSession, FileFormat, JobHandle, LoadReport, LoadRequest, LoadSource};

use super::options::{CopyFormat, CopyOptions};
use super::pipe::{PipeWriter, pipe};
use super::text_rows::TextRows;
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
    /// Takes the client's data and loads it; returns the rows loaded and the rows quarantined.
    ///
    /// # Errors
    /// Malformed data, what the load says, the guard's reason, or that the client is gone. Then nothing was loaded.
    pub(crate) async fn run(self, session: &EngineSession, link: &mut Link, guard: &Guard) -> Result<LoadReport, Stop> {
        if self.options.format == CopyFormat::Binary {
            return Err(WireError::unsupported("COPY FROM STDIN in binary format is not supported")
                .hint("Use the format text, csv or parquet")
                .into());
        }
        let mut reader = self.text_rows(session.engine())?;
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
        let source = LoadSource::Stream {
            name: self.options.name.clone().unwrap_or_else(|| "stdin".to_owned()),
            format: Some(if reader.is_some() { FileFormat::Csv } else { FileFormat::Parquet }),
            reader: Box::new(pipe_reader),
        };
        // Whatever ends this early drops it, which asks it to stop; it then leaves nothing.
        let load = session.start_load(request, source);
        let job = load.running();

        let format = i8::from(reader.is_none());
        let columns = i16::try_from(self.columns.len()).unwrap_or(i16::MAX);
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
                    load.await
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

    /// The reader of a textual format; `None` for Parquet, which the loader reads as it is.
    fn text_rows(&self, engine: &Engine) -> Result<Option<TextRows>, WireError> {
        let snapshot = engine.snapshot();
        let table = snapshot.table(&self.table);
        if table.is_none() && !self.options.create {
            engine.table(&self.table)?;
        }
        let table_columns: Vec<String> = table
            .map(|table| table.def.columns.iter().filter(|c| c.generated.is_none()).map(|c| c.name.clone()).collect())
            .unwrap_or_default();
        if table.is_some()
            && let Some(unknown) = self.columns.iter().find(|column| !table_columns.contains(column))
        {
            let message = format!("column \"{unknown}\" of relation \"{}\" does not exist", self.table);
            return Err(WireError::new(crate::sqlstate::of(zxq_engine::ErrorKind::UndefinedColumn), message));
        }
        if self.options.format == CopyFormat::Parquet {
            return Ok(None);
        }
        Ok(Some(TextRows::new(&self.options, self.columns.clone(), table_columns)))
    }
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
                        let mut out = Vec::with_capacity(copy.data.len() + copy.data.len() / 8);
                        reader.push(&copy.data, &mut out)?;
                        Bytes::from(out)
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
                    let mut out = Vec::new();
                    reader.finish(&mut out)?;
                    writer.write(out.into()).await;
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
