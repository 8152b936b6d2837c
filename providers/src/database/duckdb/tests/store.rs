use std::process::Command;

use super::*;
use crate::{ProviderError, SegmentRows};

const CHILD: &str = "ZXQ_TEST_OPEN_DUCKDB_FILE";

async fn tables(store: &DuckDbStore) -> Vec<String> {
    store
        .database
        .run(|_, connection| {
            let mut statement =
                connection.prepare("SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1").unwrap();
            let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            Ok(names.map(|name| name.unwrap()).collect())
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn segments_survive_a_restart_with_and_without_close() {
    let mut fixture = Fixture::new();
    fixture.write(&random_batch(1, 100, Floats::Any)).await;
    let expected = sorted_texts(&fixture.collect(&fixture.scan_all().await).await);
    let path = fixture.folder.path().join("warm.duckdb");
    assert!(fixture.store.bytes_used().await.unwrap() > 0);

    // A copy of the files as they lie on the disk now is what a crash would leave.
    let crashed = fixture.folder.path().join("crashed.duckdb");
    std::fs::copy(&path, &crashed).unwrap();
    std::fs::copy(path.with_extension("duckdb.wal"), crashed.with_extension("duckdb.wal")).unwrap();
    fixture.store.close().await.unwrap();
    assert!(fixture.store.bytes_used().await.is_err());

    for file in [path, crashed] {
        fixture.store = open(&file).unwrap();
        assert_eq!(sorted_texts(&fixture.collect(&fixture.scan_all().await).await), expected);
    }
}

#[tokio::test]
async fn writing_and_dropping_can_be_repeated() {
    let mut fixture = Fixture::new();
    let batch = random_batch(1, 10, Floats::Finite);
    let first = fixture.write(&batch).await;
    assert_eq!(first.location, "trades_7.s1_job1");
    fixture.segments.clear();
    fixture.write(&batch).await;
    assert_eq!(texts(&fixture.collect(&fixture.scan_all().await).await).len(), 10);
    fixture.write(&batch).await;
    assert_eq!(tables(&fixture.store).await, ["trades_7.s1_job1", "trades_7.s2_job2"]);

    for _ in 0..2 {
        fixture.store.drop_segments("trades_7", &[first.as_ref().clone()]).await.unwrap();
        assert_eq!(tables(&fixture.store).await, ["trades_7.s2_job2"]);
    }
    for _ in 0..2 {
        fixture.store.sweep_job("trades_7", &JobId("b2".to_owned())).await.unwrap();
        assert_eq!(tables(&fixture.store).await, ["trades_7.s2_job2"]);
        fixture.store.sweep_job("never_seen", &JobId("job2".to_owned())).await.unwrap();
    }
    fixture.store.sweep_job("trades_7", &JobId("job2".to_owned())).await.unwrap();
    assert!(tables(&fixture.store).await.is_empty());
    fixture.write(&batch).await;
    for _ in 0..2 {
        fixture.store.drop_table("trades_7").await.unwrap();
        assert!(tables(&fixture.store).await.is_empty());
        fixture.store.drop_segments("trades_7", &[first.as_ref().clone()]).await.unwrap();
    }
    // The schema is made again when it is needed again.
    fixture.write(&batch).await;
    assert_eq!(tables(&fixture.store).await.len(), 1);
}

#[tokio::test]
async fn small_segments_that_come_together_share_a_table() {
    let fixture = Fixture::new();
    let rows = |id: u64, rows: usize| SegmentRows {
        id,
        partition: PartitionKey::default(),
        rows: vec![random_batch(id, rows, Floats::Finite)],
    };
    let job = JobId("job".to_owned());
    let segments = (1..=3000).map(|id| rows(id, if id == 7 { 9000 } else { 1 })).collect();
    let written = fixture.store.write_segments(&fixture.table, &job, segments).await.unwrap();
    assert_eq!(
        (written[0].location.as_str(), written[2].location.as_str()),
        ("trades_7.p1_job#0", "trades_7.p1_job#2")
    );
    assert_eq!(written[6].location, "trades_7.s7_job", "a large one has its own");
    assert_eq!(written[7].location, "trades_7.p1_job#6");
    assert_eq!(tables(&fixture.store).await, ["trades_7.p1_job", "trades_7.s7_job"]);
    let used = fixture.store.bytes_used().await.unwrap();
    assert!(used < 16 << 20, "{used} bytes for 3,000 rows in segments of one");

    // The table's own column of that name is another one.
    let mut taken = fixture.table.as_ref().clone();
    taken.id = 8;
    taken.columns = vec![column("ZXQ_position", DataType::Int64)];
    let one = |id: u64| {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![5]));
        let batch = RecordBatch::try_new(taken.schema(), vec![column]).unwrap();
        SegmentRows { id, partition: PartitionKey::default(), rows: vec![batch] }
    };
    let written = fixture.store.write_segments(&taken, &job, vec![one(1), one(2)]).await.unwrap();
    assert_eq!(written[1].location, "trades_8.s2_job");
}

#[tokio::test]
async fn a_failed_write_leaves_nothing() {
    let mut fixture = Fixture::new();
    fixture.write(&random_batch(1, 10, Floats::Finite)).await;
    let schema = fixture.table.schema();
    // A decimal of more digits than the column has, which Arrow does not check.
    let template = random_batch(1, 3000, Floats::Finite);
    let mut columns = template.columns().to_vec();
    columns[14] = Arc::new(Decimal128Array::from(vec![1_000_000; 3000]).with_precision_and_scale(4, 2).unwrap());
    let bad = RecordBatch::try_new(schema, columns).unwrap();
    let job = JobId("bad".to_owned());
    let key = PartitionKey::default();
    let failed = fixture.store.write_segment(&fixture.table, &job, 9, &key, vec![template, bad]).await;
    assert!(failed.is_err());
    let empty = fixture.store.write_segment(&fixture.table, &job, 9, &key, Vec::new()).await.unwrap_err();
    assert!(matches!(empty, ProviderError::Unsupported { .. }), "{empty}");
    assert_eq!(tables(&fixture.store).await, ["trades_7.s1_job1"]);
}

#[tokio::test]
async fn many_segments_can_be_written_at_once() {
    let fixture = Fixture::new();
    let batch = random_batch(1, 5000, Floats::Finite);
    let key = PartitionKey::default();
    let writes = (1..9).map(|id| {
        let job = JobId(format!("j{id}"));
        let (fixture, batch, key) = (&fixture, batch.clone(), &key);
        async move { fixture.store.write_segment(&fixture.table, &job, id, key, vec![batch]).await }
    });
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    assert_eq!(tables(&fixture.store).await.len(), 8);
}

#[tokio::test]
async fn a_table_that_duckdb_cannot_hold_is_refused_by_name() {
    let fixture = Fixture::new();
    let mut def = table();
    def.columns.push(column("list", DataType::new_list(DataType::Int64, true)));
    let refused = fixture.store.create_table(&def).await.unwrap_err().to_string();
    assert!(refused.contains("\"list\""), "{refused}");
    fixture.store.create_table(&table()).await.unwrap();
}

#[tokio::test]
async fn a_segment_that_is_gone_or_short_is_an_error() {
    let mut fixture = Fixture::new();
    let segment = fixture.write(&random_batch(1, 10, Floats::Finite)).await;
    let read = async |fixture: &Fixture| {
        let plan = fixture.scan(vec![0], Vec::new(), None).await;
        collect(plan, fixture.context.task_ctx()).await
    };
    // The catalog says 11 rows.
    fixture.segments = vec![Arc::new(Segment { rows: 11, ..segment.as_ref().clone() })];
    let short = read(&fixture).await.unwrap_err().to_string();
    assert!(short.contains("read: 10,") && short.contains("catalog: 11"), "{short}");
    fixture.segments = vec![Arc::clone(&segment)];
    fixture.store.drop_segments("trades_7", &[segment.as_ref().clone()]).await.unwrap();
    let gone = read(&fixture).await.unwrap_err().to_string();
    assert!(gone.contains("missing"), "{gone}");
}

#[tokio::test]
async fn a_file_that_is_not_duckdb_or_is_damaged_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("warm.duckdb");
    std::fs::write(&path, vec![b'x'; 20_000]).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, ProviderError::Corrupt { .. }), "{refused}");

    let mut fixture = Fixture::new();
    fixture.write(&random_batch(1, 100, Floats::Finite)).await;
    fixture.store.close().await.unwrap();
    let path = fixture.folder.path().join("warm.duckdb");
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in &mut bytes[4096 * 3..] {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, ProviderError::Corrupt { .. }), "{refused}");
}

#[tokio::test]
async fn a_file_that_another_process_has_open_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("warm.duckdb");
    let (_, module) = module_path!().split_once("::").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::opens_when_asked_to"), "--nocapture"])
        .env(CHILD, &path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(said.contains("another process has"), "{said}{}", String::from_utf8_lossy(&child.stderr));
}

/// The other process of the test above; does nothing otherwise.
#[test]
fn opens_when_asked_to() {
    if let Some(path) = std::env::var_os(CHILD) {
        println!("{}", open(Path::new(&path)).unwrap_err());
    }
}
