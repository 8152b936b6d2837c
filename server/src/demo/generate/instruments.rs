//! Who trades: asset classes, their sessions, and made-up instruments with plausible prices.

use std::fmt;
use std::sync::Arc;

use super::random::Random;

/// One second, in microseconds.
pub(super) const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600 * SECOND_US;

/// What kind of thing is traded; the second partition column of the shipped tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AssetClass {
    /// Shares: 14:30 to 21:00 UTC, whole sizes, no aggressor side.
    Equity,
    /// Currencies: 22:00 UTC of the day before to 22:00.
    Fx,
    /// Crypto currencies: the UTC day, fractional sizes.
    Crypto,
    /// Futures: 23:00 UTC of the day before to 22:00.
    Future,
}

impl AssetClass {
    /// All four.
    pub const ALL: [AssetClass; 4] = [AssetClass::Equity, AssetClass::Fx, AssetClass::Crypto, AssetClass::Future];

    /// As the `asset_class` column has it.
    pub const fn name(self) -> &'static str {
        match self {
            AssetClass::Equity => "EQUITY",
            AssetClass::Fx => "FX",
            AssetClass::Crypto => "CRYPTO",
            AssetClass::Future => "FUTURE",
        }
    }

    /// Start of the session relative to 00:00 UTC of the trade date, and its length, microseconds.
    pub(super) const fn session(self) -> (i64, i64) {
        match self {
            AssetClass::Equity => (14 * HOUR_US + HOUR_US / 2, 6 * HOUR_US + HOUR_US / 2),
            AssetClass::Fx => (-2 * HOUR_US, 24 * HOUR_US),
            AssetClass::Crypto => (0, 24 * HOUR_US),
            AssetClass::Future => (-HOUR_US, 23 * HOUR_US),
        }
    }

    const fn known(self) -> &'static [(&'static str, f64)] {
        match self {
            AssetClass::Equity => &[
                ("SPY", 542.0),
                ("AAPL", 194.0),
                ("MSFT", 415.0),
                ("NVDA", 121.0),
                ("AMZN", 184.0),
                ("IBM", 169.0),
                ("GOOG", 176.0),
                ("META", 493.0),
                ("TSLA", 177.0),
                ("JPM", 199.0),
                ("XOM", 113.0),
                ("BAC", 39.5),
                ("KO", 63.2),
                ("DIS", 102.0),
                ("INTC", 30.8),
                ("F", 12.1),
            ],
            AssetClass::Fx => &[
                ("EURUSD", 1.0860),
                ("USDJPY", 156.20),
                ("GBPUSD", 1.2740),
                ("AUDUSD", 0.6650),
                ("USDCAD", 1.3670),
                ("USDCHF", 0.8960),
                ("NZDUSD", 0.6140),
                ("EURGBP", 0.8520),
                ("EURJPY", 169.60),
                ("USDSEK", 10.52),
            ],
            AssetClass::Crypto => &[
                ("BTCUSDT", 68_900.0),
                ("ETHUSDT", 3_780.0),
                ("SOLUSDT", 165.0),
                ("XRPUSDT", 0.52),
                ("BNBUSDT", 605.0),
                ("DOGEUSDT", 0.158),
                ("ADAUSDT", 0.45),
                ("LTCUSDT", 83.5),
            ],
            AssetClass::Future => &[
                ("ESM24", 5_290.0),
                ("NQM24", 18_560.0),
                ("CLN24", 74.2),
                ("GCQ24", 2_348.0),
                ("ZNU24", 109.4),
                ("6EM24", 1.0875),
                ("FESXM24", 4_985.0),
                ("NGN24", 2.75),
                ("SIN24", 29.6),
                ("ZCN24", 446.0),
            ],
        }
    }

    const fn venue(self) -> (&'static str, &'static str) {
        match self {
            AssetClass::Equity => ("XNAS", "EQ"),
            AssetClass::Fx => ("FXCM", "FX"),
            AssetClass::Crypto => ("BINANCE", "CR"),
            AssetClass::Future => ("GLBX", "FU"),
        }
    }
}

impl fmt::Display for AssetClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    /// `instrument_id`, unique in a market.
    pub id: i32,
    /// `symbol`, unique in a market.
    pub symbol: String,
    /// What it is.
    pub class: AssetClass,
    /// Where it trades.
    pub exchange: &'static str,
    /// Smallest price step, in units of 10^-8.
    pub tick: i64,
    /// Price at the market's start, in ticks.
    pub base_ticks: i64,
    /// How often it trades: 0 is the busiest of its class.
    pub rank: usize,
}

impl Instrument {
    /// Price path of one day: its level, in ticks, in `knots` equal slices of the session. The same for trades, quotes
    /// and bars, so that they agree with one another.
    pub(super) fn path(&self, seed: u64, day: i32, knots: usize) -> Vec<i64> {
        let mut random = Random::new(seed, &[u64::from(self.id.unsigned_abs()), u64::from(day.unsigned_abs()), 1]);
        // Every day opens within 3 % of the base, so any day can be made without those before it.
        let spread = (self.base_ticks / 33).max(2);
        let mut level = self.base_ticks + random.below(2 * spread.unsigned_abs()) as i64 - spread;
        let step = (self.base_ticks / 4_000).max(1);
        (0..knots)
            .map(|_| {
                level += random.below(2 * step.unsigned_abs() + 1) as i64 - step;
                level = level.max(10);
                level
            })
            .collect()
    }
}

/// `per_class` instruments of each class: well-known names first, then numbered ones.
pub(super) fn instruments(seed: u64, per_class: usize) -> Vec<Arc<Instrument>> {
    let mut all = Vec::with_capacity(per_class * AssetClass::ALL.len());
    for (c, class) in AssetClass::ALL.into_iter().enumerate() {
        let (exchange, prefix) = class.venue();
        for rank in 0..per_class {
            let id = 90_000_001 + (c * per_class + rank) as i32;
            let (symbol, price) = match class.known().get(rank) {
                Some((symbol, price)) => ((*symbol).to_owned(), *price),
                None => {
                    let mut random = Random::new(seed, &[id.unsigned_abs().into(), 2]);
                    (format!("{prefix}{rank:04}"), 5.0 + 295.0 * random.fraction())
                }
            };
            let tick = tick_size(class, price);
            let base_ticks = ((price * 1e8) as i64 / tick).max(20);
            all.push(Arc::new(Instrument { id, symbol, class, exchange, tick, base_ticks, rank }));
        }
    }
    all
}

fn tick_size(class: AssetClass, price: f64) -> i64 {
    match class {
        AssetClass::Equity => 1_000_000,
        AssetClass::Fx if price > 20.0 => 100_000,
        AssetClass::Fx => 1_000,
        AssetClass::Crypto if price > 100.0 => 1_000_000,
        AssetClass::Crypto => 1_000,
        AssetClass::Future if price > 1_000.0 => 25_000_000,
        AssetClass::Future if price > 10.0 => 1_000_000,
        AssetClass::Future => 5_000,
    }
}
