//! How each column of a file is encoded, chosen from its type and from what its values look like.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema};
use arrow::row::{RowConverter, SortField};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;
use zxq_catalog::TableDef;

use crate::error::Result;

/// Rows looked at in one place. Row groups hold neighbours (rows are sorted), so neighbours are what counts.
const WINDOW_ROWS: usize = 8_192;
/// Places looked at.
const WINDOWS: usize = 4;
/// A dictionary pays while at most this share of neighbouring values differ.
const DICTIONARY_SHARE: f64 = 0.5;
/// With fewer distinct values than this, most row groups hold each of them and a bloom filter excludes none.
const BLOOM_MIN_DISTINCT: usize = 64;
/// Rows per data page: what the page index can skip.
const PAGE_ROWS: usize = 20_000;
/// Share of absent values that a bloom filter lets through.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// What the sampled values of a column look like.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Variety {
    /// Distinct values among all sampled rows.
    distinct: usize,
    /// Distinct values in one window over the rows of the window, averaged.
    share: f64,
}

/// The properties a file of these rows is written with. `schema` is the file's: `batches` have it.
pub(crate) fn writer_properties(
    table: &TableDef,
    schema: &Schema,
    batches: &[RecordBatch],
    compression: Compression,
    row_group_rows: usize,
) -> Result<WriterProperties> {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("zxq ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(compression)
        .set_max_row_group_row_count(Some(row_group_rows.max(1)))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(None)
        .set_sorting_columns(sorting_columns(table, schema));
    for (index, field) in schema.fields().iter().enumerate() {
        let variety = variety(batches, index)?;
        let path = ColumnPath::new(vec![field.name().clone()]);
        builder = encode(builder, &path, field.data_type(), variety);
        if batches.iter().any(|batch| batch.columns().get(index).is_some_and(has_nan)) {
            builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        if table.lookup.contains(field.name()) && variety.distinct >= BLOOM_MIN_DISTINCT {
            let distinct = (variety.share * row_group_rows as f64).max(variety.distinct as f64) as u64;
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_ndv(path, distinct);
        }
    }
    Ok(builder.build())
}

/// Parquet's bounds leave NaN out, but SQL sorts it above every number: bounds beside a NaN would prune rows that match.
fn has_nan(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().flatten().any(f32::is_nan),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().any(f64::is_nan),
        _ => false,
    }
}

/// Few distinct values: a dictionary, which both readers decode fastest. Many: integers and times as differences, which
/// are small in sorted rows; the rest plain, left to the compressor.
fn encode(
    builder: WriterPropertiesBuilder,
    path: &ColumnPath,
    data_type: &DataType,
    variety: Variety,
) -> WriterPropertiesBuilder {
    if variety.share <= DICTIONARY_SHARE && data_type != &DataType::Boolean {
        return builder;
    }
    let builder = builder.set_column_dictionary_enabled(path.clone(), false);
    let encoding = match data_type {
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Timestamp(_, _) => {
            Encoding::DELTA_BINARY_PACKED
        }
        _ => return builder,
    };
    builder.set_column_encoding(path.clone(), encoding)
}

/// The table's sort key, as far as files hold it: folder columns are constant, so leaving them out keeps the order true.
fn sorting_columns(table: &TableDef, schema: &Schema) -> Option<Vec<SortingColumn>> {
    let columns: Vec<SortingColumn> = table
        .sort_by
        .iter()
        .filter_map(|name| schema.index_of(name).ok())
        .filter_map(|index| i32::try_from(index).ok())
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true })
        .collect();
    (!columns.is_empty()).then_some(columns)
}

/// Looks at a few windows of neighbouring rows.
fn variety(batches: &[RecordBatch], column: usize) -> Result<Variety> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut seen: HashSet<Box<[u8]>> = HashSet::new();
    let (mut sampled, mut distinct_in_windows) = (0_usize, 0_usize);
    for window in windows(batches, column, rows) {
        let converter = RowConverter::new(vec![SortField::new(window.data_type().clone())])?;
        let encoded = converter.convert_columns(&[window])?;
        let distinct: HashSet<&[u8]> = encoded.iter().map(|row| row.data()).collect();
        sampled += encoded.num_rows();
        distinct_in_windows += distinct.len();
        seen.extend(distinct.into_iter().map(Box::from));
    }
    let share = if sampled == 0 { 0.0 } else { distinct_in_windows as f64 / sampled as f64 };
    Ok(Variety { distinct: seen.len(), share })
}

/// Up to [`WINDOWS`] runs of up to [`WINDOW_ROWS`] rows, spread over all rows; a run ends with its batch.
fn windows(batches: &[RecordBatch], column: usize, rows: usize) -> Vec<ArrayRef> {
    let mut found = Vec::with_capacity(WINDOWS);
    let step = (rows / WINDOWS).max(WINDOW_ROWS);
    let (mut next, mut start) = (0_usize, 0_usize);
    for batch in batches {
        let end = start + batch.num_rows();
        while next < end && found.len() < WINDOWS {
            let offset = next.max(start) - start;
            found.push(batch.column(column).slice(offset, WINDOW_ROWS.min(batch.num_rows() - offset)));
            next += step;
        }
        start = end;
    }
    found
}
