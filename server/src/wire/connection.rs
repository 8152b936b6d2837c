//! The life of one connection: a message, its answer, until either side ends it.

use std::future::Future;
use std::time::Duration;

use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::error::{Severity, Stop, WireError};
use super::lexer;
use super::link::{Guard, Link, SEND_BYTES, shutting_down};
use super::long_work::beside_others;
use super::plan::Planned;
use super::session::Session;
use super::utility;
use crate::sqlstate;

/// Messages that have come together and are answered before other connections have their turn.
const AT_A_TIME: usize = 64;
/// How long a client that is told why its connection ends may take to read that.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One connection.
pub(crate) struct Connection {
    pub(super) link: Link,
    pub(super) session: Session,
    /// Cancelled when the server stops taking statements.
    draining: CancellationToken,
    /// Cancelled when the server waits no longer for running statements.
    abort: CancellationToken,
    /// An extended-protocol message failed: messages up to the next Sync are skipped.
    skipping: bool,
    /// What can stop the extended-protocol statement under way: its timeout counts from its first message.
    pub(super) guard: Option<Guard>,
}

impl Connection {
    /// A connection that has got through its startup.
    pub(crate) fn new(link: Link, session: Session, draining: CancellationToken, abort: CancellationToken) -> Self {
        Connection { link, session, draining, abort, skipping: false, guard: None }
    }

    /// Answers messages until the client leaves or the connection is ended.
    pub(crate) async fn run(mut self) {
        let served = self.serve().await;
        // Who goes in the middle of a transaction has not committed it.
        self.session.engine.rollback().await;
        if let Err(Stop::Failed(error)) = served {
            // The client may be gone; then nobody needs to be told.
            let _ = self.link.put(&error.fatal().message(""));
            let _ = tokio::time::timeout(LAST_WORDS, self.link.flush()).await;
        }
    }

    async fn serve(&mut self) -> Result<(), Stop> {
        self.ready().await?;
        let mut answered = 0;
        loop {
            let terminated = self.session.seat.terminated.clone();
            if self.draining.is_cancelled() || terminated.is_cancelled() {
                return Err(shutting_down().into());
            }
            // Most messages come with others: nothing has to be waited for.
            if let Some(message) = self.link.at_hand()? {
                if !self.answer(message).await? {
                    return Ok(());
                }
                answered += 1;
                if answered == AT_A_TIME {
                    answered = 0;
                    tokio::task::yield_now().await;
                }
                continue;
            }
            answered = 0;
            let idle = idle_too_long(&self.session);
            let in_block = self.session.in_block();
            let message = tokio::select! {
                biased;
                () = self.draining.cancelled() => return Err(shutting_down().into()),
                () = terminated.cancelled() => return Err(shutting_down().into()),
                message = self.link.next() => message?,
                notification = self.session.ear.next(), if !in_block => {
                    self.link.put(&notification)?;
                    self.flush().await?;
                    continue;
                }
                error = idle => return Err(error.into()),
            };
            let Some(message) = message else { return Ok(()) };
            if !self.answer(message).await? {
                return Ok(());
            }
        }
    }

    /// Answers one message; false when the client says goodbye.
    ///
    /// # Errors
    /// Fatal errors, and that the client is gone.
    async fn answer(&mut self, message: PgWireFrontendMessage) -> Result<bool, Stop> {
        match message {
            PgWireFrontendMessage::Terminate(_) => return Ok(false),
            PgWireFrontendMessage::Query(query) if !self.skipping => {
                let outcome = self.simple_query(&query.query).await;
                self.report(outcome, &query.query).await?;
                self.ready().await?;
            }
            PgWireFrontendMessage::Sync(_) => {
                self.skipping = false;
                let guard = self.guard.take();
                if self.session.in_message_transaction() {
                    let guard = guard.unwrap_or_else(|| self.new_guard());
                    let outcome = Answer { link: &mut self.link, guard }.end_message(&mut self.session).await;
                    self.report(outcome, "").await?;
                }
                if self.session.status == TransactionStatus::Idle {
                    self.session.end_portals();
                }
                self.ready().await?;
            }
            // What is left of a COPY that has failed.
            PgWireFrontendMessage::CopyData(_)
            | PgWireFrontendMessage::CopyDone(_)
            | PgWireFrontendMessage::CopyFail(_) => {}
            _ if self.skipping => {}
            message => {
                let query = match &message {
                    PgWireFrontendMessage::Parse(parse) => parse.query.clone(),
                    _ => String::new(),
                };
                let outcome = self.extended_message(message).await;
                if matches!(outcome, Err(Stop::Failed(_))) {
                    self.skipping = true;
                }
                self.report(outcome, &query).await?;
            }
        }
        Ok(true)
    }

    /// Tells the client of a failure.
    ///
    /// # Errors
    /// The failure itself when it is fatal, and that the client is gone.
    async fn report(&mut self, outcome: Result<(), Stop>, query: &str) -> Result<(), Stop> {
        let error = match outcome {
            Ok(()) => return Ok(()),
            Err(Stop::Failed(error)) if error.severity != Severity::Fatal => error,
            Err(stop) => return Err(stop),
        };
        self.session.note_failure().await;
        for message in self.session.take_outgoing() {
            self.link.put(&message)?;
        }
        self.link.put(&error.message(query))?;
        // Clients that pipeline wait for the error before they send a Sync.
        self.flush().await
    }

    /// Sends what is buffered. Where the client reads nothing, the connection can still be ended.
    ///
    /// # Errors
    /// That the client is gone, or has to go.
    pub(super) async fn flush(&mut self) -> Result<(), Stop> {
        let terminated = self.session.seat.terminated.clone();
        tokio::select! {
            biased;
            flushed = self.link.flush() => flushed,
            () = terminated.cancelled() => Err(shutting_down().into()),
            () = self.abort.cancelled() => Err(shutting_down().into()),
        }
    }

    async fn ready(&mut self) -> Result<(), Stop> {
        if !self.session.in_block() {
            self.session.engine.commit_temporaries();
        }
        self.session.note_waiting();
        for message in self.session.take_outgoing().into_iter().chain(self.session.changed_settings()) {
            self.link.put(&message)?;
        }
        for message in self.session.take_notifications() {
            self.link.put(&message)?;
            if self.link.buffer().len() >= SEND_BYTES {
                self.flush().await?;
            }
        }
        self.link.put(&PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(self.session.status)))?;
        self.flush().await
    }

    /// A guard for a statement that starts now.
    pub(super) fn new_guard(&self) -> Guard {
        Guard {
            cancel: self.session.seat.start_statement(),
            deadline: self.session.settings.statement_timeout().map(|timeout| Instant::now() + timeout),
            abort: self.abort.clone(),
        }
    }

    /// Runs the statements of a text, one after the other, until one fails.
    async fn simple_query(&mut self, text: &str) -> Result<(), Stop> {
        let statements = beside_others(text.len(), || lexer::split(text))?;
        if text.contains('\0') {
            return Err(WireError::protocol("the statement holds a NUL character").into());
        }
        self.session.forget_statement("");
        self.session.close_portal("");
        let statements =
            if statements.is_empty() { vec![lexer::StatementText { text: "", offset: 0 }] } else { statements };
        let last = statements.len() - 1;
        if last > 0 {
            self.check_syntax(&statements).await?;
        }
        for (at, statement) in statements.into_iter().enumerate() {
            let guard = self.new_guard();
            self.session.more_follows = at < last;
            self.simple_statement(statement.text, &guard).await.map_err(|stop| stop.behind(statement.offset))?;
            if at < last {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Where one statement of a message cannot be read, none of them runs.
    async fn check_syntax(&mut self, statements: &[lexer::StatementText<'_>]) -> Result<(), Stop> {
        for statement in statements {
            let refused = |error: WireError| Stop::Failed(error).behind(statement.offset);
            let guard = self.new_guard();
            match beside_others(statement.text.len(), || utility::parse(statement.text)) {
                Ok(None) => {
                    let engine = &self.session.engine;
                    let parsing = async { Ok::<_, Stop>(engine.parse_apart(statement.text).await.is_ok()) };
                    if self.link.run(&guard, parsing).await.map_err(|stop| stop.behind(statement.offset))? {
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
                Err(error) if error.code == sqlstate::SYNTAX_ERROR => return Err(refused(error)),
                _ => continue,
            }
            // The catalog reads more than the engine does.
            match self.link.run(&guard, Planned::new(&self.session, statement.text, &[])).await {
                Err(Stop::Failed(error)) if error.code == sqlstate::SYNTAX_ERROR => return Err(refused(error)),
                Err(Stop::Gone(gone)) => return Err(Stop::Gone(gone)),
                Ok(_) | Err(Stop::Failed(_)) => {}
            }
        }
        Ok(())
    }

    async fn simple_statement(&mut self, text: &str, guard: &Guard) -> Result<(), Stop> {
        beside_others(text.len(), || self.session.note_statement(text));
        self.session.show_settings();
        let (planned, values) = match self.link.run(guard, self.session.plan_text(text)).await {
            Ok(planned) => planned,
            // In a failed block even a statement that cannot be planned is refused for the block.
            Err(stop) => {
                self.session.check_failed()?;
                return Err(stop);
            }
        };
        if planned.parameters.len() != values.len() {
            return Err(WireError::new(sqlstate::UNDEFINED_PARAMETER, "there is no parameter $1")
                .hint("Statements with parameters need the extended protocol")
                .into());
        }
        Answer { link: &mut self.link, guard: guard.clone() }.simple(&mut self.session, &planned, values).await
    }
}

/// Completes when the client has said nothing for longer than its settings allow.
fn idle_too_long(session: &Session) -> impl Future<Output = WireError> + use<> {
    let (setting, code, message) = if session.in_block() {
        let message = "terminating connection due to idle-in-transaction timeout";
        ("idle_in_transaction_session_timeout", sqlstate::IDLE_IN_TRANSACTION_TIMEOUT, message)
    } else {
        ("idle_session_timeout", sqlstate::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout")
    };
    let limit = session.settings.time(setting);
    async move {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
        WireError::new(code, message).fatal()
    }
}
