//! The table formats of the cold tier, and which one a table has.

use std::fmt;
use std::str::FromStr;

use zxq_catalog::TableDef;

use crate::error::{EngineError, ErrorKind};
use crate::sql::options::COLD_FORMAT;

/// A table format of the cold tier. A table keeps the one it was created with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColdFormat {
    /// Delta Lake.
    #[default]
    Delta,
    /// Apache Iceberg, format version 2.
    Iceberg,
}

impl ColdFormat {
    /// The name in `WITH (cold_format = …)`.
    pub const fn name(self) -> &'static str {
        match self {
            ColdFormat::Delta => "delta",
            ColdFormat::Iceberg => "iceberg",
        }
    }

    /// A table's format. Tables that do not say are Delta tables, whatever new tables become: see `record`.
    pub fn of(def: &TableDef) -> ColdFormat {
        def.options.get(COLD_FORMAT).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Writes this format into the definition of a new table that does not name one.
    pub fn record(self, def: &mut TableDef) {
        if self != ColdFormat::default() {
            def.options.entry(COLD_FORMAT.to_owned()).or_insert_with(|| self.name().to_owned());
        }
    }
}

impl fmt::Display for ColdFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ColdFormat {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "delta" => Ok(ColdFormat::Delta),
            "iceberg" => Ok(ColdFormat::Iceberg),
            _ => Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!("{text:?} is no table format; use 'delta' or 'iceberg'"),
            )),
        }
    }
}
