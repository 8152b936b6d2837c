//! See `copy_binary` in `tests/src/fuzz_targets.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zxq_tests::fuzz_targets::copy_binary(data));
