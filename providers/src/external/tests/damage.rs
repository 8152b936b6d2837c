use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::catalog::Session;
use datafusion::prelude::SessionContext;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::parquet_bytes;
use crate::external::{ExternalFormat, ExternalScan, open};

const ROWS: i64 = 500;

fn sound() -> Vec<u8> {
    let texts = (0..ROWS).map(|n| if n % 7 == 0 { None } else { Some(format!("text {}", n % 40)) });
    let batch = RecordBatch::try_from_iter(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef),
        ("v", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|n| n as f64 / 3.0))) as ArrayRef),
        ("s", Arc::new(StringArray::from_iter(texts)) as ArrayRef),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_bloom_filter_enabled(true)
        .set_data_page_row_count_limit(100)
        .build();
    parquet_bytes(&[batch], properties)
}

/// Rows of a table, or an error; a panic ends the test.
async fn read(context: &SessionContext, format: ExternalFormat, location: &Path) -> crate::Result<usize> {
    let state = context.state();
    let table = open(&state as &dyn Session, format, location.to_str().unwrap()).await?;
    let schema = table.schema();
    let scan = ExternalScan { state: &state, schema, projection: None, filters: &[], limit: None };
    let plan = table.scan(scan).await?;
    let rows = datafusion::physical_plan::collect(plan, context.task_ctx()).await?;
    Ok(rows.iter().map(RecordBatch::num_rows).sum())
}

/// A simple generator: the same bytes are damaged in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

#[tokio::test]
async fn damaged_parquet_files_are_refused_by_name_and_nothing_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.parquet");
    let context = SessionContext::new();
    let sound = sound();
    std::fs::write(&path, &sound).unwrap();
    assert_eq!(read(&context, ExternalFormat::Parquet, &path).await.unwrap(), ROWS as usize);

    let end = sound.len();
    let mut huge_footer = sound.clone();
    huge_footer[end - 8..end - 4].copy_from_slice(&[0xff; 4]);
    let mut encrypted = sound.clone();
    encrypted[end - 4..].copy_from_slice(b"PARE");
    let mut named = vec![b"PAR1PAR1".to_vec(), b"PAR1\0\0\0\0PAR1".to_vec(), Vec::new(), b"PAR1".to_vec()];
    named.extend([huge_footer, encrypted, sound[..end - 1].to_vec(), sound[..end / 2].to_vec(), sound[1..].to_vec()]);
    for (number, bytes) in named.into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        let error = read(&context, ExternalFormat::Parquet, &path).await.map(|_| number).unwrap_err().to_string();
        assert!(error.contains("some.parquet"), "{number}: {error}");
    }

    // A flipped bit is an error or unnoticed: pages of this writer have no checksums.
    let mut draw = Draw(2026);
    let mut refused = 0;
    for number in 0..600 {
        let mut bytes = sound.clone();
        // Half of them in the footer, of which each byte means something.
        let place = if number % 2 == 0 { draw.below(end) } else { end - 1 - draw.below(900.min(end)) };
        bytes[place] ^= 1 << draw.below(8);
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = read(&context, ExternalFormat::Parquet, &path).await {
            refused += 1;
            let error = error.to_string();
            assert!(!error.contains("panicked") && !error.contains("Join"), "byte {place}: {error}");
        }
    }
    assert!(refused > 100, "{refused}");
}

fn delta_table(folder: &Path) -> std::path::PathBuf {
    std::fs::create_dir_all(folder.join("_delta_log")).unwrap();
    let data = sound();
    std::fs::write(folder.join("a.parquet"), &data).unwrap();
    let schema = serde_json::json!({"type": "struct", "fields": [
        {"name": "id", "type": "long", "nullable": true, "metadata": {}},
        {"name": "v", "type": "double", "nullable": true, "metadata": {}},
        {"name": "s", "type": "string", "nullable": true, "metadata": {}},
    ]});
    let lines = [
        serde_json::json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        serde_json::json!({"metaData": {"id": "6c9d", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema.to_string(), "partitionColumns": [], "configuration": {}, "createdTime": 1}}),
        serde_json::json!({"add": {"path": "a.parquet", "partitionValues": {}, "size": data.len(),
            "modificationTime": 1, "dataChange": true, "stats": format!("{{\"numRecords\":{ROWS}}}")}}),
    ];
    let log = folder.join("_delta_log/00000000000000000000.json");
    std::fs::write(&log, lines.map(|line| line.to_string()).join("\n")).unwrap();
    log
}

#[tokio::test]
async fn damaged_delta_logs_are_errors_and_nothing_panics() {
    let folder = tempfile::tempdir().unwrap();
    let log = delta_table(folder.path());
    let context = SessionContext::new();
    assert_eq!(read(&context, ExternalFormat::Delta, folder.path()).await.unwrap(), ROWS as usize);
    let sound = std::fs::read(&log).unwrap();
    let mut draw = Draw(7);
    let mut refused = 0;
    for number in 0..120 {
        let mut bytes = sound.clone();
        if number % 3 == 0 {
            bytes.truncate(draw.below(sound.len()));
        } else {
            let place = draw.below(bytes.len());
            bytes[place] ^= 1 << draw.below(8);
        }
        std::fs::write(&log, &bytes).unwrap();
        match read(&context, ExternalFormat::Delta, folder.path()).await {
            // All of the rows, or none where the log's line for the file is gone as a whole.
            Ok(rows) => assert!(rows == ROWS as usize || rows == 0, "{rows}: {}", String::from_utf8_lossy(&bytes)),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 20, "{refused}");
}
