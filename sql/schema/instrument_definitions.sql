-- Instruments: what a symbol or an instrument id stands for.
--
-- Where this differs from a textbook definition, and why:
-- * Neither `instrument_id` nor `symbol` is a key. Vendors give one stock new ids from day to day, exchanges use the code
--   of an expired contract again ten years later, and a later definition is a new row: `updated_at` says which is newest.
-- * `currency` has room for more than three letters: crypto is quoted in USDT.
-- * `expiration_date` is NULL for what does not expire, and where only the `contract_month` is known.
-- * One partition: definitions are few, belong to no day, and are joined whole.
CREATE TABLE instrument_definitions (
    instrument_id   INTEGER       NOT NULL,
    symbol          VARCHAR(50)   NOT NULL,
    raw_symbol      VARCHAR(100)  NOT NULL,
    asset           VARCHAR(20)   NOT NULL,
    exchange        VARCHAR(20)   NOT NULL,
    currency        VARCHAR(10)   NOT NULL,
    tick_size       DECIMAL(20,8) NOT NULL,
    multiplier      DECIMAL(20,8) NOT NULL,
    expiration_date DATE,
    is_active       BOOLEAN       DEFAULT TRUE,
    created_at      TIMESTAMPTZ   DEFAULT now(),
    updated_at      TIMESTAMPTZ   DEFAULT now(),
    asset_class     VARCHAR(20)   NOT NULL DEFAULT 'UNKNOWN',
    contract_month  VARCHAR(6),
    underlying      VARCHAR(50),
    strike_price    DECIMAL(20,8),
    option_right    CHAR(1),
    src             VARCHAR,

    CONSTRAINT positive_tick_size CHECK (tick_size > 0),
    CONSTRAINT positive_multiplier CHECK (multiplier > 0),
    CONSTRAINT option_right_check CHECK (option_right IS NULL OR option_right IN ('C', 'P'))
) WITH (
    time_column = 'updated_at',
    partition_by = 'none',
    sort_by = 'symbol',
    lookup = 'symbol, instrument_id',
    cold_format = 'delta'
);
