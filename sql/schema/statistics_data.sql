-- Statistics that venues and agencies publish: settlement, open interest, cleared volume, volatility, delta, fixings.
--
-- Where this differs from a textbook definition, and why:
-- * One number per row: in `price` or in `quantity`, whichever fits `stat_type`. Both are NULL where the venue published
--   the statistic without a value, which happens for open interest.
-- * Values may be zero or negative: a put's delta, and oil's price in April 2020. Only quantities are checked.
-- * `stat_type` keeps Databento's numbers (1 open, 4 low, 5 high, 6 cleared volume, 9 open interest, 10 fixing price,
--   11 close, 14 volatility, 15 delta); `stat_name` spells them. New types appear, so they are not checked.
-- * `ts_ref` is the moment the number is about, `timestamp` the moment it was published.
-- * Partitions span a year: forty years of daily fixings by day would be ten thousand files of one row.
CREATE TABLE statistics_data (
    timestamp     TIMESTAMPTZ   NOT NULL,
    instrument_id INTEGER       NOT NULL,
    symbol        VARCHAR(50)   NOT NULL,
    stat_type     SMALLINT      NOT NULL,
    stat_name     VARCHAR(50),
    price         DECIMAL(20,8),
    quantity      BIGINT,
    ts_ref        TIMESTAMPTZ,
    created_at    TIMESTAMPTZ   DEFAULT now(),
    trade_date    DATE          NOT NULL,
    asset_class   VARCHAR(20)   NOT NULL DEFAULT 'UNKNOWN',
    src           VARCHAR,
    seq           BIGINT,

    CONSTRAINT statistics_quantity_check CHECK (quantity IS NULL OR quantity >= 0)
) WITH (
    time_column = 'timestamp',
    partition_by = 'trade_date, asset_class',
    granularity = 'year',
    sort_by = 'symbol, timestamp',
    lookup = 'symbol, instrument_id',
    cold_format = 'delta'
);
