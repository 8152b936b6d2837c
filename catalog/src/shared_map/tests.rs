#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

type Map = SharedMap<u32, u32>;

/// Every node, top first.
fn nodes<K, V>(map: &SharedMap<K, V>) -> Vec<&Arc<Node<K, V>>> {
    let mut found: Vec<&Arc<Node<K, V>>> = map.root.iter().collect();
    let mut next = 0;
    while let Some(node) = found.get(next).copied() {
        found.extend(node.children.iter());
        next += 1;
    }
    found
}

/// How many nodes of `after` are not those of `before`.
pub(crate) fn made<K, V>(before: &SharedMap<K, V>, after: &SharedMap<K, V>) -> usize {
    let known: HashSet<_> = nodes(before).into_iter().map(Arc::as_ptr).collect();
    nodes(after).into_iter().filter(|node| !known.contains(&Arc::as_ptr(node))).count()
}

/// Checks what every node promises, and returns how many levels there are.
fn check(node: &Node<u32, u32>, is_root: bool, above: (Option<u32>, Option<u32>)) -> usize {
    let (low, high) = above;
    assert!(node.keys.is_sorted_by(|a, b| a < b));
    assert!(node.keys.iter().all(|key| low.is_none_or(|low| *key >= low) && high.is_none_or(|high| *key < high)));
    assert!(node.size() <= MOST);
    assert!(is_root || node.size() >= FEWEST);
    if node.is_leaf() {
        assert_eq!(node.keys.len(), node.values.len());
        return 1;
    }
    assert!(node.values.is_empty());
    assert_eq!(node.children.len(), node.keys.len() + 1);
    assert!(node.children.len() > 1);
    let levels: HashSet<usize> = node
        .children
        .iter()
        .enumerate()
        .map(|(at, child)| {
            let low = at.checked_sub(1).map(|before| node.keys[before]).or(low);
            check(child, false, (low, node.keys.get(at).copied().or(high)))
        })
        .collect();
    assert_eq!(levels.len(), 1, "all leaves are equally deep");
    levels.into_iter().next().unwrap() + 1
}

fn levels(map: &Map) -> usize {
    map.root.as_ref().map_or(0, |root| check(root, true, (None, None)))
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32, u32),
    Remove(u32),
    Change(u32, u32),
    /// A copy is kept, and must stay as it is.
    Keep,
}

fn step(keys: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..keys, any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        4 => (0..keys).prop_map(Step::Remove),
        1 => (0..keys, any::<u32>()).prop_map(|(key, value)| Step::Change(key, value)),
        1 => Just(Step::Keep),
    ]
}

fn same(map: &Map, truth: &BTreeMap<u32, u32>) {
    levels(map);
    assert_eq!(map.len(), truth.len());
    assert_eq!(map.is_empty(), truth.is_empty());
    assert!(map.iter().eq(truth.iter()));
    assert!(map.keys().eq(truth.keys()) && map.values().eq(truth.values()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_does_what_a_btree_map_does(
        start in prop::collection::btree_map(0u32..2_000, any::<u32>(), 0..1_500),
        steps in prop::collection::vec(step(2_000), 0..1_500),
        probes in prop::collection::vec(0u32..2_000, 0..20),
    ) {
        let mut truth = start;
        let mut map: Map = truth.iter().map(|(key, value)| (*key, *value)).collect();
        let mut kept = Vec::new();
        for step in steps {
            match step {
                Step::Insert(key, value) => assert_eq!(map.insert(key, value), truth.insert(key, value)),
                Step::Remove(key) => assert_eq!(map.remove(&key), truth.remove(&key)),
                Step::Change(key, value) => {
                    let change = |known: &mut u32| std::mem::replace(known, value);
                    assert_eq!(map.get_mut(&key).map(change), truth.get_mut(&key).map(change));
                }
                Step::Keep => kept.push((map.clone(), truth.clone())),
            }
        }
        same(&map, &truth);
        for key in probes {
            assert_eq!(map.get(&key), truth.get(&key));
            assert_eq!(map.contains_key(&key), truth.contains_key(&key));
            assert!(map.iter_from(&key).eq(truth.range(key..)));
        }
        for (map, truth) in &kept {
            same(map, truth);
        }
        let again: Map = truth.into_iter().rev().collect();
        assert!(map == again);
    }
}

#[test]
fn a_change_copies_the_way_to_it_and_shares_the_rest() {
    let map: Map = (0..100_000).map(|key| (key * 2, key)).collect();
    let deep = levels(&map);
    assert!(deep <= 4, "{deep} levels");
    let all = nodes(&map).len();
    for key in [0, 77_777, 100_000, 199_998] {
        let mut changed = map.clone();
        assert!(changed.ptr_eq(&map));
        changed.insert(key, 1);
        changed.insert(key + 1, 1);
        // A node on the way may have been split.
        assert!(made(&map, &changed) <= 2 * deep, "{} of {all} nodes were made", made(&map, &changed));
        let mut changed = map.clone();
        changed.remove(&(key / 2 * 2));
        // It may have been joined with one beside it.
        assert!(made(&map, &changed) <= 2 * deep);
    }
}

#[test]
fn what_is_not_there_copies_nothing() {
    let mut map: Map = (0..1_000).map(|key| (key * 2, key)).collect();
    let before = map.clone();
    assert_eq!(map.remove(&1), None);
    assert_eq!(map.get_mut(&1), None);
    assert!(map.ptr_eq(&before));
}

#[test]
fn a_list_of_changes_copies_each_node_once() {
    let map: Map = (0..100_000).map(|key| (key, key)).collect();
    let mut changed = map.clone();
    for key in 100_000..101_000 {
        changed.insert(key, key);
    }
    assert!(made(&map, &changed) < 1_000 / FEWEST);
}

#[test]
fn keys_that_ascend_fill_the_nodes_well() {
    let map: Map = (0..10_000).map(|key| (key, key)).collect();
    assert!(nodes(&map).len() <= 10_000 / (MOST - FEWEST) + 20);
}
