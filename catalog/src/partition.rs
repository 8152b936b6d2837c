//! Partitions: rows that share a trading period and an asset class.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::error::CatalogError;
use crate::value::date_text;

/// How much trading time one partition spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// One `trade_date`.
    Day,
    /// One calendar month.
    Month,
    /// One calendar year.
    Year,
}

impl Granularity {
    /// The name users write in `WITH (granularity = …)`.
    pub const fn name(self) -> &'static str {
        match self {
            Granularity::Day => "day",
            Granularity::Month => "month",
            Granularity::Year => "year",
        }
    }

    /// The first day of the period that holds `days` (days since 1970-01-01).
    pub fn period_start(self, days: i32) -> i32 {
        let Some(date) = date_of(days) else { return days };
        let start = match self {
            Granularity::Day => Some(date),
            Granularity::Month => date.with_day(1),
            Granularity::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
        };
        start.map_or(days, days_of)
    }

    /// The first day after the period that starts on `start`.
    pub fn period_end(self, start: i32) -> i32 {
        let Some(date) = date_of(start) else { return start.saturating_add(1) };
        let next = match self {
            Granularity::Day => date.succ_opt(),
            Granularity::Month if date.month() == 12 => NaiveDate::from_ymd_opt(date.year() + 1, 1, 1),
            Granularity::Month => NaiveDate::from_ymd_opt(date.year(), date.month() + 1, 1),
            Granularity::Year => NaiveDate::from_ymd_opt(date.year() + 1, 1, 1),
        };
        next.map_or(start.saturating_add(1), days_of)
    }

    /// The period as people write it: `2024-01-02`, `2024-01` or `2024`.
    pub fn period_text(self, start: i32) -> String {
        let full = date_text(start);
        match self {
            Granularity::Day => full,
            Granularity::Month => full.get(..full.len().saturating_sub(3)).unwrap_or(&full).to_owned(),
            Granularity::Year => full.get(..full.len().saturating_sub(6)).unwrap_or(&full).to_owned(),
        }
    }
}

impl FromStr for Granularity {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "day" => Ok(Granularity::Day),
            "month" => Ok(Granularity::Month),
            "year" => Ok(Granularity::Year),
            _ => Err(CatalogError::InvalidDefinition(format!("unknown granularity {text:?}: use day, month or year"))),
        }
    }
}

fn date_of(days: i32) -> Option<NaiveDate> {
    chrono::DateTime::from_timestamp(i64::from(days) * 86_400, 0).map(|ts| ts.date_naive())
}

fn days_of(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}

/// How a table's rows are split into partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partitioning {
    /// The `DATE` column whose period splits the rows, `trade_date` in the shipped tables.
    pub date_column: Option<String>,
    /// How much time one partition spans.
    pub granularity: Granularity,
    /// The text column whose value splits the rows, `asset_class` in the shipped tables.
    pub class_column: Option<String>,
}

impl Partitioning {
    /// A table with one partition.
    pub const fn none() -> Self {
        Partitioning { date_column: None, granularity: Granularity::Day, class_column: None }
    }

    /// The names of the partition columns, in path order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.date_column.as_deref().into_iter().chain(self.class_column.as_deref())
    }
}

/// Names one partition of a table. Unpartitioned tables have one key, `PartitionKey::default()`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartitionKey {
    /// First day of the period, in days since 1970-01-01. `None` where the table has no date column, or for the
    /// partition of rows whose date is NULL.
    pub period: Option<i32>,
    /// The class value. `None` where the table has no class column, or for the partition of rows whose class is NULL.
    pub class: Option<String>,
}

impl PartitionKey {
    /// The key as people write it: `2024-01-02/FX`, `2024-01/FX`, `2024`, `FX`, or `all` for an unpartitioned table.
    /// A NULL value is written `null`.
    pub fn text(&self, partitioning: &Partitioning) -> String {
        let mut parts = Vec::with_capacity(2);
        if partitioning.date_column.is_some() {
            parts.push(self.period.map_or_else(|| "null".to_owned(), |p| partitioning.granularity.period_text(p)));
        }
        if partitioning.class_column.is_some() {
            parts.push(self.class.clone().unwrap_or_else(|| "null".to_owned()));
        }
        if parts.is_empty() { "all".to_owned() } else { parts.join("/") }
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.period, &self.class) {
            (Some(p), Some(c)) => write!(f, "{}/{c}", date_text(p)),
            (Some(p), None) => f.write_str(&date_text(p)),
            (None, Some(c)) => f.write_str(c),
            (None, None) => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests;
