//! `zxq export`: a table or the rows of a query to a file that appears when it is whole.

mod counter;
mod place;
mod target;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use futures::StreamExt;
use indicatif::{HumanBytes, HumanCount};
use zxq_engine::LoadProgress;

use self::counter::Counter;
use self::place::{Place, is_name};
use self::target::Target;
use super::backend::Backend;
use super::progress::{per_second, progress_bar, show};
use super::statements::{self, literal};
use super::{CliError, DataArgs, Result, stop_requested};

/// Arguments of `zxq export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq export trades_data --to trades.parquet
  zxq export \"SELECT symbol, vwap(price, size) FROM trades_data GROUP BY symbol\" --to vwap.csv
  zxq export \"SELECT * FROM trades_data WHERE trade_date = '2024-06-03'\" --to s3://bucket/day.parquet --compression snappy
  zxq export trades_data --to /backup/ --format arrow --overwrite")]
pub(super) struct ExportArgs {
    /// A table or view, or a query
    #[arg(value_name = "QUERY_OR_TABLE")]
    what: String,
    /// The file; a folder, where a table's file gets the table's name; or s3://bucket/name
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Format; without it the file's name tells: .parquet, .csv, .arrow (a stream)
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<ExportFormat>,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
    /// Parquet: zstd, zstd(1) to zstd(22), snappy, gzip, lz4 or none; Arrow: zstd, lz4 or none
    #[arg(long, value_name = "NAME")]
    compression: Option<String>,
    /// CSV: the character between two fields, or `tab`
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// CSV: the character around a field that needs one
    #[arg(long, value_name = "CHARACTER")]
    quote: Option<String>,
    /// CSV: the text that is NULL; without it an empty field is
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
    /// CSV: whether the first line names the columns
    #[arg(long, value_name = "YES", value_parser = ["true", "false"])]
    header: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// Formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// Apache Parquet
    Parquet,
    /// Comma-separated values with a header line
    Csv,
    /// A stream of Arrow's inter-process format
    Arrow,
}

impl ExportFormat {
    /// As SQL writes it, and what file names end with.
    fn name(self) -> &'static str {
        match self {
            ExportFormat::Parquet => "parquet",
            ExportFormat::Csv => "csv",
            ExportFormat::Arrow => "arrow",
        }
    }

    /// What the name of a file says.
    fn of_file(name: &str) -> Option<Self> {
        let ending = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "parquet" | "pq" => Some(ExportFormat::Parquet),
            "csv" => Some(ExportFormat::Csv),
            "arrow" | "arrows" => Some(ExportFormat::Arrow),
            _ => None,
        }
    }
}

impl ExportArgs {
    /// The format that is asked for, or that the name of the file tells.
    fn format(&self) -> Result<ExportFormat> {
        let name = self.to.as_str();
        if name.ends_with(".gz") || name.ends_with(".zst") {
            return Err(CliError::Usage(format!(
                "{name} names a compressed file: export without .gz or .zst and compress it then, or use --format parquet \
                 with --compression"
            )));
        }
        let is_folder = name.ends_with('/') || Path::new(name).is_dir();
        match self.format.or_else(|| ExportFormat::of_file(name)) {
            Some(format) => Ok(format),
            None if is_folder => Ok(ExportFormat::Parquet),
            None => Err(CliError::Usage(format!(
                "the name {name} does not tell a format: end it with .parquet, .csv or .arrow, or name one with --format"
            ))),
        }
    }

    /// The statement that gives the file's bytes.
    fn statement(&self, format: ExportFormat) -> Result<String> {
        let mut options = vec![format!("FORMAT {}", format.name())];
        if format == ExportFormat::Csv {
            options.push(format!("HEADER {}", self.header.as_deref().unwrap_or("true")));
        }
        let delimiter = self.delimiter.as_deref().map(|text| if matches!(text, "tab" | "\\t") { "\t" } else { text });
        let of_csv = [
            ("delimiter", delimiter),
            ("quote", self.quote.as_deref()),
            ("null", self.null.as_deref()),
            ("header", self.header.as_deref()),
        ];
        for (name, value) in of_csv.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            if format != ExportFormat::Csv {
                return Err(CliError::Usage(format!("--{name} is for CSV, and this is {}", format.name())));
            }
            if name != "header" {
                options.push(format!("{name} {}", literal(value)));
            }
        }
        if let Some(compression) = &self.compression {
            if format == ExportFormat::Csv {
                return Err(CliError::Usage("--compression is for parquet and arrow, and this is csv".to_owned()));
            }
            options.push(format!("COMPRESSION {}", literal(compression)));
        }
        // A line of its own ends what a comment at the end of the query would swallow.
        Ok(format!("COPY ({}\n) TO STDOUT WITH ({})", self.query()?, options.join(", ")))
    }

    fn query(&self) -> Result<String> {
        let text = self.what.trim();
        if is_name(text) {
            return Ok(format!("SELECT * FROM {text}"));
        }
        match statements::split(text).as_slice() {
            [one] => Ok((*one).to_owned()),
            several => Err(CliError::Usage(format!("one query or table is exported, not {}", several.len()))),
        }
    }
}

/// What was written.
struct Summary {
    rows: Option<u64>,
    bytes: u64,
    elapsed: Duration,
}

/// Writes the file.
pub(super) async fn run(args: ExportArgs) -> Result<()> {
    let format = args.format()?;
    let statement = args.statement(format)?;
    let place = Place::of(&args.to, &args.what, format.name(), &args.data.settings()?)?;
    let backend = Backend::open_existing(&args.data).await?;
    let counter = Counter::new(format, args.header.as_deref() != Some("false"));
    let outcome = export(&backend, &statement, &place, args.overwrite, counter).await;
    backend.print_notices();
    let closed = backend.close().await;
    let summary = outcome?;
    closed?;
    print_summary(&place, &summary).map_err(CliError::output)
}

/// Whatever ends it early takes back what was written.
async fn export(
    backend: &Backend,
    statement: &str,
    place: &Place,
    overwrite: bool,
    counter: Counter,
) -> Result<Summary> {
    let mut target = Target::open(place, overwrite).await?;
    let started = Instant::now();
    let bar = progress_bar();
    let written = tokio::select! {
        written = write(backend, statement, &mut target, counter, |progress| show(&bar, progress, started)) => written,
        stopped = stop_requested() => Err(stopped.err().unwrap_or_else(|| interrupted(place))),
    };
    bar.finish_and_clear();
    match written {
        Ok((rows, bytes)) => {
            target.finish().await?;
            Ok(Summary { rows, bytes, elapsed: started.elapsed() })
        }
        Err(error) => {
            target.give_up().await;
            Err(error)
        }
    }
}

/// All bytes; gives how many rows are in them, where that is known, and how many they are.
async fn write(
    backend: &Backend,
    statement: &str,
    target: &mut Target<'_>,
    mut counter: Counter,
    show: impl Fn(&LoadProgress),
) -> Result<(Option<u64>, u64)> {
    let mut copied = backend.copy_out(statement).await?;
    let mut progress = LoadProgress { rows: 0, bytes_read: 0, bytes_total: None };
    while let Some(piece) = copied.pieces.next().await {
        let piece = piece?;
        target.write(&piece).await?;
        counter.see(&piece);
        progress.rows = copied.rows.as_ref().map_or(0, |rows| rows.load(Ordering::Relaxed));
        progress.bytes_read += piece.len() as u64;
        show(&progress);
    }
    let known = copied.rows.as_ref().map(|rows| rows.load(Ordering::Relaxed));
    Ok((known.or_else(|| counter.rows()), progress.bytes_read))
}

fn interrupted(place: &Place) -> CliError {
    CliError::failed(format!("the export was interrupted: {place} was not written"), "start it again")
}

fn print_summary(place: &Place, summary: &Summary) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (bytes, seconds) = (HumanBytes(summary.bytes), summary.elapsed.as_secs_f64());
    match summary.rows {
        Some(rows) => writeln!(
            out,
            "{place}: {} {}, {bytes} in {seconds:.2} s ({} rows/s)",
            HumanCount(rows),
            if rows == 1 { "row" } else { "rows" },
            HumanCount(per_second(rows, summary.elapsed))
        ),
        None => writeln!(out, "{place}: {bytes} in {seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ExportArgs,
    }

    fn statement(line: &[&str]) -> Result<String> {
        let args = Line::parse_from([&["export"][..], line].concat()).args;
        args.statement(args.format()?)
    }

    #[test]
    fn what_is_exported_becomes_one_statement() {
        let parquet = "COPY (SELECT * FROM cold.\"T\"\n) TO STDOUT WITH (FORMAT parquet)";
        assert_eq!(statement(&["cold.\"T\"", "--to", "t.PQ"]).unwrap(), parquet);
        let csv = "COPY (SELECT 1 -- one\n) TO STDOUT WITH (FORMAT csv, HEADER false, delimiter '\t', null 'it''s')";
        let line = ["SELECT 1 -- one", "--to", "a.csv", "--delimiter", "tab", "--null", "it's", "--header", "false"];
        assert_eq!(statement(&line).unwrap(), csv);
        let arrow = "COPY (VALUES (1)\n) TO STDOUT WITH (FORMAT arrow, COMPRESSION 'lz4')";
        let line = ["VALUES (1);", "--to", "a.parquet", "--format", "arrow", "--compression", "lz4"];
        assert_eq!(statement(&line).unwrap(), arrow);
    }

    #[test]
    fn what_cannot_be_is_a_mistake_of_the_command_line() {
        for line in [
            &["t", "--to", "t.txt"][..],
            &["t", "--to", "t.csv.gz"],
            &["t", "--to", "t.parquet", "--delimiter", ";"],
            &["t", "--to", "t.csv", "--compression", "zstd"],
            &["SELECT 1; SELECT 2", "--to", "t.csv"],
            &["  ", "--to", "t.csv"],
        ] {
            assert!(matches!(statement(line), Err(CliError::Usage(_))), "{line:?}");
        }
    }
}
