//! Bytes of files and streams: opened, counted, decompressed.

use std::fs::{File, OpenOptions};
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{EngineError, ErrorKind, Result};
use crate::load::FileFormat;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";
/// Bytes looked at to tell a format.
const PEEK_BYTES: usize = 4096;

/// Decompressed text, and how much of its source has been read.
pub(super) struct TextSource {
    pub(super) reader: Box<dyn Read + Send>,
    pub(super) bytes_read: Arc<AtomicU64>,
    pub(super) bytes_total: Option<u64>,
}

/// Opens a file for reading.
pub(super) fn open(path: &Path) -> Result<File> {
    let name = path.display();
    let file = File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            EngineError::new(ErrorKind::FileNotFound, format!("file {name} does not exist")).with_source(e)
        }
        _ => EngineError::new(ErrorKind::FileNotFound, format!("cannot open file {name}: {e}")).with_source(e),
    })?;
    let is_folder = file.metadata().map_err(|e| EngineError::io(format!("cannot read {name}"), e))?.is_dir();
    if is_folder {
        return Err(EngineError::new(
            ErrorKind::FileNotFound,
            format!("{name} is a folder: name the files in it, for example {name}/*.parquet"),
        ));
    }
    Ok(file)
}

/// The format of a file, from its name where that tells, else from its first bytes.
pub(super) fn format_of_file(path: &Path, file: &File) -> Result<FileFormat> {
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let stem = [".gz", ".gzip", ".zst", ".zstd"].iter().find_map(|ext| name.strip_suffix(ext)).unwrap_or(&name);
    match stem.rsplit_once('.').map(|(_, extension)| extension) {
        Some("parquet" | "pq" | "parq") => return Ok(FileFormat::Parquet),
        Some("csv") => return Ok(FileFormat::Csv),
        Some("tsv" | "tab") => return Ok(FileFormat::Tsv),
        Some(other @ ("json" | "ndjson" | "jsonl" | "arrow" | "feather" | "avro" | "orc" | "xlsx" | "xls" | "dbn")) => {
            return Err(EngineError::new(
                ErrorKind::FeatureNotSupported,
                format!("{}: .{other} files are not supported: convert it to Parquet or CSV", path.display()),
            ));
        }
        _ => {}
    }
    let mut first = Vec::with_capacity(PEEK_BYTES);
    let mut rewound = file;
    Read::take(&mut rewound, PEEK_BYTES as u64)
        .read_to_end(&mut first)
        .and_then(|_| rewound.seek(SeekFrom::Start(0)))
        .map_err(|e| EngineError::io(format!("cannot read {}", path.display()), e))?;
    Ok(format_of_bytes(&first))
}

/// The format that first bytes look like.
pub(super) fn format_of_bytes(first: &[u8]) -> FileFormat {
    if first.starts_with(PARQUET_MAGIC) {
        return FileFormat::Parquet;
    }
    let header = first.split(|b| *b == b'\n').next().unwrap_or_default();
    if header.contains(&b'\t') && !header.contains(&b',') && !is_compressed(first) {
        FileFormat::Tsv
    } else {
        FileFormat::Csv
    }
}

fn is_compressed(first: &[u8]) -> bool {
    first.starts_with(&GZIP_MAGIC) || first.starts_with(&ZSTD_MAGIC)
}

/// First bytes of a stream, and the stream from its start.
pub(super) fn peek(mut reader: Box<dyn Read + Send>, name: &str) -> Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut first = Vec::with_capacity(PEEK_BYTES);
    Read::take(&mut reader, PEEK_BYTES as u64)
        .read_to_end(&mut first)
        .map_err(|e| EngineError::io(format!("cannot read {name}"), e))?;
    Ok((first.clone(), Box::new(Cursor::new(first).chain(reader))))
}

/// A stream copied to a temporary file that goes away by itself.
pub(super) fn spool(mut reader: Box<dyn Read + Send>, name: &str) -> Result<File> {
    let path = std::env::temp_dir().join(format!("zxq-load-{}", uuid::Uuid::new_v4().simple()));
    let doing = || format!("cannot copy {name} to {}", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|e| EngineError::io(doing(), e))?;
    // Unlinked at once: the space is given back when the file is closed, however the process ends.
    std::fs::remove_file(&path).map_err(|e| EngineError::io(doing(), e))?;
    std::io::copy(&mut reader, &mut file).map_err(|e| EngineError::io(doing(), e))?;
    file.seek(SeekFrom::Start(0)).map_err(|e| EngineError::io(doing(), e))?;
    Ok(file)
}

/// A text file, decompressed if its first bytes say so.
pub(super) fn text_file(mut file: File, name: &str) -> Result<TextSource> {
    let failed = |e| EngineError::io(format!("cannot read {name}"), e);
    let bytes_total = Some(file.metadata().map_err(failed)?.len());
    let mut first = Vec::with_capacity(4);
    Read::take(&mut file, 4).read_to_end(&mut first).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(TextSource { bytes_total, ..text_stream(&first, Box::new(file), name)? })
}

/// A text stream, decompressed if its first bytes say so.
pub(super) fn text_stream(first: &[u8], reader: Box<dyn Read + Send>, name: &str) -> Result<TextSource> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let counted = Counted { reader, bytes: Arc::clone(&bytes_read) };
    let reader: Box<dyn Read + Send> = if first.starts_with(&GZIP_MAGIC) {
        Box::new(flate2::read::MultiGzDecoder::new(std::io::BufReader::with_capacity(256 * 1024, counted)))
    } else if first.starts_with(&ZSTD_MAGIC) {
        Box::new(
            zstd::stream::read::Decoder::new(counted).map_err(|e| EngineError::io(format!("cannot read {name}"), e))?,
        )
    } else {
        Box::new(counted)
    };
    Ok(TextSource { reader, bytes_read, bytes_total: None })
}

struct Counted<R> {
    reader: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
