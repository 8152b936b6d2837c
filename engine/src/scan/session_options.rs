//! The `zxq.*` settings of one session.

use std::any::Any;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigField, ExtensionOptions, Visit};
use datafusion::error::Result;
use datafusion::prelude::SessionConfig;
use zxq_catalog::Tier;

/// `SET zxq.…`.
#[derive(Debug, Clone)]
pub struct ZxqOptions {
    tiers: Vec<Tier>,
}

impl Default for ZxqOptions {
    fn default() -> Self {
        ZxqOptions { tiers: Tier::ALL.to_vec() }
    }
}

const TIERS: &str = "tiers";
const TIERS_HELP: &str =
    "Tiers that statements read, separated by commas: any of hot, warm, cold. Rows in other tiers are left out.";

impl ZxqOptions {
    /// The options in a session's configuration; the defaults where it has none.
    pub fn of(config: &SessionConfig) -> ZxqOptions {
        config.options().extensions.get::<ZxqOptions>().cloned().unwrap_or_default()
    }

    /// Tiers that statements read, fastest first.
    pub fn tiers(&self) -> Vec<Tier> {
        self.tiers.clone()
    }

    /// True where a session's statements read all tiers.
    pub(crate) fn reads_all(config: &SessionConfig) -> bool {
        config.options().extensions.get::<ZxqOptions>().is_none_or(|options| options.tiers == Tier::ALL)
    }

    /// The setting as users write it: `hot,warm,cold`.
    pub fn tiers_text(&self) -> String {
        self.tiers.iter().map(|t| t.name()).collect::<Vec<_>>().join(",")
    }

    fn set_tiers(&mut self, value: &str) -> Result<()> {
        let mut tiers = Vec::new();
        for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let tier: Tier = part.parse().map_err(crate::error::EngineError::from)?;
            if !tiers.contains(&tier) {
                tiers.push(tier);
            }
        }
        if tiers.is_empty() {
            tiers = Tier::ALL.to_vec();
        }
        tiers.sort();
        self.tiers = tiers;
        Ok(())
    }
}

impl ConfigExtension for ZxqOptions {
    const PREFIX: &'static str = "zxq";
}

impl ExtensionOptions for ZxqOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            TIERS => self.set_tiers(value),
            other => Err(crate::error::EngineError::new(
                crate::error::ErrorKind::UndefinedObject,
                format!("unrecognized configuration parameter \"zxq.{other}\": zxq has zxq.tiers"),
            )
            .into()),
        }
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        vec![ConfigEntry { key: format!("zxq.{TIERS}"), value: Some(self.tiers_text()), description: TIERS_HELP }]
    }
}

impl ConfigField for ZxqOptions {
    fn visit<V: Visit>(&self, visitor: &mut V, _key: &str, _description: &'static str) {
        visitor.some(&format!("zxq.{TIERS}"), self.tiers_text(), TIERS_HELP);
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        ExtensionOptions::set(self, key, value)
    }
}
