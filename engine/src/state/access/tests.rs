#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use zxq_catalog::{JobId, Role, RowHash, SegmentId, Tier};

use super::*;

fn key(class: &str) -> PartitionKey {
    PartitionKey { period: None, class: Some(class.to_owned()) }
}

fn segment(id: SegmentId, class: &str) -> Arc<Segment> {
    Arc::new(Segment {
        id,
        table: 1,
        partition: key(class),
        tier: Tier::Hot,
        role: Role::Owner,
        location: String::new(),
        rows: 1,
        bytes: 1,
        hash: RowHash(0),
        stats: BTreeMap::new(),
        sorted: true,
        job: JobId("insert".to_owned()),
        created_epoch: 0,
    })
}

#[test]
fn reads_are_counted_by_partition() {
    let log = AccessLog::default();
    log.note(1, &[segment(1, "FX"), segment(2, "FX"), segment(3, "CRYPTO")], 10);
    log.note(1, &[segment(1, "FX")], 20);
    log.note(2, &[segment(1, "FX")], 30);
    assert_eq!(log.of(1, &key("FX")), Accesses { count: 2, last_us: 20 });
    assert_eq!(log.of(1, &key("CRYPTO")), Accesses { count: 1, last_us: 10 });
    assert_eq!(log.of(2, &key("FX")), Accesses { count: 1, last_us: 30 });
    assert_eq!(log.of(1, &key("EQUITY")), Accesses::default());
    assert_eq!(log.of(3, &key("FX")), Accesses::default());
}

#[test]
fn a_read_waits_for_no_other_read() {
    let log = Arc::new(AccessLog::default());
    log.note(1, &[segment(1, "FX")], 10);
    let table = log.table(1);
    // As a scan that is in the middle of noting what it reads.
    let others = (table.read(), log.tables.read());
    let (done, ended) = mpsc::channel();
    let own = Arc::clone(&log);
    let reader = std::thread::spawn(move || {
        own.note(1, &[segment(1, "FX")], 20);
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(60)).expect("it waits for a read that is under way");
    drop(others);
    reader.join().unwrap();
    assert_eq!(log.of(1, &key("FX")).count, 2);
}
