//! `zxq serve`: the engine behind a PostgreSQL port, until SIGTERM or Ctrl-C.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zxq_engine::Engine;

use crate::serve::{ServeOptions, Server, ServerError};

use super::statement_threads::StatementThreads;
use super::{CliError, DEFAULT_LISTEN, DataArgs, Result, signals};

/// Arguments of `zxq serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq serve --data ./zxq-data
  zxq serve --data ./zxq-data --listen 127.0.0.1:0 --config storage.yaml
  psql -h 127.0.0.1 -p 5454 -d zxq
Other machines are served once there is a user (zxq user add) and a certificate (tls in storage.yaml).")]
pub(super) struct ServeArgs {
    /// Address to listen on, host:port; port 0 takes a free one [default: 127.0.0.1:5454]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// Serves until asked to stop.
pub(super) async fn run(args: ServeArgs) -> Result<()> {
    let mut settings = args.data.settings()?;
    let wanted = args.listen.or(settings.listen).unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let (listener, address) = bind(&wanted).await?;
    let (_threads, handle) = StatementThreads::start()?;
    settings.engine.threads = Some(handle);
    let engine = Engine::open(settings.engine).await?;
    let stop = CancellationToken::new();
    let options = ServeOptions {
        max_connections: settings.max_connections,
        timeouts: settings.timeouts,
        load_roots: settings.load_roots,
        authentication: settings.authentication,
        tls: settings.tls,
        ..ServeOptions::default()
    };
    let server = match Server::new(listener, Arc::clone(&engine), options) {
        Ok(server) => server,
        Err(error) => {
            engine.shutdown().await?;
            return Err(error.into());
        }
    };
    engine.advertise(address)?;
    let serving = tokio::spawn(server.run(stop.clone().cancelled_owned()));
    say_ready(address, &args.data.data, engine.may_write())?;
    let asked = signals::stop_requested().await;
    stop.cancel();
    let served = serving.await.map_err(|_| CliError::Reported(101));
    engine.shutdown().await?;
    asked.and(served)
}

impl From<ServerError> for CliError {
    fn from(error: ServerError) -> Self {
        CliError::Failed { message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

/// Listens on `host:port` and tells the address that was bound.
pub(crate) async fn bind(wanted: &str) -> Result<(TcpListener, SocketAddr)> {
    let refused = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => CliError::failed(
            format!("cannot listen on {wanted}: the port is in use"),
            "another program, perhaps another zxq, listens there: choose another port with --listen, or 0 for a free one",
        ),
        std::io::ErrorKind::InvalidInput => {
            CliError::failed(format!("cannot listen on {wanted:?}: {source}"), "write it as host:port, 127.0.0.1:5454")
        }
        _ => CliError::io(format!("cannot listen on {wanted}"), source),
    };
    let listener = TcpListener::bind(wanted).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

fn say_ready(address: SocketAddr, data: &std::path::Path, may_write: bool) -> Result<()> {
    let mut out = std::io::stdout();
    let role = if may_write { "as the writer" } else { "as a reader: another process writes" };
    writeln!(out, "zxq is ready on {address} (data in {}, {role})", data.display())
        .and_then(|()| out.flush())
        .map_err(CliError::output)
}
