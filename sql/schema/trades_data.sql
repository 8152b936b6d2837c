-- Trades, one row each.
--
-- Where this differs from a textbook definition, and why:
-- * `side` is the aggressor's, B or S, and NULL where the venue does not say: true of most equity and many futures trades.
-- * `size` is in whole units, cut off: 0 is possible, and usual for crypto, which trades in fractions. `size_raw` keeps
--   the exact size.
-- * Prices may be zero or negative (calendar spreads, oil in April 2020), so they are not checked.
-- * There is no key: `trade_id` is often missing, and instruments share timestamps. `src` and `seq` (the row's position
--   in its source) put rows of one moment in order.
-- * `trade_date` is the exchange's trading day, which for sessions that run overnight is not the date of `timestamp`.
--   Left out, it is taken from `timestamp` in UTC.
CREATE TABLE trades_data (
    timestamp      TIMESTAMPTZ   NOT NULL,
    instrument_id  INTEGER       NOT NULL,
    symbol         VARCHAR(50)   NOT NULL,
    price          DECIMAL(20,8) NOT NULL,
    size           BIGINT        NOT NULL,
    side           CHAR(1),
    trade_id       VARCHAR(100),
    created_at     TIMESTAMPTZ   DEFAULT now(),
    trade_date     DATE          NOT NULL,
    asset_class    VARCHAR(20)   NOT NULL DEFAULT 'UNKNOWN',
    size_raw       DECIMAL(24,8),
    exchange       VARCHAR(20),
    sale_condition VARCHAR(20),
    suspicious     BOOLEAN,
    src            VARCHAR,
    seq            BIGINT,

    CONSTRAINT trades_size_check CHECK (size >= 0 AND (size_raw IS NULL OR size_raw >= 0)),
    CONSTRAINT trades_side_check CHECK (side IS NULL OR side IN ('B', 'S'))
) WITH (
    time_column = 'timestamp',
    partition_by = 'trade_date, asset_class',
    granularity = 'day',
    sort_by = 'symbol, timestamp',
    lookup = 'symbol, instrument_id',
    cold_format = 'delta'
);
