//! Answers the client with what a statement gives, in either protocol.

use std::sync::Arc;

use datafusion::scalar::ScalarValue;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};
use zxq_engine::counted;

use super::copy::to_stdout;
use super::cursor::{CursorRows, Movement, Scroll};
use super::encode::{Format, column_encodings};
use super::error::{Stop, WireError};
use super::execute::Reply;
use super::link::{Guard, Link};
use super::plan::Planned;
use super::portal::{Portal, PortalState};
use super::rows::{DataRows, RowCursor, RowWriter};
use super::session::Session;
use super::types::Column;

/// Where a reply goes.
pub(crate) struct Answer<'a> {
    /// The client's connection.
    pub(crate) link: &'a mut Link,
    /// What can stop it.
    pub(crate) guard: Guard,
}

impl Answer<'_> {
    /// Runs a statement of the simple protocol: columns, rows, tag. `values` are of its parameters, which were constants.
    ///
    /// # Errors
    /// What the statement says, the guard's reason, or that the client is gone.
    pub(crate) async fn simple(
        &mut self,
        session: &mut Session,
        planned: &Planned,
        values: Vec<ScalarValue>,
    ) -> Result<(), Stop> {
        let reply = self.start(session, planned, values).await?;
        self.tell(session)?;
        match reply {
            Reply::Rows { columns, stream, tag } => {
                let formats = vec![Format::Text; columns.len()];
                // What fails before its first row has no columns to tell of either.
                let mut cursor = RowCursor::new(stream);
                cursor.begin(self.link, &self.guard).await?;
                self.link.put(&row_description(&columns, &formats))?;
                let writer = DataRows(column_encodings(&columns, &formats));
                let rows = cursor.send_all(writer, self.link, &self.guard).await?;
                self.complete(session, tag.text(rows)).await
            }
            Reply::Fetch { name, movement, skip } => {
                let portal = session.portal(&name)?;
                let format = match portal.declared.as_ref().is_some_and(|declared| declared.binary) {
                    true => Format::Binary,
                    false => Format::Text,
                };
                let columns = portal.statement.columns.clone().unwrap_or_default();
                let formats = vec![format; columns.len()];
                if !skip {
                    self.link.put(&row_description(&columns, &formats))?;
                }
                let tag = self.fetch(session, &name, movement, skip, &formats).await?;
                self.complete(session, tag).await
            }
            other => self.rest(session, other).await,
        }
    }

    /// Starts a statement. Where it has changed something by now, it is too late to cancel it.
    async fn start(
        &mut self,
        session: &mut Session,
        planned: &Planned,
        parameters: Vec<ScalarValue>,
    ) -> Result<Reply, Stop> {
        let job = session.engine.running().clone();
        job.begin();
        let reply = self.link.run_job(&self.guard, &job, session.start(planned, parameters)).await?;
        if job.was_job() {
            self.guard = self.guard.of_done_work();
        }
        Ok(reply)
    }

    /// Runs a portal of the extended protocol for up to `limit` rows. True when it has ended, false when suspended.
    ///
    /// # Errors
    /// As [`Answer::simple`].
    pub(crate) async fn portal(
        &mut self,
        session: &mut Session,
        portal: &mut Portal,
        limit: Option<u64>,
    ) -> Result<bool, Stop> {
        let planned = Arc::clone(&portal.statement);
        let cursor = match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Done => {
                session.check_block(&planned.work)?;
                self.complete(session, planned.tag.text(0)).await?;
                return Ok(true);
            }
            PortalState::Rows(cursor) => {
                session.check_block(&planned.work)?;
                cursor
            }
            PortalState::Cursor(mut rows) => {
                session.check_block(&planned.work)?;
                let columns = planned.columns.as_deref().unwrap_or_default();
                let texts = vec![Format::Text; columns.len()];
                let formats = if portal.formats.len() == columns.len() { &portal.formats } else { &texts };
                let mut writer = DataRows(column_encodings(columns, formats));
                let wanted = limit.and_then(|limit| i64::try_from(limit).ok());
                let movement = wanted.map_or(Movement::ForwardAll, Movement::Forward);
                let sent = rows.go(movement, Some(&mut writer), self.link, &self.guard).await?;
                let ended = limit.is_none_or(|limit| sent < limit);
                if ended {
                    self.complete(session, planned.tag.text(sent)).await?;
                }
                portal.state = PortalState::Cursor(rows);
                return Ok(ended);
            }
            PortalState::Ready => {
                let parameters = portal.parameters.clone();
                let reply = self.start(session, &planned, parameters).await?;
                self.tell(session)?;
                match reply {
                    Reply::Rows { stream, .. } => RowCursor::new(stream),
                    Reply::Fetch { name, movement, skip } => {
                        let tag = self.fetch(session, &name, movement, skip, &portal.formats).await?;
                        self.complete(session, tag).await?;
                        return Ok(true);
                    }
                    other => {
                        self.rest(session, other).await?;
                        return Ok(true);
                    }
                }
            }
        };
        let columns = planned.columns.as_deref().unwrap_or_default();
        let mut writer = DataRows(column_encodings(columns, &portal.formats));
        let Some(limit) = limit else {
            let rows = cursor.send_all(writer, self.link, &self.guard).await?;
            self.complete(session, planned.tag.text(rows)).await?;
            return Ok(true);
        };
        let mut cursor = cursor;
        let sent = cursor.send(&mut writer, self.link, &self.guard, limit).await?;
        if sent.ended {
            self.complete(session, planned.tag.text(sent.rows)).await?;
        } else {
            cursor.keep(&session.engine.context().runtime_env().memory_pool)?;
            portal.state = PortalState::Rows(cursor);
        }
        Ok(sent.ended)
    }

    /// Rows of a cursor; returns the tag.
    async fn fetch(
        &mut self,
        session: &mut Session,
        name: &str,
        movement: Movement,
        skip: bool,
        formats: &[Format],
    ) -> Result<String, Stop> {
        let mut portal = session.take_portal(name)?;
        let outcome = self.fetch_from(session, &mut portal, movement, skip, formats).await;
        session.put_portal_back(name.to_owned(), portal);
        outcome
    }

    async fn fetch_from(
        &mut self,
        session: &mut Session,
        portal: &mut Portal,
        movement: Movement,
        skip: bool,
        formats: &[Format],
    ) -> Result<String, Stop> {
        let planned = Arc::clone(&portal.statement);
        let pool = Arc::clone(&session.engine.context().runtime_env().memory_pool);
        let rows = match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Ready => {
                let parameters = portal.parameters.clone();
                match self.start(session, &planned, parameters).await? {
                    Reply::Rows { stream, .. } => Some(Box::new(CursorRows::new(stream, Scroll::WhileFew, &pool))),
                    _ => None,
                }
            }
            PortalState::Rows(rows) => Some(Box::new(CursorRows::going_on(rows, &pool))),
            PortalState::Cursor(rows) => Some(rows),
            PortalState::Done => None,
        };
        let mut met = 0;
        if let Some(mut rows) = rows {
            let columns = planned.columns.as_deref().unwrap_or_default();
            let texts = vec![Format::Text; columns.len()];
            let formats = if formats.len() == columns.len() { formats } else { &texts };
            let mut writer = DataRows(column_encodings(columns, formats));
            let writer = (!skip).then_some(&mut writer as &mut dyn RowWriter);
            let gone = rows.go(movement, writer, self.link, &self.guard).await;
            portal.state = PortalState::Cursor(rows);
            met = gone?;
        }
        Ok(if skip { format!("MOVE {met}") } else { format!("FETCH {met}") })
    }

    /// Replies that are the same in both protocols.
    async fn rest(&mut self, session: &mut Session, reply: Reply) -> Result<(), Stop> {
        match reply {
            Reply::Empty => self.link.put(&PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())),
            Reply::Command(tag) => self.complete(session, tag).await,
            Reply::CopyIn(copy) => {
                let table = copy.table.clone();
                let zone = session.settings.value("TimeZone").to_owned();
                let report = copy.run(&session.engine, &zone, self.link, &self.guard).await?;
                for notice in report.notices(&table) {
                    session.notice(WireError::notice(notice));
                }
                if report.rejected > 0 {
                    let were = if report.rejected == 1 { "was" } else { "were" };
                    let rows = counted(report.rejected, "row");
                    session.notice(WireError::notice(format!("{rows} {were} quarantined")));
                }
                self.complete(session, format!("COPY {}", report.rows)).await
            }
            Reply::CopyOut { columns, stream, options } => {
                let rows = match options.file_format()? {
                    None => to_stdout::send(RowCursor::new(stream), &columns, &options, self.link, &self.guard).await?,
                    Some(format) => {
                        let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
                        let file = session.engine.file_of(&names, stream, format)?;
                        to_stdout::send_file(file, names.len(), self.link, &self.guard).await?
                    }
                };
                self.complete(session, format!("COPY {rows}")).await
            }
            Reply::Rows { .. } | Reply::Fetch { .. } => {
                Err(WireError::internal("rows were not expected from this statement").into())
            }
        }
    }

    /// Sends notices and changed settings.
    pub(crate) fn tell(&mut self, session: &mut Session) -> Result<(), Stop> {
        session.take_outgoing().iter().try_for_each(|message| self.link.put(message))
    }

    /// Commits what the statements of a message, or those before a Sync, have written together.
    ///
    /// # Errors
    /// Where it cannot be committed.
    pub(crate) async fn end_message(&mut self, session: &mut Session) -> Result<(), Stop> {
        if !session.in_message_transaction() {
            return Ok(());
        }
        let job = session.engine.running().clone();
        job.begin();
        self.link.run_job(&self.guard, &job, session.end_message()).await
    }

    /// Says that a statement is done; where it is the last of those that belong together, they are committed first.
    async fn complete(&mut self, session: &mut Session, tag: String) -> Result<(), Stop> {
        if !session.more_follows {
            self.end_message(session).await?;
        }
        self.tell(session)?;
        self.link.put(&PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))?;
        // It is done: what stops it now stops no more than the sending.
        self.link.flush_if_full(&self.guard.of_done_work()).await
    }
}

/// The message that announces columns.
pub(crate) fn row_description(columns: &[Column], formats: &[Format]) -> PgWireBackendMessage {
    let fields = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let format = formats.get(at).copied().unwrap_or(Format::Text);
            FieldDescription::new(
                column.name.clone(),
                // As an OID is sent: in as many bits, whatever their sign.
                column.origin.0.cast_signed(),
                column.origin.1,
                column.pg_type.oid(),
                column.width(),
                column.typmod,
                format.code(),
            )
        })
        .collect();
    PgWireBackendMessage::RowDescription(RowDescription::new(fields))
}
