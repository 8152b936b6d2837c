//! `zxq load`: Parquet and CSV into a table, all files or none.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures::SinkExt;
use indicatif::HumanCount;
use zxq_engine::{FileFormat, LoadProgress, LoadReport, LoadRequest, LoadSource, OnError, Tier};

use super::backend::Backend;
use super::embedded::Embedded;
use super::progress::{per_second, progress_bar, show};
use super::remote::Remote;
use super::reply::Table;
use super::statements::{identifier, literal};
use super::storage::TierName;
use super::{CliError, DataArgs, Result};

/// Bytes read from standard input at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Arguments of `zxq load`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq load --table trades_data --create trades/*.parquet
  zxq load --table prices --create --asset-class FX prices.csv.gz
  zxq load --table bars --create --partition-by day --sort-by symbol,ts bars.parquet
  zxq load --table fx --create --delimiter ';' --date-format DD/MM/YYYY --types 'rate DECIMAL(18,6)' fx.csv
  zcat ticks.csv.gz | zxq load --table ticks --format csv --tier cold -")]
pub(super) struct LoadArgs {
    /// The table to load into
    #[arg(long, value_name = "T")]
    table: String,
    /// Parquet or CSV files, plain, .gz or .zst; `-` reads standard input
    #[arg(value_name = "FILES", required = true)]
    files: Vec<PathBuf>,
    /// Create the table from the first file's columns if it does not exist
    #[arg(long)]
    create: bool,
    /// With --create: the columns that partitions are made by, one date, one text, or both; rows of a table without a date
    /// column are one partition and never age
    #[arg(long, value_name = "COLUMNS", requires = "create")]
    partition_by: Option<String>,
    /// With --create: one partition per day, month or year
    #[arg(long, value_name = "PERIOD", requires = "create")]
    granularity: Option<String>,
    /// With --create: the column of the event time
    #[arg(long, value_name = "COLUMN", requires = "create")]
    time_column: Option<String>,
    /// With --create: the order of rows inside each segment
    #[arg(long, value_name = "COLUMNS", requires = "create")]
    sort_by: Option<String>,
    /// With --create: the columns that single rows are looked up by
    #[arg(long, value_name = "COLUMNS", requires = "create")]
    lookup: Option<String>,
    /// Where the rows go: by their age, or all to one tier
    #[arg(long, value_enum, default_value = "auto", value_name = "TIER")]
    tier: LoadTier,
    /// What a row that breaks the table's rules does: refuse the whole load, or go to T_rejects with the reason
    #[arg(long, value_enum, default_value = "reject", value_name = "ACTION")]
    on_error: RowErrors,
    /// Value of asset_class for rows that have none
    #[arg(long, value_name = "X")]
    asset_class: Option<String>,
    /// Format of standard input; files tell it by their names
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<InputFormat>,
    /// With --create: columns with the types they get, as `price DECIMAL(18,4), qty BIGINT`; the others are found out
    #[arg(long, value_name = "COLUMNS", requires = "create")]
    types: Option<String>,
    /// CSV: the character between two fields, or `tab`
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// CSV: the character around a field
    #[arg(long, value_name = "CHARACTER")]
    quote: Option<String>,
    /// CSV: the text that is NULL; without it an empty field is
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
    /// CSV: whether the first line names the columns
    #[arg(long, value_name = "YES", value_parser = ["true", "false"])]
    header: Option<String>,
    /// CSV: how dates and times are written where the year is not first, as DD/MM/YYYY or MM/DD/YYYY HH24:MI:SS
    #[arg(long, value_name = "FORMAT")]
    date_format: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

impl LoadArgs {
    /// How text is read, and the types of a new table's columns.
    fn reading(&self) -> BTreeMap<String, String> {
        [
            ("types", &self.types),
            ("delimiter", &self.delimiter),
            ("quote", &self.quote),
            ("null_text", &self.null),
            ("header", &self.header),
            ("date_format", &self.date_format),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
    }

    /// The layout that is asked for, as options of `CREATE TABLE … WITH`.
    fn layout(&self) -> BTreeMap<String, String> {
        [
            ("time_column", &self.time_column),
            ("partition_by", &self.partition_by),
            ("granularity", &self.granularity),
            ("sort_by", &self.sort_by),
            ("lookup", &self.lookup),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
    }
}

/// Where loaded rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LoadTier {
    /// Each row where its age puts it
    Auto,
    /// Memory
    Hot,
    /// The warm database
    Warm,
    /// The lakehouse
    Cold,
}

impl LoadTier {
    fn one(self) -> Option<TierName> {
        match self {
            LoadTier::Auto => None,
            LoadTier::Hot => Some(TierName::Hot),
            LoadTier::Warm => Some(TierName::Warm),
            LoadTier::Cold => Some(TierName::Cold),
        }
    }

    fn name(self) -> &'static str {
        self.one().map_or("auto", TierName::name)
    }
}

/// What happens to rows that break the table's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RowErrors {
    /// The whole load is refused, naming the first such row
    Reject,
    /// They go to T_rejects with the reason, the others are loaded
    Quarantine,
}

impl RowErrors {
    fn name(self) -> &'static str {
        match self {
            RowErrors::Reject => "reject",
            RowErrors::Quarantine => "quarantine",
        }
    }
}

/// Formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// Comma-separated values with a header line
    Csv,
    /// Apache Parquet
    Parquet,
}

impl InputFormat {
    fn name(self) -> &'static str {
        match self {
            InputFormat::Csv => "csv",
            InputFormat::Parquet => "parquet",
        }
    }
}

/// What was loaded, as far as is known.
struct Summary {
    rows: u64,
    rejected: Option<u64>,
    per_tier: Option<[u64; 3]>,
    segments: Option<u64>,
    elapsed: Duration,
}

/// Loads the files, or standard input.
pub(super) async fn run(args: LoadArgs) -> Result<()> {
    let reads_stdin = args.files.iter().any(|file| file.as_os_str() == "-");
    if reads_stdin && args.files.len() > 1 {
        return Err(CliError::Usage("`-` reads standard input and cannot be mixed with files".to_owned()));
    }
    if args.format.is_some() && !reads_stdin {
        return Err(CliError::Usage(
            "--format is for standard input: files tell their format by their names".to_owned(),
        ));
    }
    let files = if reads_stdin { Vec::new() } else { existing(&args.files)? };
    let backend = match args.create {
        true => Backend::open(&args.data).await?,
        // Without a directory there is no table to load into, and perhaps it is somewhere else.
        false => Backend::open_existing(&args.data).await?,
    };
    let outcome = match (&backend, reads_stdin) {
        (Backend::Embedded(embedded), _) => load_here(embedded, &args, files).await,
        (Backend::Remote(remote), true) => copy_stdin(remote, &args).await,
        (Backend::Remote(_), false) => call_load(&backend, &args, &files).await,
    };
    backend.print_notices();
    let closed = backend.close().await;
    let summary = outcome?;
    closed?;
    print_summary(&args, &summary).map_err(CliError::output)
}

/// Absolute paths, since the process that reads them may stand elsewhere.
fn existing(files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    files
        .iter()
        .map(|file| {
            let path = file.canonicalize().map_err(|e| CliError::io(format!("cannot read {}", file.display()), e))?;
            if path.is_dir() {
                let advice = format!("name its files: {}/*.parquet", file.display());
                return Err(CliError::failed(format!("{} is a folder", file.display()), advice));
            }
            Ok(path)
        })
        .collect()
}

async fn load_here(embedded: &Embedded, args: &LoadArgs, files: Vec<PathBuf>) -> Result<Summary> {
    let request = LoadRequest {
        table: args.table.clone(),
        tier: args.tier.one().map(|tier| match tier {
            TierName::Hot => Tier::Hot,
            TierName::Warm => Tier::Warm,
            TierName::Cold => Tier::Cold,
        }),
        on_error: match args.on_error {
            RowErrors::Reject => OnError::Reject,
            RowErrors::Quarantine => OnError::Quarantine,
        },
        asset_class: args.asset_class.clone(),
        create: args.create,
        layout: args.layout(),
        reading: args.reading(),
        owner: None,
    };
    let source = if files.is_empty() {
        LoadSource::Stream {
            name: "standard input".to_owned(),
            format: args.format.map(|format| match format {
                InputFormat::Csv => FileFormat::Csv,
                InputFormat::Parquet => FileFormat::Parquet,
            }),
            reader: Box::new(std::io::stdin()),
        }
    } else {
        LoadSource::Files(files)
    };
    let bar = progress_bar();
    let started = Instant::now();
    let report = embedded.engine().load(request, source, &|progress| show(&bar, &progress, started)).await;
    bar.finish_and_clear();
    let report = report?;
    for notice in report.notices(&args.table) {
        eprintln!("notice: {notice}");
    }
    Ok(Summary::from(report))
}

impl From<LoadReport> for Summary {
    fn from(report: LoadReport) -> Self {
        Summary {
            rows: report.rows,
            rejected: Some(report.rejected),
            per_tier: Some(report.per_tier),
            segments: Some(report.segments as u64),
            elapsed: report.elapsed,
        }
    }
}

/// Standard input through the server, as COPY.
async fn copy_stdin(remote: &Remote, args: &LoadArgs) -> Result<Summary> {
    let bar = progress_bar();
    let started = Instant::now();
    let mut sink = Box::pin(remote.copy_in(&copy_sql(args)).await?);
    let (pieces, mut arriving) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
    std::thread::spawn(move || read_pieces(std::io::stdin(), |piece| pieces.blocking_send(piece).is_ok()));
    let mut bytes_read = 0;
    while let Some(piece) = arriving.recv().await {
        let piece = piece.map_err(|e| CliError::io("cannot read standard input", e))?;
        bytes_read += piece.len() as u64;
        sink.send(piece).await?;
        show(&bar, &LoadProgress { rows: 0, bytes_read, bytes_total: None }, started);
    }
    let rows = sink.as_mut().finish().await?;
    bar.finish_and_clear();
    Ok(Summary { rows, rejected: None, per_tier: None, segments: None, elapsed: started.elapsed() })
}

/// Hands the reader's bytes on until its end, its first error, or until nobody takes them.
fn read_pieces(mut reader: impl Read, mut hand_on: impl FnMut(std::io::Result<Bytes>) -> bool) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                if !hand_on(Ok(piece.into())) {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                hand_on(Err(error));
                return;
            }
        }
    }
}

fn copy_sql(args: &LoadArgs) -> String {
    let mut options = vec![
        format!("FORMAT {}", args.format.map_or("csv", InputFormat::name)),
        format!("tier {}", literal(args.tier.name())),
        format!("on_error {}", literal(args.on_error.name())),
        format!("create {}", literal(if args.create { "true" } else { "false" })),
        "name 'standard input'".to_owned(),
    ];
    if args.format != Some(InputFormat::Parquet) {
        options.push(format!("HEADER {}", args.header.as_deref().unwrap_or("true")));
    }
    for (name, value) in args.reading().iter().filter(|(name, _)| *name != "header") {
        let (name, value) = match (name.as_str(), value.as_str()) {
            ("delimiter", "tab" | "\\t") => ("delimiter", "\t"),
            ("null_text", text) => ("NULL", text),
            other => other,
        };
        options.push(format!("{name} {}", literal(value)));
    }
    options.extend(args.layout().iter().map(|(name, value)| format!("{name} {}", literal(value))));
    options.extend(args.asset_class.as_deref().map(|class| format!("asset_class {}", literal(class))));
    format!("COPY {} FROM STDIN WITH ({})", identifier(&args.table), options.join(", "))
}

/// Files through the server: it reads them itself, and all of them make one load.
async fn call_load(backend: &Backend, args: &LoadArgs, files: &[PathBuf]) -> Result<Summary> {
    let bar = progress_bar();
    bar.set_message("the server is loading");
    bar.enable_steady_tick(Duration::from_millis(100));
    let started = Instant::now();
    let reply = backend.run(&load_sql(args, files)?).await;
    bar.finish_and_clear();
    let table = reply?.collect().await?;
    let count = |column: &str| first_number(&table, column);
    let per_tier = match (count("hot"), count("warm"), count("cold")) {
        (Some(hot), Some(warm), Some(cold)) => Some([hot, warm, cold]),
        _ => None,
    };
    Ok(Summary {
        rows: count("rows").unwrap_or(0),
        rejected: count("rejected"),
        per_tier,
        segments: count("segments"),
        elapsed: started.elapsed(),
    })
}

fn first_number(table: &Table, column: &str) -> Option<u64> {
    table.rows.first().and_then(|row| table.get(row, column)).and_then(|text| text.parse().ok())
}

fn load_sql(args: &LoadArgs, files: &[PathBuf]) -> Result<String> {
    let mut names = Vec::with_capacity(files.len());
    for file in files {
        let name = file.to_str().filter(|name| !name.contains(',') && name.trim() == *name).ok_or_else(|| {
            let message = format!(
                "the server cannot be told the name {}: it has a comma, ends with a space or is no UTF-8",
                file.display()
            );
            CliError::failed(message, "rename the file, or stop the server and load again")
        })?;
        names.push(name);
    }
    let class = args.asset_class.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let layout: String = args
        .layout()
        .iter()
        .chain(&args.reading())
        .map(|(name, value)| format!(", {name} => {}", literal(value)))
        .collect();
    Ok(format!(
        "CALL zxq.load({}, {}, tier => {}, on_error => {}, asset_class => {class}, create => {}{layout})",
        literal(&args.table),
        literal(&names.join(",")),
        literal(args.tier.name()),
        literal(args.on_error.name()),
        args.create
    ))
}

fn print_summary(args: &LoadArgs, summary: &Summary) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let files = match args.files.len() {
        1 if args.files.iter().any(|f| f.as_os_str() == "-") => "standard input".to_owned(),
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    writeln!(
        out,
        "{}: {} {} from {files} in {:.2} s ({} rows/s)",
        args.table,
        HumanCount(summary.rows),
        if summary.rows == 1 { "row" } else { "rows" },
        summary.elapsed.as_secs_f64(),
        HumanCount(per_second(summary.rows, summary.elapsed))
    )?;
    if let Some([hot, warm, cold]) = summary.per_tier {
        writeln!(out, "  tiers:    hot {}, warm {}, cold {}", HumanCount(hot), HumanCount(warm), HumanCount(cold))?;
    }
    if let Some(segments) = summary.segments {
        writeln!(out, "  segments: {}", HumanCount(segments))?;
    }
    match summary.rejected {
        Some(0) => writeln!(out, "  rejected: 0"),
        Some(rejected) => writeln!(out, "  rejected: {} (see {}_rejects)", HumanCount(rejected), args.table),
        None => Ok(()),
    }
}
