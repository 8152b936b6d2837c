use std::time::Instant;

use futures::StreamExt;

use super::*;

fn ticks(rows: usize, day: i64) -> RecordBatch {
    let mut r = SmallRng::seed_from_u64(day as u64);
    let mut base = table();
    base.columns = vec![
        column("symbol", DataType::Utf8View),
        column("ts", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        column("price", DataType::Decimal128(18, 8)),
        column("size", DataType::Decimal128(18, 8)),
        column("exchange", DataType::Utf8View),
        column("trade_id", DataType::Int64),
        column("bid", DataType::Float64),
        column("day", DataType::Date32),
    ];
    let names: Vec<String> = (0..50).map(|i| format!("SYM{i:03}")).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values((0..rows).map(|i| &names[i * 50 / rows]))),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(
                (0..rows).map(|i| day * 86_400_000_000 + (i % (rows / 50)) as i64 * 1000),
            )
            .with_timezone("UTC"),
        ),
        Arc::new(
            Decimal128Array::from_iter_values((0..rows).map(|_| r.random_range(10_000_000_000_i128..11_000_000_000)))
                .with_precision_and_scale(18, 8)
                .unwrap(),
        ),
        Arc::new(
            Decimal128Array::from_iter_values((0..rows).map(|_| r.random_range(1_i128..1000) * 100_000_000))
                .with_precision_and_scale(18, 8)
                .unwrap(),
        ),
        Arc::new(StringViewArray::from_iter_values(
            (0..rows).map(|i| ["NYSE", "NASDAQ", "a longer venue name"][i % 3]),
        )),
        Arc::new(Int64Array::from_iter_values((0..rows).map(|i| i as i64))),
        Arc::new(Float64Array::from_iter_values((0..rows).map(|_| f64::from(r.random_range(100..20000)) / 4.0))),
        Arc::new(Date32Array::from_iter_values((0..rows).map(|_| day as i32))),
    ];
    RecordBatch::try_new(base.schema(), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore]
async fn speed() {
    let mut f = Fixture::new();
    let mut def = table();
    let b = ticks(1000, 0);
    def.columns = b.schema().fields().iter().map(|x| column(x.name(), x.data_type().clone())).collect();
    f.table = Arc::new(def);
    let batches: Vec<_> = (0..8).map(|d| ticks(250_000, 19000 + d)).collect();
    for pass in 0..2 {
        let t = Instant::now();
        let stats_before = Instant::now();
        for b in &batches {
            let _ = column_stats(std::slice::from_ref(b)).unwrap();
        }
        let s = stats_before.elapsed();
        for b in &batches {
            f.write(b).await;
        }
        let e = t.elapsed() - s - s;
        println!(
            "append pass {pass}: 2M rows x 8 cols in {e:?} = {:.2} M rows/s, bytes used {}",
            2.0 / e.as_secs_f64(),
            f.store.bytes_used().await.unwrap()
        );
        if pass == 0 {
            f.store
                .drop_segments("trades_7", &f.segments.iter().map(|s| s.as_ref().clone()).collect::<Vec<_>>())
                .await
                .unwrap();
            f.segments.clear();
        }
    }
    f.store
        .database
        .run(|_, c| {
            c.execute_batch("CHECKPOINT").unwrap();
            Ok(())
        })
        .await
        .unwrap();
    println!("bytes used after checkpoint {}", f.store.bytes_used().await.unwrap());
    for parts in [1, 2] {
        let config = SessionConfig::new().with_target_partitions(parts);
        f.context = SessionContext::new_with_config(config);
        for (name, projection) in [
            ("all", (0..8).collect::<Vec<_>>()),
            ("ts,bid", vec![1, 6]),
            ("symbol", vec![0]),
            ("price", vec![2]),
            ("none", vec![]),
        ] {
            for _ in 0..2 {
                let plan = f.scan(projection.clone(), vec![], None).await;
                let t = Instant::now();
                let n = plan.properties().output_partitioning().partition_count();
                let mut tasks = Vec::new();
                for p in 0..n {
                    let mut s = plan.execute(p, f.context.task_ctx()).unwrap();
                    tasks.push(tokio::spawn(async move {
                        let mut rows = 0;
                        let mut bt = 0;
                        while let Some(b) = s.next().await {
                            rows += b.unwrap().num_rows();
                            bt += 1;
                        }
                        (rows, bt)
                    }));
                }
                let mut rows = 0;
                let mut bt = 0;
                for t in tasks {
                    let (r, b) = t.await.unwrap();
                    rows += r;
                    bt += b;
                }
                let e = t.elapsed();
                println!(
                    "scan {name} target {parts} ({n} parts): {rows} rows, {bt} batches in {e:?} = {:.2} M rows/s",
                    rows as f64 / 1e6 / e.as_secs_f64()
                );
            }
        }
    }
    use datafusion::prelude::{col, lit};
    let t = Instant::now();
    let plan = f
        .scan(
            (0..8).collect(),
            vec![col("symbol").eq(lit(datafusion::common::ScalarValue::Utf8View(Some("SYM007".into()))))],
            None,
        )
        .await;
    println!("plan {:?}", t.elapsed());
    for _ in 0..3 {
        let t = Instant::now();
        let n: usize = f.collect(&plan).await.iter().map(|b| b.num_rows()).sum();
        println!("one symbol: {n} rows in {:?}", t.elapsed());
    }
    let plan = f.scan((0..8).collect(), vec![], None).await;
    let keys = ["symbol", "ts"].map(|n| datafusion::physical_expr::PhysicalSortExpr {
        expr: datafusion::physical_expr::expressions::col(n, &plan.schema()).unwrap(),
        options: Default::default(),
    });
    let sorted = plan.try_pushdown_sort(&keys).unwrap().into_inner().unwrap();
    let t = Instant::now();
    let n: usize = f.collect(&sorted).await.iter().map(|b| b.num_rows()).sum();
    println!("sorted: {n} rows in {:?}", t.elapsed());
    // many small segments
    let small = ticks(500, 3);
    let t = Instant::now();
    for _ in 0..500 {
        f.write(&small).await;
    }
    println!("500 small segments in {:?}", t.elapsed());
    f.segments = f.segments.split_off(8);
    for _ in 0..3 {
        let plan = f.scan(vec![0, 1, 2], vec![], None).await;
        let t = Instant::now();
        let n: usize = f.collect(&plan).await.iter().map(|b| b.num_rows()).sum();
        println!("500 segments scan: {n} rows in {:?}", t.elapsed());
    }
    let t = Instant::now();
    f.store.close().await.unwrap();
    println!(
        "close {:?}, file {} MB",
        t.elapsed(),
        std::fs::metadata(f.folder.path().join("warm.duckdb")).unwrap().len() >> 20
    );
    let t = Instant::now();
    let _s = open(&f.folder.path().join("warm.duckdb")).unwrap();
    println!("open {:?}", t.elapsed());
}
