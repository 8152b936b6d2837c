//! The extended protocol: Parse, Bind, Describe, Execute, Close.

use std::sync::Arc;

use datafusion::scalar::ScalarValue;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended,
    TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::answer::{Answer, row_description};
use super::connection::Connection;
use super::decode;
use super::encode::Format;
use super::error::{Stop, WireError};
use super::lexer;
use super::link::Guard;
use super::long_work::beside_others;
use super::plan::{Planned, Runner};
use super::portal::{Portal, PortalState};
use super::utility::Utility;

impl Connection {
    /// Answers one message of the extended protocol.
    ///
    /// # Errors
    /// What the message asks for and cannot be; the messages up to the next Sync are then skipped.
    pub(super) async fn extended_message(&mut self, message: PgWireFrontendMessage) -> Result<(), Stop> {
        let guard = match self.guard.take() {
            Some(guard) => guard,
            None => self.new_guard(),
        };
        self.guard = Some(guard.clone());
        match message {
            PgWireFrontendMessage::Parse(parse) => self.parse(parse, &guard).await?,
            PgWireFrontendMessage::Bind(bind) => self.bind(bind, &guard).await?,
            PgWireFrontendMessage::Describe(describe) => self.describe(describe)?,
            PgWireFrontendMessage::Execute(execute) => self.execute(execute, &guard).await?,
            PgWireFrontendMessage::Close(close) => self.close(close)?,
            PgWireFrontendMessage::Flush(_) => self.flush().await?,
            PgWireFrontendMessage::PasswordMessageFamily(_) => {
                return Err(WireError::protocol("a password was not asked for").fatal().into());
            }
            _ => return Err(WireError::protocol("this message cannot come now").fatal().into()),
        }
        self.link.flush_if_full(&guard).await
    }

    async fn parse(&mut self, parse: Parse, guard: &Guard) -> Result<(), Stop> {
        let name = parse.name.unwrap_or_default();
        let statements = beside_others(parse.query.len(), || lexer::split(&parse.query))?;
        let (text, before) = match statements.as_slice() {
            [] => ("", 0),
            [one] => (one.text, one.offset),
            _ => {
                return Err(WireError::syntax("cannot insert multiple commands into a prepared statement").into());
            }
        };
        if name.is_empty() {
            self.session.forget_statement("");
        }
        let planned = match self.link.run(guard, self.session.plan_parsed(text, &parse.type_oids)).await {
            Ok(planned) => planned,
            Err(stop) => {
                self.session.check_failed()?;
                return Err(stop.behind(before));
            }
        };
        self.session.check_block(&planned.work)?;
        self.session.keep_statement(name, planned)?;
        self.link.put(&PgWireBackendMessage::ParseComplete(ParseComplete::new()))
    }

    async fn bind(&mut self, bind: Bind, guard: &Guard) -> Result<(), Stop> {
        let statement = self.session.statement(&bind.statement_name.unwrap_or_default())?;
        self.session.check_block(&statement.work)?;
        let count = statement.parameters.len();
        if bind.parameters.len() != count {
            return Err(WireError::protocol(format!(
                "bind message supplies {} parameters, but the prepared statement requires {count}",
                bind.parameters.len()
            ))
            .into());
        }
        let formats = Format::for_columns(&bind.parameter_format_codes, count)?;
        let zone = self.session.settings.value("TimeZone");
        let mut parameters = Vec::with_capacity(count);
        let mut size = 0;
        for (at, bytes) in bind.parameters.iter().enumerate() {
            let wanted = statement.taken_as(at);
            let length = bytes.as_ref().map_or(0, |bytes| bytes.len());
            let decoded = beside_others(length, || {
                decode::decode_in(bytes.as_deref(), formats[at], statement.parameters[at], &wanted, zone)
            });
            parameters.push(decoded.map_err(|error| error.detail(format!("parameter ${}", at + 1)))?);
            size += length + size_of::<ScalarValue>();
        }
        let statement = self.link.run(guard, statement.for_values(&self.session, &mut parameters)).await?;
        let columns = statement.columns.as_ref().map_or(0, Vec::len);
        let formats = if statement.columns.is_some() {
            Format::for_columns(&bind.result_column_format_codes, columns)?
        } else {
            Vec::new()
        };
        let name = bind.portal_name.unwrap_or_default();
        // A portal keeps its statement, also when that is closed.
        let bytes = size + statement.text.len() + name.len();
        let state = PortalState::Ready;
        let portal =
            Portal { statement, parameters, formats, bytes, hold: false, savepoints: 0, declared: None, state };
        self.session.keep_portal(name, portal)?;
        self.link.put(&PgWireBackendMessage::BindComplete(BindComplete::new()))
    }

    fn describe(&mut self, describe: Describe) -> Result<(), Stop> {
        let name = describe.name.unwrap_or_default();
        let (statement, formats): (Arc<Planned>, Vec<Format>) = match describe.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                let statement = self.session.statement(&name)?;
                let types = ParameterDescription::new(statement.parameters.clone());
                self.link.put(&PgWireBackendMessage::ParameterDescription(types))?;
                (statement, Vec::new())
            }
            TARGET_TYPE_BYTE_PORTAL => {
                let portal = self.session.portal(&name)?;
                (Arc::clone(&portal.statement), portal.formats.clone())
            }
            other => {
                return Err(WireError::protocol(format!("invalid DESCRIBE message subtype {other}")).into());
            }
        };
        match &statement.columns {
            Some(columns) => self.link.put(&row_description(columns, &formats)),
            None => self.link.put(&PgWireBackendMessage::NoData(NoData::new())),
        }
    }

    async fn execute(&mut self, execute: Execute, guard: &Guard) -> Result<(), Stop> {
        let name = execute.name.unwrap_or_default();
        let limit = u64::try_from(execute.max_rows).ok().filter(|rows| *rows > 0);
        // Out of the session while it runs: a portal may be a FETCH from another one.
        let mut portal = self.session.take_portal(&name)?;
        self.session.more_follows = self.more_follows(&portal);
        beside_others(portal.statement.text.len(), || self.session.note_statement(&portal.statement.text));
        self.session.show_settings();
        let mut answer = Answer { link: &mut self.link, guard: guard.clone() };
        let outcome = answer.portal(&mut self.session, &mut portal, limit).await;
        let ended = outcome?;
        self.session.put_portal_back(name, portal);
        if !ended {
            self.link.put(&PgWireBackendMessage::PortalSuspended(PortalSuspended::new()))?;
        }
        Ok(())
    }

    /// False where a portal that changes something is the last before a Sync: what it and those before it have written is
    /// committed as it ends, and where there are none before it, it needs no transaction.
    fn more_follows(&mut self, portal: &Portal) -> bool {
        match &portal.statement.work {
            // What follows the data of a COPY may not have come yet: who sends no Sync behind it has more to say. Libraries
            // that do nothing else send one at once, which is passed over, and another one behind the data.
            Runner::Utility(Utility::Copy(_)) => {
                self.session.in_message_transaction() || self.link.other_than_sync_follows()
            }
            Runner::Utility(Utility::Execute { .. }) => !self.link.sync_follows(),
            _ => !(portal.statement.changes() && self.link.sync_follows()),
        }
    }

    fn close(&mut self, close: Close) -> Result<(), Stop> {
        let name = close.name.unwrap_or_default();
        match close.target_type {
            TARGET_TYPE_BYTE_STATEMENT => self.session.forget_statement(&name),
            TARGET_TYPE_BYTE_PORTAL => self.session.close_portal(&name),
            other => return Err(WireError::protocol(format!("invalid CLOSE message subtype {other}")).into()),
        };
        self.link.put(&PgWireBackendMessage::CloseComplete(CloseComplete::new()))
    }
}
