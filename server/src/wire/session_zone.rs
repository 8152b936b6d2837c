//! Moments shown in the session's time zone: a result's columns carry its name, which the encoder reads.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

/// The same rows, whose moments are labelled with the zone, those in arrays and records too. The moments themselves stay.
pub(crate) fn in_zone(stream: SendableRecordBatchStream, zone: &str) -> SendableRecordBatchStream {
    if zone == "UTC" || !stream.schema().fields().iter().any(|field| has_moments(field.data_type())) {
        return stream;
    }
    let label: Arc<str> = zone.into();
    let schema = labelled_schema(&stream.schema(), &label);
    let with_label = Arc::clone(&schema);
    let stream = stream.map(move |batch| labelled(&batch?, &with_label, &label));
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

fn has_moments(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => true,
        DataType::List(item) => has_moments(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_moments(field.data_type())),
        _ => false,
    }
}

fn labelled_field(field: &FieldRef, label: &Arc<str>) -> FieldRef {
    if !has_moments(field.data_type()) {
        return Arc::clone(field);
    }
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(labelled_field(item, label)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| labelled_field(field, label)).collect()),
        _ => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(label))),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

fn labelled_schema(schema: &SchemaRef, label: &Arc<str>) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(|field| labelled_field(field, label)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn labelled_array(array: &ArrayRef, label: &Arc<str>) -> Result<ArrayRef, DataFusionError> {
    if !has_moments(array.data_type()) {
        return Ok(Arc::clone(array));
    }
    Ok(match array.data_type() {
        DataType::List(item) => {
            let (_, offsets, values, nulls) = array.as_list::<i32>().clone().into_parts();
            let values = labelled_array(&values, label)?;
            Arc::new(ListArray::try_new(labelled_field(item, label), offsets, values, nulls)?)
        }
        DataType::Struct(_) => {
            let (fields, columns, nulls) = array.as_struct().clone().into_parts();
            let fields = fields.iter().map(|field| labelled_field(field, label)).collect();
            let columns = columns.iter().map(|column| labelled_array(column, label)).collect::<Result<_, _>>()?;
            Arc::new(StructArray::try_new(fields, columns, nulls)?)
        }
        _ => Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone(Arc::clone(label))),
    })
}

fn labelled(batch: &RecordBatch, schema: &SchemaRef, label: &Arc<str>) -> Result<RecordBatch, DataFusionError> {
    let columns = batch.columns().iter().map(|column| labelled_array(column, label)).collect::<Result<_, _>>()?;
    // Columns have the names that the client is told elsewhere.
    let given = batch.schema();
    let fields = schema.fields().iter().zip(given.fields()).map(|(ours, theirs)| {
        Arc::new(ours.as_ref().clone().with_nullable(theirs.is_nullable() || ours.is_nullable()))
    });
    let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()));
    Ok(RecordBatch::try_new(schema, columns)?)
}
