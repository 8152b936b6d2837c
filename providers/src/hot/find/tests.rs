#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use zxq_catalog::ColumnDef;

use super::*;
use crate::hot::HotStore;
use crate::hot::testing::{insert, many, rows, store, trades};

fn is(column: &str, comparison: Comparison, value: Value) -> Condition {
    Condition { column: column.to_owned(), comparison, value }
}

fn symbol(name: &str) -> Condition {
    is("symbol", Comparison::Equal, Value::Text(name.to_owned()))
}

fn by_time(descending: bool) -> Vec<OrderColumn> {
    vec![OrderColumn { column: "ts".to_owned(), descending, nulls_first: descending }]
}

/// Ids of the rows found, and whether they came in the wanted order; `None` where the segment declined.
fn find(
    store: &HotStore,
    conditions: &[Condition],
    order: &[OrderColumn],
    most: Option<usize>,
    (looks, builds_index): (usize, bool),
) -> Option<(Vec<i64>, bool, usize)> {
    let table = trades();
    let projection = [3, 1];
    let output = Arc::new(table.schema().project(&projection).unwrap());
    let wanted = Wanted {
        table: &table,
        projection: &projection,
        output: &output,
        conditions,
        order,
        most,
        looks,
        builds_index,
    };
    let found = store.find(1, &wanted).unwrap()?;
    assert_eq!(found.rows.schema(), output);
    let ids = found.rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    Some((ids, found.ordered, found.looked_at))
}

const ENOUGH: (usize, bool) = (10_000, true);

#[test]
fn the_last_rows_of_a_key_are_found_by_looking_at_no_others() {
    let (store, table) = (store(), trades());
    insert(&store, &table, 1, &many(0, 1_000));
    let (ids, ordered, looked_at) = find(&store, &[symbol("BBB")], &by_time(true), Some(2), ENOUGH).unwrap();
    assert_eq!((ids, ordered, looked_at), (vec![996, 991], true, 2));
    let (ids, _, _) = find(&store, &[symbol("BBB")], &by_time(false), Some(3), ENOUGH).unwrap();
    assert_eq!(ids, [1, 6, 11]);
    let before = is("ts", Comparison::Less, Value::TimestampMicros(500));
    let (ids, _, looked_at) = find(&store, &[symbol("BBB"), before.clone()], &by_time(true), Some(1), ENOUGH).unwrap();
    assert_eq!((ids, looked_at), (vec![496], 1));
    let from = is("ts", Comparison::GreaterOrEqual, Value::TimestampMicros(481));
    let (ids, ordered, _) = find(&store, &[from, before, symbol("BBB")], &[], None, ENOUGH).unwrap();
    assert_eq!((ids, ordered), (vec![481, 486, 491, 496], true));
    assert_eq!(find(&store, &[symbol("ZZZ")], &by_time(true), Some(1), ENOUGH).unwrap().0, [0_i64; 0]);
    assert_eq!(find(&store, &[symbol("BBB")], &by_time(true), Some(0), ENOUGH).unwrap().0, [0_i64; 0]);
}

#[test]
fn a_key_that_rows_are_not_sorted_by_is_found_by_its_index() {
    let (store, table) = (store(), trades());
    insert(&store, &table, 1, &many(0, 1_000));
    let id = is("trade_id", Comparison::Equal, Value::Int(777));
    // Without an index all rows would have to be looked at, and who is in a hurry builds none.
    assert!(find(&store, std::slice::from_ref(&id), &[], None, (900, false)).is_none());
    let (ids, _, looked_at) = find(&store, std::slice::from_ref(&id), &[], None, ENOUGH).unwrap();
    assert_eq!((ids, looked_at), (vec![777], 1));
    let (ids, _, looked_at) = find(&store, std::slice::from_ref(&id), &[], None, (900, false)).unwrap();
    assert_eq!((ids, looked_at), (vec![777], 1), "from there on it is there");
    let other = [id, symbol("AAA")];
    assert_eq!(find(&store, &other, &[], None, ENOUGH).unwrap().0, [0_i64; 0], "of another symbol");
}

#[test]
fn nulls_pass_no_condition_and_are_in_no_known_order() {
    let (store, table) = (store(), trades());
    let of: Vec<_> = (0..100).map(|id| (Some("A"), (id % 3 > 0).then_some(id), id)).collect();
    insert(&store, &table, 1, &rows(&of));
    let (ids, ordered, _) = find(&store, &[symbol("A")], &by_time(true), Some(1), ENOUGH).unwrap();
    assert_eq!((ids.len(), ordered), (100, false), "all of them, for whoever sorts them");
    let early = is("ts", Comparison::LessOrEqual, Value::TimestampMicros(4));
    let (mut ids, _, _) = find(&store, &[symbol("A"), early], &[], None, ENOUGH).unwrap();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 4]);
}

#[test]
fn whoever_looks_at_too_many_rows_is_sent_away() {
    let (store, table) = (store(), trades());
    insert(&store, &table, 1, &many(0, 1_000));
    assert_eq!(find(&store, &[symbol("AAA")], &[], None, (200, false)).unwrap().0.len(), 200);
    assert!(find(&store, &[symbol("AAA")], &[], None, (199, false)).is_none());
    let price = is("price", Comparison::Equal, Value::Text("not of its type".to_owned()));
    assert!(find(&store, &[symbol("AAA"), price], &[], None, ENOUGH).is_none());
    assert!(find(&store, &[is("later", Comparison::Equal, Value::Int(1))], &[], None, ENOUGH).is_none());
}

#[test]
fn columns_that_came_later_are_filled_in() {
    let (store, mut table) = (store(), trades());
    insert(&store, &table, 1, &many(0, 1_000));
    table.columns.push(ColumnDef {
        default: Some("7".into()),
        ..ColumnDef::new("venue", arrow::datatypes::DataType::Int64, "BIGINT")
    });
    let projection = [4];
    let output = Arc::new(table.schema().project(&projection).unwrap());
    let conditions = [symbol("CCC")];
    let wanted = Wanted {
        table: &table,
        projection: &projection,
        output: &output,
        conditions: &conditions,
        order: &[],
        most: Some(3),
        looks: 100,
        builds_index: false,
    };
    let found = store.find(1, &wanted).unwrap().unwrap();
    assert_eq!(found.rows.column(0).as_primitive::<Int64Type>().values(), &[7, 7, 7]);
    assert_eq!(store.find(2, &wanted).unwrap_err().to_string(), missing_segment());
}

fn missing_segment() -> String {
    crate::ProviderError::Missing { store: "hot", what: "segment 2".to_owned() }.to_string()
}

/// Every question that conditions of few values make, against looking at all rows.
#[test]
fn it_finds_what_a_look_at_every_row_finds() {
    let (store, table) = (store(), trades());
    let of: Vec<_> = (0..300_i64)
        .map(|id| {
            let mixed = id * 7_919 % 300;
            let symbol = ["A", "B", "C"].get((mixed % 4) as usize).copied();
            (symbol, (mixed % 11 > 0).then_some(mixed % 13), id)
        })
        .collect();
    insert(&store, &table, 1, &rows(&of));
    let comparisons =
        [Comparison::Equal, Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual];
    for name in ["A", "C", "D"] {
        for time in comparisons {
            for ts in [-1, 0, 5, 12] {
                for id in comparisons {
                    let conditions =
                        [symbol(name), is("ts", time, Value::TimestampMicros(ts)), is("trade_id", id, Value::Int(150))];
                    let (mut ids, _, _) = find(&store, &conditions, &[], None, ENOUGH).unwrap();
                    ids.sort_unstable();
                    let passes = |row: &&(Option<&str>, Option<i64>, i64)| {
                        row.0 == Some(name)
                            && row.1.is_some_and(|at| time.holds(at.cmp(&ts)))
                            && id.holds(row.2.cmp(&150))
                    };
                    let expected: Vec<i64> = of.iter().filter(passes).map(|row| row.2).collect();
                    assert_eq!(ids, expected, "{conditions:?}");
                }
            }
        }
    }
}
