//! `zxq sql`: statements from the command line, a file or standard input.

use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

use clap::Args;

use super::backend::Backend;
use super::output::{self, Format};
use super::{CliError, DataArgs, Result, statements};

/// Arguments of `zxq sql`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq sql \"SELECT symbol, count(*) FROM trades_data GROUP BY symbol\"
  zxq sql -f queries.sql --format csv > answers.csv
  echo 'SELECT 1' | zxq sql --data ./zxq-data")]
pub(super) struct SqlArgs {
    /// One or more statements, separated by semicolons; without them and without -f, standard input is read
    #[arg(value_name = "SQL", conflicts_with = "file")]
    sql: Option<String>,
    /// Read the statements from a file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How to print results
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    data: DataArgs,
}

/// Runs the statements one after the other and stops at the first that fails.
pub(super) async fn run(args: SqlArgs) -> Result<()> {
    let text = match (args.sql, &args.file) {
        (Some(sql), _) => sql,
        (None, Some(path)) => {
            std::fs::read_to_string(path).map_err(|e| CliError::io(format!("cannot read {}", path.display()), e))?
        }
        (None, None) => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|e| CliError::io("cannot read standard input", e))?;
            text
        }
    };
    let statements = statements::split(&text);
    if statements.is_empty() {
        return Err(CliError::Usage("no SQL statement was given".to_owned()));
    }
    // A slip in --data must not answer from a database that was made just now.
    let creates = statements.iter().any(|statement| statement.to_ascii_lowercase().contains("create"));
    let backend = if creates { Backend::open(&args.data).await? } else { Backend::open_existing(&args.data).await? };
    let outcome = run_all(&backend, &statements, args.format).await;
    // What was printed stays true, so close before complaining; the first failure is the one to report.
    let closed = backend.close().await;
    outcome.and(closed)
}

async fn run_all(backend: &Backend, statements: &[&str], format: Format) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 * 1024, std::io::stdout());
    for statement in statements {
        let outcome = match backend.run(statement).await {
            Ok(reply) => output::print(&mut out, format, reply).await,
            Err(error) => Err(error),
        };
        let flushed = out.flush().map_err(CliError::output);
        backend.print_notices();
        outcome.and(flushed)?;
    }
    Ok(())
}
