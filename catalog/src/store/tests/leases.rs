//! Leases: who took a partition over last may commit, and nobody else.

use super::{Catalog, StoreKind, add, job};
use crate::fixtures::{partition, segment};
use crate::store::Commit;
use crate::{CatalogError, JobPhase, PartitionKey, Tier};

pub(super) async fn a_newer_lease_fences_the_older_job_off(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    assert_eq!(catalog.store.fence(1, &partition("FX")).await.unwrap(), 0);
    let old = catalog.store.lease(1, &partition("FX")).await.unwrap();
    assert_eq!(catalog.store.fence(1, &partition("FX")).await.unwrap(), old);
    let other = catalog.store.lease(1, &partition("CRYPTO")).await.unwrap();
    let catalog = catalog.reopen().await;
    let new = catalog.store.lease(1, &partition("FX")).await.unwrap();
    assert!(new > old && new > other);
    for (table, class, fence) in [(1, "FX", new), (1, "CRYPTO", other), (1, "RATES", 0), (9, "FX", 0)] {
        assert_eq!(catalog.store.fence(table, &partition(class)).await.unwrap(), fence, "{table} {class}");
    }
    let commit = |base: u64, class: &str, fence: u64| Commit {
        base_epoch: base,
        epoch: base + 1,
        fences: vec![(1, partition(class), fence)],
        jobs: vec![job("mover", JobPhase::Done, 1)],
        changes: vec![add(segment(10 + base, 1, Tier::Warm))],
        ..Commit::default()
    };
    match catalog.store.commit(&commit(1, "FX", old)).await {
        Err(CatalogError::Fenced { job, held, current }) => {
            assert_eq!((job.as_str(), held, current), ("mover", old, new));
        }
        other => panic!("not fenced: {other:?}"),
    }
    assert!(catalog.ids().await.is_empty());
    catalog.store.commit(&commit(1, "FX", new)).await.unwrap();
    catalog.store.commit(&commit(2, "CRYPTO", other)).await.unwrap();
    assert!(matches!(catalog.store.commit(&commit(3, "RATES", 1)).await, Err(CatalogError::Fenced { .. })));
    assert!(matches!(catalog.store.lease(9, &partition("FX")).await, Err(CatalogError::Conflict(_))));
}

pub(super) async fn partitions_that_are_leased_together_share_a_fence(kind: StoreKind) {
    let catalog = Catalog::with_table(kind).await;
    // More than one statement takes, one of them twice.
    let mut many: Vec<PartitionKey> = (0..600).map(|n| partition(&format!("C{n}"))).collect();
    many.push(partition("C0"));
    let alone = catalog.store.lease(1, &partition("C7")).await.unwrap();
    let together = catalog.store.lease_all(1, &many).await.unwrap();
    assert!(together > alone);
    let catalog = catalog.reopen().await;
    for class in ["C0", "C7", "C599"] {
        assert_eq!(catalog.store.fence(1, &partition(class)).await.unwrap(), together, "{class}");
    }
    let newer = catalog.store.lease(1, &partition("C300")).await.unwrap();
    assert!(newer > together);
    let fences = many.iter().map(|partition| (1, partition.clone(), together)).collect();
    let stale = Commit { base_epoch: 1, epoch: 2, fences, ..Commit::default() };
    assert!(
        matches!(catalog.store.commit(&stale).await, Err(CatalogError::Fenced { .. })),
        "one of them was taken over"
    );
    assert!(matches!(catalog.store.lease_all(9, &many).await, Err(CatalogError::Conflict(_))));
}
