//! Names of declared types in casts, which DataFusion does not know: `UUID`, `JSON`, `JSONB`, `OID`, `NAME`,
//! and `BYTEA` as columns have it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType as SqlType;
use zxq_catalog::declared::annotated;

/// Plans those types; [`super::declared`] makes values of them.
#[derive(Debug)]
pub(crate) struct DeclaredTypes;

impl TypePlanner for DeclaredTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        Ok(match sql_type {
            SqlType::Uuid => Some(annotated(DataType::Utf8View, "uuid")),
            SqlType::JSON => Some(annotated(DataType::Utf8View, "json")),
            SqlType::JSONB => Some(annotated(DataType::Utf8View, "jsonb")),
            SqlType::Custom(name, modifiers) if modifiers.is_empty() => {
                match name.to_string().to_lowercase().as_str() {
                    "oid" | "pg_catalog.oid" => Some(annotated(DataType::Int64, "oid")),
                    "name" | "pg_catalog.name" => Some(annotated(DataType::Utf8View, "name")),
                    "bpchar" => Some(Arc::new(Field::new("", DataType::Utf8View, true))),
                    _ => None,
                }
            }
            SqlType::Bytea => Some(Arc::new(Field::new("", DataType::BinaryView, true))),
            _ => None,
        })
    }
}
