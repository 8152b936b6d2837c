//! zxq inside a program: no server, one DataFusion `SessionContext` over three tiers.
//!
//! `cargo run -p zxq-engine --example embedded`

use std::sync::Arc;

use arrow::array::{Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::print_batches;
use zxq_engine::{Engine, EngineConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("zxq-embedded-{}", std::process::id()));
    let engine = Engine::open(EngineConfig::at(&dir)).await?;

    engine
        .sql(
            "CREATE TABLE trades (
                 ts TIMESTAMPTZ NOT NULL, symbol VARCHAR(20) NOT NULL, price DECIMAL(18,8) NOT NULL,
                 size BIGINT NOT NULL CHECK (size >= 0), trade_date DATE NOT NULL, asset_class VARCHAR(10) NOT NULL
             ) WITH (time_column = 'ts', partition_by = 'trade_date, asset_class', sort_by = 'symbol, ts',
                     lookup = 'symbol')",
        )
        .await?;

    // Arrow in: durable and visible when `ingest` returns.
    for day in 0..3 {
        let report = engine.ingest("trades", vec![trades(19_724 + day, 1_000)?]).await?;
        println!("ingested {} rows", report.rows);
    }

    // The oldest day to cold, the next to warm; the newest stays in hot.
    engine.sql("CALL zxq.migrate('trades', 'cold', partition => '2024-01-02/EQUITY')").await?;
    engine.sql("CALL zxq.migrate('trades', 'warm', partition => '2024-01-03/EQUITY')").await?;

    // DataFusion's own API over all of it.
    let context = engine.session_context();
    context
        .sql("SELECT trade_date, count(*) AS trades, max(price) AS high FROM trades GROUP BY trade_date ORDER BY 1")
        .await?
        .show()
        .await?;
    print_batches(&engine.sql("SELECT tier, rows FROM zxq.tiers").await?)?;

    // The latest row of one key, without SQL.
    if let Some(row) = engine.get("trades", "AAPL").await? {
        print_batches(&[row])?;
    }

    engine.shutdown().await?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn trades(day: i32, rows: i64) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let midnight = i64::from(day) * 86_400_000_000;
    let ts = TimestampMicrosecondArray::from_iter_values((0..rows).map(|i| midnight + i * 1_000_000));
    let symbols = StringArray::from_iter_values((0..rows).map(|i| if i % 2 == 0 { "AAPL" } else { "MSFT" }));
    let prices = Decimal128Array::from_iter_values((0..rows).map(|i| (18_000 + i128::from(i)) * 1_000_000));
    Ok(RecordBatch::try_from_iter([
        ("ts", Arc::new(ts.with_timezone("UTC")) as _),
        ("symbol", Arc::new(symbols) as _),
        ("price", Arc::new(prices.with_precision_and_scale(18, 8)?) as _),
        ("size", Arc::new(Int64Array::from_iter_values((0..rows).map(|i| 100 + i % 7))) as _),
        ("trade_date", Arc::new(Date32Array::from_value(day, rows as usize)) as _),
        ("asset_class", Arc::new(StringArray::from_iter_values((0..rows).map(|_| "EQUITY"))) as _),
    ])?)
}
