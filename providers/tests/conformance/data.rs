//! Tables and rows that hold every canonical type and its awkward values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::record_batch::RecordBatch;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use zxq_catalog::{ColumnDef, Granularity, PartitionKey, Partitioning, TableDef};

/// 2024-01-01, in days since 1970-01-01.
pub const NEW_YEAR_2024: i32 = 19_723;

pub const TEXTS: [&str; 20] = [
    "",
    " ",
    "a",
    "A",
    "AAPL",
    "ESH24",
    "ESH4",
    "TWX   160115P00105000",
    "ß",
    "ü",
    "u\u{308}",
    "日本語",
    "😀",
    "it's",
    "a\"b",
    "100%",
    "_",
    "back\\slash",
    "line\nbreak",
    "NULL",
];

pub fn column(name: &str, data_type: DataType, sql_type: &str) -> ColumnDef {
    ColumnDef::new(name, data_type, sql_type)
}

fn timestamp(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}

/// A table with a column of every canonical type, by day and class, sorted by symbol and time.
pub fn all_types(id: u64, name: &str) -> TableDef {
    TableDef {
        renamed_from: None,
        owner: None,
        id,
        name: name.to_owned(),
        columns: vec![
            ColumnDef { nullable: false, ..column("ts", timestamp(Some("UTC")), "TIMESTAMPTZ") },
            column("symbol", DataType::Utf8View, "VARCHAR(50)"),
            column("price", DataType::Decimal128(20, 8), "DECIMAL(20,8)"),
            column("big", DataType::Decimal128(38, 10), "DECIMAL(38,10)"),
            column("cents", DataType::Decimal128(9, 2), "DECIMAL(9,2)"),
            column("tiny", DataType::Int16, "SMALLINT"),
            column("id", DataType::Int32, "INTEGER"),
            column("size", DataType::Int64, "BIGINT"),
            column("ratio", DataType::Float32, "REAL"),
            column("value", DataType::Float64, "DOUBLE PRECISION"),
            column("active", DataType::Boolean, "BOOLEAN"),
            column("note \"x\"", DataType::Utf8View, "TEXT"),
            column("local_ts", timestamp(None), "TIMESTAMP"),
            column("expires", DataType::Date32, "DATE"),
            column("trade_date", DataType::Date32, "DATE"),
            column("asset_class", DataType::Utf8View, "VARCHAR(20)"),
            // A row number, so that rows are distinct.
            ColumnDef { nullable: false, ..column("seq", DataType::Int64, "BIGINT") },
        ],
        checks: vec![],
        partitioning: Partitioning {
            date_column: Some("trade_date".to_owned()),
            granularity: Granularity::Day,
            class_column: Some("asset_class".to_owned()),
        },
        time_column: Some("ts".to_owned()),
        sort_by: vec!["symbol".to_owned(), "ts".to_owned()],
        lookup: vec!["symbol".to_owned()],
        options: BTreeMap::new(),
    }
}

/// A small table without partitions.
pub fn plain(id: u64, name: &str) -> TableDef {
    let mut def = all_types(id, name);
    def.columns.retain(|c| ["ts", "symbol", "price", "size", "seq"].contains(&c.name.as_str()));
    def.partitioning = Partitioning::none();
    def
}

/// The partition of one day and class.
pub fn day(offset: i32, class: &str) -> PartitionKey {
    PartitionKey { period: Some(NEW_YEAR_2024 + offset), class: Some(class.to_owned()) }
}

/// Makes rows; the same seed gives the same rows.
pub struct Rows {
    pub rng: StdRng,
    next_seq: i64,
    /// Whether extreme values are mixed in, or only small ones that make predicates match.
    pub extremes: bool,
}

impl Rows {
    pub fn new(seed: u64) -> Self {
        Rows { rng: StdRng::seed_from_u64(seed), next_seq: 0, extremes: true }
    }

    /// `count` rows of one partition, sorted by the table's sort key.
    pub fn batch(&mut self, table: &TableDef, key: &PartitionKey, count: usize) -> RecordBatch {
        let columns = table.columns.iter().map(|c| self.array(table, c, key, count)).collect();
        let batch = RecordBatch::try_new(table.schema(), columns).unwrap();
        zxq_providers::sort::sort_batch(&batch, &table.sort_by).unwrap()
    }

    fn array(&mut self, table: &TableDef, column: &ColumnDef, key: &PartitionKey, count: usize) -> ArrayRef {
        let is = |name: &Option<String>| name.as_deref() == Some(column.name.as_str());
        if is(&table.partitioning.class_column) {
            return Arc::new(StringViewArray::from_iter((0..count).map(|_| key.class.as_deref())));
        }
        if is(&table.partitioning.date_column) {
            let dates = (0..count).map(|_| {
                let start = key.period?;
                Some(self.rng.random_range(start..table.partitioning.granularity.period_end(start)))
            });
            return Arc::new(Date32Array::from(dates.collect::<Vec<_>>()));
        }
        if column.name == "seq" {
            let first = self.next_seq;
            self.next_seq += count as i64;
            return Arc::new(Int64Array::from_iter_values(first..first + count as i64));
        }
        let nulls = if column.nullable { 0.15 } else { 0.0 };
        self.values(&column.data_type, nulls, count)
    }

    fn values(&mut self, data_type: &DataType, nulls: f64, count: usize) -> ArrayRef {
        match data_type {
            DataType::Boolean => Arc::new(BooleanArray::from(self.list(nulls, count, &[], |r| r.random_bool(0.5)))),
            DataType::Int16 => {
                let edges = [i16::MIN, i16::MAX, 0, -1];
                Arc::new(Int16Array::from(self.list(nulls, count, &edges, |r| r.random_range(-5..20))))
            }
            DataType::Int32 => {
                let edges = [i32::MIN, i32::MAX, 0, -1];
                Arc::new(Int32Array::from(self.list(nulls, count, &edges, |r| r.random_range(-5..20))))
            }
            DataType::Int64 => {
                let edges = [i64::MIN, i64::MAX, 0, -1, (1 << 53) + 1];
                Arc::new(Int64Array::from(self.list(nulls, count, &edges, |r| r.random_range(-5..20))))
            }
            DataType::Float32 => {
                let edges =
                    [f32::MIN, f32::MAX, -0.0, 0.0, f32::MIN_POSITIVE, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
                Arc::new(Float32Array::from(
                    self.list(nulls, count, &edges, |r| f32::from(r.random_range(-20i8..20)) / 4.0),
                ))
            }
            DataType::Float64 => {
                let edges =
                    [f64::MIN, f64::MAX, -0.0, 0.0, 5e-324, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.1 + 0.2];
                Arc::new(Float64Array::from(
                    self.list(nulls, count, &edges, |r| f64::from(r.random_range(-20i8..20)) / 4.0),
                ))
            }
            DataType::Decimal128(precision, scale) => {
                let most = 10i128.pow(u32::from(*precision)) - 1;
                let unit = 10i128.pow(*scale as u32);
                let edges = [most, -most, 0, 1, -1, most - 1];
                let values = self.list(nulls, count, &edges, |r| r.random_range(-8i128..8) * unit / 4);
                let array = Decimal128Array::from(values).with_precision_and_scale(*precision, *scale).unwrap();
                Arc::new(array)
            }
            DataType::Utf8View => {
                let texts = self.list(nulls, count, &TEXTS, |r| TEXTS[r.random_range(0..8)]);
                Arc::new(StringViewArray::from_iter(texts))
            }
            DataType::Date32 => {
                // 0001-01-01, 9999-12-31, the day before 1970, a leap day.
                let edges = [-719_162, 2_932_896, -1, 0, 19_782];
                let values = self.list(nulls, count, &edges, |r| NEW_YEAR_2024 + r.random_range(-3..3));
                Arc::new(Date32Array::from(values))
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                // The first and the last microsecond of the calendar's years 1 to 9999, and around 1970.
                let edges = [-62_135_596_800_000_000, 253_402_300_799_999_999, -1, 0, 1];
                let day = i64::from(NEW_YEAR_2024) * 86_400_000_000;
                let values = self.list(nulls, count, &edges, |r| day + r.random_range(0..20) * 1_800_000_001);
                Arc::new(TimestampMicrosecondArray::from(values).with_timezone_opt(zone.clone()))
            }
            other => panic!("{other} is no canonical type"),
        }
    }

    fn list<T: Copy>(
        &mut self,
        nulls: f64,
        count: usize,
        edges: &[T],
        usual: impl Fn(&mut StdRng) -> T,
    ) -> Vec<Option<T>> {
        let edges: &[T] = if self.extremes { edges } else { &[] };
        let one = |rng: &mut StdRng, i: usize| {
            if rng.random_bool(nulls) {
                None
            } else if let Some(edge) = edges.get(i / 2).filter(|_| i.is_multiple_of(2)) {
                Some(*edge)
            } else if !edges.is_empty() && rng.random_bool(0.1) {
                Some(edges[rng.random_range(0..edges.len())])
            } else {
                Some(usual(rng))
            }
        };
        (0..count).map(|i| one(&mut self.rng, i)).collect()
    }
}
