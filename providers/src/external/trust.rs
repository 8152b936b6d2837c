//! Which statistics of a Parquet file may decide that rows need not be read.
//!
//! Writers have put many things there. What the format's own rules do not vouch for is taken out of the footer before the
//! scan sees it, so that it prunes by the rest only:
//! * bounds of floats leave NaN out, which SQL orders above all numbers: only lower bounds are kept, and -0.0 is 0.0;
//! * the oldest form of bounds, and any form in files that do not say how they order their columns, compares as signed numbers
//!   whatever the type is: kept for signed integers and booleans;
//! * bounds that contradict themselves, or of types without an order;
//! * statistics that do not count NULLs, which the scan takes for none;
//! * bloom filters of decimals, for which the scan computes other hashes than writers do, and of floats, where -0.0 = 0.0.

use parquet::basic::{ColumnOrder, LogicalType, SortOrder, Type};
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;

/// What of a column's bounds holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Both,
    Lower,
    Neither,
}

/// The footer with only what can be trusted. Where columns go by numbers, Arrow's own schema is taken out as well: Parquet's
/// types say all then, and have the numbers.
pub(super) fn trusted(metadata: ParquetMetaData, by_number: bool) -> Result<ParquetMetaData> {
    let file = metadata.file_metadata();
    let schema = file.schema_descr_ptr();
    let is_ordered = |place: usize| match file.column_orders() {
        Some(orders) => matches!(orders.get(place), Some(ColumnOrder::TYPE_DEFINED_ORDER(_))),
        None => false,
    };
    let trust: Vec<Trust> = schema.columns().iter().enumerate().map(|(i, c)| bounds_of(c, is_ordered(i))).collect();
    let file = if by_number { without_arrow_schema(file) } else { file.clone() };
    let mut old = metadata.into_builder();
    let (mut groups, mut column_index, offset_index) =
        (old.take_row_groups(), old.take_column_index(), old.take_offset_index());
    for (number, group) in groups.iter_mut().enumerate() {
        for (place, column) in group.columns_mut().iter_mut().enumerate() {
            let trust = trust.get(place).copied().unwrap_or(Trust::Neither);
            if let Some(trusted) = trusted_chunk(column, trust)? {
                *column = trusted;
            }
            let index = column_index.as_mut().and_then(|index| index.get_mut(number)?.get_mut(place));
            if let Some(index) = index {
                let counts_nulls = index.null_counts().is_some() || column.column_descr().max_def_level() == 0;
                if trust != Trust::Both || !counts_nulls {
                    *index = ColumnIndexMetaData::NONE;
                }
            }
        }
    }
    let builder = ParquetMetaDataBuilder::new(file).set_row_groups(groups);
    Ok(builder.set_column_index(column_index).set_offset_index(offset_index).build())
}

fn without_arrow_schema(file: &FileMetaData) -> FileMetaData {
    let kept = file.key_value_metadata().map(|pairs| {
        pairs.iter().filter(|pair| pair.key != parquet::arrow::ARROW_SCHEMA_META_KEY).cloned().collect::<Vec<_>>()
    });
    FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        kept,
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    )
}

fn bounds_of(column: &ColumnDescriptor, is_ordered: bool) -> Trust {
    let is_half = matches!(column.logical_type_ref(), Some(LogicalType::Float16));
    match column.physical_type() {
        Type::FLOAT | Type::DOUBLE if is_ordered => Trust::Lower,
        Type::FLOAT | Type::DOUBLE | Type::INT96 => Trust::Neither,
        _ if is_half || column.sort_order() == SortOrder::UNDEFINED => Trust::Neither,
        Type::BOOLEAN => Trust::Both,
        Type::INT32 | Type::INT64 if column.sort_order() == SortOrder::SIGNED => Trust::Both,
        _ if is_ordered => Trust::Both,
        _ => Trust::Neither,
    }
}

fn is_decimal(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. }))
        || column.converted_type() == parquet::basic::ConvertedType::DECIMAL
}

/// The column's part of a row group, where it has to be another.
fn trusted_chunk(column: &ColumnChunkMetaData, trust: Trust) -> Result<Option<ColumnChunkMetaData>> {
    let descriptor = column.column_descr();
    let is_float = matches!(descriptor.physical_type(), Type::FLOAT | Type::DOUBLE);
    let bloom_misleads = column.bloom_filter_offset().is_some() && (is_float || is_decimal(descriptor));
    let statistics = column.statistics().map(|statistics| {
        let counts_nulls = statistics.null_count_opt().is_some() || descriptor.max_def_level() == 0;
        let is_old_form = statistics.is_min_max_deprecated()
            && !(descriptor.sort_order() == SortOrder::SIGNED
                && matches!(descriptor.physical_type(), Type::INT32 | Type::INT64 | Type::BOOLEAN));
        let trust = if is_old_form || contradicts_itself(statistics, descriptor) { Trust::Neither } else { trust };
        match (counts_nulls, trust) {
            (false, _) => Kept::Nothing,
            (true, Trust::Both) => Kept::All,
            (true, trust) => Kept::Part(limited(statistics, trust)),
        }
    });
    let is_fine = matches!(statistics, None | Some(Kept::All));
    if is_fine && !bloom_misleads {
        return Ok(None);
    }
    let mut builder = column.clone().into_builder();
    match statistics {
        None | Some(Kept::All) => {}
        Some(Kept::Nothing) => builder = builder.clear_statistics(),
        Some(Kept::Part(statistics)) => builder = builder.set_statistics(statistics),
    }
    if bloom_misleads {
        builder = builder.set_bloom_filter_offset(None).set_bloom_filter_length(None);
    }
    builder.build().map(Some)
}

enum Kept {
    All,
    Part(Statistics),
    Nothing,
}

fn contradicts_itself(statistics: &Statistics, column: &ColumnDescriptor) -> bool {
    fn above<T: PartialOrd>(min: Option<T>, max: Option<T>) -> bool {
        matches!((min, max), (Some(min), Some(max)) if min > max)
    }
    let is_signed = column.sort_order() == SortOrder::SIGNED;
    match statistics {
        Statistics::Boolean(values) => above(values.min_opt(), values.max_opt()),
        Statistics::Int32(values) if is_signed => above(values.min_opt(), values.max_opt()),
        Statistics::Int64(values) if is_signed => above(values.min_opt(), values.max_opt()),
        Statistics::ByteArray(_) | Statistics::FixedLenByteArray(_) if !is_signed => {
            above(statistics.min_bytes_opt(), statistics.max_bytes_opt())
        }
        _ => false,
    }
}

/// The counts, and of the bounds what holds.
fn limited(statistics: &Statistics, trust: Trust) -> Statistics {
    let (distinct, nulls) = (statistics.distinct_count_opt(), statistics.null_count_opt());
    let lower = trust == Trust::Lower;
    match statistics {
        Statistics::Float(values) => {
            let min = values.min_opt().copied().filter(|min| lower && !min.is_nan());
            Statistics::float(min.map(|min| if min == 0.0 { -0.0 } else { min }), None, distinct, nulls, false)
        }
        Statistics::Double(values) => {
            let min = values.min_opt().copied().filter(|min| lower && !min.is_nan());
            Statistics::double(min.map(|min| if min == 0.0 { -0.0 } else { min }), None, distinct, nulls, false)
        }
        Statistics::Boolean(_) => Statistics::boolean(None, None, distinct, nulls, false),
        Statistics::Int32(_) => Statistics::int32(None, None, distinct, nulls, false),
        Statistics::Int64(_) => Statistics::int64(None, None, distinct, nulls, false),
        Statistics::Int96(_) => Statistics::int96(None, None, distinct, nulls, false),
        Statistics::ByteArray(_) => Statistics::byte_array(None, None, distinct, nulls, false),
        Statistics::FixedLenByteArray(_) => Statistics::fixed_len_byte_array(None, None, distinct, nulls, false),
    }
}
