//! A data directory finds its warm and cold rows where it left them, or does not open.

use zxq_engine::{Engine, EngineConfig, ErrorKind, PostgresOptions};
use zxq_test_support::{postgres_server, s3_server};
use zxq_tests::test_server::{close, test_config};

fn in_schema(mut config: EngineConfig, schema: &str) -> EngineConfig {
    let server = postgres_server::shared().unwrap();
    let mut options = PostgresOptions::parse(&server.superuser_url()).unwrap();
    options.schema = schema.to_owned();
    config.warm.postgres = Some(options);
    config
}

const ROWS: &str = "CREATE TABLE t (day DATE, n BIGINT) WITH (partition_by = 'day', sort_by = 'n')";

async fn fill(engine: &std::sync::Arc<Engine>) {
    for sql in [ROWS, "INSERT INTO t VALUES ('2024-01-01', 1), ('2024-01-02', 2)", "CALL zxq.migrate('t', 'warm')"] {
        engine.sql(sql).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_warm_store_is_refused_while_rows_lie_in_the_first() {
    if postgres_server::shared().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let duckdb = || test_config(folder.path());
    let postgres = |schema: &str| in_schema(test_config(folder.path()), schema);
    let engine = Engine::open(duckdb()).await.unwrap();
    fill(&engine).await;
    close(engine).await;
    let error = Engine::open(postgres("places")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.to_string().contains("warm rows of table t") && error.to_string().contains("(postgres)"), "{error}");

    // As the error says: out of warm, then the other store; a third is refused again.
    let engine = Engine::open(duckdb()).await.unwrap();
    engine.sql("CALL zxq.migrate('t', 'cold', from => 'warm')").await.unwrap();
    close(engine).await;
    let engine = Engine::open(postgres("places")).await.unwrap();
    engine.sql("INSERT INTO t VALUES ('2024-01-03', 3)").await.unwrap();
    engine.sql("CALL zxq.migrate('t', 'warm')").await.unwrap();
    close(engine).await;
    for other in [postgres("elsewhere"), duckdb()] {
        let error = Engine::open(other).await.unwrap_err();
        assert!(error.to_string().contains("at places_segments.t"), "{error}");
    }
    close(Engine::open(postgres("places")).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_data_directories_do_not_share_a_schema() {
    if postgres_server::shared().is_none() {
        return;
    }
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::open(in_schema(test_config(first.path()), "shared_by_two")).await.unwrap();
    fill(&engine).await;
    let refused = Engine::open(in_schema(test_config(second.path()), "shared_by_two")).await.unwrap_err();
    assert!(refused.to_string().contains("rows of another data directory: set warm.schema"), "{refused}");
    close(engine).await;
    let engine = Engine::open(in_schema(test_config(first.path()), "shared_by_two")).await.unwrap();
    assert_eq!(engine.snapshot().table("t").unwrap().row_count(), 2);
    close(engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cold_place_is_refused_while_rows_lie_in_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let here = || test_config(folder.path());
    let in_bucket = || {
        let mut config = test_config(folder.path());
        config.cold.s3 = Some(s3_server::shared().options("places"));
        config
    };
    let engine = Engine::open(here()).await.unwrap();
    for format in ["delta", "iceberg"] {
        for sql in [
            format!("CREATE TABLE {format} (day DATE, n BIGINT) WITH (partition_by = 'day', cold_format = '{format}')"),
            format!("INSERT INTO {format} VALUES ('2024-01-01', 1), ('2024-01-02', 2)"),
            format!("CALL zxq.migrate('{format}', 'cold')"),
        ] {
            engine.sql(&sql).await.unwrap();
        }
    }
    close(engine).await;
    let error = Engine::open(in_bucket()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.to_string().contains("lie in \"cold\"") && error.to_string().contains("s3://"), "{error}");

    // As the error says: out of cold, the other place, and back.
    let engine = Engine::open(here()).await.unwrap();
    for format in ["delta", "iceberg"] {
        engine.sql(&format!("CALL zxq.migrate('{format}', 'warm', from => 'cold')")).await.unwrap();
    }
    close(engine).await;
    for _ in 0..2 {
        let engine = Engine::open(in_bucket()).await.unwrap();
        for format in ["delta", "iceberg"] {
            engine.sql(&format!("CALL zxq.migrate('{format}', 'cold')")).await.unwrap();
            assert_eq!(engine.snapshot().table(format).unwrap().row_count(), 2);
        }
        zxq_tests::placement::verify(&engine).await;
        close(engine).await;
    }
    assert!(Engine::open(here()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_data_directories_do_not_share_a_cold_place() {
    let (first, second, folder) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let in_folder = |mut config: EngineConfig| {
        config.cold.folder = Some(folder.path().to_owned());
        config
    };
    let in_bucket = |mut config: EngineConfig| {
        config.cold.s3 = Some(s3_server::shared().options("shared-by-two"));
        config
    };
    let places: [&dyn Fn(EngineConfig) -> EngineConfig; 2] = [&in_folder, &in_bucket];
    for at in places {
        close(Engine::open(at(test_config(first.path()))).await.unwrap()).await;
        let refused = Engine::open(at(test_config(second.path()))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidParameter);
        assert!(refused.to_string().contains("holds the cold rows of another catalog"), "{refused}");
        close(Engine::open(at(test_config(first.path()))).await.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_catalog_have_one_cold_place() {
    let Some(server) = postgres_server::shared() else { return };
    let folders: Vec<tempfile::TempDir> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let node = |dir: usize, cold: usize| {
        let mut config = in_schema(test_config(folders[dir].path()), "one_cold_place_warm");
        let options = zxq_engine::PostgresCatalogOptions::parse(&server.superuser_url()).unwrap();
        config.catalog.postgres = Some(options.with_schema("one_cold_place").unwrap());
        config.cold.folder = Some(folders[cold].path().to_owned());
        config
    };
    let writer = Engine::open(node(0, 2)).await.unwrap();
    // Without rows there, a reader's cold place does not matter yet.
    close(Engine::open(node(1, 3)).await.unwrap()).await;
    for sql in [ROWS, "INSERT INTO t VALUES ('2024-01-01', 1)", "CALL zxq.migrate('t', 'cold')"] {
        writer.sql(sql).await.unwrap();
    }
    let refused = Engine::open(node(1, 3)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParameter);
    assert!(refused.to_string().contains("cold rows of table t are not in"), "{refused}");
    let reader = Engine::open(node(1, 2)).await.unwrap();
    let rows = reader.sql("SELECT n FROM t").await.unwrap();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    close(reader).await;
    close(writer).await;
    let refused = Engine::open(node(0, 3)).await.unwrap_err();
    assert!(refused.to_string().contains("cold rows of table t are not in"), "{refused}");
    close(Engine::open(node(0, 2)).await.unwrap()).await;
}
