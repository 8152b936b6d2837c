//! `zxq serve`: the engine behind a PostgreSQL port, until SIGTERM or Ctrl-C.

use std::io::Write;
use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zxq_engine::Engine;

use super::{CliError, DEFAULT_LISTEN, DataArgs, Result, signals};

/// Arguments of `zxq serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq serve --data ./zxq-data
  zxq serve --data ./zxq-data --listen 127.0.0.1:0 --config storage.yaml
  psql -h 127.0.0.1 -p 5454 -d zxq")]
pub(super) struct ServeArgs {
    /// Address to listen on, host:port; port 0 takes a free one [default: 127.0.0.1:5454]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// Serves until asked to stop.
pub(super) async fn run(args: ServeArgs) -> Result<()> {
    let settings = args.data.settings()?;
    let wanted = args.listen.or(settings.listen).unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let (listener, address) = bind(&wanted).await?;
    let engine = Engine::open(settings.engine).await?;
    engine.advertise(address)?;

    let stop = CancellationToken::new();
    let serving = tokio::spawn(crate::serve::serve(listener, std::sync::Arc::clone(&engine), stop.clone()));
    say_ready(address, &args.data.data)?;
    let asked = signals::stop_requested().await;
    stop.cancel();
    let served = serving.await;
    engine.shutdown().await?;
    asked?;
    match served {
        Ok(outcome) => outcome.map_err(|e| CliError::io("serving stopped", e)),
        Err(_) => Err(CliError::Reported(101)),
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
    if !address.ip().is_loopback() {
        eprintln!(
            "warning: {address} is open to the network and there is no password: whoever reaches it owns the data"
        );
    }
    Ok((listener, address))
}

fn say_ready(address: SocketAddr, data: &std::path::Path) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "zxq is ready on {address} (data in {})", data.display())
        .and_then(|()| out.flush())
        .map_err(CliError::output)
}
