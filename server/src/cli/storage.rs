//! `zxq storage`: look at the tiers, move data between them, check it.

use std::io::BufWriter;

use clap::{Args, Subcommand, ValueEnum};

use super::backend::Backend;
use super::output::{self, Format, print_table};
use super::{CliError, DataArgs, Result, statements};

/// Arguments of `zxq storage`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  zxq storage status
  zxq storage migrate --table trades_data --to warm --dry-run
  zxq storage verify")]
pub(super) struct StorageArgs {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Show each tier and each table: rows, bytes, segments
    #[command(after_help = "Example:\n  zxq storage status --data ./zxq-data")]
    Status(StatusArgs),
    /// Move a table, or one partition of it, to another tier
    #[command(after_help = "\
Examples:
  zxq storage migrate --table trades_data --to warm --dry-run
  zxq storage migrate --table trades_data --to cold --from warm --partition 2024-06-03/FX")]
    Migrate(MigrateArgs),
    /// Do now what the scheduler would do: move by age and capacity, and clean up
    #[command(after_help = "Example:\n  zxq storage maintain --dry-run")]
    Maintain(MaintainArgs),
    /// Read everything again and compare it with the catalog; fails when anything differs
    #[command(after_help = "Examples:\n  zxq storage verify\n  zxq storage verify --table trades_data")]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct MigrateArgs {
    /// The table
    #[arg(long, value_name = "T")]
    table: String,
    /// Where to
    #[arg(long, value_enum, value_name = "TIER")]
    to: TierName,
    /// Move only what lies in this tier
    #[arg(long, value_enum, value_name = "TIER")]
    from: Option<TierName>,
    /// Move only this partition, written as zxq.partitions shows it: 2024-06-03/FX
    #[arg(long, value_name = "PARTITION")]
    partition: Option<String>,
    /// Show what would be moved, and move nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct MaintainArgs {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Check only this table
    #[arg(long, value_name = "T")]
    table: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

/// One of the three tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TierName {
    /// Memory, durable through the write-ahead log
    Hot,
    /// A database
    Warm,
    /// A lakehouse table of Parquet files
    Cold,
}

impl TierName {
    /// As SQL writes it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            TierName::Hot => "hot",
            TierName::Warm => "warm",
            TierName::Cold => "cold",
        }
    }
}

/// What `status` shows people: the tiers, then the tables. Bytes are those of segments in both, so they add up; what a
/// store takes with its own files and what is not collected yet is `store_bytes`.
const STATUS: [&str; 2] = [
    "SELECT t.tier, store, tables, segments, rows, replica_rows, t.bytes, store_bytes, limit_bytes, used_share, \
     c.csv_bytes, round(c.csv_ratio, 1) AS csv_ratio FROM zxq.tiers t LEFT JOIN \
     (SELECT tier, sum(csv_bytes) AS csv_bytes, sum(csv_bytes) / sum(bytes)::double AS csv_ratio \
     FROM zxq.compression GROUP BY tier) c ON c.tier = t.tier",
    "SELECT table_name, rows, hot_rows, warm_rows, cold_rows, partitions, segments, bytes \
     FROM zxq.tables ORDER BY table_name",
];

/// The same as one result: a program reads one header, or one array.
const STATUS_FOR_PROGRAMS: &str = "SELECT 'tier' AS kind, tier AS name, rows, segments, bytes, store_bytes, \
     replica_rows, limit_bytes, NULL::bigint AS partitions, NULL::bigint AS hot_rows, NULL::bigint AS warm_rows, \
     NULL::bigint AS cold_rows FROM zxq.tiers \
     UNION ALL SELECT 'table', table_name, rows, segments, bytes, NULL, NULL, NULL, partitions, hot_rows, warm_rows, \
     cold_rows FROM zxq.tables ORDER BY kind DESC, name";

/// Runs `zxq storage`.
pub(super) async fn run(args: StorageArgs) -> Result<()> {
    match args.command {
        StorageCommand::Status(args) => {
            let statements: &[&str] = if args.format == Format::Table { &STATUS } else { &[STATUS_FOR_PROGRAMS] };
            let statements: Vec<String> = statements.iter().map(|sql| (*sql).to_owned()).collect();
            print_all(&args.data, &statements, args.format).await
        }
        StorageCommand::Migrate(args) => print_all(&args.data, &[migrate_sql(&args)], Format::Table).await,
        StorageCommand::Maintain(args) => {
            let sql = format!("CALL zxq.maintain(dry_run => {})", args.dry_run);
            print_all(&args.data, &[sql], Format::Table).await
        }
        StorageCommand::Verify(args) => verify(args).await,
    }
}

fn migrate_sql(args: &MigrateArgs) -> String {
    let mut sql =
        format!("CALL zxq.migrate({}, {}", statements::literal(&args.table), statements::literal(args.to.name()));
    if let Some(from) = args.from {
        sql.push_str(&format!(", from => {}", statements::literal(from.name())));
    }
    if let Some(partition) = &args.partition {
        sql.push_str(&format!(", partition => {}", statements::literal(partition)));
    }
    sql.push_str(&format!(", dry_run => {})", args.dry_run));
    sql
}

async fn print_all(data: &DataArgs, statements: &[String], format: Format) -> Result<()> {
    let backend = Backend::open_existing(data).await?;
    let mut out = BufWriter::new(std::io::stdout());
    let mut outcome = Ok(());
    for statement in statements {
        outcome = match backend.run(statement).await {
            Ok(reply) => output::print(&mut out, format, reply).await,
            Err(error) => Err(error),
        };
        backend.print_notices();
        if outcome.is_err() {
            break;
        }
    }
    let closed = backend.close().await;
    outcome.and(closed)
}

async fn verify(args: VerifyArgs) -> Result<()> {
    let backend = Backend::open_existing(&args.data).await?;
    let sql = format!("CALL zxq.verify({})", args.table.as_deref().map_or_else(String::new, statements::literal));
    let outcome = match backend.run(&sql).await {
        Ok(reply) => reply.collect().await,
        Err(error) => Err(error),
    };
    backend.print_notices();
    let closed = backend.close().await;
    let table = outcome?;
    closed?;
    print_table(&mut std::io::stdout().lock(), &table, "").map_err(CliError::output)?;
    if !table.has("ok") {
        return Err(CliError::failed(
            "zxq.verify did not say whether rows are right",
            "use the same zxq as the server",
        ));
    }
    let wrong = table.rows.iter().filter(|row| table.get(row, "ok") != Some("t")).count();
    if wrong > 0 {
        return Err(CliError::failed(
            format!("{wrong} of {} checks failed", table.rows.len()),
            "restore the segments named above from a backup, or load their source files again",
        ));
    }
    Ok(())
}
