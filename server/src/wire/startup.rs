//! The beginning of a connection: what the client asks for, and what it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use pgwire::api::{ClientInfo, PgWireConnectionState};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, Startup};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use zxq_engine::Engine;

use super::auth::{Admitted, Caller, Gate};
use super::cancel::{Connections, Seat};
use super::error::{Stop, WireError};
use super::greeting::{self, Greeted, TlsSession};
use super::link::{Link, Socket};
use super::message_limit::LargeMessages;
use super::session::Session;
use super::tls::Tls;
use crate::pg_catalog::{Introspection, user_queries};
use crate::serve::Timeouts;
use crate::sqlstate;

/// How long a client may take to say, and to show, who it is.
const STARTUP_TIME: Duration = Duration::from_secs(30);

/// What the one database may be called: by its name, or as programs do that first connect to any.
const DATABASES: [&str; 3] = ["zxq", "postgres", "template1"];

/// What a client says that has read the lock file of the data directory.
const SECRET: &str = "zxq.local";

/// What the server's connections share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The engine that all connections ask.
    pub(crate) engine: Arc<Engine>,
    /// The introspection tables.
    pub(crate) catalog: Arc<Introspection>,
    /// Who is connected.
    pub(crate) connections: Arc<Connections>,
    /// Folders whose files clients may load.
    pub(crate) load_roots: Arc<[PathBuf]>,
    /// Places of clients that have shown who they are.
    pub(crate) places: Arc<Semaphore>,
    /// Further ones, for superusers and the owner of the data directory.
    pub(crate) reserved: Arc<Semaphore>,
    /// Messages of clients that are large.
    pub(crate) large_messages: Arc<LargeMessages>,
    /// How long clients may take.
    pub(crate) timeouts: Timeouts,
    /// Decides who comes in.
    pub(crate) gate: Arc<Gate>,
    /// The server's side of TLS, where it speaks it.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// Gets a client through its startup. `None` when it only came to cancel a statement, was refused because all places are
/// taken, or went away.
///
/// # Errors
/// When the client is gone.
pub(crate) async fn accept(stream: TcpStream, shared: &Shared) -> Result<Option<(Link, Session)>, std::io::Error> {
    let Ok(outcome) = tokio::time::timeout(STARTUP_TIME, greet(stream, shared)).await else {
        return Ok(None);
    };
    outcome
}

async fn greet(stream: TcpStream, shared: &Shared) -> Result<Option<(Link, Session)>, std::io::Error> {
    let client = stream.peer_addr()?;
    let (peer, own) = (client.ip().to_canonical(), stream.local_addr()?.ip().to_canonical());
    let origin = Origin { client, this_machine: peer.is_loopback() || peer == own };
    let Some(greeted) = greeting::negotiate(stream, shared.tls.as_deref()).await? else { return Ok(None) };
    let Greeted { mut socket, tls } = greeted;
    let startup = match socket.next().await {
        Some(Ok(PgWireFrontendMessage::Startup(startup))) => startup,
        Some(Ok(PgWireFrontendMessage::CancelRequest(cancel))) => {
            shared.connections.cancel_with_secret(cancel.pid, &cancel.secret_key);
            return Ok(None);
        }
        Some(Err(error)) => {
            refuse(&mut socket, WireError::from(error)).await?;
            return Ok(None);
        }
        Some(Ok(_)) | None => return Ok(None),
    };
    match begin(&mut socket, startup, shared, origin, tls).await {
        Ok(session) => {
            session.seat.activity.lock().client = Some(client);
            socket.set_state(PgWireConnectionState::ReadyForQuery);
            Ok(Some((Link::new(socket, &shared.large_messages), session)))
        }
        Err(Stop::Failed(error)) => {
            refuse(&mut socket, error).await?;
            Ok(None)
        }
        Err(Stop::Gone(error)) => Err(error),
    }
}

/// Every error before a session stands ends the connection.
async fn refuse(socket: &mut Socket, error: WireError) -> Result<(), std::io::Error> {
    socket.send(error.fatal().message("")).await?;
    SinkExt::<PgWireBackendMessage>::close(socket).await
}

async fn begin(
    socket: &mut Socket,
    startup: Startup,
    shared: &Shared,
    origin: Origin,
    tls: Option<TlsSession>,
) -> Result<Session, Stop> {
    let version = negotiate_version(socket, &startup).await?;
    let Some(user) = startup.parameters.get("user").filter(|user| !user.is_empty()) else {
        return Err(WireError::new(
            sqlstate::INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet",
        )
        .into());
    };
    if startup
        .parameters
        .get("replication")
        .is_some_and(|value| !matches!(value.as_str(), "false" | "off" | "0" | "no"))
    {
        return Err(WireError::unsupported("replication connections are not supported").into());
    }
    let database = startup.parameters.get("database").filter(|name| !name.is_empty()).unwrap_or(user).clone();
    let caller = Caller { user, database: &database, address: origin.client.ip().to_canonical(), tls: tls.as_ref() };
    let owns_directory =
        knows_secret(&startup.parameters, shared, origin).inspect_err(|error| caller.log_refusal(error, ""))?;
    let admitted = if owns_directory {
        Admitted { role: None, how: "data directory" }
    } else {
        require_tls(shared, &caller)?;
        shared.gate.admit(socket, &caller, &shared.engine).await?
    };
    // Without a name libpq asks for the user's.
    if !DATABASES.contains(&database.as_str()) && database != *user {
        let message = format!("database \"{database}\" does not exist");
        return Err(WireError::new(sqlstate::INVALID_CATALOG_NAME, message)
            .hint("There is one database, which is called zxq")
            .into());
    }
    let seat =
        take_seat(shared, version, &admitted, owns_directory).inspect_err(|error| caller.log_refusal(error, ""))?;
    caller.log_login(&admitted, seat.pid);
    let key = BackendKeyData::new(seat.pid, seat.secret.clone());
    let mut engine = shared.engine.session_of(user);
    engine.comes_from(&caller.address.to_string());
    if !owns_directory {
        engine.limit_files(Some(Arc::clone(&shared.load_roots)));
    }
    if let Some(role) = &admitted.role {
        engine.log_in(&role.name);
    }
    let mut session = Session::new(engine, Arc::clone(&shared.catalog), seat, user.clone(), database.clone());
    session.engine.set_database(&session.database);
    // Commands on the data directory, which load and move, take as long as they take.
    for (name, value) in shared.timeouts.settings().filter(|_| !owns_directory) {
        session.settings.set(name, Some(&value))?;
    }
    apply_parameters(&mut session, &startup.parameters).await?;
    let shown = session.shown_settings();
    user_queries::register(session.engine.context(), &session.identity(""), shown);
    session.note_connected();

    socket.feed(PgWireBackendMessage::Authentication(Authentication::Ok)).await?;
    let outgoing = session.take_outgoing();
    for status in session.changed_settings() {
        socket.feed(status).await?;
    }
    socket.feed(PgWireBackendMessage::BackendKeyData(key)).await?;
    for message in outgoing.into_iter().filter(|m| matches!(m, PgWireBackendMessage::NoticeResponse(_))) {
        socket.feed(message).await?;
    }
    Ok(session)
}

/// Where a client is.
#[derive(Debug, Clone, Copy)]
struct Origin {
    client: SocketAddr,
    /// Nothing between it and the server leaves this machine.
    this_machine: bool,
}

/// True for a client that says the secret of the data directory's lock file: it may do what the directory's owner may.
///
/// # Errors
/// For another secret, and for one that came over a network.
fn knows_secret(parameters: &BTreeMap<String, String>, shared: &Shared, origin: Origin) -> Result<bool, WireError> {
    // What else is wrong with the options is said later, to those who are in.
    let options = parameters.get("options").and_then(|options| command_line_options(options).ok()).unwrap_or_default();
    let options = options.iter().map(|(name, value)| (name, value)).chain(parameters);
    let said: Vec<&String> =
        options.filter(|(name, _)| name.eq_ignore_ascii_case(SECRET)).map(|(_, value)| value).collect();
    if said.is_empty() {
        return Ok(false);
    }
    if !origin.this_machine || !said.iter().all(|said| shared.engine.has_secret(said)) {
        let message = format!("{SECRET} is not the secret of this server's data directory");
        return Err(WireError::new(sqlstate::INVALID_AUTHORIZATION, message));
    }
    Ok(true)
}

/// Refuses a client that does not encrypt where it must, before anything is asked of it.
fn require_tls(shared: &Shared, caller: &Caller<'_>) -> Result<(), WireError> {
    if caller.tls.is_some() || !shared.tls.as_ref().is_some_and(|tls| tls.is_required()) {
        return Ok(());
    }
    let error = WireError::new(sqlstate::INVALID_AUTHORIZATION, "this server takes encrypted connections only")
        .hint("Connect with sslmode=verify-full, or at least sslmode=require.");
    caller.log_refusal(&error, "");
    Err(error)
}

/// A place for a client that has shown who it is, where there is one for it and for its role.
fn take_seat(
    shared: &Shared,
    version: ProtocolVersion,
    admitted: &Admitted,
    owns_directory: bool,
) -> Result<Seat, WireError> {
    let may_take_reserved = owns_directory || admitted.role.as_ref().is_some_and(|role| role.superuser);
    let place = Arc::clone(&shared.places).try_acquire_owned();
    let place = place.or_else(|full| match may_take_reserved {
        true => Arc::clone(&shared.reserved).try_acquire_owned(),
        false => Err(full),
    });
    let Ok(place) = place else {
        return Err(WireError::new(sqlstate::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
            .hint("Close connections, or raise max_connections"));
    };
    shared.connections.enter(version, place, admitted.role.as_ref())
}

/// Speaks 3.0 or 3.2; a client that asks for a newer minor version, or for protocol options, is told what there is.
async fn negotiate_version(socket: &mut Socket, startup: &Startup) -> Result<ProtocolVersion, Stop> {
    let options: Vec<String> = startup.parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    let (major, minor) = (startup.protocol_number_major, startup.protocol_number_minor);
    let known = ProtocolVersion::from_version_number(major, minor);
    // 3.1 was skipped by PostgreSQL; such a client gets 3.0.
    let version = known.unwrap_or(if minor > 2 { ProtocolVersion::PROTOCOL3_2 } else { ProtocolVersion::PROTOCOL3_0 });
    if known.is_none() || !options.is_empty() {
        let message = NegotiateProtocolVersion::new(i32::from(version), options);
        socket.feed(PgWireBackendMessage::NegotiateProtocolVersion(message)).await?;
    }
    socket.set_protocol_version(version);
    Ok(version)
}

async fn apply_parameters(session: &mut Session, parameters: &BTreeMap<String, String>) -> Result<(), WireError> {
    for (name, value) in parameters {
        match name.to_ascii_lowercase().as_str() {
            "user" | "database" | "replication" => {}
            "options" => {
                for (name, value) in command_line_options(value)? {
                    apply(session, &name, &value).await?;
                }
            }
            name if name.starts_with("_pq_.") => {}
            name => apply(session, name, value).await?,
        }
    }
    session.report("search_path");
    session.settings.keep_as_initial();
    session.initial_tiers = Some(session.setting("zxq.tiers")?);
    Ok(())
}

async fn apply(session: &mut Session, name: &str, value: &str) -> Result<(), WireError> {
    // It has been looked at.
    if name.eq_ignore_ascii_case(SECRET) {
        return Ok(());
    }
    session.set(name, Some(value), false).await
}

/// The settings in `-c name=value --name=value`, where a backslash keeps a space.
///
/// # Errors
/// For anything else.
fn command_line_options(text: &str) -> Result<Vec<(String, String)>, WireError> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    let bad = |word: &str| WireError::syntax(format!("invalid command-line argument for server process: {word}"));
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(setting), _) => setting.to_owned(),
            (_, Some("")) => words.next().ok_or_else(|| bad(&word))?,
            (_, Some(setting)) => setting.to_owned(),
            _ => return Err(bad(&word)),
        };
        let (name, value) = setting.split_once('=').ok_or_else(|| bad(&setting))?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn options_of_the_connection_string() {
        let settings =
            command_line_options(r"-c zxq.tiers=hot,warm --statement-timeout=5s -capplication_name=a\ b").unwrap();
        let expected = [("zxq.tiers", "hot,warm"), ("statement_timeout", "5s"), ("application_name", "a b")];
        assert_eq!(settings, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(command_line_options("-x").is_err());
        assert!(command_line_options("-c").is_err());
    }
}
