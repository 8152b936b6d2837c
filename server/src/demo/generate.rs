//! Made-up market data: trades, quotes and bars of N instruments over some trading days and four asset classes.
//!
//! The same [`MarketSpec`] always gives the same rows, and any partition can be made without the others. Knows Arrow
//! and nothing of the engine; the demo, the tests and the benches share it.

mod instruments;
mod random;
mod reference;
mod schemas;
mod tables;
#[cfg(test)]
mod tests;
mod ticks;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use chrono::{Datelike, NaiveDate, Weekday};

pub use instruments::{AssetClass, Instrument};
pub use random::Random;
use ticks::{Share, Ticks};

/// Rows per batch, unless asked otherwise.
pub const BATCH_ROWS: usize = 65_536;

/// What market to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketSpec {
    /// Equal seeds give equal rows.
    pub seed: u64,
    /// First trading day; moved to Monday when on a weekend.
    pub first_day: NaiveDate,
    /// Trading days, Monday to Friday.
    pub days: usize,
    /// Instruments of each of the four asset classes.
    pub symbols_per_class: usize,
    /// Trades in all, spread evenly over days and classes.
    pub trades: u64,
    /// Quotes in all.
    pub quotes: u64,
    /// Bars in all.
    pub bars: u64,
}

impl MarketSpec {
    /// About `rows` rows in all, over 12 trading days of 10 instruments per class.
    pub fn sized(rows: u64) -> Self {
        MarketSpec {
            seed: 42,
            first_day: NaiveDate::from_ymd_opt(2024, 6, 3).unwrap_or_default(),
            days: 12,
            symbols_per_class: 10,
            trades: rows * 5 / 10,
            quotes: rows * 3 / 10,
            bars: rows * 2 / 10,
        }
    }

    /// The size that benches use: 20M trades, 12M quotes and 1.7M bars over 20 days.
    pub fn bench() -> Self {
        MarketSpec {
            days: 20,
            symbols_per_class: 60,
            trades: 20_000_000,
            quotes: 12_000_000,
            bars: 1_728_000,
            ..MarketSpec::sized(0)
        }
    }
}

/// One of the three big tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MarketTable {
    /// `trades_data`.
    Trades,
    /// `tbbo_data`.
    Quotes,
    /// `ohlcv_data`.
    Bars,
}

impl MarketTable {
    /// All tables that are made.
    pub const ALL: [MarketTable; 3] = [MarketTable::Trades, MarketTable::Quotes, MarketTable::Bars];

    /// The table's name in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            MarketTable::Trades => "trades_data",
            MarketTable::Quotes => "tbbo_data",
            MarketTable::Bars => "ohlcv_data",
        }
    }

    /// Columns of the batches.
    pub fn schema(self) -> SchemaRef {
        match self {
            MarketTable::Trades => schemas::trades(),
            MarketTable::Quotes => schemas::quotes(),
            MarketTable::Bars => schemas::bars(),
        }
    }
}

/// A market: ask it for the rows of any partition.
#[derive(Debug, Clone)]
pub struct Market {
    spec: MarketSpec,
    days: Vec<NaiveDate>,
    instruments: Vec<Arc<Instrument>>,
}

impl Market {
    /// The market of a specification.
    pub fn new(spec: MarketSpec) -> Self {
        let weekend = |day: &NaiveDate| matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        let days = spec.first_day.iter_days().filter(|day| !weekend(day)).take(spec.days).collect();
        let instruments = instruments::instruments(spec.seed, spec.symbols_per_class);
        Market { spec, days, instruments }
    }

    /// Trading days, oldest first.
    pub fn days(&self) -> &[NaiveDate] {
        &self.days
    }

    /// All instruments, by class, the busiest of each class first.
    pub fn instruments(&self) -> &[Arc<Instrument>] {
        &self.instruments
    }

    /// Rows of a table in one partition: `day` is a position in [`Market::days`].
    pub fn rows(&self, table: MarketTable, day: usize, class: AssetClass) -> u64 {
        let total = match table {
            MarketTable::Trades => self.spec.trades,
            MarketTable::Quotes => self.spec.quotes,
            MarketTable::Bars => self.spec.bars,
        };
        let classes = AssetClass::ALL.len() as u64;
        let partitions = self.days.len() as u64 * classes;
        if day >= self.days.len() || self.spec.symbols_per_class == 0 {
            return 0;
        }
        let position = day as u64 * classes + class as u64;
        total / partitions + u64::from(position < total % partitions)
    }

    /// The rows of a table in one partition, sorted by symbol and time, in batches of at most `batch_rows`. `day` is a
    /// position in [`Market::days`].
    pub fn partition(&self, table: MarketTable, day: usize, class: AssetClass, batch_rows: usize) -> Batches {
        let rows = self.rows(table, day, class);
        let share = if table == MarketTable::Bars { Share::Even } else { Share::ByRank };
        let date = self.days.get(day).copied().map_or(0, days_since_epoch);
        let ticks = Ticks::new(&self.instruments, class, date, rows, share, self.spec.seed, 100 + table as u64);
        Batches { table, ticks, day: date, class, batch_rows: batch_rows.max(1) }
    }

    /// All rows of a table for a range of days: every class of one day, then the next day.
    pub fn batches(
        &self,
        table: MarketTable,
        days: std::ops::Range<usize>,
        batch_rows: usize,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + '_ {
        days.flat_map(move |day| AssetClass::ALL.into_iter().map(move |class| (day, class)))
            .flat_map(move |(day, class)| self.partition(table, day, class, batch_rows))
    }

    /// `instrument_definitions`: one row per instrument.
    pub fn definitions(&self) -> Result<RecordBatch, ArrowError> {
        reference::definitions(&self.instruments)
    }

    /// `statistics_data` of one partition: low, high, volume and close of each instrument. `day` is a position in
    /// [`Market::days`].
    pub fn statistics(&self, day: usize, class: AssetClass) -> Result<RecordBatch, ArrowError> {
        let date = self.days.get(day).copied().map_or(0, days_since_epoch);
        reference::statistics(&self.instruments, class, date, self.spec.seed)
    }
}

fn days_since_epoch(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}

/// The batches of one partition; see [`Market::partition`].
pub struct Batches {
    table: MarketTable,
    ticks: Ticks,
    day: i32,
    class: AssetClass,
    batch_rows: usize,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        tables::next_batch(self.table, &mut self.ticks, self.day, self.class, self.batch_rows)
    }
}
