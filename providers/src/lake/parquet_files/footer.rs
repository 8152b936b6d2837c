//! Reads the footer of a Parquet file, and believes nothing in it before it is compared with the file's size: what points
//! outside the file would make the readers below panic, or ask for memory without end.

use std::ops::Range;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use crate::guard::{self, Panicked};

/// Bytes at the end of a file that the first read fetches: footer and page index of most files.
const TAIL_BYTES: u64 = 64 * 1024;
/// The magic number at the start of a file.
const HEAD_BYTES: u64 = 4;
/// The footer's length and the magic number at the end of a file.
const END_BYTES: u64 = 8;

fn damaged(why: impl Into<String>) -> ParquetError {
    ParquetError::General(why.into())
}

fn panicked(_: Panicked) -> ParquetError {
    damaged("its footer cannot be decoded")
}

/// The footer with the page index, where the file has one.
pub(crate) async fn load(mut file: impl MetadataFetch, size: u64) -> Result<ParquetMetaData> {
    if size < HEAD_BYTES + END_BYTES {
        return Err(damaged(format!("a file of {size} bytes is no Parquet file")));
    }
    let tail_start = size.saturating_sub(TAIL_BYTES);
    let tail = exactly(&mut file, tail_start..size).await?;
    let (before, end) = tail.split_at(tail.len().saturating_sub(END_BYTES as usize));
    let length = match end {
        [a, b, c, d, b'P', b'A', b'R', b'1'] => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        [.., b'P', b'A', b'R', b'E'] => return Err(damaged("its footer is encrypted, which cannot be read")),
        _ => return Err(damaged("it does not end as Parquet files do")),
    };
    let end_start = size - END_BYTES;
    if length == 0 || length > end_start - HEAD_BYTES {
        return Err(damaged(format!("its footer says it is {length} bytes long, the file has {size}")));
    }
    let footer = match usize::try_from(length).ok().and_then(|length| before.len().checked_sub(length)) {
        Some(start) => tail.slice(start..before.len()),
        None => exactly(&mut file, end_start - length..end_start).await?,
    };
    let metadata = guard::call(|| ParquetMetaDataReader::decode_metadata(&footer)).map_err(panicked)??;
    guard::call(|| check(&metadata, size)).map_err(panicked)??;
    let mut reader =
        ParquetMetaDataReader::new_with_metadata(metadata).with_page_index_policy(PageIndexPolicy::Optional);
    let known = WithTail { file, tail, tail_start };
    guard::future(reader.load_page_index(known)).await.map_err(panicked)??;
    let metadata = guard::call(|| reader.finish()).map_err(panicked)??;
    guard::call(|| with_usable_index(metadata, size)).map_err(panicked)?
}

async fn exactly(file: &mut impl MetadataFetch, range: Range<u64>) -> Result<Bytes> {
    let length = range.end - range.start;
    let bytes = file.fetch(range).await?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(damaged("it is shorter than it was listed as")) }
}

/// A file of which the end is known already.
struct WithTail<F> {
    file: F,
    tail: Bytes,
    tail_start: u64,
}

impl<F: MetadataFetch> MetadataFetch for WithTail<F> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let known = range.start.checked_sub(self.tail_start).and_then(|start| {
            let start = usize::try_from(start).ok()?;
            let end = start.checked_add(usize::try_from(range.end.checked_sub(range.start)?).ok()?)?;
            (end <= self.tail.len()).then(|| self.tail.slice(start..end))
        });
        match known {
            Some(bytes) => async move { Ok(bytes) }.boxed(),
            None => self.file.fetch(range),
        }
    }
}

/// Everything that the footer points to must lie in the file.
fn check(metadata: &ParquetMetaData, size: u64) -> Result<()> {
    let inside = |what: &str, start: i64, length: i64| {
        let end = u64::try_from(start).ok().zip(u64::try_from(length).ok()).and_then(|(s, l)| s.checked_add(l));
        match end {
            Some(end) if end <= size => Ok(()),
            _ => Err(damaged(format!("its footer places {what} outside the file"))),
        }
    };
    if metadata.file_metadata().num_rows() < 0 {
        return Err(damaged("its footer counts fewer than no rows"));
    }
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return Err(damaged("its footer counts fewer than no rows"));
        }
        for column in group.columns() {
            let name = column.column_path().string();
            if column.file_path().is_some_and(|path| !path.is_empty()) {
                return Err(damaged(format!("its column \"{name}\" lies in another file")));
            }
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            inside(&format!("column \"{name}\""), start, column.compressed_size())?;
            inside(&format!("column \"{name}\""), column.data_page_offset(), 0)?;
            if column.num_values() < 0 {
                return Err(damaged(format!("its footer counts fewer than no values of column \"{name}\"")));
            }
            let parts = [
                ("page index", column.column_index_offset(), column.column_index_length()),
                ("page index", column.offset_index_offset(), column.offset_index_length()),
                ("bloom filter", column.bloom_filter_offset(), column.bloom_filter_length()),
            ];
            for (what, offset, length) in parts {
                if let Some(offset) = offset {
                    inside(&format!("the {what} of column \"{name}\""), offset, length.unwrap_or(0).into())?;
                }
            }
        }
    }
    Ok(())
}

/// The metadata without a page index that contradicts itself: it only saves work.
fn with_usable_index(metadata: ParquetMetaData, size: u64) -> Result<ParquetMetaData> {
    let usable = match (metadata.column_index(), metadata.offset_index()) {
        (Some(columns), Some(offsets)) => metadata.row_groups().iter().enumerate().all(|(number, group)| {
            let (Some(columns), Some(offsets)) = (columns.get(number), offsets.get(number)) else { return false };
            if columns.len() != group.num_columns() || offsets.len() != group.num_columns() {
                return false;
            }
            columns.iter().zip(offsets).all(|(column, offset)| {
                let pages = offset.page_locations();
                let counted = matches!(column, ColumnIndexMetaData::NONE) || column.num_pages() == pages.len() as u64;
                let first_is_first = pages.first().is_none_or(|page| page.first_row_index == 0);
                let in_order = pages.windows(2).all(|two| two[0].first_row_index <= two[1].first_row_index);
                let in_file = pages.iter().all(|page| {
                    let end = page.offset.checked_add(page.compressed_page_size.into());
                    page.offset >= 0
                        && page.compressed_page_size >= 0
                        && page.first_row_index <= group.num_rows()
                        && end.and_then(|end| u64::try_from(end).ok()).is_some_and(|end| end <= size)
                });
                counted && first_is_first && in_order && in_file
            })
        }),
        (None, None) => return Ok(metadata),
        // One half is of no use without the other.
        _ => false,
    };
    if usable {
        return Ok(metadata);
    }
    let mut builder = metadata.into_builder().set_column_index(None).set_offset_index(None);
    let mut groups = builder.take_row_groups();
    for column in groups.iter_mut().flat_map(|group| group.columns_mut()) {
        // Else whoever misses the index would read it.
        *column = column
            .clone()
            .into_builder()
            .set_column_index_offset(None)
            .set_column_index_length(None)
            .set_offset_index_offset(None)
            .set_offset_index_length(None)
            .build()?;
    }
    Ok(builder.set_row_groups(groups).build())
}
