#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, StringArray, StringDictionaryBuilder, TimestampNanosecondArray,
};
use arrow::datatypes::{Decimal128Type, Int8Type, Int32Type, Int64Type, TimestampMicrosecondType};
use datafusion::execution::context::SessionContext;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::config::clock::SystemClock;
use crate::error::{EngineError, ErrorKind};
use crate::sql::{create_table, parse, table_from_schema};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("zxq-load-test-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn trades() -> Arc<TableDef> {
    let sql = "CREATE TABLE trades (ts TIMESTAMPTZ NOT NULL, symbol VARCHAR(8) NOT NULL, price DECIMAL(20,8) NOT NULL,
         size BIGINT, side CHAR(1) DEFAULT 'N', notional DECIMAL(38,8) GENERATED ALWAYS AS (price * size) STORED,
         trade_date DATE NOT NULL, asset_class TEXT NOT NULL DEFAULT 'FX', CHECK (price > 0))";
    match parse(sql).unwrap()[0].ast() {
        Some(Ast::CreateTable(create)) => Arc::new(create_table(create).unwrap()),
        other => panic!("not a CREATE TABLE: {other:?}"),
    }
}

fn checker(def: &Arc<TableDef>) -> RowChecker {
    RowChecker::new(Arc::clone(def), &SessionContext::new().state(), Arc::new(SystemClock)).unwrap()
}

fn quarantine() -> ReadOptions {
    ReadOptions { on_error: OnError::Quarantine, ..ReadOptions::default() }
}

/// All rows and rejects of a file.
fn load(path: &Path, def: &Arc<TableDef>, options: &ReadOptions) -> Result<(Vec<RecordBatch>, Vec<RejectedRow>)> {
    drain(open_file(path, Some(def), options)?, def, options.on_error)
}

fn drain(
    mut reader: Box<dyn RowReader>,
    def: &Arc<TableDef>,
    on_error: OnError,
) -> Result<(Vec<RecordBatch>, Vec<RejectedRow>)> {
    let checker = checker(def);
    let (mut rows, mut rejected) = (Vec::new(), Vec::new());
    while let Some(checked) = next_checked(reader.as_mut(), &checker, on_error)? {
        rows.push(checked.rows);
        rejected.extend(checked.rejected);
    }
    Ok((rows, rejected))
}

fn failure<T>(result: Result<T>) -> EngineError {
    result.err().expect("an error")
}

const CSV: &str = "TS,symbol,Price,size,notional\n\
    2024-01-02T10:00:00Z,AAPL,185.25,100,junk that is not read\n\
    2024-01-02T10:00:01.5Z,\"MSFT\",370.123456789,,\n";

#[test]
fn csv_columns_are_matched_cast_and_completed() {
    let folder = Folder::new();
    let def = trades();
    let (rows, rejected) = load(&folder.file("t.csv", CSV.as_bytes()), &def, &ReadOptions::default()).unwrap();
    assert!(rejected.is_empty());
    assert_eq!((rows.len(), rows[0].num_rows(), rows[0].schema()), (1, 2, def.schema()));
    assert_eq!(rows[0].column(2).as_primitive::<Decimal128Type>().values().as_ref(), [18_525_000_000, 37_012_345_679]);
    assert!(rows[0].column(3).is_null(1));
    assert_eq!(
        rows[0].column_by_name("notional").unwrap().as_primitive::<Decimal128Type>().value(0),
        1_852_500_000_000
    );
    assert_eq!(rows[0].column_by_name("asset_class").unwrap().as_string_view().value(0), "FX");
}

#[test]
fn compressed_files_tabs_and_streams_are_told_by_name_or_content() {
    let folder = Folder::new();
    let def = trades();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(CSV.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(CSV.as_bytes(), 1).unwrap();
    let tabs = CSV.replace(',', "\t");
    for (name, bytes) in [
        ("t.csv.gz", gzip.as_slice()),
        ("t.csv.zst", zstd.as_slice()),
        ("t.tsv", tabs.as_bytes()),
        ("no-extension", tabs.as_bytes()),
        ("t.txt", CSV.as_bytes()),
    ] {
        let path = folder.file(name, bytes);
        let mut reader = open_file(&path, Some(&def), &ReadOptions::default()).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().num_rows(), 2, "{name}");
        assert_eq!(
            (reader.bytes_read(), reader.bytes_total()),
            (bytes.len() as u64, Some(bytes.len() as u64)),
            "{name}"
        );
        let stream = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let reader = open_stream(
            "stdin",
            stream,
            Some(&def),
            &ReadOptions { format: (name == "t.tsv").then_some(FileFormat::Tsv), ..ReadOptions::default() },
        )
        .unwrap();
        assert_eq!(drain(reader, &def, OnError::Reject).unwrap().0[0].num_rows(), 2, "{name}");
    }
    let cut = folder.file("cut.csv.gz", &gzip[..gzip.len() / 2]);
    let error = failure(load(&cut, &def, &ReadOptions::default()));
    assert!(error.kind() == ErrorKind::InvalidFile && error.to_string().contains("cut.csv.gz"), "{error}");
}

#[test]
fn bad_csv_rows_are_named_or_quarantined() {
    let folder = Folder::new();
    let def = trades();
    let csv = "ts,symbol,price,size\n\
        2024-01-02 10:00:00,A,1,1\n\
        2024-01-02 10:00:00,A,one,1\n\
        \n\
        2024-01-02 10:00:00,\"two\nlines\",1\n\
        2024-01-02 10:00:00,A,1,1,9\n\
        ,A,1,1\n\
        2024-01-02 10:00:00,A,-1,1\n\
        2024-01-02 10:00:00,Z,2,\n";
    let path = folder.file("bad.csv", csv.as_bytes());
    let error = failure(load(&path, &def, &ReadOptions::default()));
    assert_eq!(error.kind(), ErrorKind::InvalidFile);
    assert!(
        error
            .to_string()
            .ends_with("bad.csv line 5: 3 fields where the header has 4: missing data for column \"size\""),
        "{error}"
    );

    let (rows, rejected) = load(&path, &def, &quarantine()).unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    let found: Vec<(u64, &str)> = rejected.iter().map(|r| (r.row_number, r.reason.as_str())).collect();
    assert_eq!(
        found,
        [
            (3, "invalid input syntax for type DECIMAL(20,8): \"one\", column \"price\""),
            (5, "3 fields where the header has 4: missing data for column \"size\""),
            (7, "5 fields where the header has 4: extra data after the last column"),
            (8, "null value in column \"ts\" of relation \"trades\" violates not-null constraint"),
            (
                9,
                "new row for relation \"trades\" violates check constraint \"trades_price_check\": CHECK (price > 0), price = -1"
            ),
        ]
    );
    assert_eq!(rejected[1].row, "2024-01-02 10:00:00,\"two\nlines\",1");

    let value = "ts,symbol,price\n2024-01-02,A,1\n2024-01-02,A,1.x\n";
    let error = failure(load(&folder.file("value.csv", value.as_bytes()), &def, &ReadOptions::default()));
    assert!(
        error.to_string().contains("\"1.x\", column \"price\"") && error.to_string().contains("value.csv line 3)"),
        "{error}"
    );
}

#[test]
fn files_that_do_not_fit_the_table_are_refused() {
    use ErrorKind as K;
    let folder = Folder::new();
    let def = trades();
    for (name, csv, kind, part) in [
        (
            "a.csv",
            "ts,symbol,price,colour\n",
            K::UndefinedColumn,
            "column \"colour\" is not a column of table \"trades\"",
        ),
        ("b.csv", "ts,price\n", K::NotNullViolation, "column \"symbol\""),
        ("c.csv", "ts,symbol,price,TS\n", K::DuplicateColumn, "more than once"),
        ("d.csv", "ts,,price\n", K::InvalidFile, "column 2 of the header has no name"),
        ("e.json", "{}", K::FeatureNotSupported, "convert it"),
        ("f.parquet", "PAR1 but not really", K::InvalidFile, "f.parquet cannot be read as Parquet"),
        ("g.parquet", "", K::InvalidFile, "g.parquet"),
    ] {
        let error = failure(load(&folder.file(name, csv.as_bytes()), &def, &ReadOptions::default()));
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(part) && error.to_string().contains(name), "{name}: {error}");
    }
    let missing = failure(load(&folder.0.join("nope.csv"), &def, &ReadOptions::default()));
    assert!(missing.kind() == K::FileNotFound && missing.to_string().contains("nope.csv"), "{missing}");
    let a_folder = failure(load(&folder.0, &def, &ReadOptions::default()));
    assert!(a_folder.kind() == K::FileNotFound && a_folder.to_string().contains("is a folder"), "{a_folder}");
}

#[test]
fn empty_files_hold_no_rows() {
    let folder = Folder::new();
    let def = trades();
    for (name, text) in [("empty.csv", ""), ("header.csv", "ts,symbol,price\n"), ("blank.csv", "ts,symbol,price\n\n\n")]
    {
        let (rows, _) = load(&folder.file(name, text.as_bytes()), &def, &ReadOptions::default()).unwrap();
        assert!(rows.is_empty(), "{name}");
    }
}

#[test]
fn a_supplied_asset_class_becomes_a_column() {
    let folder = Folder::new();
    let def = trades();
    let options = ReadOptions { asset_class: Some("EQUITY".to_owned()), ..ReadOptions::default() };
    let path = folder.file("t.csv", CSV.as_bytes());
    let (rows, _) = load(&path, &def, &options).unwrap();
    assert_eq!(rows[0].column_by_name("asset_class").unwrap().as_string_view().value(1), "EQUITY");
    let schema = open_file(&path, None, &options).unwrap().schema();
    assert_eq!(schema.field(5).name(), "asset_class");
    let has_one = folder.file("own.csv", b"ts,symbol,price,asset_class\n");
    assert_eq!(failure(load(&has_one, &def, &options)).kind(), ErrorKind::InvalidParameter);
}

#[test]
fn a_table_can_be_made_for_a_csv_file_without_losing_its_first_rows() {
    let folder = Folder::new();
    let csv = "\u{feff}symbol,ts,price,qty,code\nA,2024-01-02T00:00:00Z,1.5,1,007\nB,2024-01-02T00:00:01Z,2,,010\n";
    let path = folder.file("new.csv", csv.as_bytes());
    let reader = open_file(&path, None, &ReadOptions::default()).unwrap();
    let def = Arc::new(table_from_schema("new", &reader.schema()).unwrap());
    let types: Vec<&str> = def.columns.iter().map(|c| c.sql_type.as_str()).collect();
    assert_eq!(types, ["TEXT", "TIMESTAMPTZ", "DECIMAL(20,8)", "BIGINT", "TEXT"]);
    let (rows, _) = drain(reader, &def, OnError::Reject).unwrap();
    assert_eq!(rows[0].num_rows(), 2);
    assert_eq!(rows[0].column(4).as_string_view().value(0), "007");
}

#[test]
fn records_may_straddle_reads_and_batches() {
    let folder = Folder::new();
    let mut csv = String::from("ts,symbol,price,size\n");
    let rows = BATCH_ROWS + 1_000;
    for i in 0..rows {
        csv.push_str(&format!("2024-01-02T00:00:00.{:06}Z,\"S\n{}\",{}.5,{i}\n", i % 1_000_000, i % 97, i + 1));
    }
    let def = trades();
    let (batches, _) = load(&folder.file("long.csv", csv.as_bytes()), &def, &ReadOptions::default()).unwrap();
    assert_eq!(batches.len(), 2);
    let sizes: Vec<i64> =
        batches.iter().flat_map(|b| b.column(3).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(sizes, (0..rows as i64).collect::<Vec<_>>());
    // Each record takes two lines after the header.
    let mut reader = open_file(&folder.0.join("long.csv"), Some(&def), &ReadOptions::default()).unwrap();
    reader.next().unwrap();
    reader.next().unwrap();
    assert_eq!((reader.number(0), reader.unit()), (2 + 2 * BATCH_ROWS as u64, "line"));
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn parquet_is_read_from_files_and_streams() {
    let folder = Folder::new();
    let def = trades();
    let mut symbols = StringDictionaryBuilder::<Int32Type>::new();
    symbols.extend([Some("A"), Some("B"), Some("A")]);
    let bytes = parquet(vec![
        ("Symbol", Arc::new(symbols.finish())),
        ("ts", Arc::new(TimestampNanosecondArray::from(vec![1_000, 2_999, 3_000]).with_timezone("+00:00"))),
        ("price", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("notional", Arc::new(Int64Array::from(vec![0, 0, 0]))),
    ]);
    let path = folder.file("t.parquet", &bytes);
    let (rows, _) = load(&path, &def, &ReadOptions::default()).unwrap();
    assert_eq!(rows[0].column(0).as_primitive::<TimestampMicrosecondType>().values().as_ref(), [1, 2, 3]);
    assert_eq!(rows[0].column(1).as_string_view().value(2), "A");
    let reader =
        open_stream("stdin", Box::new(std::io::Cursor::new(bytes.clone())), Some(&def), &ReadOptions::default());
    assert_eq!(drain(reader.unwrap(), &def, OnError::Reject).unwrap().0[0].num_rows(), 3);

    let made = open_file(&path, None, &ReadOptions::default()).unwrap();
    assert_eq!(made.schema().field(1).data_type(), &crate::sql::types::timestamptz());
    assert_eq!(made.bytes_total(), Some(bytes.len() as u64));

    let cut = folder.file("cut.parquet", &bytes[..bytes.len() - 20]);
    let error = failure(load(&cut, &def, &ReadOptions::default()));
    assert!(error.kind() == ErrorKind::InvalidFile && error.to_string().contains("cut.parquet"), "{error}");
}

#[test]
fn parquet_columns_of_unfit_types_are_refused() {
    let folder = Folder::new();
    let def = trades();
    let ts: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    let symbol: ArrayRef = Arc::new(StringArray::from(vec!["A"]));
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int8Type, _, _>(vec![Some(vec![Some(1)])]));
    let flag: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true]));
    for (name, price) in [("list.parquet", list), ("flag.parquet", flag)] {
        let bytes = parquet(vec![("ts", Arc::clone(&ts)), ("symbol", Arc::clone(&symbol)), ("price", price)]);
        let error = failure(load(&folder.file(name, &bytes), &def, &ReadOptions::default()));
        assert_eq!(error.kind(), ErrorKind::DatatypeMismatch, "{error}");
        assert!(error.to_string().contains(name) && error.to_string().contains("column \"price\""), "{error}");
    }
    let bytes = parquet(vec![("ts", ts), ("symbol", symbol), ("price", Arc::new(Int64Array::from(vec![-5])))]);
    let error = failure(load(&folder.file("bad.parquet", &bytes), &def, &ReadOptions::default()));
    assert!(error.to_string().ends_with("bad.parquet row 1)"), "{error}");
}

#[test]
fn csv_and_parquet_make_the_same_table() {
    let folder = Folder::new();
    let csv = "ts,day,symbol,price,qty,epoch,ok\n\
               2024-01-02T00:00:00.5Z,2024-01-02,A,1.5,3,1704153600500000000,true\n";
    let csv = folder.file("t.csv", csv.as_bytes());
    let bytes = parquet(vec![
        ("ts", Arc::new(TimestampNanosecondArray::from(vec![1_704_153_600_500_000_000]).with_timezone("UTC"))),
        ("day", Arc::new(arrow::array::Date32Array::from(vec![19_724]))),
        ("symbol", Arc::new(StringArray::from(vec!["A"]))),
        ("price", Arc::new(arrow::array::Float64Array::from(vec![1.5]))),
        ("qty", Arc::new(Int64Array::from(vec![3]))),
        ("epoch", Arc::new(Int64Array::from(vec![1_704_153_600_500_000_000]))),
        ("ok", Arc::new(arrow::array::BooleanArray::from(vec![true]))),
    ]);
    let typed = folder.file("t.parquet", &bytes);
    let types_of = |path: &Path, types: Option<&str>| -> Vec<(String, String)> {
        let schema = open_file(path, None, &ReadOptions::default()).unwrap().schema();
        let def = crate::sql::table_for_load("t", &schema, &Default::default(), types).unwrap();
        def.columns.into_iter().map(|column| (column.name, column.sql_type)).collect()
    };
    let named = Some("price DECIMAL(20,8)");
    assert_eq!(types_of(&typed, named), types_of(&csv, named));
    // A file that says DOUBLE says that its digits are not exact.
    assert_eq!(types_of(&csv, None), types_of(&csv, named));
    assert_eq!(types_of(&typed, None)[3].1, "DOUBLE PRECISION");
}
