//! The two small tables: what the instruments are, and what each day ended with.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int16Array, Int32Array, Int64Array, StringViewArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::instruments::{AssetClass, Instrument};
use super::schemas::{self, PRICE, SOURCE, TIME_ZONE};
use super::tables::{price, same_text};

/// Knots of a price path: enough for a day's extremes.
const KNOTS: usize = 64;
const DAY_US: i64 = 86_400_000_000;

/// `(stat_type, stat_name)` of the rows made per instrument and day.
const STATISTICS: [(i16, &str); 4] = [(4, "low"), (5, "high"), (6, "cleared_volume"), (11, "close")];

/// One row per instrument.
pub(super) fn definitions(instruments: &[Arc<Instrument>]) -> Result<RecordBatch, ArrowError> {
    let rows = instruments.len();
    let text = |f: &dyn Fn(&Instrument) -> &str| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(instruments.iter().map(|i| f(i))))
    };
    let decimal = |f: &dyn Fn(&Instrument) -> i128| -> Result<ArrayRef, ArrowError> {
        let values = Decimal128Array::from_iter_values(instruments.iter().map(|i| f(i)));
        Ok(Arc::new(values.with_data_type(PRICE)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(instruments.iter().map(|i| i.id))),
        text(&|i| &i.symbol),
        text(&|i| &i.symbol),
        text(&|i| i.symbol.trim_end_matches("M24").trim_end_matches("USDT")),
        text(&|i| i.exchange),
        same_text("USD", rows),
        decimal(&|i| i128::from(i.tick))?,
        decimal(&|i| if i.class == AssetClass::Future { 5_000_000_000 } else { 100_000_000 })?,
        new_null_array(&DataType::Date32, rows),
        Arc::new(BooleanArray::from(vec![true; rows])),
        text(&|i| i.class.name()),
        new_null_array(&DataType::Utf8View, rows),
        new_null_array(&DataType::Utf8View, rows),
        new_null_array(&PRICE, rows),
        new_null_array(&DataType::Utf8View, rows),
        same_text(SOURCE, rows),
    ];
    RecordBatch::try_new(schemas::definitions(), columns)
}

/// Four rows per instrument of one class on one day.
pub(super) fn statistics(
    instruments: &[Arc<Instrument>],
    class: AssetClass,
    day: i32,
    seed: u64,
) -> Result<RecordBatch, ArrowError> {
    let mut members: Vec<&Arc<Instrument>> = instruments.iter().filter(|i| i.class == class).collect();
    members.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    let (offset, length) = class.session();
    let close_us = i64::from(day) * DAY_US + offset + length;
    let (mut ids, mut symbols, mut types, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut prices, mut quantities) = (Vec::new(), Vec::new());
    for instrument in members {
        let path = instrument.path(seed, day, KNOTS);
        for (stat_type, name) in STATISTICS {
            let level = match stat_type {
                4 => path.iter().min(),
                5 => path.iter().max(),
                11 => path.last(),
                _ => None,
            };
            ids.push(instrument.id);
            symbols.push(instrument.symbol.as_str());
            types.push(stat_type);
            names.push(name);
            prices.push(level.map(|ticks| price(instrument, *ticks)));
            quantities.push(level.is_none().then_some(path.iter().sum::<i64>() / 100));
        }
    }
    let rows = ids.len();
    let times = || Arc::new(TimestampMicrosecondArray::from_value(close_us, rows).with_timezone(TIME_ZONE)) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        times(),
        Arc::new(Int32Array::from(ids)),
        Arc::new(StringViewArray::from(symbols)),
        Arc::new(Int16Array::from(types)),
        Arc::new(StringViewArray::from(names)),
        Arc::new(Decimal128Array::from(prices).with_data_type(PRICE)),
        Arc::new(Int64Array::from(quantities)),
        times(),
        Arc::new(Date32Array::from_value(day, rows)),
        same_text(class.name(), rows),
        same_text(SOURCE, rows),
        Arc::new(Int64Array::from_iter_values(0..rows as i64)),
    ];
    RecordBatch::try_new(schemas::statistics(), columns)
}
