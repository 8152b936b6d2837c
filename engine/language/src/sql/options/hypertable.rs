//! Options of tables whose warm segments are TimescaleDB hypertables.

use arrow::datatypes::DataType;
use zxq_catalog::TableDef;
use zxq_catalog::hypertable::{CHUNK_TIME_INTERVAL, COMPRESS_AFTER, HYPERTABLE, hypertable_column};

use super::invalid;
use crate::error::Result;

const DAY_SECONDS: u64 = 86_400;

/// `true` or `false`, as PostgreSQL reads them.
pub(super) fn flag(text: &str) -> Result<String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok("true".to_owned()),
        "false" | "off" | "no" | "0" => Ok("false".to_owned()),
        _ => Err(invalid(HYPERTABLE, "write true or false")),
    }
}

/// Checks what the options of a hypertable say together with the columns.
///
/// # Errors
/// [`crate::ErrorKind::InvalidParameter`] naming the option, and what it needs.
pub(in crate::sql) fn check_hypertable(table: &TableDef) -> Result<()> {
    let seconds = |option: &str| table.options.get(option).map(|value| value.parse::<u64>().ok());
    if table.options.get(HYPERTABLE).is_none_or(|value| value != "true") {
        return match [CHUNK_TIME_INTERVAL, COMPRESS_AFTER]
            .into_iter()
            .find(|option| table.options.contains_key(*option))
        {
            Some(option) => Err(invalid(option, "it has an effect only with hypertable = true")),
            None => Ok(()),
        };
    }
    let Some(column) = hypertable_column(table) else {
        return Err(invalid(HYPERTABLE, "the table needs a time column or a DATE column to partition by"));
    };
    if column.nullable {
        return Err(invalid(
            HYPERTABLE,
            &format!("column \"{}\", by which chunks are made, must be NOT NULL", column.name),
        ));
    }
    match (seconds(CHUNK_TIME_INTERVAL), &column.data_type) {
        (Some(None | Some(0)), _) => Err(invalid(CHUNK_TIME_INTERVAL, "write a length of time, such as '1 day'")),
        (Some(Some(seconds)), DataType::Date32) if seconds % DAY_SECONDS != 0 => {
            let why = format!("column \"{}\" is a DATE: write whole days", column.name);
            Err(invalid(CHUNK_TIME_INTERVAL, &why))
        }
        _ => Ok(()),
    }
}
