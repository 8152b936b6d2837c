//! The demo's data: the five shipped tables, old days in cold, later ones in warm, the newest in hot.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::errors::ParquetError;
use indicatif::HumanCount;
use zxq_engine::{Engine, LoadRequest, LoadSource, Tier};

use super::generate::{AssetClass, BATCH_ROWS, Market, MarketTable};
use crate::cli::{CliError, Result, split_statements};

/// The shipped table definitions.
const SCHEMAS: [(&str, &str); 5] = [
    ("trades_data", include_str!("../../../sql/schema/trades_data.sql")),
    ("tbbo_data", include_str!("../../../sql/schema/tbbo_data.sql")),
    ("ohlcv_data", include_str!("../../../sql/schema/ohlcv_data.sql")),
    ("statistics_data", include_str!("../../../sql/schema/statistics_data.sql")),
    ("instrument_definitions", include_str!("../../../sql/schema/instrument_definitions.sql")),
];

/// What lies where.
pub(super) struct Loaded {
    /// Rows by table, in the order of [`SCHEMAS`], and tier.
    rows: [[u64; 3]; 5],
}

/// Days of each tier, by [`Tier::index`], as positions in the market's days.
pub(super) fn days_of(market: &Market) -> [Range<usize>; 3] {
    let days = market.days().len();
    let hot = days - (days / 6).max(1).min(days);
    let warm = hot - hot / 3;
    [hot..days, warm..hot, 0..warm]
}

/// Creates the tables and loads the market into them; files pass through `folder`.
pub(super) async fn load(engine: &Arc<Engine>, market: &Market, folder: &Path) -> Result<Loaded> {
    let session = engine.session();
    for (_, schema) in SCHEMAS {
        for statement in split_statements(schema) {
            session.run(statement).await?;
        }
    }
    let mut loaded = Loaded { rows: [[0; 3]; 5] };
    for (tier, days) in Tier::ALL.into_iter().zip(days_of(market)).rev() {
        for (position, (table, _)) in SCHEMAS.into_iter().enumerate() {
            let path = folder.join(format!("{table}-{tier}.parquet"));
            let (market, days, file) = (market.clone(), days.clone(), path.clone());
            let written = tokio::task::spawn_blocking(move || write(&market, table, tier, days, &file)).await;
            match written {
                Ok(Ok(0)) => continue,
                Ok(outcome) => {
                    outcome.map_err(|e| CliError::io(format!("cannot write {}", path.display()), e.into()))?
                }
                Err(_) => return Err(CliError::Reported(101)),
            };
            let request = LoadRequest { tier: Some(tier), ..LoadRequest::into_table(table) };
            let report = engine.load(request, LoadSource::Files(vec![path.clone()]), &|_| {}).await?;
            loaded.rows[position][tier.index()] = report.rows;
            std::fs::remove_file(&path).map_err(|e| CliError::io(format!("cannot remove {}", path.display()), e))?;
        }
    }
    Ok(loaded)
}

/// Writes the rows of one table for one tier as Parquet and returns their number.
fn write(market: &Market, table: &str, tier: Tier, days: Range<usize>, path: &PathBuf) -> Result<u64, ParquetError> {
    let batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>> =
        match MarketTable::ALL.into_iter().find(|known| known.name() == table) {
            Some(known) => Box::new(market.batches(known, days, BATCH_ROWS)),
            None if table == "statistics_data" => {
                let partitions = days.flat_map(|day| AssetClass::ALL.map(|class| (day, class)));
                Box::new(partitions.map(|(day, class)| market.statistics(day, class)))
            }
            // Who trades is known at once, and asked often: it is not split.
            None if tier == Tier::Hot => Box::new(std::iter::once(market.definitions())),
            None => Box::new(std::iter::empty()),
        };
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?),
        };
        writer.write(&batch)?;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(rows)
}

impl Loaded {
    /// A table of tables and tiers, and the speed.
    pub(super) fn text(&self, elapsed: Duration) -> String {
        let row = |name: &str, cells: [String; 4]| {
            let [cold, warm, hot, all] = cells;
            format!("  {name:<24}{cold:>12}{warm:>12}{hot:>12}{all:>14}\n")
        };
        let mut text = row("rows", ["cold", "warm", "hot", "all"].map(str::to_owned));
        let mut totals = [0; 4];
        for ((table, _), [hot, warm, cold]) in SCHEMAS.iter().zip(self.rows) {
            let cells = [cold, warm, hot, cold + warm + hot];
            for (total, cell) in totals.iter_mut().zip(cells) {
                *total += cell;
            }
            text.push_str(&row(table, cells.map(|rows| HumanCount(rows).to_string())));
        }
        text.push_str(&row("", totals.map(|rows| HumanCount(rows).to_string())));
        text.push_str(&format!("  made and loaded in {:.1} s\n", elapsed.as_secs_f64()));
        text
    }
}
