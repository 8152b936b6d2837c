//! A segment as an entry of an Iceberg manifest: its partition values, counts and bounds.

use std::collections::HashMap;

use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, PrimitiveType, Struct, TableMetadata,
    Transform,
};
use zxq_catalog::{PartitionKey, Segment, TableDef, Value};

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::iceberg::errors::{changed, failed};
use crate::lake::iceberg::schema::iceberg_type;
use crate::lake::parquet_files::layout::field_id;

/// Days since 1970 as months or years since 1970, as Iceberg counts them.
fn period_value(days: i32, transform: Transform) -> Option<Literal> {
    use chrono::Datelike;
    let date = chrono::DateTime::from_timestamp(i64::from(days) * 86_400, 0)?.date_naive();
    match transform {
        Transform::Identity => Some(Literal::date(days)),
        Transform::Month => {
            i32::try_from(date.month0()).ok().map(|month| Literal::int((date.year() - 1970) * 12 + month))
        }
        Transform::Year => Some(Literal::int(date.year() - 1970)),
        _ => None,
    }
}

/// The values of the table's partition spec for a partition.
fn partition_values(metadata: &TableMetadata, table: &TableDef, key: &PartitionKey) -> Result<Struct> {
    let position = |name: &Option<String>| name.as_deref().and_then(|n| table.column_index(n)).map(field_id);
    let (date, class) = (position(&table.partitioning.date_column), position(&table.partitioning.class_column));
    let fields = metadata.default_partition_spec().fields();
    let foreign = |field: &iceberg::spec::PartitionField| {
        changed(&table.storage_name(), format!("zxq does not partition it by {} ({})", field.name, field.transform))
    };
    let value = |field: &iceberg::spec::PartitionField| {
        if Some(field.source_id) == class {
            return Ok(key.class.as_ref().map(Literal::string));
        }
        match key.period {
            _ if Some(field.source_id) != date => Err(foreign(field)),
            None => Ok(None),
            Some(days) => period_value(days, field.transform).map(Some).ok_or_else(|| foreign(field)),
        }
    };
    fields.iter().map(value).collect()
}

/// Refuses a segment whose dates lie outside its period: readers would look for its rows elsewhere.
fn check_period(table: &TableDef, segment: &Segment) -> Result<()> {
    let Some(column) = &table.partitioning.date_column else { return Ok(()) };
    let Some(stats) = segment.stats.get(column) else { return Ok(()) };
    let granularity = table.partitioning.granularity;
    let fits = |bound: &Option<Value>| match bound {
        Some(Value::Date(days)) => segment.partition.period == Some(granularity.period_start(*days)),
        _ => segment.partition.period.is_none(),
    };
    let nulls_fit = stats.null_count == if segment.partition.period.is_none() { segment.rows } else { 0 };
    if !stats.has_bounds || (fits(&stats.min) && fits(&stats.max) && nulls_fit) {
        return Ok(());
    }
    Err(ProviderError::Corrupt {
        store: STORE,
        what: format!("segment {}", segment.id),
        reason: format!("it has dates outside its partition {}", segment.partition.text(&table.partitioning)),
    })
}

/// A bound in Iceberg's terms; `None` where the type cannot hold it.
fn datum(value: &Value, data_type: &PrimitiveType) -> Option<Datum> {
    Some(match (value, data_type) {
        (Value::Bool(v), PrimitiveType::Boolean) => Datum::bool(*v),
        (Value::Int(v), PrimitiveType::Int) => Datum::int(i32::try_from(*v).ok()?),
        (Value::Int(v), PrimitiveType::Long) => Datum::long(*v),
        // Widened from 32 bits when it was taken, so narrowing is exact.
        (Value::Float(v), PrimitiveType::Float) => Datum::float(*v as f32),
        (Value::Float(v), PrimitiveType::Double) => Datum::double(*v),
        (Value::Decimal(v), PrimitiveType::Decimal { .. }) => {
            Datum::try_from_bytes(&v.to_be_bytes(), data_type.clone()).ok()?
        }
        (Value::Date(v), PrimitiveType::Date) => Datum::date(*v),
        (Value::TimestampMicros(v), PrimitiveType::Timestamp) => Datum::timestamp_micros(*v),
        (Value::TimestampMicros(v), PrimitiveType::Timestamptz) => Datum::timestamptz_micros(*v),
        (Value::Text(v), PrimitiveType::String) => Datum::string(v),
        _ => return None,
    })
}

/// The manifest entry of a segment whose file lies at `address`.
///
/// Bounds are the catalog's, exact, and left out where it has none (NaN, long texts): Iceberg's readers then do not prune.
/// NaNs are not counted where there are some, which is as good as unknown.
///
/// # Errors
/// [`ProviderError::Changed`] for a table that somebody else partitions otherwise.
pub(crate) fn data_file(
    metadata: &TableMetadata,
    table: &TableDef,
    segment: &Segment,
    address: String,
) -> Result<DataFile> {
    check_period(table, segment)?;
    let (mut values, mut nulls, mut nans) = (HashMap::new(), HashMap::new(), HashMap::new());
    let (mut lower, mut upper) = (HashMap::new(), HashMap::new());
    for (position, column) in table.columns.iter().enumerate() {
        let Some(stats) = segment.stats.get(&column.name) else { continue };
        let id = field_id(position);
        let data_type = iceberg_type(&column.name, &column.data_type)?;
        values.insert(id, segment.rows);
        nulls.insert(id, stats.null_count);
        if !stats.has_bounds {
            continue;
        }
        if matches!(data_type, PrimitiveType::Float | PrimitiveType::Double) {
            nans.insert(id, 0);
        }
        let bound = |value: &Option<Value>| value.as_ref().and_then(|v| datum(v, &data_type));
        if let (Some(min), Some(max)) = (bound(&stats.min), bound(&stats.max)) {
            lower.insert(id, min);
            upper.insert(id, max);
        }
    }
    let mut builder = DataFileBuilder::default();
    builder
        .content(DataContentType::Data)
        .file_path(address)
        .file_format(DataFileFormat::Parquet)
        .partition(partition_values(metadata, table, &segment.partition)?)
        .partition_spec_id(metadata.default_partition_spec_id())
        .record_count(segment.rows)
        .file_size_in_bytes(segment.bytes)
        .value_counts(values)
        .null_value_counts(nulls)
        .nan_value_counts(nans)
        .lower_bounds(lower)
        .upper_bounds(upper);
    if let Some(order) = i32::try_from(metadata.default_sort_order_id()).ok().filter(|id| *id != 0 && segment.sorted) {
        builder.sort_order_id(order);
    }
    builder.build().map_err(|e| failed(&table.storage_name(), "describe a file", e))
}
