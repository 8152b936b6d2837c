//! The fuzz targets over their corpus, and over bytes that are made of it at random, the same in every run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use zxq_tests::fuzz_targets::TARGETS;

/// Inputs made of the corpus, for each target.
const MADE: u64 = 3_000;

/// Numbers that look like chance and are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = zxq_test_support::project().join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One input of the corpus, or two of them joined, with some bytes changed, taken out, doubled or put in.
fn made(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = corpus[chance.below(corpus.len())].clone();
    if chance.below(3) == 0 {
        let other = &corpus[chance.below(corpus.len())];
        bytes.truncate(chance.below(bytes.len() + 1));
        bytes.extend_from_slice(&other[chance.below(other.len() + 1)..]);
    }
    const TELLING: &[u8] = b"'\"$;\\\n\r\t,()-/*\0\xff\xc3:.eE0x";
    for _ in 0..chance.below(8) {
        let at = chance.below(bytes.len() + 1);
        match chance.below(5) {
            0 if at < bytes.len() => bytes[at] = chance.next() as u8,
            1 if at < bytes.len() => _ = bytes.remove(at),
            2 => {
                let end = at + chance.below(bytes.len() - at + 1);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => bytes.truncate(at),
            _ => bytes.insert(at, TELLING[chance.below(TELLING.len())]),
        }
        bytes.truncate(4_096);
    }
    bytes
}

#[test]
fn no_bytes_break_what_reads_them() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        for input in &corpus {
            target(input);
        }
        let mut chance = Chance(0x2545_f491_4f6c_dd1d);
        for round in 0..if name == "wal_recovery" { MADE / 10 } else { MADE } {
            let input = made(&corpus, &mut chance);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
                eprintln!("{name}, round {round}: {:?}", String::from_utf8_lossy(&input));
                std::panic::resume_unwind(panic);
            }
        }
    }
}
