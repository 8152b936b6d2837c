//! `zxq demo`: a market, all three tiers, four queries, and a server to try more on.

mod data;
pub mod generate;
mod queries;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zxq_engine::{Engine, EngineConfig};

use crate::cli::{self, CliError, Result};
use crate::serve::{ServeOptions, Server, ServerError};
use generate::{Market, MarketSpec};

/// Arguments of `zxq demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq demo
  zxq demo --rows 5000000 --data ./demo-data --listen 127.0.0.1:5455
  psql -h 127.0.0.1 -p 5454 -d zxq")]
pub(crate) struct DemoArgs {
    /// Keep the data in this folder instead of a temporary one that is removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to serve on, host:port
    #[arg(long, value_name = "ADDR", default_value = cli::DEFAULT_LISTEN)]
    listen: String,
    /// Rows to make, over all tables
    #[arg(long, value_name = "N", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rows: u64,
}

/// Runs the demo until Ctrl-C or SIGTERM.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    // First, so that a taken port is known before any work.
    let (listener, address) = cli::bind(&args.listen).await?;
    // And so is this: nobody makes users for a demo.
    if !address.ip().is_loopback() {
        return Err(ServerError::NoTls(address).into());
    }
    let temporary = tempfile::Builder::new()
        .prefix("zxq-demo-")
        .tempdir()
        .map_err(|e| CliError::io("cannot make a temporary folder", e))?;
    let data_dir = args.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    let (_threads, handle) = cli::StatementThreads::start()?;
    let engine = Engine::open(EngineConfig { threads: Some(handle), ..EngineConfig::at(&data_dir) }).await?;

    let stop = CancellationToken::new();
    let asked = tokio::spawn({
        let stop = stop.clone();
        async move {
            let outcome = cli::stop_requested().await;
            stop.cancel();
            outcome
        }
    });
    let shown = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        outcome = show(&engine, &args, &temporary, &data_dir) => outcome,
    };
    let served = match shown {
        Ok(()) => serve(&engine, listener, address, &args, &data_dir, stop).await,
        Err(error) => Err(error),
    };
    engine.shutdown().await?;
    served?;
    // What waits for signals has ended: serving ends with it.
    asked.await.unwrap_or(Ok(()))?;
    temporary.close().map_err(|e| CliError::io("cannot remove the demo's temporary folder", e))
}

/// Everything up to serving.
async fn show(engine: &Arc<Engine>, args: &DemoArgs, temporary: &TempDir, data_dir: &Path) -> Result<()> {
    let market = Market::new(MarketSpec::sized(args.rows));
    say(&format!("{}\n", bold("zxq: one SQL table over hot memory, a warm database and a cold lakehouse")))?;
    if engine.snapshot().tables.is_empty() {
        let started = Instant::now();
        let days = market.days().len();
        say(&format!("Making {days} trading days of trades, quotes and bars, and loading them by age …\n"))?;
        let loaded = data::load(engine, &market, temporary.path()).await?;
        say(&format!("{}\n", loaded.text(started.elapsed())))?;
    } else {
        say(&format!("{} has tables already: using them as they are.\n", data_dir.display()))?;
    }
    queries::show(engine, &market).await
}

async fn serve(
    engine: &Arc<Engine>,
    listener: TcpListener,
    address: SocketAddr,
    args: &DemoArgs,
    data_dir: &Path,
    stop: CancellationToken,
) -> Result<()> {
    if stop.is_cancelled() {
        return Ok(());
    }
    let server = Server::new(listener, Arc::clone(engine), ServeOptions::default())?;
    engine.advertise(address)?;
    let serving = tokio::spawn(server.run(stop.cancelled_owned()));
    let end =
        if args.data.is_some() { "Ctrl-C ends it; the data stays." } else { "Ctrl-C ends it and removes the data." };
    say(&format!(
        "zxq is ready on {address} (data in {})\n\n  {}\n\n\\dt and \\d trades_data show the tables. {end}",
        data_dir.display(),
        bold(&format!("psql -h {} -p {} -d zxq", address.ip(), address.port())),
    ))?;
    serving.await.map_err(|_| CliError::Reported(101))
}

/// Prints a line at once.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(CliError::output)
}

/// Bold on a terminal.
fn bold(text: &str) -> String {
    use std::io::IsTerminal;
    if std::io::stdout().is_terminal() { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}
