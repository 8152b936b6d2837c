//! Answers the client with what a statement gives, in either protocol.

use std::sync::Arc;

use datafusion::scalar::ScalarValue;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};
use zxq_engine::counted;

use super::copy::to_stdout;
use super::encode::{Format, column_encodings};
use super::error::{Stop, WireError};
use super::execute::Reply;
use super::link::{Guard, Link};
use super::plan::Planned;
use super::portal::{Portal, PortalState};
use super::rows::{DataRows, RowCursor};
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
    /// Runs a statement of the simple protocol: columns, rows, tag.
    ///
    /// # Errors
    /// What the statement says, the guard's reason, or that the client is gone.
    pub(crate) async fn simple(&mut self, session: &mut Session, planned: &Planned) -> Result<(), Stop> {
        let reply = self.start(session, planned, Vec::new()).await?;
        self.tell(session)?;
        match reply {
            Reply::Rows { columns, stream, tag } => {
                let formats = vec![Format::Text; columns.len()];
                self.link.put(&row_description(&columns, &formats))?;
                let writer = DataRows(column_encodings(&columns, &formats));
                let rows = RowCursor::new(stream).send_all(writer, self.link, &self.guard).await?;
                self.complete(session, tag.text(rows)).await
            }
            Reply::Fetch { name, count, skip } => {
                if !skip && let Some(columns) = session.cursor_columns(&name) {
                    self.link.put(&row_description(&columns, &[]))?;
                }
                let tag = self.fetch(session, &name, count, skip, &[]).await?;
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
            PortalState::Ready => {
                let parameters = portal.parameters.clone();
                let reply = self.start(session, &planned, parameters).await?;
                self.tell(session)?;
                match reply {
                    Reply::Rows { stream, .. } => RowCursor::new(stream),
                    Reply::Fetch { name, count, skip } => {
                        let tag = self.fetch(session, &name, count, skip, &portal.formats).await?;
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
            portal.state = PortalState::Rows(cursor);
        }
        Ok(sent.ended)
    }

    /// Rows of a cursor; returns the tag.
    async fn fetch(
        &mut self,
        session: &mut Session,
        name: &str,
        count: Option<u64>,
        skip: bool,
        formats: &[Format],
    ) -> Result<String, Stop> {
        let mut portal = session.take_portal(name)?;
        let outcome = self.fetch_from(session, &mut portal, count, skip, formats).await;
        session.put_portal_back(name.to_owned(), portal);
        outcome
    }

    async fn fetch_from(
        &mut self,
        session: &mut Session,
        portal: &mut Portal,
        count: Option<u64>,
        skip: bool,
        formats: &[Format],
    ) -> Result<String, Stop> {
        let planned = Arc::clone(&portal.statement);
        if matches!(portal.state, PortalState::Ready) {
            let parameters = portal.parameters.clone();
            let reply = self.start(session, &planned, parameters).await?;
            portal.state = match reply {
                Reply::Rows { stream, .. } => PortalState::Rows(RowCursor::new(stream)),
                _ => PortalState::Done,
            };
        }
        let limit = count.unwrap_or(u64::MAX);
        let rows = match &mut portal.state {
            PortalState::Rows(cursor) if skip => cursor.skip(self.link, &self.guard, limit).await?,
            PortalState::Rows(cursor) => {
                let columns = planned.columns.as_deref().unwrap_or_default();
                let texts = vec![Format::Text; columns.len()];
                let formats = if formats.len() == columns.len() { formats } else { &texts };
                let mut writer = DataRows(column_encodings(columns, formats));
                cursor.send(&mut writer, self.link, &self.guard, limit).await?.rows
            }
            _ => 0,
        };
        Ok(if skip { format!("MOVE {rows}") } else { format!("FETCH {rows}") })
    }

    /// Replies that are the same in both protocols.
    async fn rest(&mut self, session: &mut Session, reply: Reply) -> Result<(), Stop> {
        match reply {
            Reply::Empty => self.link.put(&PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())),
            Reply::Command(tag) => self.complete(session, tag).await,
            Reply::CopyIn(copy) => {
                let table = copy.table.clone();
                let report = copy.run(&session.engine, self.link, &self.guard).await?;
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
                let rows = to_stdout::send(RowCursor::new(stream), &columns, &options, self.link, &self.guard).await?;
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
        self.link.put(&PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))
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
                0,
                0,
                column.pg_type.oid(),
                column.width(),
                column.typmod,
                format.code(),
            )
        })
        .collect();
    PgWireBackendMessage::RowDescription(RowDescription::new(fields))
}
