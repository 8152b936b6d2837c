-- Bars: open, high, low, close and volume of one instrument over one interval.
--
-- Where this differs from a textbook definition, and why:
-- * Bars of every interval (1s, 1m, 1h, 1d) share the table; `granularity` tells them apart and is part of the sort key.
-- * There is no key. Some feeds repeat a (symbol, granularity, timestamp), and symbols are reused over the years;
--   `src` and `seq` (the row's position in its source) tell such rows apart.
-- * `volume` is a whole number, 0 where the source has none. Crypto trades in fractions, so `volume_raw` keeps the exact
--   number, NULL where the source has none.
-- * Prices may be zero or negative (calendar spreads, oil in April 2020): only their order is checked.
-- * `trade_date` is the exchange's trading day, which for sessions that run overnight is not the date of `timestamp`.
--   Left out, it is taken from `timestamp` in UTC.
-- * Partitions span a year: decades of daily bars by day would be thousands of tiny files.
CREATE TABLE ohlcv_data (
    timestamp     TIMESTAMPTZ   NOT NULL,
    instrument_id INTEGER       NOT NULL,
    symbol        VARCHAR(50)   NOT NULL,
    open_price    DECIMAL(20,8) NOT NULL,
    high_price    DECIMAL(20,8) NOT NULL,
    low_price     DECIMAL(20,8) NOT NULL,
    close_price   DECIMAL(20,8) NOT NULL,
    volume        BIGINT        NOT NULL,
    granularity   VARCHAR(10)   NOT NULL,
    created_at    TIMESTAMPTZ   DEFAULT now(),
    trade_date    DATE          NOT NULL,
    asset_class   VARCHAR(20)   NOT NULL DEFAULT 'UNKNOWN',
    volume_raw    DECIMAL(24,8),
    src           VARCHAR,
    seq           BIGINT,

    CONSTRAINT ohlcv_price_check CHECK (
        high_price >= low_price AND
        low_price <= open_price AND open_price <= high_price AND
        low_price <= close_price AND close_price <= high_price
    ),
    CONSTRAINT ohlcv_volume_check CHECK (volume >= 0 AND (volume_raw IS NULL OR volume_raw >= 0))
) WITH (
    time_column = 'timestamp',
    partition_by = 'trade_date, asset_class',
    granularity = 'year',
    sort_by = 'symbol, granularity, timestamp',
    lookup = 'symbol, instrument_id',
    cold_format = 'delta'
);
