//! The Iceberg catalog inside this catalog: which metadata file is the current one of each Iceberg table.
//!
//! Two tables, `iceberg_tables` and `iceberg_namespace_properties`, of the form that Iceberg's JDBC catalog and PyIceberg's
//! `SqlCatalog` make, so that those programs open the tables by name. All are in namespace [`NAMESPACE`] of catalog
//! [`CATALOG`]. The statements are here once, in the SQL that SQLite and PostgreSQL share; a store only runs them.

use async_trait::async_trait;

use crate::error::Result;

/// The catalog's name, as other programs have to give it.
pub const CATALOG: &str = "zxq";
/// The namespace that holds every table.
pub const NAMESPACE: &str = "zxq";

/// The two tables, as PyIceberg makes them.
pub const CREATE_TABLES: &str = "
    CREATE TABLE iceberg_tables (
        catalog_name               VARCHAR(255) NOT NULL,
        table_namespace            VARCHAR(255) NOT NULL,
        table_name                 VARCHAR(255) NOT NULL,
        metadata_location          VARCHAR(1000),
        previous_metadata_location VARCHAR(1000),
        iceberg_type               VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name)
    );
    CREATE TABLE iceberg_namespace_properties (
        catalog_name   VARCHAR(255) NOT NULL,
        namespace      VARCHAR(255) NOT NULL,
        property_key   VARCHAR(255) NOT NULL,
        property_value VARCHAR(1000) NOT NULL,
        PRIMARY KEY (catalog_name, namespace, property_key)
    );
";

/// Makes the namespace, once. Catalog, namespace.
pub const ADD_NAMESPACE: &str = "INSERT INTO iceberg_namespace_properties \
    (catalog_name, namespace, property_key, property_value) VALUES ($1, $2, 'exists', 'true') ON CONFLICT DO NOTHING";

/// Adds a table unless there is one of that name. Catalog, namespace, table, location.
pub const CREATE: &str = "INSERT INTO iceberg_tables \
    (catalog_name, table_namespace, table_name, metadata_location, iceberg_type) VALUES ($1, $2, $3, $4, 'TABLE') \
    ON CONFLICT DO NOTHING";

/// The location. Catalog, namespace, table.
pub const GET: &str =
    "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3";

/// Compare and swap. Catalog, namespace, table, location expected, location wanted.
pub const SWAP: &str = "UPDATE iceberg_tables SET metadata_location = $5, previous_metadata_location = $4 \
    WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $4";

/// Removes a table. Catalog, namespace, table.
pub const DROP: &str =
    "DELETE FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3";

/// Names of all tables. Catalog, namespace.
pub const LIST: &str =
    "SELECT table_name FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2 ORDER BY table_name";

/// Where the current metadata of Iceberg tables lies. Each call is one transaction, durable when it returns.
#[async_trait]
pub trait MetadataPointers: Send + Sync + std::fmt::Debug {
    /// The location of a table's current metadata file; `None` for a table that is not there.
    async fn metadata_location(&self, table: &str) -> Result<Option<String>>;

    /// Adds a table. False, and nothing changed, where there is one of that name.
    async fn create_pointer(&self, table: &str, location: &str) -> Result<bool>;

    /// Makes `to` the current metadata file if `from` still is it. False, and nothing changed, if it is not.
    async fn swap_pointer(&self, table: &str, from: &str, to: &str) -> Result<bool>;

    /// Removes a table; its files stay. A table that is not there is skipped.
    async fn drop_pointer(&self, table: &str) -> Result<()>;

    /// The names of all tables, in order.
    async fn tables_with_pointers(&self) -> Result<Vec<String>>;
}
