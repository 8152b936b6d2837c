//! Types, and the values at their edges.

use rand::Rng;
use rand::rngs::StdRng;

/// A type of SQL, as far as the oracle asks about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Small,
    Int,
    Big,
    Numeric,
    Double,
    Text,
    Bool,
    Date,
    Timestamp,
    Timestamptz,
    Interval,
}

use Type::*;

impl Type {
    pub(crate) const ALL: [Type; 11] =
        [Small, Int, Big, Numeric, Double, Text, Bool, Date, Timestamp, Timestamptz, Interval];

    /// Its name in SQL.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Small => "smallint",
            Int => "integer",
            Big => "bigint",
            Numeric => "numeric",
            Double => "double precision",
            Text => "text",
            Bool => "boolean",
            Date => "date",
            Timestamp => "timestamp",
            Timestamptz => "timestamptz",
            Interval => "interval",
        }
    }

    /// The columns of the table that have it.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Small => &["i2"],
            Int => &["i4", "id"],
            Big => &["i8"],
            Numeric => &["n", "price"],
            Double => &["f8"],
            Text => &["t", "k"],
            Bool => &["b"],
            Date => &["d", "day"],
            Timestamp => &["ts"],
            Timestamptz => &["tz"],
            Interval => &[],
        }
    }

    /// Constants, as they are written.
    fn constants(self) -> &'static [&'static str] {
        match self {
            Small => &["0::smallint", "1::smallint", "(-7)::smallint", "32767::smallint", "(-32768)::smallint"],
            Int => &["0", "1", "2", "3", "-1", "7", "100", "-12345", "2147483647", "(-2147483648)"],
            Big => &[
                "0::bigint",
                "1::bigint",
                "(-3)::bigint",
                "4294967296",
                "9223372036854775807",
                "(-9223372036854775808)",
                "1000000007",
            ],
            Numeric => &[
                "0.0",
                "1.0",
                "1.5",
                "-2.5",
                "0.5",
                "2.675",
                "-0.005",
                "0.000000000001",
                "100.00",
                "123456789.123456789",
                "1234567890123456789.5",
                "12345678901234567890123456789.5",
                "99999.99999",
            ],
            Double => &[
                "0::float8",
                "1::float8",
                "-0.0::float8",
                "1.5::float8",
                "-2.5::float8",
                "0.1::float8",
                "1e15::float8",
                "1e300::float8",
                "'NaN'::float8",
                "'Infinity'::float8",
                "'-Infinity'::float8",
            ],
            Text => &[
                "''",
                "' '",
                "'a'",
                "'A'",
                "'abc'",
                "'abcabc'",
                "'Straße'",
                "'日本語'",
                "'a_b%c'",
                "'12'",
                "'-1.5'",
                "'2024-02-29'",
                "'x''y'",
                "'  pad '",
                "'true'",
            ],
            Bool => &["true", "false"],
            Date => &[
                "DATE '2024-02-29'",
                "DATE '1970-01-01'",
                "DATE '1969-12-31'",
                "DATE '2023-12-31'",
                "DATE '0001-01-01'",
                "DATE '9999-12-31'",
                "DATE '2021-01-03'",
            ],
            Timestamp => &[
                "TIMESTAMP '2024-02-29 12:34:56.789012'",
                "TIMESTAMP '1970-01-01 00:00:00'",
                "TIMESTAMP '1969-12-31 23:59:59.999999'",
                "TIMESTAMP '2024-03-10 02:30:00'",
                "TIMESTAMP '0001-01-01 00:00:00'",
                "TIMESTAMP '9999-12-31 23:59:59.999999'",
                "TIMESTAMP '2024-12-30 00:00:00.5'",
            ],
            Timestamptz => &[
                "TIMESTAMPTZ '2024-02-29 12:34:56.789012+00'",
                "TIMESTAMPTZ '1970-01-01 00:00:00+00'",
                "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'",
                "TIMESTAMPTZ '2024-11-03 01:30:00-04'",
                "TIMESTAMPTZ '9999-12-31 23:59:59+00'",
            ],
            Interval => &[
                "INTERVAL '0'",
                "INTERVAL '1 day'",
                "INTERVAL '24 hours'",
                "INTERVAL '36 hours'",
                "INTERVAL '1 month'",
                "INTERVAL '30 days'",
                "INTERVAL '-1 day 02:03:04.5'",
                "INTERVAL '1 year 2 months'",
                "INTERVAL '00:00:00.000001'",
                "INTERVAL '-1 month 1 day'",
            ],
        }
    }

    /// One of its constants, or now and then NULL.
    pub(crate) fn constant(self, random: &mut StdRng) -> String {
        if random.random_ratio(1, 12) {
            return format!("NULL::{}", self.sql());
        }
        let all = self.constants();
        let one = all[random.random_range(0..all.len())];
        // A sign binds less than what may follow it.
        if one.starts_with('-') { format!("({one})") } else { one.to_owned() }
    }
}

/// What the table is made of, in both systems.
pub(crate) const COLUMNS: &str = "id integer NOT NULL, day date, k text, i2 smallint, i4 integer, i8 bigint, \
     n numeric(20,6), price numeric(18,8), f8 double precision, t text, b boolean, d date, ts timestamp, tz timestamptz";

/// Rows of three days and of none, with NULLs, ties and edges.
pub(crate) const ROWS: &str = "\
(1, '2024-01-02', 'a', 1, 1, 1, 1.5, 187.15, 1.5, 'abc', true, '2024-01-02', '2024-01-02 09:30:00', '2024-01-02 14:30:00+00'),
(2, '2024-01-02', 'a', -7, 2147483647, 9223372036854775807, -2.5, 0.00000001, -2.5, '', false, '1970-01-01', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00'),
(3, '2024-01-02', 'b', 32767, -2147483648, -9223372036854775808, 99999999999999.999999, 9999999999.99999999, 1e300, 'Straße', NULL, '0001-01-01', '0001-01-01 00:00:00', '0001-01-01 00:00:00+00'),
(4, '2024-01-03', 'b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(5, '2024-01-03', 'a', 0, 0, 0, 0, 0, 0, 'a_b%c', true, '2024-02-29', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012+00'),
(6, '2024-01-03', NULL, 3, 7, 100, 2.675, 10.125, 'NaN', 'ABC', false, '2023-12-31', '2024-03-10 02:30:00', '2024-11-03 05:30:00+00'),
(7, '2024-01-04', 'c', 3, 7, 100, 2.675, -10.125, 'Infinity', 'abc', true, '9999-12-31', '9999-12-31 23:59:59.999999', '2261-12-31 23:59:59.999999+00'),
(8, '2024-01-04', 'c', -32768, -1, -1, -0.000001, 1, '-Infinity', '日本語', false, '1969-12-31', '1970-01-01 00:00:00', '1970-01-01 00:00:00+00'),
(9, NULL, 'a', 100, 12345, 4294967296, 1000000, 33.33, 0.1, '12', true, '2024-12-30', '2024-12-30 00:00:00.5', '2024-12-30 00:00:00.5+00'),
(10, NULL, '', 5, 100, 1000000007, -1.5, 66.67, -0.0, ' ', NULL, '2021-01-03', '2021-01-03 00:00:00', '2021-01-03 23:00:00+00')";
