//! Table options: `WITH (time_column = 'timestamp', partition_by = 'trade_date, asset_class', …)`.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{Expr, SqlOption, UnaryOperator, Value};
use zxq_catalog::hypertable::{CHUNK_TIME_INTERVAL, COMPRESS_AFTER, HYPERTABLE};
use zxq_catalog::{ColumnDef, Granularity, Partitioning, TableDef};

use crate::error::{EngineError, ErrorKind, Result};
use crate::sql::cold_format::ColdFormat;
use crate::sql::ident::normalise;
use crate::values::counted::counted;
use crate::values::interval::{approximate_duration, parse_interval};

mod hypertable;

#[cfg(test)]
mod tests;

pub(super) use hypertable::check_hypertable;

/// Age at which a partition leaves hot.
pub const HOT_TO_WARM_AGE: &str = "hot_to_warm_age";
/// Age at which a partition leaves warm.
pub const WARM_TO_COLD_AGE: &str = "warm_to_cold_age";
/// Age at which rows are deleted.
pub const RETENTION: &str = "retention";
/// Table format of the cold tier.
pub const COLD_FORMAT: &str = "cold_format";
/// Parquet codec of the cold tier.
pub const COLD_COMPRESSION: &str = "cold_compression";

/// Options that say how the table is laid out; they become fields of the definition.
pub const LAYOUT: [&str; 5] = ["time_column", "partition_by", "granularity", "sort_by", "lookup"];
/// Options that are kept in [`TableDef::options`].
const KEPT: [&str; 8] = [
    HOT_TO_WARM_AGE,
    WARM_TO_COLD_AGE,
    RETENTION,
    COLD_FORMAT,
    COLD_COMPRESSION,
    HYPERTABLE,
    CHUNK_TIME_INTERVAL,
    COMPRESS_AFTER,
];
/// Options of [`KEPT`] that are lengths of time, kept as seconds or `never`.
pub(super) const TIMES: [&str; 5] = [HOT_TO_WARM_AGE, WARM_TO_COLD_AGE, RETENTION, CHUNK_TIME_INTERVAL, COMPRESS_AFTER];

/// A table's own age limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// After this long.
    After(Duration),
    /// Not by age.
    Never,
}

impl Age {
    /// The age a table's option sets, if it sets one. `option` is [`HOT_TO_WARM_AGE`], [`WARM_TO_COLD_AGE`] or
    /// [`RETENTION`].
    pub fn of(def: &TableDef, option: &str) -> Option<Age> {
        match def.options.get(option)?.as_str() {
            "never" => Some(Age::Never),
            seconds => seconds.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok()).map(Age::After),
        }
    }
}

/// Parses an age: `7 days`, `1h`, `500 ms`, `3600` (seconds), `never`. Months count 30 days, years 365.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] saying what an age looks like.
pub fn parse_age(text: &str) -> Result<Age> {
    let trimmed = text.trim();
    if trimmed.eq_ignore_ascii_case("never") {
        return Ok(Age::Never);
    }
    let age = match trimmed.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => parse_interval(trimmed).and_then(approximate_duration),
    };
    match age {
        Some(age) => Ok(Age::After(age)),
        None => Err(EngineError::new(
            ErrorKind::InvalidParameter,
            format!("{text:?} is not an age: write '7 days', '12 hours', '1h', a number of seconds, or 'never'"),
        )),
    }
}

/// Writes an age as a person would: `7 days`, `90 minutes`, `500 milliseconds`.
pub(super) fn render_age(age: Duration) -> String {
    let seconds = age.as_secs();
    if age.subsec_millis() > 0 {
        return counted(u64::try_from(age.as_millis()).unwrap_or(u64::MAX), "millisecond");
    }
    for (unit, size) in [("day", 86_400), ("hour", 3_600), ("minute", 60)] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return counted(seconds / size, unit);
        }
    }
    counted(seconds, "second")
}

/// How full PostgreSQL packs its pages and when it cleans them: scripts say it, and nothing here has pages like that.
const OF_POSTGRES: [&str; 4] = ["fillfactor", "autovacuum_enabled", "parallel_workers", "toast_tuple_target"];

/// The options of a `WITH (…)` or `SET (…)` list, by lower-case name, values as text.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for an option zxq does not know, one given twice, or a value that is no literal.
pub(super) fn read_options(options: &[SqlOption]) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for option in options {
        let (name, value) = match option {
            SqlOption::KeyValue { key, value } => (normalise(key), option_text(value)),
            other => (other.to_string(), None),
        };
        if OF_POSTGRES.contains(&name.as_str()) {
            continue;
        }
        if !LAYOUT.contains(&name.as_str()) && !KEPT.contains(&name.as_str()) {
            return Err(unknown(&name));
        }
        let Some(value) = value else {
            return Err(invalid(&name, "write a text in quotes, a number or a name"));
        };
        if found.insert(name.clone(), value).is_some() {
            return Err(invalid(&name, "it is given twice"));
        }
    }
    Ok(found)
}

fn unknown(name: &str) -> EngineError {
    let mut known: Vec<&str> = LAYOUT.iter().chain(KEPT.iter()).copied().collect();
    known.sort_unstable();
    EngineError::new(
        ErrorKind::InvalidParameter,
        format!("unknown table option \"{name}\"; the options are {}", known.join(", ")),
    )
}

fn invalid(name: &str, why: &str) -> EngineError {
    EngineError::new(ErrorKind::InvalidParameter, format!("table option \"{name}\": {why}"))
}

/// A literal, a name, or a list of names in parentheses, as text.
fn option_text(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Some(number.clone()),
            Value::Boolean(flag) => Some(flag.to_string()),
            text => text.clone().into_string(),
        },
        Expr::Identifier(ident) => Some(normalise(ident)),
        Expr::Nested(inner) => option_text(inner),
        Expr::Tuple(items) => items.iter().map(option_text).collect::<Option<Vec<_>>>().map(|texts| texts.join(", ")),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => option_text(expr).map(|text| format!("-{text}")),
        _ => None,
    }
}

/// How a table is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableLayout {
    pub(super) partitioning: Partitioning,
    pub(super) time_column: Option<String>,
    pub(super) sort_by: Vec<String>,
    pub(super) lookup: Vec<String>,
}

impl TableLayout {
    /// What zxq chooses when no option says otherwise: a column called `timestamp`, `ts` or `time` (or else the first
    /// timestamp without a DEFAULT) is the time; `trade_date DATE` with `asset_class` text are the partitions, by day;
    /// rows are sorted by `symbol` and time and looked up by `symbol`.
    pub(super) fn default_for(columns: &[ColumnDef]) -> TableLayout {
        let time_column = default_time_column(columns);
        let has = |name: &str, fits: fn(&DataType) -> bool| {
            columns.iter().any(|c| c.name == name && fits(&c.data_type)).then(|| name.to_owned())
        };
        let date_column = has("trade_date", is_date);
        let class_column = has("asset_class", is_text);
        let partitioning = match (date_column, class_column) {
            (Some(date), Some(class)) => {
                Partitioning { date_column: Some(date), granularity: Granularity::Day, class_column: Some(class) }
            }
            _ => Partitioning::none(),
        };
        let symbol = has("symbol", is_text);
        TableLayout {
            partitioning,
            sort_by: symbol.iter().cloned().chain(time_column.iter().cloned()).collect(),
            lookup: symbol.into_iter().collect(),
            time_column,
        }
    }

    /// The layout that the options ask for, defaults filling in.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedColumn`] for a column the table does not have, [`ErrorKind::InvalidParameter`] for one of
    /// an unfit type.
    pub(super) fn with_options(columns: &[ColumnDef], options: &BTreeMap<String, String>) -> Result<TableLayout> {
        let mut layout = TableLayout::default_for(columns);
        layout.apply(columns, options)?;
        Ok(layout)
    }

    /// Changes what the options name and keeps the rest.
    pub(super) fn apply(&mut self, columns: &[ColumnDef], options: &BTreeMap<String, String>) -> Result<()> {
        let names = |option: &str| options.get(option).map(|text| column_list(option, text, columns)).transpose();
        if let Some(named) = names("time_column")? {
            let mut named = named.into_iter();
            let time = named.next();
            if named.next().is_some() {
                return Err(invalid("time_column", "name one column"));
            }
            if let Some(column) = time {
                require_type("time_column", column, is_timestamp, "a TIMESTAMP or TIMESTAMPTZ column")?;
            }
            // The sort key follows the time column.
            let time = time.map(|c| c.name.clone());
            let old = std::mem::replace(&mut self.time_column, time.clone());
            let place = old.and_then(|old| self.sort_by.iter().position(|name| *name == old));
            let place = place.inspect(|&place| drop(self.sort_by.remove(place))).unwrap_or(self.sort_by.len());
            if let Some(time) = time
                && !self.sort_by.contains(&time)
            {
                self.sort_by.insert(place, time);
            }
        }
        if let Some(named) = names("partition_by")? {
            self.partitioning = partitioning_by(&named)?;
        }
        if let Some(text) = options.get("granularity") {
            self.partitioning.granularity =
                text.parse::<Granularity>().map_err(|e| invalid("granularity", &e.to_string()))?;
            if self.partitioning.date_column.is_none() {
                return Err(invalid(
                    "granularity",
                    "it needs a DATE column to partition by: name one in partition_by, for example \
                     partition_by = 'trade_date, asset_class'",
                ));
            }
        }
        if let Some(named) = names("sort_by")? {
            self.sort_by = named.into_iter().map(|c| c.name.clone()).collect();
        }
        if let Some(named) = names("lookup")? {
            for column in &named {
                require_type("lookup", column, is_lookup_key, "text, integer or date columns")?;
            }
            self.lookup = named.into_iter().map(|c| c.name.clone()).collect();
        }
        Ok(())
    }
}

fn default_time_column(columns: &[ColumnDef]) -> Option<String> {
    // A timestamp with a DEFAULT, such as created_at, says when the row was written, not when the event was.
    let candidates: Vec<&ColumnDef> =
        columns.iter().filter(|c| is_timestamp(&c.data_type) && c.default.is_none() && c.generated.is_none()).collect();
    let named = ["timestamp", "ts", "time"].iter().find_map(|name| candidates.iter().find(|c| c.name == *name));
    named.or_else(|| candidates.iter().find(|c| !c.nullable)).or_else(|| candidates.first()).map(|c| c.name.clone())
}

fn partitioning_by(columns: &[&ColumnDef]) -> Result<Partitioning> {
    let mut partitioning = Partitioning::none();
    for column in columns {
        let slot = if is_date(&column.data_type) {
            &mut partitioning.date_column
        } else if is_text(&column.data_type) {
            &mut partitioning.class_column
        } else {
            return Err(invalid(
                "partition_by",
                &format!(
                    "column \"{}\" is {}; partitions are made by one DATE column, one text column, or both",
                    column.name, column.sql_type
                ),
            ));
        };
        if let Some(first) = slot.replace(column.name.clone()) {
            return Err(invalid(
                "partition_by",
                &format!(
                    "\"{first}\" and \"{}\" are of one kind; name at most one DATE column and one text column",
                    column.name
                ),
            ));
        }
    }
    Ok(partitioning)
}

/// The columns that a comma-separated list names; empty and `none` name none.
fn column_list<'a>(option: &str, text: &str, columns: &'a [ColumnDef]) -> Result<Vec<&'a ColumnDef>> {
    let text = text.trim().trim_start_matches('(').trim_end_matches(')');
    let mut found: Vec<&ColumnDef> = Vec::new();
    if text.trim().is_empty() || text.trim().eq_ignore_ascii_case("none") {
        return Ok(found);
    }
    for name in text.split(',').map(str::trim) {
        let bare = name.trim_matches('"');
        let named = |column: &&ColumnDef| column.name == name;
        let column = columns
            .iter()
            .find(named)
            .or_else(|| columns.iter().find(|c| c.name == bare))
            .or_else(|| columns.iter().find(|c| c.name.eq_ignore_ascii_case(bare)));
        let Some(column) = column else {
            let all: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            return Err(EngineError::new(
                ErrorKind::UndefinedColumn,
                format!(
                    "table option \"{option}\" names column \"{name}\", which the table does not have; it has {}",
                    all.join(", ")
                ),
            ));
        };
        if found.iter().any(|c| c.name == column.name) {
            return Err(invalid(option, &format!("column \"{name}\" is named twice")));
        }
        found.push(column);
    }
    Ok(found)
}

fn require_type(option: &str, column: &ColumnDef, fits: fn(&DataType) -> bool, wanted: &str) -> Result<()> {
    if fits(&column.data_type) {
        return Ok(());
    }
    Err(invalid(option, &format!("column \"{}\" is {}; it takes {wanted}", column.name, column.sql_type)))
}

fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, _))
}

fn is_date(data_type: &DataType) -> bool {
    *data_type == DataType::Date32
}

fn is_text(data_type: &DataType) -> bool {
    *data_type == DataType::Utf8View
}

/// True for a column that rows can be looked up by.
pub fn can_look_up(def: &TableDef, column: &str) -> bool {
    def.column(column).is_some_and(|column| is_lookup_key(&column.data_type))
}

fn is_lookup_key(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Date32)
}

/// Refuses a retention that would never delete a row.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] where partitions have no date, and so no age.
pub(super) fn check_retention(table: &TableDef) -> Result<()> {
    match Age::of(table, RETENTION) {
        Some(Age::After(_)) if table.partitioning.date_column.is_none() => Err(invalid(
            RETENTION,
            "whole partitions are deleted by their date: name a DATE column in partition_by, for example \
             partition_by = 'trade_date'",
        )),
        _ => Ok(()),
    }
}

/// Checks and normalises the options that are kept as they are: ages to seconds, codecs to lower case with a level.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] for a value the option cannot have.
pub(super) fn kept_options(options: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    for (name, value) in options {
        let normal = match name.as_str() {
            time if TIMES.contains(&time) => {
                match parse_age(value).map_err(|e| e.context(format!("table option \"{name}\"")))? {
                    Age::Never => "never".to_owned(),
                    Age::After(age) if name == RETENTION && age.is_zero() => {
                        return Err(invalid(name, "an age of zero would delete every row; write 'never' to keep all"));
                    }
                    Age::After(age)
                        if matches!(time, CHUNK_TIME_INTERVAL | COMPRESS_AFTER) && age.subsec_nanos() > 0 =>
                    {
                        return Err(invalid(name, "chunks are told apart by whole seconds"));
                    }
                    Age::After(age) => age.as_secs_f64().to_string(),
                }
            }
            COLD_FORMAT => cold_format(value)?,
            COLD_COMPRESSION => cold_compression(value)?,
            HYPERTABLE => hypertable::flag(value)?,
            _ => continue,
        };
        kept.insert(name.clone(), normal);
    }
    Ok(kept)
}

fn cold_format(text: &str) -> Result<String> {
    let format: ColdFormat = text.parse().map_err(|e: EngineError| invalid(COLD_FORMAT, &e.to_string()))?;
    Ok(format.name().to_owned())
}

fn cold_compression(text: &str) -> Result<String> {
    let lower = text.trim().to_ascii_lowercase();
    let (codec, level) = match lower.split_once('(') {
        Some((codec, level)) => (codec.trim(), Some(level.trim_end_matches(')').trim().parse::<u32>().ok())),
        None => (lower.as_str(), None),
    };
    let levels = match codec {
        "zstd" => Some((1..=22, 3)),
        "gzip" => Some((0..=9, 6)),
        "lz4" | "snappy" | "uncompressed" => None,
        _ => {
            return Err(invalid(
                COLD_COMPRESSION,
                &format!("{text:?} is no codec; use 'zstd(3)', 'gzip(6)', 'lz4', 'snappy' or 'uncompressed'"),
            ));
        }
    };
    match (levels, level) {
        (None, None) => Ok(codec.to_owned()),
        (None, Some(_)) => Err(invalid(COLD_COMPRESSION, &format!("{codec} has no levels, write '{codec}'"))),
        (Some((_, usual)), None) => Ok(format!("{codec}({usual})")),
        (Some((range, _)), Some(Some(level))) if range.contains(&level) => Ok(format!("{codec}({level})")),
        (Some((range, _)), Some(_)) => {
            Err(invalid(COLD_COMPRESSION, &format!("{codec} levels go from {} to {}", range.start(), range.end())))
        }
    }
}
