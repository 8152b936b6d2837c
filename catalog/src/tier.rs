//! The three tiers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::error::CatalogError;

/// A place for rows, ordered from fastest to cheapest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Arrow in this process's memory, durable through the write-ahead log.
    Hot,
    /// A database.
    Warm,
    /// An open lakehouse table of Parquet files.
    Cold,
}

impl Tier {
    /// All tiers, fastest first.
    pub const ALL: [Tier; 3] = [Tier::Hot, Tier::Warm, Tier::Cold];

    /// The name users write: `hot`, `warm` or `cold`.
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Hot => "hot",
            Tier::Warm => "warm",
            Tier::Cold => "cold",
        }
    }

    /// Position in [`Tier::ALL`], usable as an array index.
    pub const fn index(self) -> usize {
        match self {
            Tier::Hot => 0,
            Tier::Warm => 1,
            Tier::Cold => 2,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = CatalogError;

    /// Parses a tier name, case-insensitively.
    ///
    /// # Errors
    /// [`CatalogError::UnknownTier`] naming the unknown tier and the three that exist.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Tier::ALL
            .into_iter()
            .find(|tier| tier.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| CatalogError::UnknownTier(text.to_owned()))
    }
}
