//! The command line: `zxq demo | serve | load | export | sql | storage | user`.
//!
//! The CLI is SQL. Where a server holds the data directory a command runs through it; otherwise this process opens the
//! directory itself. Either way it is the same statement, so both give the same answer.

mod backend;
mod embedded;
mod error;
mod export;
mod load;
mod output;
mod progress;
mod remote;
mod reply;
mod serve;
mod signals;
mod sql;
mod statement_threads;
mod statements;
mod storage;
mod user;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config_file::Settings;
use crate::demo::DemoArgs;
pub(crate) use error::CliError;
use export::ExportArgs;
use load::LoadArgs;
use serve::ServeArgs;
pub(crate) use serve::bind;
use sql::SqlArgs;
use storage::StorageArgs;
use user::UserArgs;
pub(crate) use {
    embedded::Embedded, output::print_table, signals::stop_requested, statement_threads::StatementThreads,
    statements::split as split_statements,
};

/// Stack of every thread: deeply nested SQL recurses while it is parsed and planned. Only what is used takes memory.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Result of a command.
pub(crate) type Result<T, E = CliError> = std::result::Result<T, E>;

/// Where clients find zxq unless told otherwise.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:5454";

/// One SQL table over hot memory, a warm database and a cold lakehouse.
#[derive(Debug, Parser)]
#[command(
    name = "zxq",
    version,
    after_help = "Example:\n  zxq demo\n  zxq COMMAND --help shows an example of each command"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one per process")]
enum Command {
    /// Make market data, spread it over all three tiers, query it, and serve it
    Demo(DemoArgs),
    /// Serve a data directory to PostgreSQL clients
    Serve(ServeArgs),
    /// Load Parquet or CSV files into a table
    Load(LoadArgs),
    /// Write a table or the rows of a query to a Parquet, CSV or Arrow file, here or in a bucket
    Export(ExportArgs),
    /// Run SQL and print the result
    Sql(SqlArgs),
    /// Look at the tiers and move data between them
    Storage(StorageArgs),
    /// Make, list and drop those who may log in
    User(UserArgs),
}

/// What every command that touches data takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Folder that holds the data
    #[arg(long, value_name = "DIR", default_value = "./zxq-data", env = "ZXQ_DATA")]
    pub(crate) data: PathBuf,
    /// Configuration file; see storage.example.yaml
    #[arg(long, value_name = "FILE", env = "ZXQ_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl DataArgs {
    /// The configuration: of the file where one is named, else the defaults.
    pub(crate) fn settings(&self) -> Result<Settings> {
        Ok(match &self.config {
            Some(path) => Settings::read(path, &self.data)?,
            None => Settings::defaults(&self.data),
        })
    }
}

/// Runs the program with this process's arguments.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs the program. Every failure ends as one `error:` line on standard error and a code that is not 0: 2 for a wrong
/// command line, 1 for the rest.
fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    report_bugs_in_one_line();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Printing help fails only when nobody reads it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    start_logging(&cli.command);
    // The first thread's stack is what the system says; what nests deeply needs more.
    let main = std::thread::Builder::new().name("main".to_owned()).stack_size(STACK_BYTES);
    let outcome = main.spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_stack_size(STACK_BYTES)
            .build()
            .map_err(|source| CliError::io("cannot start the runtime", source))?;
        let outcome = runtime.block_on(dispatch(cli.command));
        // A thread may still wait for standard input; there is nothing to wait for.
        runtime.shutdown_background();
        outcome
    });
    let outcome = match outcome.map(std::thread::JoinHandle::join) {
        Ok(Ok(outcome)) => outcome,
        // It has said so.
        Ok(Err(_)) => Err(CliError::Reported(101)),
        Err(source) => Err(CliError::io("cannot start a thread", source)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Demo(args) => crate::demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Load(args) => load::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Storage(args) => storage::run(args).await,
        Command::User(args) => user::run(args).await,
    }
}

fn fail(error: &CliError) -> ExitCode {
    if let Some(message) = error.message() {
        eprintln!("error: {message}");
        if let Some(hint) = error.hint() {
            eprintln!("hint: {hint}");
        }
    }
    ExitCode::from(error.exit_code())
}

/// A panic is a bug in zxq or below it: say so in one line, without a backtrace unless `RUST_BACKTRACE` asks for one. Those of
/// decoders over damaged files become errors, which say so themselves.
fn report_bugs_in_one_line() {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        return;
    }
    std::panic::set_hook(Box::new(|info| {
        if zxq_engine::is_decoding() {
            return;
        }
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
        eprintln!("error: internal error, a bug in zxq: {what}{place}");
    }));
}

/// Logs go to standard error; `ZXQ_LOG=info` (or any tracing filter) shows more than warnings and who logs in.
fn start_logging(command: &Command) {
    let default = match command {
        Command::Serve(_) | Command::Demo(_) => "warn,zxq_audit=info",
        // What fails is this command's own doing, and its error says it.
        _ => "warn,zxq_engine::moves::maintenance=off,zxq_engine::jobs::settle=off",
    };
    let filter = EnvFilter::try_from_env("ZXQ_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let stderr = std::io::stderr();
    let colours = stderr.is_terminal();
    // Fails only when logging was started already, as tests in one process do.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).try_init();
}
