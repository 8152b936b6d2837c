#![allow(clippy::unwrap_used)]

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn pauses_grow_with_failures_and_end_in_refusal() {
    let throttle = Throttle::default();
    let (guesser, other) = (address("203.0.113.9"), address("203.0.113.10"));
    let now = Instant::now();
    for _ in 0..FREE - 1 {
        assert_eq!(throttle.turn(guesser, now), Some(Duration::ZERO));
        throttle.failed(guesser, now);
    }
    assert_eq!(throttle.turn(guesser, now), Some(Duration::ZERO), "people mistype");
    throttle.failed(guesser, now);
    // Those who come at once wait for each other.
    assert_eq!(throttle.turn(guesser, now), Some(PAUSE));
    assert_eq!(throttle.turn(guesser, now), Some(PAUSE * 2));
    throttle.failed(guesser, now);
    let waits: Vec<Duration> = std::iter::from_fn(|| throttle.turn(guesser, now)).take(100).collect();
    assert!(waits.len() < 20 && waits.is_sorted(), "{waits:?}");
    assert_eq!(throttle.turn(guesser, now), None);
    assert_eq!(throttle.turn(other, now), Some(Duration::ZERO), "others do not wait");
}

#[test]
fn failures_are_forgiven() {
    let throttle = Throttle::default();
    let guesser = address("203.0.113.9");
    let now = Instant::now();
    for _ in 0..1_000 {
        throttle.failed(guesser, now);
    }
    assert!(throttle.turn(guesser, now).is_none_or(|wait| wait >= PAUSE));
    let later = now + FORGIVEN * (MOST_FAILURES - FREE + 1);
    assert_eq!(throttle.turn(guesser, later), Some(Duration::ZERO));
    throttle.failed(guesser, later);
    assert_ne!(throttle.turn(guesser, later), Some(Duration::ZERO), "all but a few are forgiven, not all");
}

#[test]
fn a_network_of_ipv6_counts_as_one_address() {
    let throttle = Throttle::default();
    let now = Instant::now();
    for number in 0..FREE {
        throttle.failed(address(&format!("2001:db8:1:2::{number:x}")), now);
    }
    assert_eq!(throttle.turn(address("2001:db8:1:2:ffff::1"), now), Some(PAUSE));
    assert_eq!(throttle.turn(address("2001:db8:1:3::1"), now), Some(Duration::ZERO));
}

#[test]
fn not_all_addresses_of_the_world_are_remembered() {
    let throttle = Throttle::default();
    let now = Instant::now();
    for number in 0..u32::try_from(MOST_ADDRESSES).unwrap() + 10 {
        throttle.failed(IpAddr::V4(number.into()), now + Duration::from_millis(number.into()));
    }
    let addresses = throttle.addresses.lock();
    assert_eq!(addresses.len(), MOST_ADDRESSES);
    assert!(!addresses.contains_key(&IpAddr::V4(3.into())), "the oldest is forgotten first");
}
