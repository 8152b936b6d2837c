#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Decimal128Type, TimestampMicrosecondType};

use super::*;

fn small() -> Market {
    Market::new(MarketSpec { days: 6, symbols_per_class: 12, ..MarketSpec::sized(10_000) })
}

fn all(market: &Market, table: MarketTable, batch_rows: usize) -> RecordBatch {
    let batches: Vec<_> = market.batches(table, 0..market.days().len(), batch_rows).map(Result::unwrap).collect();
    concat_batches(&table.schema(), &batches).unwrap()
}

#[test]
fn gives_the_rows_asked_for_whatever_the_batch_size() {
    let market = small();
    for (table, rows) in [(MarketTable::Trades, 5_000), (MarketTable::Quotes, 3_000), (MarketTable::Bars, 2_000)] {
        let in_small_batches = all(&market, table, 77);
        assert_eq!(in_small_batches.num_rows(), rows, "{}", table.name());
        assert_eq!(in_small_batches, all(&market, table, 100_000), "{}", table.name());
    }
}

#[test]
fn another_seed_gives_other_rows() {
    let spec = MarketSpec { days: 6, symbols_per_class: 12, ..MarketSpec::sized(10_000) };
    let other = Market::new(MarketSpec { seed: 43, ..spec });
    assert_ne!(all(&small(), MarketTable::Trades, 1_000), all(&other, MarketTable::Trades, 1_000));
}

#[test]
fn partitions_are_sorted_by_symbol_and_time() {
    let market = small();
    for table in MarketTable::ALL {
        for class in AssetClass::ALL {
            let batch = market.partition(table, 1, class, 1_000_000).next().unwrap().unwrap();
            let symbols = batch.column_by_name("symbol").unwrap().as_string_view();
            let times = batch.column_by_name("timestamp").unwrap().as_primitive::<TimestampMicrosecondType>();
            let keys: Vec<_> = symbols.iter().zip(times.values()).collect();
            assert!(keys.is_sorted(), "{} {class}", table.name());
        }
    }
}

#[test]
fn skips_weekends() {
    let market = small();
    assert_eq!(market.days().len(), 6);
    assert_eq!(market.days()[5].to_string(), "2024-06-10");
}

#[test]
fn rows_obey_the_shipped_checks() {
    let market = small();
    let decimals = |batch: &RecordBatch, name: &str| -> Vec<i128> {
        batch.column_by_name(name).unwrap().as_primitive::<Decimal128Type>().values().to_vec()
    };
    let bars = all(&market, MarketTable::Bars, 10_000);
    let (open, high) = (decimals(&bars, "open_price"), decimals(&bars, "high_price"));
    let (low, close) = (decimals(&bars, "low_price"), decimals(&bars, "close_price"));
    for row in 0..bars.num_rows() {
        assert!(low[row] > 0 && low[row] <= open[row].min(close[row]) && high[row] >= open[row].max(close[row]));
    }
    let quotes = all(&market, MarketTable::Quotes, 10_000);
    let (bid, ask, spread) =
        (decimals(&quotes, "bid_px_00"), decimals(&quotes, "ask_px_00"), decimals(&quotes, "spread"));
    for row in 0..quotes.num_rows() {
        assert!(bid[row] > 0 && ask[row] > bid[row] && spread[row] == ask[row] - bid[row]);
    }
    assert!(decimals(&all(&market, MarketTable::Trades, 10_000), "price").iter().all(|price| *price > 0));
}

#[test]
fn reference_tables_fit_the_instruments() {
    let market = small();
    assert_eq!(market.definitions().unwrap().num_rows(), 48);
    assert_eq!(market.statistics(0, AssetClass::Fx).unwrap().num_rows(), 48);
}
