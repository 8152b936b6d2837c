//! Object identifiers: the same object has the same one in every session and after every restart.

use std::collections::BTreeSet;

/// First OID that PostgreSQL gives to users' objects.
const FIRST_USER_OID: u32 = 16_384;
/// OIDs above this one do not fit where clients keep them in an `int4`.
const LAST_OID: u32 = i32::MAX as u32;

/// Gives out OIDs. Objects have to be asked for in the same order each time, so that the rare collision is resolved the
/// same way.
#[derive(Debug, Default)]
pub(super) struct Oids {
    taken: BTreeSet<u32>,
}

impl Oids {
    /// The OID of an object, by a key that names it for ever.
    pub(super) fn of(&mut self, key: &str) -> u32 {
        let span = LAST_OID - FIRST_USER_OID - 65_536;
        let mut oid = FIRST_USER_OID + 65_536 + (hash(key) % u64::from(span)) as u32;
        while !self.taken.insert(oid) {
            oid = if oid == LAST_OID { FIRST_USER_OID } else { oid + 1 };
        }
        oid
    }
}

/// 64-bit FNV-1a.
fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
