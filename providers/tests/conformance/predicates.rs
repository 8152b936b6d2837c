//! Random predicates over the columns of a table, with values that occur in its rows.

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::common::{Column, ScalarValue};
use datafusion::functions::expr_fn::{character_length, date_part, date_trunc, lower, upper};
use datafusion::logical_expr::{BinaryExpr, Expr, Like, Operator, cast, lit, not};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

pub struct Predicates<'a> {
    pub rng: &'a mut StdRng,
    pub rows: &'a RecordBatch,
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

impl Predicates<'_> {
    /// A predicate of up to `depth` levels of AND, OR and NOT.
    pub fn any(&mut self, depth: u32) -> Expr {
        if depth == 0 || self.rng.random_bool(0.3) {
            return self.leaf();
        }
        match self.rng.random_range(0..5) {
            0 | 1 => self.any(depth - 1).and(self.any(depth - 1)),
            2 | 3 => self.any(depth - 1).or(self.any(depth - 1)),
            _ => not(self.any(depth - 1)),
        }
    }

    fn leaf(&mut self) -> Expr {
        let schema = self.rows.schema();
        let field = schema.fields()[self.rng.random_range(0..schema.fields().len())].clone();
        let name = field.name().as_str();
        match self.rng.random_range(0..10) {
            0 => column(name).is_null(),
            1 => column(name).is_not_null(),
            2 => {
                let list = (0..self.rng.random_range(1..5)).map(|_| lit(self.value(name))).collect();
                column(name).in_list(list, self.rng.random_bool(0.3))
            }
            3 => {
                let (low, high) = (lit(self.value(name)), lit(self.value(name)));
                let negated = self.rng.random_bool(0.3);
                if negated { column(name).not_between(low, high) } else { column(name).between(low, high) }
            }
            4 | 5 => self.of_type(name, field.data_type()),
            _ => {
                let op = self.comparison();
                let value = lit(self.value(name));
                if self.rng.random_bool(0.2) {
                    binary(value, op, column(name))
                } else {
                    binary(column(name), op, value)
                }
            }
        }
    }

    /// What is peculiar to a type: patterns, arithmetic, functions, casts, values of other types.
    fn of_type(&mut self, name: &str, data_type: &DataType) -> Expr {
        let op = self.comparison();
        let pick = self.rng.random_range(0..4);
        match data_type {
            DataType::Boolean => {
                if pick < 2 {
                    column(name)
                } else {
                    not(column(name))
                }
            }
            DataType::Utf8View => match pick {
                0 | 1 => self.like(name),
                2 => binary(character_length(column(name)), op, lit(2i64)),
                _ => {
                    let changed = if self.rng.random_bool(0.5) { upper(column(name)) } else { lower(column(name)) };
                    binary(changed, op, lit(self.value(name)))
                }
            },
            DataType::Int16 | DataType::Int32 | DataType::Int64 => match pick {
                0 => binary(column(name) + lit(self.value(name)), op, lit(7i64)),
                1 => binary(column(name) * lit(3i64), op, lit(21i64)),
                2 => binary(column(name) % lit(5i64), op, lit(2i64)),
                _ => binary(column(name), op, lit(2.5f64)),
            },
            DataType::Float32 | DataType::Float64 => match pick {
                0 => binary(column(name), op, lit(if self.rng.random_bool(0.5) { 0.0 } else { -0.0 })),
                1 => binary(column(name), op, lit(f64::NAN)),
                2 => binary(column(name) * lit(2.0f64), op, lit(1.5f64)),
                _ => binary(column(name), op, lit(1i64)),
            },
            DataType::Decimal128(_, _) => match pick {
                0 => binary(column(name), op, lit(ScalarValue::Decimal128(Some(125), 10, 2))),
                1 => binary(column(name), op, lit(1i64)),
                2 => binary(column(name), op, lit(0.75f64)),
                _ => binary(column(name) - column("price"), op, lit(ScalarValue::Decimal128(Some(0), 3, 1))),
            },
            DataType::Date32 => match pick {
                0 | 1 => binary(date_part(lit("year"), column(name)), op, lit(2024i32)),
                _ => binary(
                    cast(
                        column(name),
                        self.rows
                            .schema()
                            .field_with_name("local_ts")
                            .map_or(DataType::Date32, |f| f.data_type().clone()),
                    ),
                    op,
                    column("local_ts"),
                ),
            },
            DataType::Timestamp(_, _) => match pick {
                0 => binary(date_trunc(lit("hour"), column(name)), op, lit(self.value(name))),
                1 => binary(date_part(lit("hour"), column(name)), op, lit(5i32)),
                _ => binary(cast(column(name), DataType::Date32), op, lit(self.value("expires"))),
            },
            _ => column(name).is_not_null(),
        }
    }

    fn like(&mut self, name: &str) -> Expr {
        let patterns = ["%", "A%", "%4", "%s%", "_", "__%", "", "%\\%", "a_b", "ü", "ES_24", "ESH%", "%'%", "\\_"];
        let pattern = patterns.choose(self.rng).unwrap();
        Expr::Like(Like {
            negated: self.rng.random_bool(0.3),
            expr: Box::new(column(name)),
            pattern: Box::new(lit(*pattern)),
            escape_char: None,
            case_insensitive: self.rng.random_bool(0.2),
        })
    }

    fn comparison(&mut self) -> Operator {
        use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
        let all = [Eq, Eq, NotEq, Lt, LtEq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom];
        *all.choose(self.rng).unwrap()
    }

    /// A value that the column has somewhere; seldom NULL.
    fn value(&mut self, name: &str) -> ScalarValue {
        let array = self.rows.column_by_name(name).unwrap();
        let mut value = ScalarValue::Null;
        for _ in 0..3 {
            value = ScalarValue::try_from_array(array, self.rng.random_range(0..array.len())).unwrap();
            if !value.is_null() {
                break;
            }
        }
        value
    }
}
