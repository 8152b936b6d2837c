//! Table definitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::declared;
use crate::partition::Partitioning;
use crate::roles::RoleId;

/// Identifies a table for ever; never reused, also not after `DROP TABLE`.
pub type TableId = u64;

/// The table option that says what a table of others is stored as: `parquet`, `delta`, `iceberg`.
pub const EXTERNAL_FORMAT: &str = "external_format";

/// The table option that says where a table of others lies: an absolute path, or a URL.
pub const EXTERNAL_LOCATION: &str = "external_location";

/// The table option that names the folder that all files of a table of others must lie in, links followed.
pub const EXTERNAL_FOLDER: &str = "external_folder";

/// The option that makes a definition one of a view: the query, as SQL text.
pub const VIEW_QUERY: &str = "view_query";

/// The option that makes a view one of a sequence: what it counts, and how far it has come.
pub const SEQUENCE: &str = "sequence";

/// The option that holds the table, by its id, and the column that a sequence goes with (`OWNED BY`).
pub const SEQUENCE_OWNER: &str = "owned_by";

/// The option that makes a view stand for a schema. Its name, and those of what is in it, begin with the schema's and a point.
pub const SCHEMA_OF_ITS_OWN: &str = "schema";

/// The option that holds a comment: on the table, or with a colon and its name on a column.
pub const COMMENT: &str = "comment";

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDef {
    /// Name as stored (lower case unless it was quoted).
    pub name: String,
    /// Canonical Arrow type: every tier hands out exactly this type. Text is `Utf8View`, `TIMESTAMPTZ` is
    /// `Timestamp(Microsecond, "UTC")`, `TIMESTAMP` is `Timestamp(Microsecond, None)`. What no store has is kept in another
    /// form: see [`ColumnDef::row_type`].
    pub data_type: DataType,
    /// The type as the user wrote it, for `\d`: `VARCHAR(50)`, `DECIMAL(20,8)`.
    pub sql_type: String,
    /// False for `NOT NULL`.
    pub nullable: bool,
    /// SQL text of `DEFAULT`, if any.
    pub default: Option<String>,
    /// SQL text of `GENERATED ALWAYS AS (…) STORED`, if any.
    pub generated: Option<String>,
    /// Longest text allowed, in characters: the n of `VARCHAR(n)`.
    pub max_chars: Option<u32>,
}

impl ColumnDef {
    /// A column of a type, which may be NULL and of which nothing else is said.
    pub fn new(name: impl Into<String>, data_type: DataType, sql_type: impl Into<String>) -> ColumnDef {
        ColumnDef {
            name: name.into(),
            data_type,
            sql_type: sql_type.into(),
            nullable: true,
            default: None,
            generated: None,
            max_chars: None,
        }
    }

    /// The type that queries see: [`ColumnDef::data_type`] but for times of day, intervals and arrays.
    pub fn row_type(&self) -> DataType {
        declared::row_type(&self.sql_type).unwrap_or_else(|| self.data_type.clone())
    }

    /// True where queries see another type than stores.
    pub fn is_converted(&self) -> bool {
        declared::row_type(&self.sql_type).is_some()
    }

    /// The field that queries see.
    pub fn row_field(&self) -> Field {
        self.field(self.row_type())
    }

    fn field(&self, data_type: DataType) -> Field {
        let field = Field::new(&self.name, data_type, self.nullable);
        match declared::annotation(&self.sql_type) {
            Some(declared) => field.with_metadata([(declared::PG_TYPE.to_owned(), declared)].into()),
            None => field,
        }
    }
}

/// A `CHECK` constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckDef {
    /// Constraint name, unique in its table.
    pub name: String,
    /// The SQL expression; a row passes when it is true or NULL.
    pub expression: String,
}

/// Everything `CREATE TABLE` said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableDef {
    /// Identity; 0 until the catalog assigns one.
    pub id: TableId,
    /// Name, unique among live tables.
    pub name: String,
    /// The name it was created under, once it has another: storage keeps that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The role it belongs to; `None` for a table that was made without one, which superusers own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<RoleId>,
    /// Columns in order.
    pub columns: Vec<ColumnDef>,
    /// `CHECK` constraints.
    pub checks: Vec<CheckDef>,
    /// How rows are split.
    pub partitioning: Partitioning,
    /// The event-time column, if the table has one.
    pub time_column: Option<String>,
    /// Sort order of every segment, ascending, NULLs first. May be empty.
    pub sort_by: Vec<String>,
    /// Columns that get a key index in hot and a bloom filter in cold.
    pub lookup: Vec<String>,
    /// Table options as given, normalised: `hot_to_warm_age`, `cold_format`, `cold_compression`, …
    pub options: BTreeMap<String, String>,
}

impl TableDef {
    /// A table of these columns, of which nothing else is said: one partition, in no order. Superusers own it.
    pub fn new(id: TableId, name: impl Into<String>, columns: Vec<ColumnDef>) -> TableDef {
        TableDef {
            id,
            name: name.into(),
            renamed_from: None,
            owner: None,
            columns,
            checks: Vec::new(),
            partitioning: Partitioning::none(),
            time_column: None,
            sort_by: Vec::new(),
            lookup: Vec::new(),
            options: BTreeMap::new(),
        }
    }

    /// The canonical Arrow schema: what every tier's scan must return.
    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(|c| c.field(c.data_type.clone())).collect();
        Arc::new(Schema::new(fields))
    }

    /// The Arrow schema that queries see.
    pub fn row_schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(ColumnDef::row_field).collect();
        Arc::new(Schema::new(fields))
    }

    /// Position of the named column.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The named column.
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Format and location of a table that others keep and zxq only reads; `None` for zxq's own tables.
    pub fn external(&self) -> Option<(&str, &str)> {
        let option = |name| self.options.get(name).map(String::as_str);
        Some((option(EXTERNAL_FORMAT)?, option(EXTERNAL_LOCATION)?))
    }

    /// The folder that all files of a table of others must lie in; `None` where they may lie anywhere.
    pub fn external_folder(&self) -> Option<&str> {
        self.options.get(EXTERNAL_FOLDER).map(String::as_str)
    }

    /// The query of a view, as SQL text; `None` for tables.
    pub fn view(&self) -> Option<&str> {
        self.options.get(VIEW_QUERY).map(String::as_str)
    }

    /// What a sequence counts, as text; `None` for tables and views.
    pub fn sequence(&self) -> Option<&str> {
        self.options.get(SEQUENCE).map(String::as_str)
    }

    /// True for what stands for a schema.
    pub fn is_schema(&self) -> bool {
        self.options.contains_key(SCHEMA_OF_ITS_OWN)
    }

    /// The comment on the table, or on a column of it.
    pub fn comment(&self, column: Option<&str>) -> Option<&str> {
        self.options.get(&Self::comment_option(column)).map(String::as_str)
    }

    /// Keeps a comment on the table, or on a column of it; `None` takes it away.
    pub fn set_comment(&mut self, column: Option<&str>, comment: Option<String>) {
        let option = Self::comment_option(column);
        match comment {
            Some(comment) => self.options.insert(option, comment),
            None => self.options.remove(&option),
        };
    }

    fn comment_option(column: Option<&str>) -> String {
        column.map_or_else(|| COMMENT.to_owned(), |column| format!("{COMMENT}:{column}"))
    }

    /// True for a table whose rows zxq keeps: neither a view nor a table of others.
    pub fn is_stored(&self) -> bool {
        self.external().is_none() && self.view().is_none()
    }

    /// A folder or database identifier for this table, unique for ever: `trades_data_7`. Characters outside
    /// `[A-Za-z0-9_]` become `_`. `ALTER TABLE … RENAME TO` does not change it.
    pub fn storage_name(&self) -> String {
        let safe: String = self
            .renamed_from
            .as_ref()
            .unwrap_or(&self.name)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
            .collect();
        format!("{safe}_{}", self.id)
    }
}
