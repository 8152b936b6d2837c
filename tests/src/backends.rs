//! Which stores a test's warm and cold rows lie in, where they are not the usual ones.

use std::sync::atomic::{AtomicU32, Ordering};

use zxq_engine::{ColdFormat, EngineConfig, PostgresCatalogOptions, PostgresOptions};

use zxq_test_support::{postgres_server, s3_server};

/// A choice of stores. The usual ones: a DuckDB file, and Delta tables in a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backends {
    /// Warm in PostgreSQL.
    pub postgres: bool,
    /// Warm in TimescaleDB.
    pub timescale: bool,
    /// Cold as Iceberg tables.
    pub iceberg: bool,
    /// Cold in a bucket.
    pub s3: bool,
    /// The catalog in PostgreSQL.
    pub catalog: bool,
}

impl Backends {
    /// The stores that a name like `pg_iceberg_split` speaks of.
    pub fn named(name: &str) -> Backends {
        let says = |word: &str| name.split('_').any(|part| part == word);
        Backends {
            postgres: says("pg"),
            timescale: says("ts"),
            iceberg: says("iceberg"),
            s3: says("s3"),
            catalog: says("catalog"),
        }
    }

    /// Makes an engine's configuration use these stores, in places of their own on the servers that all tests of this
    /// process share.
    ///
    /// # Panics
    /// Without a PostgreSQL server, or without TimescaleDB, where one is asked for.
    pub fn apply(self, config: &mut EngineConfig) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let own = format!("zxq_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let server = || postgres_server::shared().expect("a PostgreSQL server").superuser_url();
        if self.postgres || self.timescale {
            let url = match self.timescale {
                true => postgres_server::timescale_url().expect("a TimescaleDB server"),
                false => server(),
            };
            let mut options = PostgresOptions::parse(&url).expect("its address");
            options.schema.clone_from(&own);
            config.warm.postgres = Some(options);
        }
        if self.catalog {
            let options = PostgresCatalogOptions::parse(&server()).expect("its address");
            config.catalog.postgres = Some(options.with_schema(&format!("{own}_catalog")).expect("a schema"));
        }
        if self.iceberg {
            config.cold.format = ColdFormat::Iceberg;
        }
        if self.s3 {
            config.cold.s3 = Some(s3_server::shared().options(&own));
        }
    }
}
