//! A table's definition as Iceberg's schema, partition spec and sort order, and what must be added to bring an Iceberg
//! table to it.
//!
//! Columns have the numbers 1, 2, … in the order of the definition. Columns are only ever added at its end, so files know
//! their numbers before there is an Iceberg table.

use std::collections::HashMap;

use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use iceberg::spec::{
    NestedField, NullOrder, PrimitiveType, Schema, SortDirection, SortField, SortOrder, TableMetadata, Transform, Type,
    UnboundPartitionField, UnboundPartitionSpec,
};
use iceberg::{TableCreation, TableUpdate};
use zxq_catalog::{Granularity, TableDef};

use crate::error::{ProviderError, Result};
use crate::lake::iceberg::STORE;
use crate::lake::iceberg::errors::{changed, failed};
use crate::lake::parquet_files::layout::field_id;

/// Partition fields are numbered above this.
const UNPARTITIONED_LAST_ID: i32 = 999;
/// Table property: the name of the table in SQL.
const TABLE_NAME: &str = "zxq.table";
/// Table property: the names of the columns that zxq gave the table, as a JSON list.
const COLUMNS: &str = "zxq.columns";

/// The Iceberg type that keeps every value of a canonical type.
///
/// # Errors
/// [`ProviderError::Unsupported`] naming the column.
pub(crate) fn iceberg_type(column: &str, data_type: &ArrowType) -> Result<PrimitiveType> {
    let unsupported = || ProviderError::Unsupported {
        store: STORE,
        what: format!("keep column \"{column}\": Iceberg's format version 2 has no type for {data_type}"),
    };
    Ok(match data_type {
        ArrowType::Boolean => PrimitiveType::Boolean,
        ArrowType::Int8 | ArrowType::Int16 | ArrowType::Int32 => PrimitiveType::Int,
        ArrowType::Int64 => PrimitiveType::Long,
        ArrowType::Float32 => PrimitiveType::Float,
        ArrowType::Float64 => PrimitiveType::Double,
        ArrowType::Date32 => PrimitiveType::Date,
        ArrowType::Utf8 | ArrowType::Utf8View | ArrowType::LargeUtf8 => PrimitiveType::String,
        ArrowType::Binary | ArrowType::BinaryView | ArrowType::LargeBinary => PrimitiveType::Binary,
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => PrimitiveType::Timestamp,
        ArrowType::Timestamp(TimeUnit::Microsecond, Some(zone)) if is_utc(zone) => PrimitiveType::Timestamptz,
        ArrowType::Decimal128(precision, scale) => {
            let scale = u32::try_from(*scale).map_err(|_| unsupported())?;
            PrimitiveType::Decimal { precision: u32::from(*precision), scale }
        }
        _ => return Err(unsupported()),
    })
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z" | "Etc/UTC")
}

fn fields(table: &TableDef) -> Result<Vec<NestedField>> {
    let field = |(position, column): (usize, &zxq_catalog::ColumnDef)| {
        let data_type = Type::Primitive(iceberg_type(&column.name, &column.data_type)?);
        Ok(NestedField::new(field_id(position), &column.name, data_type, !column.nullable))
    };
    table.columns.iter().enumerate().map(field).collect()
}

fn schema_of(table: &TableDef, fields: Vec<NestedField>) -> Result<Schema> {
    Schema::builder()
        .with_fields(fields.into_iter().map(Into::into))
        .build()
        .map_err(|e| failed(&table.storage_name(), "make the schema", e))
}

/// The schema of a new Iceberg table.
///
/// # Errors
/// [`ProviderError::Unsupported`] naming a column that Iceberg has no type for.
pub(crate) fn schema(table: &TableDef) -> Result<Schema> {
    schema_of(table, fields(table)?)
}

/// How a table's period becomes a partition value.
pub(crate) fn period_transform(granularity: Granularity) -> Transform {
    match granularity {
        Granularity::Day => Transform::Identity,
        Granularity::Month => Transform::Month,
        Granularity::Year => Transform::Year,
    }
}

/// The partition spec: the date, its month or its year, then the class. Its fields have the numbers that the same fields
/// have in the specs of `known`, and new ones above (some REST servers want numbers rather than choose them).
fn partition_spec(table: &TableDef, known: Option<&TableMetadata>) -> Result<UnboundPartitionSpec> {
    let mut fields = Vec::with_capacity(2);
    let mut last_id = known.map_or(UNPARTITIONED_LAST_ID, TableMetadata::last_partition_id);
    let mut number = |source_id: i32, transform: Transform| {
        let mut earlier = known.into_iter().flat_map(|k| k.partition_specs_iter()).flat_map(|spec| spec.fields());
        match earlier.find(|field| (field.source_id, field.transform) == (source_id, transform)) {
            Some(field) => field.field_id,
            None => {
                last_id += 1;
                last_id
            }
        }
    };
    let partitioning = &table.partitioning;
    let period = partitioning.date_column.as_ref().map(|name| {
        let transform = period_transform(partitioning.granularity);
        (name, transform, if transform == Transform::Identity { "" } else { partitioning.granularity.name() })
    });
    let class = partitioning.class_column.as_ref().map(|name| (name, Transform::Identity, ""));
    for (column, transform, suffix) in period.into_iter().chain(class) {
        let Some(position) = table.column_index(column) else { continue };
        let source_id = field_id(position);
        fields.push(UnboundPartitionField {
            source_id,
            field_id: Some(number(source_id, transform)),
            name: partition_name(table, column, suffix),
            transform,
        });
    }
    let builder = UnboundPartitionSpec::builder().add_partition_fields(fields);
    Ok(builder.map_err(|e| failed(&table.storage_name(), "make the partition spec", e))?.build())
}

/// Partition fields become names in Avro, which allows letters, digits and `_`; and only a column's own value may have the
/// column's name.
fn partition_name(table: &TableDef, column: &str, suffix: &str) -> String {
    let mut name: String = column.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if !suffix.is_empty() {
        name = format!("{name}_{suffix}");
    }
    while (!suffix.is_empty() || name != column) && table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(&name)) {
        name.push_str("_partition");
    }
    name
}

fn sort_order(table: &TableDef) -> Result<SortOrder> {
    let positions = table.sort_by.iter().filter_map(|name| table.column_index(name));
    let fields: Vec<SortField> = positions
        .map(|position| {
            SortField::builder()
                .source_id(field_id(position))
                .transform(Transform::Identity)
                .direction(SortDirection::Ascending)
                .null_order(NullOrder::First)
                .build()
        })
        .collect();
    SortOrder::builder()
        .with_fields(fields)
        .build_unbound()
        .map_err(|e| failed(&table.storage_name(), "make the sort order", e))
}

/// What zxq says about a table in its properties.
fn own_properties(table: &TableDef) -> HashMap<String, String> {
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    HashMap::from([
        (TABLE_NAME.to_owned(), table.name.clone()),
        (COLUMNS.to_owned(), serde_json::json!(names).to_string()),
    ])
}

/// A new Iceberg table, at this address.
///
/// # Errors
/// [`ProviderError::Unsupported`] naming a column that Iceberg has no type for.
pub(crate) fn creation(table: &TableDef, address: String, metadata_files_kept: usize) -> Result<TableCreation> {
    let mut properties = own_properties(table);
    for (name, value) in [
        // zxq alone knows which data files nobody reads any more.
        ("gc.enabled", "false".to_owned()),
        ("write.format.default", "parquet".to_owned()),
        ("write.metadata.delete-after-commit.enabled", "true".to_owned()),
        ("write.metadata.previous-versions-max", metadata_files_kept.max(1).to_string()),
    ] {
        properties.insert(name.to_owned(), value);
    }
    Ok(TableCreation::builder()
        .name(table.storage_name())
        .location(address)
        .schema(schema(table)?)
        .partition_spec(partition_spec(table, None)?)
        .sort_order(sort_order(table)?)
        .properties(properties)
        .build())
}

/// What brings an Iceberg table to the definition; nothing where it is there.
///
/// # Errors
/// [`ProviderError::Changed`] when somebody else has changed its columns.
pub(crate) fn evolution(metadata: &TableMetadata, table: &TableDef) -> Result<Vec<TableUpdate>> {
    let mut updates = Vec::new();
    if let Some(schema) = evolved_schema(metadata, table)? {
        updates.push(TableUpdate::AddSchema { schema });
        updates.push(TableUpdate::SetCurrentSchema { schema_id: -1 });
    }
    let spec = partition_spec(table, Some(metadata))?;
    let same = |a: &UnboundPartitionSpec, b: &UnboundPartitionSpec| {
        a.fields().len() == b.fields().len()
            && a.fields().iter().zip(b.fields()).all(|(a, b)| (a.source_id, a.transform) == (b.source_id, b.transform))
    };
    if !same(&spec, &metadata.default_partition_spec().as_ref().clone().into_unbound()) {
        updates.push(TableUpdate::AddSpec { spec });
        updates.push(TableUpdate::SetDefaultSpec { spec_id: -1 });
    }
    let order = sort_order(table)?;
    if order.fields != metadata.default_sort_order().fields {
        updates.push(TableUpdate::AddSortOrder { sort_order: order });
        updates.push(TableUpdate::SetDefaultSortOrder { sort_order_id: -1 });
    }
    let properties: HashMap<String, String> = own_properties(table)
        .into_iter()
        .filter(|(name, value)| metadata.properties().get(name) != Some(value))
        .collect();
    if !properties.is_empty() {
        updates.push(TableUpdate::SetProperties { updates: properties });
    }
    Ok(updates)
}

/// The schema with what is missing; `None` where nothing is. Added columns may be NULL in Iceberg whatever the definition
/// says, since files written before do not hold them.
fn evolved_schema(metadata: &TableMetadata, table: &TableDef) -> Result<Option<Schema>> {
    let name = table.storage_name();
    let current = metadata.current_schema();
    let present = current.as_struct().fields();
    let names: Vec<&str> = present.iter().map(|f| f.name.as_str()).collect();
    // An ALTER TABLE that a crash undid leaves columns that no file holds: those are zxq's own, and may be replaced.
    let names = serde_json::json!(names).to_string();
    let is_ours = metadata.properties().get(COLUMNS) == Some(&names);
    let mut wanted = fields(table)?;
    let mut differs = present.len() != wanted.len();
    for (position, field) in wanted.iter_mut().enumerate() {
        let by_id = current.field_by_id(field.id);
        match by_id {
            Some(known) if known.name == field.name && known.field_type == field.field_type => {
                field.required = known.required;
            }
            None => {
                field.required = false;
                differs = true;
            }
            Some(_) if is_ours => {
                field.required = false;
                differs = true;
            }
            Some(known) => {
                return Err(changed(
                    &name,
                    format!(
                        "its column {} is \"{}\" {}, zxq's is \"{}\" {}",
                        position + 1,
                        known.name,
                        known.field_type,
                        field.name,
                        field.field_type
                    ),
                ));
            }
        }
    }
    if !differs {
        return Ok(None);
    }
    if !is_ours && present.len() > wanted.len() {
        return Err(changed(&name, "it has columns that zxq does not know"));
    }
    schema_of(table, wanted).map(Some)
}
