//! See `wal_recovery` in `tests/src/fuzz_targets.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zxq_tests::fuzz_targets::wal_recovery(data));
