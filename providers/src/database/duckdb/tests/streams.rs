use std::time::Duration;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use futures::StreamExt;

use super::*;
use crate::database::duckdb::stream::DuckDbStream;
use crate::database::sql::scan::{Statement, Statements};
use crate::database::sql::source::RowQuery;

struct Scripted {
    sql: Vec<&'static str>,
    /// Dropped when the thread is done with it.
    _alive: Arc<()>,
}

impl Statements for Scripted {
    fn next(&mut self, _rows_so_far: usize) -> crate::Result<Option<Statement>> {
        Ok(self.sql.pop().map(|sql| Statement { sql: sql.to_owned(), expected_rows: None, most_rows: None }))
    }
}

fn stream(fixture: &Fixture, sql: Vec<&'static str>) -> (DuckDbStream, Arc<()>) {
    let alive = Arc::new(());
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let work = RowQuery {
        statements: Box::new(Scripted { sql, _alive: Arc::clone(&alive) }),
        schema,
        batch_rows: 8192,
        sums: false,
    };
    let database = Arc::clone(&fixture.store.database);
    (DuckDbStream::new(database, work, BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0)), alive)
}

/// Waits for the stream's thread to let go of its work; far longer than it ever takes.
async fn ended(alive: &Arc<()>) {
    for _ in 0..3000 {
        if Arc::strong_count(alive) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the thread still runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_is_an_error() {
    let fixture = Fixture::new();
    let failing = "SELECT CASE WHEN range = 900000 THEN error('boom') ELSE range END FROM range(1000000)";
    let (mut stream, alive) = stream(&fixture, vec![failing]);
    let mut rows = 0;
    let failed = loop {
        match stream.next().await.unwrap() {
            Ok(batch) => rows += batch.num_rows(),
            Err(failed) => break failed.to_string(),
        }
    };
    assert!(failed.contains("boom"), "{failed}");
    assert!(rows > 0);
    assert!(stream.next().await.is_none());
    ended(&alive).await;
    // The store still works.
    let (stream, _) = super::streams::stream(&fixture, vec!["SELECT range FROM range(3)", "SELECT 7::BIGINT"]);
    let batches: Vec<RecordBatch> = stream.map(|b| b.unwrap()).collect().await;
    assert_eq!(texts(&batches), ["7", "0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_another_shape_is_an_error() {
    let fixture = Fixture::new();
    for sql in ["SELECT 'text' AS n", "SELECT 1::BIGINT AS n, 2 AS m", "SELECT 1.5 AS n", "nonsense"] {
        let (mut stream, _) = stream(&fixture, vec![sql]);
        assert!(stream.next().await.unwrap().is_err(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_stream_stops_its_thread() {
    let fixture = Fixture::new();
    // Many rows: the thread waits for room in the channel.
    let (mut rows, alive) = stream(&fixture, vec!["SELECT range FROM range(1000000000000)"]);
    rows.next().await.unwrap().unwrap();
    drop(rows);
    ended(&alive).await;
    // No rows for a long time: the thread is inside DuckDB.
    let endless = "SELECT sum(a.range * b.range)::BIGINT FROM range(10000000) a, range(10000000) b";
    let (mut silent, alive) = stream(&fixture, vec![endless]);
    assert!(tokio::time::timeout(Duration::from_millis(300), silent.next()).await.is_err());
    drop(silent);
    ended(&alive).await;
    // A stream that nobody polls never starts.
    let (unused, alive) = stream(&fixture, vec![endless]);
    drop(unused);
    ended(&alive).await;
}
