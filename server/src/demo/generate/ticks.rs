//! The stream of moments in one partition, ordered by symbol and time, that every table's rows are made from.

use std::sync::Arc;

use super::instruments::{AssetClass, Instrument};
use super::random::Random;

/// Slices of a session in which the price level is constant.
const KNOTS: usize = 512;
const DAY_US: i64 = 86_400_000_000;

/// How rows are shared among the instruments of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// The busiest get most, as trades and quotes do.
    ByRank,
    /// All the same, as bars do.
    Even,
}

/// One moment of one instrument.
pub(super) struct Tick<'a> {
    /// Whose moment it is.
    pub(super) instrument: &'a Instrument,
    /// When, microseconds since the Unix epoch.
    pub(super) ts_us: i64,
    /// The price level, in the instrument's ticks, at least 10.
    pub(super) level: i64,
    /// Position among the moments of its instrument, and how many there are.
    pub(super) row: usize,
    /// Number of moments of its instrument.
    pub(super) rows: usize,
    /// Position in the partition, from 0.
    pub(super) seq: i64,
    /// Random bits to make the rest of the row from.
    pub(super) random: Random,
    path: &'a [i64],
    start_us: i64,
    length_us: i64,
}

impl Tick<'_> {
    /// Start of the session, microseconds since the Unix epoch.
    pub(super) fn session_start_us(&self) -> i64 {
        self.start_us
    }

    /// Length of the session, microseconds.
    pub(super) fn session_length_us(&self) -> i64 {
        self.length_us
    }

    /// The price level, in ticks, at another time of the session.
    pub(super) fn level_at(&self, ts_us: i64) -> i64 {
        level_at(self.path, self.start_us, self.length_us, ts_us)
    }

    /// Half of the spread between bid and ask, in ticks, at least 1.
    pub(super) fn half_spread(&self) -> i64 {
        (self.level / 20_000).max(1)
    }
}

fn level_at(path: &[i64], start_us: i64, length_us: i64, ts_us: i64) -> i64 {
    let knot = (i128::from(ts_us - start_us) * KNOTS as i128 / i128::from(length_us)).clamp(0, KNOTS as i128 - 1);
    path.get(knot as usize).copied().unwrap_or(10)
}

/// All moments of one partition.
pub(super) struct Ticks {
    runs: Vec<(Arc<Instrument>, usize)>,
    run: usize,
    row: usize,
    seq: i64,
    seed: u64,
    day: i32,
    start_us: i64,
    length_us: i64,
    random: Random,
    path: Vec<i64>,
}

impl Ticks {
    /// `rows` moments of one class on one day, `day` in days since 1970-01-01. `salt` tells tables apart.
    pub(super) fn new(
        instruments: &[Arc<Instrument>],
        class: AssetClass,
        day: i32,
        rows: u64,
        share: Share,
        seed: u64,
        salt: u64,
    ) -> Self {
        let members: Vec<&Arc<Instrument>> = instruments.iter().filter(|i| i.class == class).collect();
        let weight = |rank: usize| match share {
            Share::ByRank => 1.0 / (rank as f64 + 3.0),
            Share::Even => 1.0,
        };
        let total: f64 = members.iter().map(|i| weight(i.rank)).sum();
        let (mut before, mut given) = (0.0, 0u64);
        let mut runs = Vec::with_capacity(members.len());
        for (position, instrument) in members.iter().enumerate() {
            before += weight(instrument.rank);
            let upto = if position + 1 == members.len() { rows } else { (rows as f64 * before / total) as u64 };
            runs.push((Arc::clone(instrument), upto.saturating_sub(given) as usize));
            given = given.max(upto);
        }
        runs.sort_by(|a, b| a.0.symbol.cmp(&b.0.symbol));
        let (offset, length_us) = class.session();
        Ticks {
            runs,
            run: 0,
            row: 0,
            seq: 0,
            seed,
            day,
            start_us: i64::from(day) * DAY_US + offset,
            length_us,
            random: Random::new(seed, &[u64::from(day.unsigned_abs()), class as u64, salt]),
            path: Vec::new(),
        }
    }

    /// The next moment.
    pub(super) fn next(&mut self) -> Option<Tick<'_>> {
        while self.runs.get(self.run).is_some_and(|(_, rows)| self.row >= *rows) {
            self.run += 1;
            self.row = 0;
        }
        let (instrument, rows) = self.runs.get(self.run)?;
        if self.row == 0 {
            self.path = instrument.path(self.seed, self.day, KNOTS);
        }
        // Each moment falls in its own slice of the session, so times never run backwards.
        let jitter = self.random.below(self.length_us.unsigned_abs());
        let offset = (self.row as i128 * i128::from(self.length_us) + i128::from(jitter)) / *rows as i128;
        let ts_us = self.start_us + offset as i64;
        let tick = Tick {
            instrument,
            ts_us,
            level: level_at(&self.path, self.start_us, self.length_us, ts_us),
            row: self.row,
            rows: *rows,
            seq: self.seq,
            random: Random::new(self.random.bits(), &[]),
            path: &self.path,
            start_us: self.start_us,
            length_us: self.length_us,
        };
        self.row += 1;
        self.seq += 1;
        Some(tick)
    }
}
