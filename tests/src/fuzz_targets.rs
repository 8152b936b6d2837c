//! What must hold of anything that reads bytes of strangers, whatever the bytes: no panic, and what each target says.
//!
//! `fuzz/` runs these under libFuzzer, `tests/tests/it/fuzz.rs` over a small corpus and bytes made of it, in every test run.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use zxq_providers::ProviderError;
use zxq_providers::hot::wal::{Recovery, Wal, WalEntry, WalOptions};
use zxq_server::fuzzing;

/// A check of some bytes; it panics when something does not hold.
pub type Target = fn(&[u8]);

/// Each target with the name of its folder in `fuzz/corpus`.
pub const TARGETS: [(&str, Target); 5] = [
    ("sql", sql),
    ("wire_lexer", wire_lexer),
    ("copy_rows", copy_rows),
    ("copy_binary", copy_binary),
    ("wal_recovery", wal_recovery),
];

/// Statements as the engine parses them: what a statement says its text is, is that statement again.
pub fn sql(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match zxq_engine::sql::parse(&text) {
        Ok(statements) => {
            for statement in statements {
                let again = zxq_engine::sql::parse(statement.text());
                let again = again.unwrap_or_else(|error| panic!("{:?}: {error}", statement.text()));
                assert_eq!(again.len(), 1, "{:?} is one statement", statement.text());
                assert_eq!(again[0].kind(), statement.kind(), "{:?}", statement.text());
                assert_eq!(again[0].text(), statement.text());
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), zxq_engine::ErrorKind::Syntax, "{error}");
            let lines = text.split('\n').count() as u64;
            assert!(error.place().is_none_or(|place| place.line >= 1 && place.line <= lines), "{error}");
        }
    }
    // The text of an expression, as definitions keep it.
    let _ = zxq_engine::sql::statement::parse_expression(&text);
}

/// Tokens as the wire cuts them: in order, none empty, each on whole characters; statements are parts of the text.
pub fn wire_lexer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(tokens) = fuzzing::tokens(&text) {
        let mut end = 0;
        for (from, to) in tokens {
            assert!(from >= end && to > from && text.get(from..to).is_some(), "{from}..{to} of {text:?}");
            end = to;
        }
    }
    if let Ok(statements) = fuzzing::statements(&text) {
        for (offset, statement) in statements {
            assert_eq!(text.get(offset..offset + statement.len()), Some(statement));
            let _ = fuzzing::is_utility(statement);
        }
    }
}

const COPIES: [&str; 5] = [
    "COPY t FROM STDIN",
    "COPY t FROM STDIN WITH (FORMAT csv)",
    "COPY t FROM STDIN WITH (FORMAT csv, HEADER)",
    "COPY t (b, a) FROM STDIN WITH (FORMAT csv, DELIMITER ';', NULL '-', QUOTE '''', ESCAPE '\\')",
    "COPY t FROM STDIN WITH (DELIMITER '|', NULL '')",
];

/// Rows of COPY: where the client cuts its data makes no difference. The first byte chooses the statement, the second the cut.
pub fn copy_rows(data: &[u8]) {
    let [form, cut, rows @ ..] = data else { return };
    let copy = COPIES[usize::from(*form) % COPIES.len()];
    let whole = fuzzing::copy_rows(copy, &["a", "b"], &[rows]);
    let pieces: Vec<&[u8]> = rows.chunks(usize::from(*cut).max(1)).collect();
    assert_eq!(fuzzing::copy_rows(copy, &["a", "b"], &pieces), whole, "{copy}");
    if let Err(error) = whole {
        assert!(!error.contains("no COPY"), "{error}");
    }
}

/// Binary rows of COPY: where the client cuts its data makes no difference. The first byte chooses the cut.
pub fn copy_binary(data: &[u8]) {
    let [cut, rows @ ..] = data else { return };
    let whole = fuzzing::copy_binary_rows(rows, usize::MAX);
    assert_eq!(fuzzing::copy_binary_rows(rows, usize::from(*cut)), whole);
}

const LOG: WalOptions = WalOptions { segment_bytes: 1 << 20, sync: false };

/// A log with damage: it opens, and what it then holds is the start of what was written, or damage is named. The first two bytes
/// say where it is cut off, each three that follow which byte is changed, and how.
pub fn wal_recovery(data: &[u8]) {
    let (name, log) = sound_log();
    let [low, high, edits @ ..] = data else { return };
    let mut bytes = log.clone();
    bytes.truncate(log.len() - usize::from(u16::from_le_bytes([*low, *high])) % log.len());
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[at] ^= edit[2];
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), &bytes).expect("written");
    match Wal::open(folder.path(), LOG) {
        Ok((wal, recovery)) => {
            let rows = replayed(&recovery);
            let written: Vec<i64> = (0..ROWS).collect();
            assert!(written.starts_with(&rows), "{rows:?} was not written");
            drop(wal);
            let (_, again) = Wal::open(folder.path(), LOG).expect("a log that was opened opens again");
            assert_eq!(replayed(&again), rows);
            assert_eq!(again.truncated_bytes, 0, "nothing is left to cut off");
        }
        Err(ProviderError::Corrupt { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

/// Rows in the sound log, one in each transaction.
const ROWS: i64 = 6;

/// The name and the bytes of a log that was not closed.
fn sound_log() -> &'static (PathBuf, Vec<u8>) {
    static MADE: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (wal, _) = Wal::open(folder.path(), LOG).expect("an empty log");
        for row in 0..ROWS {
            let values: ArrayRef = Arc::new(Int64Array::from(vec![row]));
            let batch = RecordBatch::try_from_iter([("v", values)]).expect("a batch");
            let entry = WalEntry { table: 1, partition: Default::default(), batch };
            runtime.block_on(wal.append(vec![entry])).expect("appended");
        }
        drop(wal);
        let file = std::fs::read_dir(folder.path()).expect("a folder").next().expect("a file").expect("a file").path();
        let name = PathBuf::from(file.file_name().expect("a name"));
        (name, std::fs::read(file).expect("its bytes"))
    })
}

fn replayed(recovery: &Recovery) -> Vec<i64> {
    let mut rows = Vec::new();
    let all = recovery.replay(
        |_, _, _| false,
        |_, _, _, batch| -> Result<(), ProviderError> {
            if let Some(values) = batch.column(0).as_any().downcast_ref::<Int64Array>() {
                rows.extend_from_slice(values.values());
            }
            Ok(())
        },
    );
    match all {
        Ok(_) | Err(ProviderError::Corrupt { .. }) => rows,
        Err(other) => panic!("{other}"),
    }
}
