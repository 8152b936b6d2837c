#![allow(clippy::unwrap_used)]

use super::*;

fn planned(table: TableId, day: i32, rows: u64, bytes: u64) -> PlannedMove {
    PlannedMove {
        table,
        table_name: format!("t{table}"),
        partition: PartitionKey { period: Some(day), class: None },
        partition_text: day.to_string(),
        from: Tier::Hot,
        to: Tier::Warm,
        action: Action::Move,
        segments: vec![u64::from(day.unsigned_abs())],
        rows,
        bytes,
        reason: "old".to_owned(),
    }
}

fn lengths(moves: &[PlannedMove]) -> Vec<usize> {
    steps(moves).iter().map(Vec::len).collect()
}

#[test]
fn many_small_ones_go_together_and_few_one_by_one() {
    let small = |table, count: i32| (0..count).map(move |day| planned(table, day, 1, 100));
    assert!(lengths(&[]).is_empty());
    assert_eq!(lengths(&small(1, 15).collect::<Vec<_>>()), [1; 15]);
    assert_eq!(lengths(&small(1, 16).collect::<Vec<_>>()), [16]);
    let mixed: Vec<PlannedMove> = small(1, 20).chain(small(2, 3)).chain(small(1, 2010)).collect();
    assert_eq!(lengths(&mixed), [1000, 1, 1, 1, 1000, 30]);
}

#[test]
fn large_ones_and_other_ways_go_on_their_own() {
    let mut moves: Vec<PlannedMove> = (0..20).map(|day| planned(1, day, 1, 100)).collect();
    moves.insert(5, planned(1, 100, MOST_ROWS + 1, 100));
    moves.insert(6, planned(1, 101, 1, MOST_BYTES + 1));
    moves.push(PlannedMove { action: Action::Delete, ..planned(1, 102, 1, 100) });
    moves.push(PlannedMove { to: Tier::Cold, ..planned(1, 103, 1, 100) });
    assert_eq!(lengths(&moves), [20, 1, 1, 1, 1]);
    let first = &steps(&moves)[0];
    assert!(first.iter().all(|planned| planned.partition.period.unwrap() < 20));
}

#[test]
fn what_goes_together_fits_in_memory() {
    let count = 2 * MOST_BYTES_TOGETHER / MOST_BYTES;
    let moves: Vec<PlannedMove> = (0..count).map(|day| planned(1, day as i32, 1, MOST_BYTES)).collect();
    assert_eq!(lengths(&moves), [128, 128]);
}
