//! Moments shown in the session's time zone: a result's columns carry its name, which the encoder reads.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

/// The same rows, whose moments are labelled with the zone. The moments themselves stay.
pub(crate) fn in_zone(stream: SendableRecordBatchStream, zone: &str) -> SendableRecordBatchStream {
    if zone == "UTC" || !stream.schema().fields().iter().any(|field| is_moment(field)) {
        return stream;
    }
    let label: Arc<str> = zone.into();
    let schema = labelled_schema(&stream.schema(), &label);
    let with_label = Arc::clone(&schema);
    let stream = stream.map(move |batch| labelled(&batch?, &with_label, &label));
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

fn is_moment(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, Some(_)))
}

fn labelled_schema(schema: &SchemaRef, label: &Arc<str>) -> SchemaRef {
    let field = |field: &Arc<Field>| match is_moment(field) {
        true => {
            let data_type = DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(label)));
            Arc::new(field.as_ref().clone().with_data_type(data_type))
        }
        false => Arc::clone(field),
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn labelled(batch: &RecordBatch, schema: &SchemaRef, label: &Arc<str>) -> Result<RecordBatch, DataFusionError> {
    let column = |array: &ArrayRef| -> ArrayRef {
        match array.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(moments) if matches!(array.data_type(), DataType::Timestamp(_, Some(_))) => {
                Arc::new(moments.clone().with_timezone(Arc::clone(label)))
            }
            _ => Arc::clone(array),
        }
    };
    let columns = batch.columns().iter().map(column).collect();
    // Columns have the names that the client is told elsewhere.
    let given = batch.schema();
    let fields = schema.fields().iter().zip(given.fields()).map(|(ours, theirs)| {
        Arc::new(ours.as_ref().clone().with_nullable(theirs.is_nullable() || ours.is_nullable()))
    });
    let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()));
    Ok(RecordBatch::try_new(schema, columns)?)
}
