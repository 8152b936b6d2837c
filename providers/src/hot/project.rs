//! From a segment's stored columns to the table's columns that a reader wants.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use zxq_catalog::TableDef;

use crate::error::{ProviderError, Result};
use crate::scalar;

/// Where one output column comes from.
#[derive(Debug, Clone)]
enum Origin {
    Stored(usize),
    /// The column was added to the table after the segment was written.
    Constant(ScalarValue),
}

/// Picks a table's columns out of batches of one stored schema.
#[derive(Debug, Clone)]
pub(crate) struct Projector {
    output: SchemaRef,
    origins: Vec<Origin>,
}

impl Projector {
    /// `output` is the table's schema, projected by `projection`.
    pub(crate) fn new(table: &TableDef, projection: &[usize], output: &SchemaRef, stored: &Schema) -> Result<Self> {
        let mut origins = Vec::with_capacity(projection.len());
        for index in projection {
            let column = table.columns.get(*index).ok_or_else(|| ProviderError::Unsupported {
                store: "hot",
                what: format!("read column {index} of table \"{}\", which has {}", table.name, table.columns.len()),
            })?;
            origins.push(match stored.index_of(&column.name) {
                Ok(at) if stored.field(at).data_type() == &column.data_type => Origin::Stored(at),
                Ok(at) => {
                    return Err(ProviderError::Unsupported {
                        store: "hot",
                        what: format!(
                            "read column \"{}\" of table \"{}\" as {}: it is stored as {}",
                            column.name,
                            table.name,
                            column.data_type,
                            stored.field(at).data_type()
                        ),
                    });
                }
                Err(_) => Origin::Constant(scalar::constant_default(column)?),
            });
        }
        Ok(Projector { output: Arc::clone(output), origins })
    }

    /// The wanted columns of these rows, without copying what is stored.
    pub(crate) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.origins.len());
        for origin in &self.origins {
            columns.push(match origin {
                Origin::Stored(at) => Arc::clone(rows.column(*at)),
                Origin::Constant(value) => value.to_array_of_size(rows.num_rows())?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?)
    }
}
