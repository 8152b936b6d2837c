//! Who guesses passwords has to wait: the checks of one address come after each other, with pauses that grow by its failures.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Failures that cost nothing: people mistype.
const FREE: u32 = 5;
/// More are not counted: nobody is slowed for longer than it takes to forgive them.
const MOST_FAILURES: u32 = 20;
/// One failure is forgotten after so long.
const FORGIVEN: Duration = Duration::from_secs(30);
/// The pause after the first failure that is not free; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it doubles: up to 8 s.
const DOUBLINGS: u32 = 4;
/// Who would have to wait for longer is refused.
const LONGEST: Duration = Duration::from_secs(10);
/// Addresses that are remembered; beyond, the one whose last failure is the oldest is forgotten.
const MOST_ADDRESSES: usize = 10_000;

/// What is remembered of addresses.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    addresses: Mutex<HashMap<IpAddr, Record>>,
}

#[derive(Debug)]
struct Record {
    failures: u32,
    /// When the failures were last counted, or forgiven.
    counted: Instant,
    /// Before it nothing is checked for this address.
    next: Instant,
}

impl Record {
    fn forgive(&mut self, now: Instant) {
        let over = now.saturating_duration_since(self.counted).as_secs() / FORGIVEN.as_secs();
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        if over > 0 {
            self.failures = self.failures.saturating_sub(over);
            self.counted = now;
        }
    }

    fn pause(&self) -> Duration {
        match self.failures.checked_sub(FREE) {
            Some(more) => PAUSE * (1 << more.min(DOUBLINGS)),
            None => Duration::ZERO,
        }
    }
}

impl Throttle {
    /// How long a check for this address has to wait. `None` when that is too long: it is refused, unchecked.
    pub(crate) fn turn(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut addresses = self.addresses.lock();
        let Some(record) = addresses.get_mut(&network(address)) else { return Some(Duration::ZERO) };
        record.forgive(now);
        let pause = record.pause();
        if pause.is_zero() {
            return Some(Duration::ZERO);
        }
        let turn = record.next.max(now);
        let wait = turn - now;
        if wait > LONGEST {
            return None;
        }
        record.next = turn + pause;
        Some(wait)
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) {
        let mut addresses = self.addresses.lock();
        let network = network(address);
        if addresses.len() >= MOST_ADDRESSES && !addresses.contains_key(&network) {
            let oldest = addresses.iter().min_by_key(|(_, record)| record.counted).map(|(address, _)| *address);
            oldest.and_then(|oldest| addresses.remove(&oldest));
        }
        let record = addresses.entry(network).or_insert(Record { failures: 0, counted: now, next: now });
        record.forgive(now);
        record.failures = (record.failures + 1).min(MOST_FAILURES);
        record.counted = now;
        record.next = record.next.max(now + record.pause());
    }
}

/// What counts as one address: of IPv6 whoever has one has the network of 64 bits around it.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}
