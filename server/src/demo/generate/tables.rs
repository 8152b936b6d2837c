//! Rows of the three big tables: one builder per column, filled from ticks.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Array, Decimal128Builder, Int32Builder, Int64Builder, StringViewArray,
    StringViewBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::MarketTable;
use super::instruments::{AssetClass, Instrument, SECOND_US};
use super::schemas::{PRICE, QUANTITY, SOURCE, TIME_ZONE};
use super::ticks::{Tick, Ticks};

/// One unit, in units of 10^-8.
const UNIT: i128 = 100_000_000;

/// What every table starts and ends with.
struct Common {
    timestamp: TimestampMicrosecondBuilder,
    instrument_id: Int32Builder,
    symbol: StringViewBuilder,
    seq: Int64Builder,
}

impl Common {
    fn new(rows: usize) -> Self {
        Common {
            timestamp: TimestampMicrosecondBuilder::with_capacity(rows).with_timezone(TIME_ZONE),
            instrument_id: Int32Builder::with_capacity(rows),
            symbol: StringViewBuilder::with_capacity(rows),
            seq: Int64Builder::with_capacity(rows),
        }
    }

    fn push(&mut self, tick: &Tick<'_>, ts_us: i64) {
        self.timestamp.append_value(ts_us);
        self.instrument_id.append_value(tick.instrument.id);
        self.symbol.append_value(&tick.instrument.symbol);
        self.seq.append_value(tick.seq);
    }

    fn finish(
        mut self,
        schema: SchemaRef,
        own: Vec<ArrayRef>,
        day: i32,
        class: AssetClass,
    ) -> Result<RecordBatch, ArrowError> {
        let seq = self.seq.finish();
        let rows = seq.values().len();
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.timestamp.finish()),
            Arc::new(self.instrument_id.finish()),
            Arc::new(self.symbol.finish()),
        ];
        columns.extend(own);
        columns.push(Arc::new(Date32Array::from_value(day, rows)));
        columns.push(same_text(class.name(), rows));
        columns.push(same_text(SOURCE, rows));
        columns.push(Arc::new(seq));
        RecordBatch::try_new(schema, columns)
    }
}

pub(super) fn same_text(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, rows)))
}

fn decimals(data_type: DataType, rows: usize) -> Decimal128Builder {
    Decimal128Builder::with_capacity(rows).with_data_type(data_type)
}

/// Price of a number of ticks, in units of 10^-8.
pub(super) fn price(instrument: &Instrument, ticks: i64) -> i128 {
    i128::from(ticks) * i128::from(instrument.tick)
}

/// Size of one trade or quote in units of 10^-8: whole lots, or fractions for crypto.
fn size(tick: &mut Tick<'_>) -> i128 {
    let draw = tick.random.below(1 << 20);
    // Few are big: the square makes small sizes common.
    let skewed = (draw * draw) >> 20;
    match tick.instrument.class {
        AssetClass::Equity => i128::from(1 + skewed / 1_750) * UNIT,
        AssetClass::Fx => i128::from(1 + skewed / 100_000) * 100_000 * UNIT,
        AssetClass::Crypto => i128::from(1 + skewed) * 1_000,
        AssetClass::Future => i128::from(1 + skewed / 30_000) * UNIT,
    }
}

/// The next at most `rows` rows of a table, or `None` at the end.
pub(super) fn next_batch(
    table: MarketTable,
    ticks: &mut Ticks,
    day: i32,
    class: AssetClass,
    rows: usize,
) -> Option<Result<RecordBatch, ArrowError>> {
    match table {
        MarketTable::Trades => trades(ticks, day, class, rows),
        MarketTable::Quotes => quotes(ticks, day, class, rows),
        MarketTable::Bars => bars(ticks, day, class, rows),
    }
}

fn trades(ticks: &mut Ticks, day: i32, class: AssetClass, rows: usize) -> Option<Result<RecordBatch, ArrowError>> {
    let mut common = Common::new(rows);
    let mut prices = decimals(PRICE, rows);
    let mut sizes = Int64Builder::with_capacity(rows);
    let mut sides = StringViewBuilder::with_capacity(rows);
    let mut ids = StringViewBuilder::with_capacity(rows);
    let mut raw_sizes = decimals(QUANTITY, rows);
    let mut exchanges = StringViewBuilder::with_capacity(rows);
    let mut conditions = StringViewBuilder::with_capacity(rows);
    let mut suspicious = BooleanBuilder::with_capacity(rows);
    let mut id = String::new();
    let mut made = 0;
    while made < rows {
        let Some(mut tick) = ticks.next() else { break };
        common.push(&tick, tick.ts_us);
        let buys = tick.random.below(2) == 0;
        let offset = if buys { tick.half_spread() } else { -tick.half_spread() };
        prices.append_value(price(tick.instrument, tick.level + offset));
        let exact = size(&mut tick);
        sizes.append_value((exact / UNIT) as i64);
        raw_sizes.append_value(exact);
        // Share trades carry no aggressor side, as on the real tape.
        sides.append_option((class != AssetClass::Equity).then_some(if buys { "B" } else { "S" }));
        id.clear();
        // Writing to a String cannot fail.
        let _ = write!(id, "{day}-{}-{}", class as u8, tick.seq);
        ids.append_value(&id);
        exchanges.append_value(tick.instrument.exchange);
        conditions.append_option((class == AssetClass::Equity).then_some("@"));
        suspicious.append_value(tick.random.below(1_000) == 0);
        made += 1;
    }
    let own: Vec<ArrayRef> = vec![
        Arc::new(prices.finish()),
        Arc::new(sizes.finish()),
        Arc::new(sides.finish()),
        Arc::new(ids.finish()),
        Arc::new(raw_sizes.finish()),
        Arc::new(exchanges.finish()),
        Arc::new(conditions.finish()),
        Arc::new(suspicious.finish()),
    ];
    (made > 0).then(|| common.finish(MarketTable::Trades.schema(), own, day, class))
}

fn quotes(ticks: &mut Ticks, day: i32, class: AssetClass, rows: usize) -> Option<Result<RecordBatch, ArrowError>> {
    let mut common = Common::new(rows);
    let mut bids = decimals(PRICE, rows);
    let mut asks = decimals(PRICE, rows);
    let mut bid_sizes = Int64Builder::with_capacity(rows);
    let mut ask_sizes = Int64Builder::with_capacity(rows);
    let mut spreads = decimals(PRICE, rows);
    let mut raw_bid_sizes = decimals(QUANTITY, rows);
    let mut raw_ask_sizes = decimals(QUANTITY, rows);
    let mut exchanges = StringViewBuilder::with_capacity(rows);
    let mut made = 0;
    while made < rows {
        let Some(mut tick) = ticks.next() else { break };
        common.push(&tick, tick.ts_us);
        let wide = tick.half_spread() + tick.random.below(2) as i64;
        let bid = price(tick.instrument, tick.level - tick.half_spread());
        let ask = price(tick.instrument, tick.level + wide);
        bids.append_value(bid);
        asks.append_value(ask);
        spreads.append_value(ask - bid);
        let (bid_size, ask_size) = (size(&mut tick), size(&mut tick));
        bid_sizes.append_value((bid_size / UNIT) as i64);
        ask_sizes.append_value((ask_size / UNIT) as i64);
        raw_bid_sizes.append_value(bid_size);
        raw_ask_sizes.append_value(ask_size);
        exchanges.append_value(tick.instrument.exchange);
        made += 1;
    }
    let own: Vec<ArrayRef> = vec![
        Arc::new(bids.finish()),
        Arc::new(asks.finish()),
        Arc::new(bid_sizes.finish()),
        Arc::new(ask_sizes.finish()),
        Arc::new(spreads.finish()),
        Arc::new(raw_bid_sizes.finish()),
        Arc::new(raw_ask_sizes.finish()),
        Arc::new(exchanges.finish()),
        same_text("quote", made),
    ];
    (made > 0).then(|| common.finish(MarketTable::Quotes.schema(), own, day, class))
}

/// Length of a bar: one minute where a day's bars fit the session, else one second.
fn bar_step(tick: &Tick<'_>) -> (i64, &'static str) {
    let minute = 60 * SECOND_US;
    if tick.rows as i64 * minute <= tick.session_length_us() { (minute, "1m") } else { (SECOND_US, "1s") }
}

fn bars(ticks: &mut Ticks, day: i32, class: AssetClass, rows: usize) -> Option<Result<RecordBatch, ArrowError>> {
    let mut common = Common::new(rows);
    let mut prices: [Decimal128Builder; 4] = std::array::from_fn(|_| decimals(PRICE, rows));
    let mut volumes = Int64Builder::with_capacity(rows);
    let mut granularities = StringViewBuilder::with_capacity(rows);
    let mut raw_volumes = decimals(QUANTITY, rows);
    let mut made = 0;
    while made < rows {
        let Some(mut tick) = ticks.next() else { break };
        let (step, granularity) = bar_step(&tick);
        let ts_us = tick.session_start_us() + tick.row as i64 * step;
        common.push(&tick, ts_us);
        let open = tick.level_at(ts_us) + tick.random.below(3) as i64 - 1;
        let close = tick.level_at(ts_us + step) + tick.random.below(3) as i64 - 1;
        let high = open.max(close) + tick.random.below(4) as i64;
        let low = open.min(close) - tick.random.below(4) as i64;
        for (builder, ticks) in prices.iter_mut().zip([open, high, low, close]) {
            builder.append_value(price(tick.instrument, ticks));
        }
        let volume = size(&mut tick) * 37;
        volumes.append_value((volume / UNIT) as i64);
        granularities.append_value(granularity);
        raw_volumes.append_value(volume);
        made += 1;
    }
    let mut own: Vec<ArrayRef> = prices.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
    own.push(Arc::new(volumes.finish()));
    own.push(Arc::new(granularities.finish()));
    own.push(Arc::new(raw_volumes.finish()));
    (made > 0).then(|| common.finish(MarketTable::Bars.schema(), own, day, class))
}
