//! The section `catalog`: the directory's own file, or a PostgreSQL database that several processes share.

use serde::Deserialize;
use zxq_engine::sql::options::Age;
use zxq_engine::{CatalogConfig, CatalogRole, PostgresCatalogOptions};

use super::units::Span;

/// What the section may say. It is not shown anywhere, since a URL may hold a password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCatalog {
    url: Option<String>,
    schema: Option<String>,
    role: Option<String>,
    take_over: Option<bool>,
    lease_time: Option<Span>,
    writer_wait: Option<Span>,
}

impl std::fmt::Debug for RawCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawCatalog").field("role", &self.role).finish_non_exhaustive()
    }
}

/// The key that is wrong, and how.
type Wrong = (&'static str, String);

/// Shorter leases would be lost to a busy disk.
const SHORTEST_LEASE: std::time::Duration = std::time::Duration::from_secs(2);

impl RawCatalog {
    /// Brings what the section says into the engine's settings.
    pub(super) fn apply(self, catalog: &mut CatalogConfig) -> Result<(), Wrong> {
        let Some(url) = &self.url else { return self.nothing_of_postgres() };
        let mut options = PostgresCatalogOptions::parse(url).map_err(|e| ("catalog.url", e.to_string()))?;
        if let Some(schema) = &self.schema {
            options = options.with_schema(schema).map_err(|e| ("catalog.schema", e.to_string()))?;
        }
        catalog.postgres = Some(options);
        catalog.role = match self.role.as_deref() {
            None | Some("auto") => CatalogRole::Auto,
            Some("writer") => CatalogRole::Writer,
            Some("reader") => CatalogRole::Reader,
            Some(other) => {
                return Err(("catalog.role", format!("unknown role {other:?}: there are auto, writer and reader")));
            }
        };
        catalog.take_over = self.take_over.unwrap_or(catalog.take_over);
        if catalog.take_over && catalog.role == CatalogRole::Reader {
            return Err(("catalog.take_over", "is for a writer, and the file says role reader".to_owned()));
        }
        match self.lease_time {
            Some(Span(Age::After(time))) if time >= SHORTEST_LEASE => catalog.lease_time = time,
            Some(_) => return Err(("catalog.lease_time", format!("must be a time of at least {SHORTEST_LEASE:?}"))),
            None => {}
        }
        match self.writer_wait {
            Some(Span(Age::After(time))) => catalog.writer_wait = time,
            Some(Span(Age::Never)) => {
                return Err(("catalog.writer_wait", "cannot be never: write a time, or 0".to_owned()));
            }
            None => {}
        }
        Ok(())
    }

    fn nothing_of_postgres(&self) -> Result<(), Wrong> {
        let given = [
            ("catalog.schema", self.schema.is_some()),
            ("catalog.role", self.role.is_some()),
            ("catalog.take_over", self.take_over.is_some()),
            ("catalog.lease_time", self.lease_time.is_some()),
            ("catalog.writer_wait", self.writer_wait.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err((key, "has an effect only with catalog.url".to_owned())),
            None => Ok(()),
        }
    }
}
