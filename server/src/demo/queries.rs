//! The demo's four queries: one per tier, and one over all of them.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use zxq_engine::{Engine, counted};

use super::data::days_of;
use super::generate::Market;
use super::{bold, say};
use crate::cli::{CliError, Embedded, Result, print_table};

/// What a query shows and its text.
struct Query {
    title: &'static str,
    sql: String,
}

fn queries(market: &Market) -> Vec<Query> {
    let [hot, warm, cold] = days_of(market);
    let day = |position: usize| market.days().get(position).map_or_else(String::new, ToString::to_string);
    let (newest, recent, old) = (day(hot.end - 1), day(warm.end.saturating_sub(1)), day(cold.end.saturating_sub(1)));
    vec![
        Query {
            title: "Last trade of one symbol",
            sql: format!(
                "SELECT timestamp, price, size_raw FROM trades_data\n\
                 WHERE symbol = 'BTCUSDT' AND trade_date = DATE '{newest}'\n\
                 ORDER BY timestamp DESC LIMIT 1"
            ),
        },
        Query {
            title: "Minute bars of last week to hourly bars",
            sql: format!(
                "SELECT time_bucket(INTERVAL '1 hour', timestamp) AS hour, first(open_price, timestamp) AS open,\n       \
                 max(high_price) AS high, min(low_price) AS low, last(close_price, timestamp) AS close\n\
                 FROM ohlcv_data WHERE symbol = 'EURUSD' AND granularity = '1m' AND trade_date = DATE '{recent}'\n\
                 GROUP BY hour ORDER BY hour"
            ),
        },
        Query {
            title: "Biggest turnover in the archive",
            sql: format!(
                "SELECT symbol, count(*) AS trades, round(sum(price * size_raw), 2) AS turnover FROM trades_data\n\
                 WHERE asset_class = 'CRYPTO' AND trade_date <= DATE '{old}'\n\
                 GROUP BY symbol ORDER BY turnover DESC LIMIT 3"
            ),
        },
        Query {
            title: "Volume-weighted price per day, over everything",
            sql: "SELECT trade_date, count(*) AS trades, round(sum(price * size_raw) / sum(size_raw), 2) AS vwap\n\
                  FROM trades_data WHERE symbol = 'BTCUSDT' GROUP BY trade_date ORDER BY trade_date"
                .to_owned(),
        },
    ]
}

/// Runs and prints them.
pub(super) async fn show(engine: &Arc<Engine>, market: &Market) -> Result<()> {
    let embedded = Embedded::over(Arc::clone(engine));
    for (number, query) in queries(market).into_iter().enumerate() {
        let started = Instant::now();
        let table = embedded.run(&query.sql).await?.collect().await?;
        let elapsed = started.elapsed();
        let tiers = tiers_read(&embedded, &query.sql).await?;
        say(&bold(&format!("{}. {}", number + 1, query.title)))?;
        for line in query.sql.lines() {
            say(&format!("   {line}"))?;
        }
        let mut out = std::io::stdout();
        writeln!(out).and_then(|()| print_table(&mut out, &table, "   ")).map_err(CliError::output)?;
        let count = counted(table.rows.len() as u64, "row");
        let millis = elapsed.as_secs_f64() * 1_000.0;
        say(&format!("\n   {count} from {} in {}\n", bold(&tiers), bold(&format!("{millis:.1} ms"))))?;
    }
    Ok(())
}

/// The tiers the newest run of a statement read, as `zxq.queries` recorded it.
async fn tiers_read(embedded: &Embedded, sql: &str) -> Result<String> {
    let record =
        "SELECT sql, hot_segments, warm_segments, cold_segments FROM zxq.queries ORDER BY query_id DESC LIMIT 5";
    let table = embedded.run(record).await?.collect().await?;
    let Some(row) = table.rows.iter().find(|row| table.get(row, "sql") == Some(sql)) else {
        return Err(CliError::failed("zxq.queries does not hold the demo's query", "report this: it is a bug"));
    };
    let tiers = ["hot", "warm", "cold"].into_iter().filter_map(|tier| {
        let segments =
            table.get(row, &format!("{tier}_segments"))?.parse::<u64>().ok().filter(|segments| *segments > 0)?;
        Some(format!("{tier} ({})", counted(segments, "segment")))
    });
    let tiers: Vec<String> = tiers.collect();
    Ok(if tiers.is_empty() { "the catalog alone".to_owned() } else { tiers.join(" + ") })
}
