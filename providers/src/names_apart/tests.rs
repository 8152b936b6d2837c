#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use datafusion::prelude::ident;
use zxq_catalog::{ColumnDef, Partitioning};

use super::*;

fn table(names: &[&str]) -> TableDef {
    let column = |name: &&str| ColumnDef {
        name: (*name).to_owned(),
        data_type: DataType::Int64,
        sql_type: "BIGINT".to_owned(),
        nullable: true,
        default: None,
        generated: None,
        max_chars: None,
    };
    TableDef {
        id: 7,
        name: "t".to_owned(),
        renamed_from: None,
        owner: None,
        columns: names.iter().map(column).collect(),
        checks: Vec::new(),
        partitioning: Partitioning::none(),
        time_column: None,
        sort_by: names.iter().map(|name| (*name).to_owned()).collect(),
        lookup: Vec::new(),
        options: BTreeMap::new(),
    }
}

fn kept(names: &[&str]) -> Vec<String> {
    kept_table(&table(names)).columns.iter().map(|column| column.name.clone()).collect()
}

#[test]
fn the_first_of_a_kind_keeps_its_name() {
    assert_eq!(kept(&["A", "b", "a"]), ["A", "b", "a_2"]);
    assert_eq!(kept(&["a", "A", "A_2", "a_2"]), ["a", "A_2", "A_2_2", "a_2_3"]);
    assert_eq!(kept(&["Ä", "ä"]), ["Ä", "ä_2"]);
}

#[test]
fn a_column_that_is_added_changes_no_other() {
    let names = ["a", "A", "a_2", "A_2", "B", "b"];
    for count in 1..names.len() {
        assert_eq!(kept(&names[..count]), kept(&names)[..count]);
    }
}

#[test]
fn a_table_whose_names_differ_anyhow_is_not_copied() {
    assert!(matches!(kept_table(&table(&["a", "b", "Camel"])), Cow::Borrowed(_)));
}

#[test]
fn what_names_columns_is_renamed_with_them() {
    let table = table(&["A", "a"]);
    assert_eq!(kept_table(&table).sort_by, ["A", "a_2"]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![2]))];
    let rows = kept_rows(&table, vec![RecordBatch::try_new(table.schema(), columns).unwrap()]).unwrap();
    assert_eq!(rows[0].schema(), kept_table(&table).schema());
    let filter = renamed_filter(ident("A").gt(ident("a")), &kept_names(&table)).unwrap();
    assert_eq!(filter, ident("A").gt(ident("a_2")));
}
