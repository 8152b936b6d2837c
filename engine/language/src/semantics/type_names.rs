//! Which type a name in a cast stands for, where DataFusion takes another: `float` is a double, `numeric` alone keeps every
//! digit, and `varchar(n)` cuts.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{CharacterLength, DataType as SqlType, ExactNumberInfo};

/// Marks the type of a cast to `numeric` without digits; [`super::casts`] gives it some.
const BARE_NUMERIC: &str = "zxq.bare_numeric";
/// Marks the type of a cast to `varchar(n)`.
const MOST_CHARACTERS: &str = "zxq.most_characters";

/// Every name that differs from DataFusion's: those of times, of declared types, and of numbers.
pub fn planner() -> Arc<dyn TypePlanner> {
    Arc::new(TypeNames { others: crate::functions::type_planner() })
}

/// PostgreSQL's names of types.
#[derive(Debug)]
struct TypeNames {
    others: Arc<dyn TypePlanner>,
}

impl TypePlanner for TypeNames {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        use SqlType as T;
        if let Some(field) = self.others.plan_type_field(sql_type)? {
            return Ok(Some(field));
        }
        Ok(match sql_type {
            T::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => Some(plain(DataType::Float32)),
            T::Float(_) => Some(plain(DataType::Float64)),
            T::Numeric(info) | T::Decimal(info) | T::Dec(info) => decimal(info),
            T::Varchar(length) | T::CharacterVarying(length) | T::CharVarying(length) => Some(text(length)),
            _ => None,
        })
    }
}

/// True for the type of a cast to `numeric` alone.
pub fn is_bare_numeric(field: &Field) -> bool {
    field.metadata().contains_key(BARE_NUMERIC)
}

/// The n of a cast to `varchar(n)`.
pub(crate) fn most_characters(field: &Field) -> Option<i64> {
    field.metadata().get(MOST_CHARACTERS)?.parse().ok()
}

fn plain(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("", data_type, true))
}

fn marked(data_type: DataType, mark: &str, value: String) -> FieldRef {
    let metadata = HashMap::from([(mark.to_owned(), value)]);
    Arc::new(Field::new("", data_type, true).with_metadata(metadata))
}

/// More than 38 digits are 38: a value that needs more is refused when it comes.
fn decimal(info: &ExactNumberInfo) -> Option<FieldRef> {
    let (precision, scale) = match *info {
        ExactNumberInfo::None => {
            return Some(marked(DataType::Decimal128(38, 10), BARE_NUMERIC, String::new()));
        }
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let scale = i8::try_from(scale).ok().filter(|scale| (0..=DECIMAL128_MAX_PRECISION as i8).contains(scale))?;
    let precision = precision.min(u64::from(DECIMAL128_MAX_PRECISION)) as u8;
    (precision > 0 && scale <= precision as i8).then(|| plain(DataType::Decimal128(precision, scale)))
}

fn text(length: &Option<CharacterLength>) -> FieldRef {
    let length = match length {
        None => None,
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        Some(CharacterLength::Max) => None,
    };
    match length {
        Some(length) => marked(DataType::Utf8View, MOST_CHARACTERS, length.to_string()),
        None => plain(DataType::Utf8View),
    }
}
