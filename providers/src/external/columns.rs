//! Which column of a file is which of the table's.
//!
//! By name; in Iceberg by number. What a file lacks has its default, or is NULL. Times of other units become microseconds.

use std::collections::HashMap;
use std::sync::Arc;

use ::iceberg::spec::NameMapping;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory, replace_columns_with_literals,
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::micros::{InMicros, micros_type};

/// How the columns of files are found.
#[derive(Debug, Default, Clone)]
pub(super) struct FileColumns {
    /// Numbers of the table's columns, where those count and not names.
    pub(super) numbers: Option<Numbers>,
    /// What rows have in columns that their file lacks, where that is not NULL.
    pub(super) defaults: HashMap<String, ScalarValue>,
}

/// Columns by number.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    /// The number of each of the table's columns.
    pub(super) of_columns: HashMap<String, i32>,
    /// Names that files without numbers may use.
    pub(super) mapping: Option<Arc<NameMapping>>,
}

impl Numbers {
    /// The numbers of a file's columns: what it says itself, else by its names, else by their places, as Iceberg's own
    /// libraries do.
    pub(super) fn in_file(&self, file: &Schema) -> Vec<Option<i32>> {
        let own = |field: &Arc<Field>| field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse::<i32>().ok();
        let numbers: Vec<Option<i32>> = file.fields().iter().map(own).collect();
        if numbers.iter().any(Option::is_some) {
            return numbers;
        }
        match &self.mapping {
            Some(mapping) => {
                let by_name = |name: &String| {
                    mapping
                        .fields()
                        .iter()
                        .find(|field| field.names().contains(name))
                        .and_then(|field| field.field_id())
                };
                file.fields().iter().map(|field| by_name(field.name())).collect()
            }
            None => (1..).take(file.fields().len()).map(Some).collect(),
        }
    }
}

impl PhysicalExprAdapterFactory for FileColumns {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let names: Option<Vec<String>> = self.numbers.as_ref().map(|numbers| {
            let names: HashMap<i32, &String> =
                numbers.of_columns.iter().map(|(name, number)| (*number, name)).collect();
            let mut seen = std::collections::HashSet::new();
            let in_file = numbers.in_file(&physical).into_iter().enumerate();
            in_file
                .map(|(place, number)| match number.filter(|number| seen.insert(*number)).and_then(|n| names.get(&n)) {
                    Some(name) => (*name).clone(),
                    // No column of the table has such a name.
                    None => format!("\0{place}"),
                })
                .collect()
        });
        if self.numbers.is_none() {
            let is_twice = |name: &String| physical.fields().iter().filter(|field| field.name() == name).count() > 1;
            if let Some(field) = logical.fields().iter().find(|field| is_twice(field.name())) {
                return exec_err!("a file has two columns \"{}\"", field.name());
            }
        }
        let shown: Vec<Field> = physical
            .fields()
            .iter()
            .enumerate()
            .map(|(place, field)| {
                let name = names.as_ref().and_then(|names| names.get(place)).unwrap_or_else(|| field.name());
                let data_type = micros_type(field.data_type()).unwrap_or_else(|| field.data_type().clone());
                Field::new(name, data_type, field.is_nullable()).with_metadata(field.metadata().clone())
            })
            .collect();
        let shown = Arc::new(Schema::new(shown));
        let missing = self.defaults.iter().filter(|(name, _)| shown.index_of(name).is_err());
        let missing = missing.map(|(name, value)| (name.clone(), value.clone())).collect();
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, shown)?;
        Ok(Arc::new(FileAdapter { missing, inner, physical }))
    }
}

#[derive(Debug)]
struct FileAdapter {
    missing: HashMap<String, ScalarValue>,
    inner: Arc<dyn PhysicalExprAdapter>,
    physical: SchemaRef,
}

impl PhysicalExprAdapter for FileAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let expr = if self.missing.is_empty() { expr } else { replace_columns_with_literals(expr, &self.missing)? };
        let shown = self.inner.rewrite(expr)?;
        // From the columns as they were shown to those that the file has.
        let to_file = |node: Arc<dyn PhysicalExpr>| {
            let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
            let Some(field) = self.physical.fields().get(column.index()) else { return Ok(Transformed::no(node)) };
            let in_file: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), column.index()));
            Ok(Transformed::yes(match field.data_type() {
                DataType::Timestamp(_, _) if micros_type(field.data_type()).is_some() => InMicros::of(in_file),
                _ => in_file,
            }))
        };
        shown.transform_up(to_file).map(|transformed| transformed.data)
    }
}
