-- Top of the book: the best bid and offer, one row per change.
--
-- Where this differs from a textbook definition, and why:
-- * The ask may lie below the bid: feeds cross, for FX very often, and books do so before the open. `spread` is then
--   negative. It is NULL where one side is.
-- * Either side may be missing: some venues quote one side per row. `kind` says what a row is (quote, bbo-1s, …).
-- * Sizes are in whole units, cut off, so 0 is possible; `bid_sz_raw` and `ask_sz_raw` keep the exact sizes. NULL where
--   the source has no sizes.
-- * Prices may be zero or negative (calendar spreads, oil in April 2020), so they are not checked.
-- * There is no key: `src` and `seq` (the row's position in its source) put rows of one moment in order.
-- * `trade_date` is the exchange's trading day, which for sessions that run overnight is not the date of `timestamp`.
--   Left out, it is taken from `timestamp` in UTC.
CREATE TABLE tbbo_data (
    timestamp     TIMESTAMPTZ   NOT NULL,
    instrument_id INTEGER       NOT NULL,
    symbol        VARCHAR(50)   NOT NULL,
    bid_px_00     DECIMAL(20,8),
    ask_px_00     DECIMAL(20,8),
    bid_sz_00     BIGINT,
    ask_sz_00     BIGINT,
    spread        DECIMAL(20,8) GENERATED ALWAYS AS (ask_px_00 - bid_px_00) STORED,
    created_at    TIMESTAMPTZ   DEFAULT now(),
    trade_date    DATE          NOT NULL,
    asset_class   VARCHAR(20)   NOT NULL DEFAULT 'UNKNOWN',
    bid_sz_raw    DECIMAL(24,8),
    ask_sz_raw    DECIMAL(24,8),
    exchange      VARCHAR(20),
    kind          VARCHAR(20),
    src           VARCHAR,
    seq           BIGINT,

    CONSTRAINT tbbo_sizes_check CHECK (
        (bid_sz_00 IS NULL OR bid_sz_00 >= 0) AND
        (ask_sz_00 IS NULL OR ask_sz_00 >= 0) AND
        (bid_sz_raw IS NULL OR bid_sz_raw >= 0) AND
        (ask_sz_raw IS NULL OR ask_sz_raw >= 0)
    )
) WITH (
    time_column = 'timestamp',
    partition_by = 'trade_date, asset_class',
    granularity = 'day',
    sort_by = 'symbol, timestamp',
    lookup = 'symbol, instrument_id',
    cold_format = 'delta'
);
