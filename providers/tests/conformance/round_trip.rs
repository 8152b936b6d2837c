//! What was written is what is read.

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::record_batch::RecordBatch;
use rand::Rng;
use zxq_catalog::{Granularity, PartitionKey, Partitioning, Segment, TableDef};

use crate::data::{NEW_YEAR_2024, Rows, all_types, column, day, plain};
use crate::harness::{Harness, assert_same_rows};
use crate::query::Both;

pub async fn every_type_and_extreme(store: Harness) {
    let table = all_types(7, "trades");
    let rows = Rows::new(1).batch(&table, &day(0, "FX"), 400);
    let segments = store.load(&table, &[(day(0, "FX"), rows.clone())]).await;
    store.assert_rows(&table, &segments, &[rows]).await;
}

pub async fn one_row(store: Harness) {
    let table = all_types(7, "trades");
    let rows = Rows::new(2).batch(&table, &day(0, "FX"), 1);
    let segments = store.load(&table, &[(day(0, "FX"), rows.clone())]).await;
    store.assert_rows(&table, &segments, &[rows]).await;
}

pub async fn many_rows(store: Harness) {
    let table = plain(7, "trades");
    let key = PartitionKey::default();
    let rows = Rows::new(3).batch(&table, &key, 50_000);
    let segments = store.load(&table, &[(key, rows.clone())]).await;
    store.assert_rows(&table, &segments, &[rows]).await;
}

pub async fn columns_that_are_all_null(store: Harness) {
    let table = all_types(7, "trades");
    let rows = Rows::new(4).batch(&table, &day(0, "FX"), 20);
    let columns = rows
        .columns()
        .iter()
        .zip(&table.columns)
        .map(|(array, column)| {
            let partition = table.partitioning.columns().any(|name| name == column.name);
            if column.nullable && !partition {
                arrow::array::new_null_array(array.data_type(), array.len())
            } else {
                ArrayRef::clone(array)
            }
        })
        .collect();
    let rows = RecordBatch::try_new(table.schema(), columns).unwrap();
    let rows = zxq_providers::sort::sort_batch(&rows, &table.sort_by).unwrap();
    let segments = store.load(&table, &[(day(0, "FX"), rows.clone())]).await;
    store.assert_rows(&table, &segments, &[rows]).await;
}

pub async fn the_bits_of_floats(store: Harness) {
    let table = all_types(7, "trades");
    let rows = Rows::new(5).batch(&table, &day(0, "FX"), 200);
    let segments = store.load(&table, &[(day(0, "FX"), rows.clone())]).await;
    let projection: Vec<usize> =
        ["ratio", "value", "seq"].iter().map(|name| table.column_index(name).unwrap()).collect();
    let found = store.try_scan(&table, &segments, &projection).await.unwrap();
    let bits = |batches: &[RecordBatch]| {
        let mut bits = Vec::new();
        for batch in batches {
            let ratio: &Float32Array = batch.column_by_name("ratio").unwrap().as_primitive::<Float32Type>();
            let value: &Float64Array = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
            for ((seq, ratio), value) in crate::query::seqs(batch).into_iter().zip(ratio).zip(value) {
                bits.push((seq, ratio.map(f32::to_bits), value.map(f64::to_bits)));
            }
        }
        bits.sort_unstable();
        bits
    };
    assert_eq!(bits(&found), bits(&[rows]));
}

pub async fn any_projection(store: Harness) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(6);
    let parts: Vec<_> = (0..3).map(|d| (day(d, "FX"), rows.batch(&table, &day(d, "FX"), 60))).collect();
    let segments = store.load(&table, &parts).await;
    let width = table.columns.len();
    let mut projections: Vec<Vec<usize>> = (0..width).map(|c| vec![c]).collect();
    projections.push((0..width).rev().collect());
    for _ in 0..20 {
        let mut columns: Vec<usize> = (0..width).collect();
        for i in 0..width {
            columns.swap(i, rows.rng.random_range(0..width));
        }
        columns.truncate(rows.rng.random_range(1..=width));
        projections.push(columns);
    }
    for projection in projections {
        let found = store.try_scan(&table, &segments, &projection).await.unwrap();
        let expected: Vec<_> = parts.iter().map(|(_, rows)| rows.project(&projection).unwrap()).collect();
        assert_same_rows(&found, &expected, || format!("projection {projection:?}"));
    }
}

pub async fn the_empty_projection_counts_rows(store: Harness) {
    let table = all_types(7, "trades");
    let mut rows = Rows::new(7);
    let parts: Vec<_> = (0..3).map(|d| (day(d, "FX"), rows.batch(&table, &day(d, "FX"), 41))).collect();
    let segments = store.load(&table, &parts).await;
    let found = store.try_scan(&table, &segments, &[]).await.unwrap();
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 3 * 41);
}

/// Partition values that paths, SQL and patterns could trip over.
pub async fn awkward_partitions(store: Harness) {
    let table = all_types(7, "trades");
    let classes = [
        "A/B",
        "ü",
        "two words",
        "it's",
        "a\"b",
        "50%",
        "%2F",
        "a=b",
        "..",
        ".",
        "",
        "null",
        "\\",
        "C:\\x",
        "日本",
        "#?&",
    ];
    let mut rows = Rows::new(8);
    let mut keys: Vec<PartitionKey> = classes.iter().map(|class| day(0, class)).collect();
    keys.push(PartitionKey { period: Some(NEW_YEAR_2024), class: None });
    keys.push(PartitionKey { period: None, class: Some("FX".to_owned()) });
    keys.push(PartitionKey { period: None, class: None });
    keys.push(PartitionKey { period: Some(-1), class: Some("FX".to_owned()) });
    let parts: Vec<_> = keys.into_iter().map(|key| (key.clone(), rows.batch(&table, &key, 12))).collect();
    let segments = store.load(&table, &parts).await;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    for (segment, (key, rows)) in segments.iter().zip(&parts) {
        let found = store.try_scan(&table, std::slice::from_ref(segment), &all).await;
        assert_same_rows(&found.unwrap(), std::slice::from_ref(rows), || format!("partition {key:?}"));
    }
    let all: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
    store.assert_rows(&table, &segments, &all).await;
}

/// Tables partitioned by one column only, or by none.
pub async fn fewer_partition_columns(store: Harness) {
    let all = all_types(7, "trades");
    let by = |date: bool, class: bool| Partitioning {
        date_column: date.then(|| "trade_date".to_owned()),
        granularity: Granularity::Day,
        class_column: class.then(|| "asset_class".to_owned()),
    };
    for (i, partitioning) in [by(true, false), by(false, true), Partitioning::none()].into_iter().enumerate() {
        let table = TableDef { id: 20 + i as u64, partitioning: partitioning.clone(), ..all.clone() };
        let key = PartitionKey {
            period: partitioning.date_column.is_some().then_some(NEW_YEAR_2024),
            class: partitioning.class_column.is_some().then(|| "FX".to_owned()),
        };
        let rows = Rows::new(9).batch(&table, &key, 50);
        let segments = store.load(&table, &[(key, rows.clone())]).await;
        store.assert_rows(&table, &segments, &[rows]).await;
    }
}

/// A partition of a month or a year keeps each row's own date.
pub async fn coarse_partitions_keep_dates(store: Harness) {
    for (id, granularity) in [(7, Granularity::Month), (8, Granularity::Year)] {
        let mut table = all_types(id, "bars");
        table.partitioning.granularity = granularity;
        let mut rows = Rows::new(10);
        let parts: Vec<_> =
            ["FX", "CRYPTO"].iter().map(|class| (day(0, class), rows.batch(&table, &day(0, class), 200))).collect();
        let segments = store.load(&table, &parts).await;
        let all: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
        store.assert_rows(&table, &segments, &all).await;
    }
}

/// Names that need quoting somewhere.
pub async fn awkward_names(store: Harness) {
    for (id, name) in [(31, "order"), (32, "Trades Data"), (33, "ü'\"; DROP TABLE x; --"), (34, "a.b/c")] {
        let mut table = all_types(id, name);
        for (column, name) in table.columns.iter_mut().zip(["select", "Symbol", "a b", "a'b", "é", "a.b", "a\"b"]) {
            name.clone_into(&mut column.name);
        }
        table.sort_by = vec!["Symbol".to_owned(), "select".to_owned()];
        table.time_column = Some("select".to_owned());
        table.lookup = vec!["Symbol".to_owned()];
        let rows = Rows::new(11).batch(&table, &day(0, "FX"), 30);
        let segments = store.load(&table, &[(day(0, "FX"), rows.clone())]).await;
        store.assert_rows(&table, &segments, &[rows]).await;
    }
}

/// Columns that only their case tells apart, also among those that rows are sorted and partitioned by, and one that comes later.
pub async fn names_that_differ_in_case(store: Harness) {
    let mut table = all_types(36, "trades");
    for (from, to) in
        [("cents", "PRICE"), ("big", "Price"), ("tiny", "price_2"), ("trade_date", "TS"), ("asset_class", "Symbol")]
    {
        let at = table.column_index(from).unwrap();
        to.clone_into(&mut table.columns[at].name);
    }
    table.partitioning.date_column = Some("TS".to_owned());
    table.partitioning.class_column = Some("Symbol".to_owned());
    table.sort_by = vec!["Symbol".to_owned(), "PRICE".to_owned(), "ts".to_owned()];
    table.lookup = vec!["Symbol".to_owned()];
    let mut rows = Rows::new(13);
    let parts: Vec<_> = (0..2).map(|d| (day(d, "FX"), rows.batch(&table, &day(d, "FX"), 60))).collect();
    let segments = store.load(&table, &parts).await;
    let expected: Vec<_> = parts.into_iter().map(|(_, rows)| rows).collect();
    store.assert_rows(&table, &segments, &expected).await;
    for names in [vec!["PRICE"], vec!["price", "Price"], vec!["seq", "Symbol", "symbol", "TS"], vec!["seq"]] {
        let projection: Vec<usize> = names.iter().map(|name| table.column_index(name).unwrap()).collect();
        let found = store.try_scan(&table, &segments, &projection).await.unwrap();
        let expected: Vec<_> = expected.iter().map(|rows| rows.project(&projection).unwrap()).collect();
        assert_same_rows(&found, &expected, || format!("columns {names:?}"));
    }
    // Queries, with what the optimizer makes of them.
    let both = Both::new(&store, &table, &segments, &expected);
    for query in [
        "SELECT seq, \"PRICE\", price FROM t WHERE \"Price\" > price",
        "SELECT \"Symbol\", \"TS\", count(*), sum(\"PRICE\"), min(price_2) FROM t GROUP BY \"Symbol\", \"TS\"",
        "SELECT \"PRICE\" AS price, price AS \"PRICE\", seq FROM t ORDER BY \"Symbol\", \"PRICE\", seq LIMIT 7",
        "SELECT a.seq, b.\"Price\" FROM t AS a JOIN t AS b ON a.symbol = b.symbol AND a.\"PRICE\" = b.\"PRICE\"",
        "SELECT count(*) FROM t WHERE ts IS NULL OR \"TS\" = DATE '2024-01-02'",
    ] {
        let found = both.store.sql(query).await.unwrap().collect().await.unwrap();
        let wanted = both.memory.sql(query).await.unwrap().collect().await.unwrap();
        assert_same_rows(&found, &wanted, || query.to_owned());
    }
    // One that is added later, with old rows and new ones.
    let mut later = table.clone();
    later.columns.push(column("RATIO", DataType::Int64, "BIGINT"));
    store.store.alter_table(&later).await.unwrap();
    let fresh = rows.batch(&later, &day(5, "FX"), 20);
    let more = store.load(&later, &[(day(5, "FX"), fresh.clone())]).await;
    store.assert_rows(&later, &more, &[fresh]).await;
    let at = later.column_index("RATIO").unwrap();
    let old = store.try_scan(&later, &segments, &[at]).await.unwrap();
    assert_eq!(old.iter().map(|rows| rows.column(0).null_count()).sum::<usize>(), 120);
}

/// A scan gives the rows of the segments it names, not of others that exist.
pub async fn only_the_segments_named(store: Harness) {
    let table = all_types(7, "trades");
    let other = all_types(77, "trades");
    let mut rows = Rows::new(12);
    let mut parts = Vec::new();
    for class in ["FX", "FX", "CRYPTO"] {
        parts.push((day(0, class), rows.batch(&table, &day(0, class), 25)));
    }
    let segments = store.load(&table, &parts).await;
    store.load(&other, &parts).await;
    for choice in [vec![0], vec![1], vec![2], vec![0, 2], vec![2, 1], vec![0, 1, 2]] {
        let named: Vec<Segment> = choice.iter().map(|i| segments[*i].clone()).collect();
        let expected: Vec<_> = choice.iter().map(|i| parts[*i].1.clone()).collect();
        store.assert_rows(&table, &named, &expected).await;
    }
}
