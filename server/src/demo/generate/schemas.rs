//! Columns of the shipped tables, as the generator fills them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Type of a price.
pub(super) const PRICE: DataType = DataType::Decimal128(20, 8);
/// Type of an exact size or volume.
pub(super) const QUANTITY: DataType = DataType::Decimal128(24, 8);
/// Time zone of every timestamp.
pub(super) const TIME_ZONE: &str = "UTC";
/// What the `src` column says.
pub(super) const SOURCE: &str = "generated";

pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(TIME_ZONE.into()))
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect::<Vec<_>>()))
}

pub(super) fn trades() -> SchemaRef {
    use DataType::{Boolean, Date32, Int32, Int64, Utf8View};
    schema(&[
        ("timestamp", timestamp()),
        ("instrument_id", Int32),
        ("symbol", Utf8View),
        ("price", PRICE),
        ("size", Int64),
        ("side", Utf8View),
        ("trade_id", Utf8View),
        ("size_raw", QUANTITY),
        ("exchange", Utf8View),
        ("sale_condition", Utf8View),
        ("suspicious", Boolean),
        ("trade_date", Date32),
        ("asset_class", Utf8View),
        ("src", Utf8View),
        ("seq", Int64),
    ])
}

pub(super) fn quotes() -> SchemaRef {
    use DataType::{Date32, Int32, Int64, Utf8View};
    schema(&[
        ("timestamp", timestamp()),
        ("instrument_id", Int32),
        ("symbol", Utf8View),
        ("bid_px_00", PRICE),
        ("ask_px_00", PRICE),
        ("bid_sz_00", Int64),
        ("ask_sz_00", Int64),
        ("spread", PRICE),
        ("bid_sz_raw", QUANTITY),
        ("ask_sz_raw", QUANTITY),
        ("exchange", Utf8View),
        ("kind", Utf8View),
        ("trade_date", Date32),
        ("asset_class", Utf8View),
        ("src", Utf8View),
        ("seq", Int64),
    ])
}

pub(super) fn bars() -> SchemaRef {
    use DataType::{Date32, Int32, Int64, Utf8View};
    schema(&[
        ("timestamp", timestamp()),
        ("instrument_id", Int32),
        ("symbol", Utf8View),
        ("open_price", PRICE),
        ("high_price", PRICE),
        ("low_price", PRICE),
        ("close_price", PRICE),
        ("volume", Int64),
        ("granularity", Utf8View),
        ("volume_raw", QUANTITY),
        ("trade_date", Date32),
        ("asset_class", Utf8View),
        ("src", Utf8View),
        ("seq", Int64),
    ])
}

pub(super) fn statistics() -> SchemaRef {
    use DataType::{Date32, Int16, Int32, Int64, Utf8View};
    schema(&[
        ("timestamp", timestamp()),
        ("instrument_id", Int32),
        ("symbol", Utf8View),
        ("stat_type", Int16),
        ("stat_name", Utf8View),
        ("price", PRICE),
        ("quantity", Int64),
        ("ts_ref", timestamp()),
        ("trade_date", Date32),
        ("asset_class", Utf8View),
        ("src", Utf8View),
        ("seq", Int64),
    ])
}

pub(super) fn definitions() -> SchemaRef {
    use DataType::{Boolean, Date32, Int32, Utf8View};
    schema(&[
        ("instrument_id", Int32),
        ("symbol", Utf8View),
        ("raw_symbol", Utf8View),
        ("asset", Utf8View),
        ("exchange", Utf8View),
        ("currency", Utf8View),
        ("tick_size", PRICE),
        ("multiplier", PRICE),
        ("expiration_date", Date32),
        ("is_active", Boolean),
        ("asset_class", Utf8View),
        ("contract_month", Utf8View),
        ("underlying", Utf8View),
        ("strike_price", PRICE),
        ("option_right", Utf8View),
        ("src", Utf8View),
    ])
}
