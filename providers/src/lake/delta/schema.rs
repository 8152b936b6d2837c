//! The public Delta schema of a table, and the table features it needs.

use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use deltalake_core::kernel::{DataType, Protocol, StructField};
use zxq_catalog::TableDef;

use crate::error::{ProviderError, Result};
use crate::lake::delta::STORE;
use crate::lake::parquet_files::layout::partition_columns;

/// The Delta type that keeps every value of a canonical type.
fn delta_type(column: &str, data_type: &ArrowType) -> Result<DataType> {
    let unsupported = || ProviderError::Unsupported {
        store: STORE,
        what: format!("keep column \"{column}\": Delta Lake has no type for {data_type}"),
    };
    Ok(match data_type {
        ArrowType::Boolean => DataType::BOOLEAN,
        ArrowType::Int8 => DataType::BYTE,
        ArrowType::Int16 => DataType::SHORT,
        ArrowType::Int32 => DataType::INTEGER,
        ArrowType::Int64 => DataType::LONG,
        ArrowType::Float32 => DataType::FLOAT,
        ArrowType::Float64 => DataType::DOUBLE,
        ArrowType::Date32 => DataType::DATE,
        ArrowType::Utf8 | ArrowType::Utf8View | ArrowType::LargeUtf8 => DataType::STRING,
        ArrowType::Binary | ArrowType::BinaryView | ArrowType::LargeBinary => DataType::BINARY,
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => DataType::TIMESTAMP_NTZ,
        ArrowType::Timestamp(TimeUnit::Microsecond, Some(zone)) if is_utc(zone) => DataType::TIMESTAMP,
        ArrowType::Decimal128(precision, scale) => {
            let scale = u8::try_from(*scale).map_err(|_| unsupported())?;
            DataType::decimal(*precision, scale).map_err(|_| unsupported())?
        }
        _ => return Err(unsupported()),
    })
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z" | "Etc/UTC")
}

/// The columns of the Delta table: the table's own, and before them `trade_month` or `trade_year` where folders need it.
///
/// # Errors
/// [`ProviderError::Unsupported`] naming a column that Delta has no type for.
pub(crate) fn fields(table: &TableDef) -> Result<Vec<StructField>> {
    let mut fields: Vec<StructField> = partition_columns(table)
        .into_iter()
        .filter(|column| !column.in_table)
        .map(|column| StructField::nullable(column.name, DataType::STRING))
        .collect();
    for column in &table.columns {
        let data_type = delta_type(&column.name, &column.data_type)?;
        fields.push(StructField::new(column.name.clone(), data_type, column.nullable));
    }
    Ok(fields)
}

/// The names of the Delta table's partition columns.
pub(crate) fn partition_names(table: &TableDef) -> Vec<String> {
    partition_columns(table).into_iter().map(|column| column.name).collect()
}

/// The lowest protocol that the columns need: any reader, unless there is a TIMESTAMP without time zone.
///
/// Writer version 7 with a list of features, rather than 2, because 2 implies checks of column invariants, which the
/// Delta library refuses to vouch for when it is built without a query engine.
pub(crate) fn protocol(fields: &[StructField]) -> Result<Protocol> {
    let ntz = fields.iter().any(|f| f.data_type() == &DataType::TIMESTAMP_NTZ);
    let json = if ntz {
        serde_json::json!({
            "minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz", "appendOnly"],
        })
    } else {
        serde_json::json!({ "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["appendOnly"] })
    };
    serde_json::from_value(json).map_err(|e| ProviderError::store(STORE, "make the protocol of a table", e))
}
