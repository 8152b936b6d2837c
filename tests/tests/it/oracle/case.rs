//! Random cases: rows, how they are moved about, and what is asked of them.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;

use super::questions::QUESTIONS;
use super::relations::{self, Relation};

/// The columns of every table.
pub(crate) const COLUMNS: &str = "id BIGINT NOT NULL, day DATE, class TEXT, symbol TEXT, price DECIMAL(18,4), \
     qty BIGINT, x DOUBLE PRECISION, ts TIMESTAMPTZ";
/// How the rows of a table are laid out.
const LAYOUTS: [&str; 4] = [
    "time_column = 'ts', partition_by = 'day, class', sort_by = 'symbol, ts', lookup = 'symbol'",
    "time_column = 'ts', partition_by = 'day', sort_by = 'id'",
    "time_column = 'ts', partition_by = 'day', sort_by = 'price, symbol'",
    "partition_by = 'class', sort_by = 'qty, id'",
];
const FIRST_DAY: i32 = 19_723; // 2024-01-01
const DAY_US: i64 = 86_400_000_000;
const CLASSES: [&str; 3] = ["EQUITY", "FX", "CRYPTO"];
const SYMBOLS: [&str; 6] = ["AAPL", "BTC", "EURUSD", "IBM", "Ωmega", ""];

/// A row, by places in the lists of values.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    day: Option<u8>,
    class: Option<u8>,
    symbol: Option<u8>,
    price: Option<i32>,
    qty: Option<i16>,
    x: Option<i16>,
    second: Option<u32>,
}

/// What happens to a table.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Insert(Vec<Row>),
    Move { to: u8, from: Option<u8>, partition: Option<u8> },
}

/// What rows are asked for.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    All,
    Compare(&'static str, &'static str, String),
    Null(&'static str, bool),
    In(&'static str, Vec<String>),
    Not(Box<Predicate>),
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
}

impl Predicate {
    /// The predicate with a parameter for each constant; they are put behind `constants`, `$1` first.
    pub(crate) fn parameterised(&self, constants: &mut Vec<String>) -> String {
        let mut parameter = |constant: &String| {
            constants.push(constant.clone());
            format!("${}", constants.len())
        };
        match self {
            Predicate::Compare(column, operator, value) => format!("{column} {operator} {}", parameter(value)),
            Predicate::In(column, values) => {
                let values: Vec<String> = values.iter().map(parameter).collect();
                format!("{column} IN ({})", values.join(", "))
            }
            Predicate::Not(inner) => format!("NOT ({})", inner.parameterised(constants)),
            Predicate::And(a, b) => {
                let a = a.parameterised(constants);
                format!("({a}) AND ({})", b.parameterised(constants))
            }
            Predicate::Or(a, b) => {
                let a = a.parameterised(constants);
                format!("({a}) OR ({})", b.parameterised(constants))
            }
            Predicate::All | Predicate::Null(..) => self.to_string(),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Predicate::All => f.write_str("true"),
            Predicate::Compare(column, operator, value) => write!(f, "{column} {operator} {value}"),
            Predicate::Null(column, true) => write!(f, "{column} IS NULL"),
            Predicate::Null(column, false) => write!(f, "{column} IS NOT NULL"),
            Predicate::In(column, values) => write!(f, "{column} IN ({})", values.join(", ")),
            Predicate::Not(inner) => write!(f, "NOT ({inner})"),
            Predicate::And(a, b) => write!(f, "({a}) AND ({b})"),
            Predicate::Or(a, b) => write!(f, "({a}) OR ({b})"),
        }
    }
}

/// A case: a table, what happens to it, and what is asked then.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Options of its `CREATE TABLE`.
    pub(crate) layout: &'static str,
    /// What happens to it.
    pub(crate) steps: Vec<Step>,
    /// Places in [`QUESTIONS`] with their predicates.
    pub(crate) questions: Vec<(usize, Predicate)>,
    /// Pairs of statements that have to agree.
    pub(crate) relations: Vec<(Relation, Predicate)>,
}

fn row() -> impl Strategy<Value = Row> {
    (
        proptest::option::weighted(0.95, 0..4u8),
        proptest::option::weighted(0.95, 0..3u8),
        proptest::option::weighted(0.9, 0..6u8),
        proptest::option::weighted(0.85, prop_oneof![-50_000..50_000i32, Just(i32::MAX), Just(0)]),
        proptest::option::weighted(0.85, -100..100i16),
        proptest::option::weighted(0.85, -400..400i16),
        proptest::option::weighted(0.9, 0..86_400u32),
    )
        .prop_map(|(day, class, symbol, price, qty, x, second)| Row { day, class, symbol, price, qty, x, second })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => proptest::collection::vec(row(), 1..40).prop_map(Step::Insert),
        3 => (0..3u8, proptest::option::of(0..3u8), proptest::option::weighted(0.6, any::<u8>()))
            .prop_map(|(to, from, partition)| Step::Move { to, from, partition }),
    ]
}

fn comparison() -> impl Strategy<Value = Predicate> {
    let operator = || prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    prop_oneof![
        (operator(), 0..5i32).prop_map(|(op, day)| Predicate::Compare("day", op, date(day))),
        (operator(), 0..4usize).prop_map(|(op, c)| Predicate::Compare(
            "class",
            op,
            text(CLASSES.get(c).unwrap_or(&"ZZZ"))
        )),
        (operator(), 0..7usize).prop_map(|(op, s)| Predicate::Compare(
            "symbol",
            op,
            text(SYMBOLS.get(s).unwrap_or(&"M"))
        )),
        (operator(), -60_000..60_000i32).prop_map(|(op, p)| Predicate::Compare(
            "price",
            op,
            format!("CAST({}.{:04} AS DECIMAL(18,4))", p / 100, (p % 100).unsigned_abs())
        )),
        (operator(), -110..110i16).prop_map(|(op, q)| Predicate::Compare("qty", op, q.to_string())),
        (operator(), -100..100i16).prop_map(|(op, x)| Predicate::Compare("x", op, format!("{x}.5"))),
        (operator(), 0..4i64, 0..86_400i64).prop_map(|(op, day, second)| Predicate::Compare(
            "ts",
            op,
            timestamp(day, second)
        )),
        (operator(), 0..120i32).prop_map(|(op, id)| Predicate::Compare("id", op, id.to_string())),
        (prop::sample::select(vec!["day", "class", "symbol", "price", "qty", "x", "ts"]), any::<bool>())
            .prop_map(|(column, null)| Predicate::Null(column, null)),
        proptest::collection::vec(0..6usize, 1..4)
            .prop_map(|s| Predicate::In("symbol", s.into_iter().map(|i| text(SYMBOLS[i])).collect())),
        proptest::collection::vec(0..5i32, 1..3)
            .prop_map(|days| Predicate::In("day", days.into_iter().map(date).collect())),
        prop::sample::select(vec!["'%U%'", "'A%'", "'%M'", "'_'", "'%'"]).prop_map(|p| Predicate::Compare(
            "symbol",
            "LIKE",
            p.to_owned()
        )),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let leaf = prop_oneof![1 => Just(Predicate::All), 6 => comparison()];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|p| Predicate::Not(Box::new(p))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Predicate::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Predicate::Or(Box::new(a), Box::new(b))),
        ]
    })
}

/// Any case.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    (
        prop::sample::select(LAYOUTS.to_vec()),
        proptest::collection::vec(row(), 1..60),
        proptest::collection::vec(step(), 1..7),
        proptest::collection::vec((0..QUESTIONS.len(), predicate()), 12..20),
        proptest::collection::vec((relations::relation(), predicate()), 8..14),
    )
        .prop_map(|(layout, first, rest, questions, relations)| {
            let mut steps = vec![Step::Insert(first)];
            steps.extend(rest);
            Case { layout, steps, questions, relations }
        })
}

fn date(day: i32) -> String {
    format!("DATE '2024-01-{:02}'", day + 1)
}

fn text(text: &str) -> String {
    format!("'{text}'")
}

fn timestamp(day: i64, second: i64) -> String {
    format!("TIMESTAMPTZ '2024-01-{:02} {:02}:{:02}:{:02}+00'", day + 1, second / 3600, second / 60 % 60, second % 60)
}

/// Rows as the table has them, the first with this id.
pub(crate) fn batch(rows: &[Row], first_id: i64, schema: &SchemaRef) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0..rows.len() as i64).map(|i| first_id + i))),
        Arc::new(rows.iter().map(|r| r.day.map(|d| FIRST_DAY + i32::from(d))).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|r| r.class.map(|c| CLASSES[c as usize])).collect::<StringViewArray>()),
        Arc::new(rows.iter().map(|r| r.symbol.map(|s| SYMBOLS[s as usize])).collect::<StringViewArray>()),
        Arc::new(
            rows.iter()
                .map(|r| r.price.map(|p| i128::from(p) * 100))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(18, 4)
                .unwrap(),
        ),
        Arc::new(rows.iter().map(|r| r.qty.map(i64::from)).collect::<Int64Array>()),
        // Quarters: sums of them are exact in any order.
        Arc::new(rows.iter().map(|r| r.x.map(|x| f64::from(x) / 4.0)).collect::<Float64Array>()),
        Arc::new(
            rows.iter()
                .map(|r| {
                    let day = FIRST_DAY + i32::from(r.day.unwrap_or(0));
                    r.second.map(|s| i64::from(day) * DAY_US + i64::from(s) * 1_000_000)
                })
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}
