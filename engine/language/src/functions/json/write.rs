//! Values of any type written as JSON, as PostgreSQL writes them: numbers and truth values bare, times as ISO 8601, JSON as it
//! is, all else as the text that is shown, in quotes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::Result;
use zxq_catalog::declared::declared;

use crate::functions::text::shown::texts;
use crate::values::json;

/// A column whose values are written.
#[derive(Debug)]
pub(super) struct Column {
    values: ArrayRef,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Null,
    Boolean,
    /// Numbers, which are bare where they are finite.
    Number(StringArray),
    /// JSON, as it is.
    Json(StringViewArray),
    /// The text that is shown; of times with a `T` between date and time.
    Text(StringArray),
    Moment(StringArray),
    List(Box<Column>),
    /// The members with their names.
    Struct(Vec<(String, Column)>),
}

impl Column {
    /// A column of a declared type; moments with a zone are shown in `zone`.
    pub(super) fn new(values: &ArrayRef, field: &Field, zone: Option<&str>) -> Result<Column> {
        let form = match values.data_type() {
            DataType::Null => Form::Null,
            DataType::Boolean => Form::Boolean,
            number if number.is_numeric() => Form::Number(texts(values)?),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
                if matches!(declared(field), Some("json" | "jsonb")) =>
            {
                Form::Json(cast(values, &DataType::Utf8View)?.as_string_view().clone())
            }
            DataType::Timestamp(_, Some(own)) => {
                let zone = Arc::from(zone.unwrap_or(own));
                Form::Moment(texts(&cast(values, &DataType::Timestamp(TimeUnit::Microsecond, Some(zone)))?)?)
            }
            DataType::Timestamp(_, None) => Form::Moment(texts(values)?),
            DataType::List(item) => Form::List(Box::new(Column::new(values.as_list::<i32>().values(), item, zone)?)),
            DataType::Struct(fields) => {
                let members = fields.iter().zip(values.as_struct().columns());
                let column = |(field, values): (&Arc<Field>, &ArrayRef)| {
                    Ok((field.name().clone(), Column::new(values, field, zone)?))
                };
                Form::Struct(members.map(column).collect::<Result<_>>()?)
            }
            _ => Form::Text(texts(values)?),
        };
        Ok(Column { values: Arc::clone(values), form })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        // An array of the type Null says that no row is NULL.
        matches!(self.form, Form::Null) || self.values.is_null(row)
    }

    /// Writes the value of a row.
    pub(super) fn write(&self, row: usize, out: &mut String) {
        if self.is_null(row) {
            out.push_str("null");
            return;
        }
        match &self.form {
            Form::Null => out.push_str("null"),
            Form::Boolean => out.push_str(if self.values.as_boolean().value(row) { "true" } else { "false" }),
            Form::Number(texts) => match texts.value(row) {
                special @ ("NaN" | "Infinity" | "-Infinity") => json::write_string(special, out),
                number => out.push_str(number),
            },
            Form::Json(texts) => out.push_str(texts.value(row)),
            Form::Text(texts) => json::write_string(texts.value(row), out),
            Form::Moment(texts) => json::write_string(&iso(texts.value(row)), out),
            Form::List(items) => {
                let offsets = self.values.as_list::<i32>().value_offsets();
                out.push('[');
                for at in offsets[row]..offsets[row + 1] {
                    if at > offsets[row] {
                        out.push(',');
                    }
                    items.write(at as usize, out);
                }
                out.push(']');
            }
            Form::Struct(members) => {
                out.push('{');
                for (place, (name, member)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    json::write_string(name, out);
                    out.push(':');
                    member.write(row, out);
                }
                out.push('}');
            }
        }
    }

    /// The value of a row as the name of a member.
    pub(super) fn write_name(&self, row: usize, out: &mut String) {
        let mut value = String::new();
        self.write(row, &mut value);
        match value.starts_with('"') && !matches!(self.form, Form::Json(_)) {
            true => out.push_str(&value),
            false => json::write_string(&value, out),
        }
    }
}

/// `2024-01-02 03:04:05+01` as `2024-01-02T03:04:05+01:00`.
fn iso(shown: &str) -> String {
    let mut text = shown.replacen(' ', "T", 1);
    let zone = text.rfind(['+', '-']).filter(|at| text.find('T').is_some_and(|time| *at > time));
    if let Some(at) = zone
        && !text[at..].contains(':')
    {
        // An offset of whole hours, before what may follow a year.
        text.insert_str((at + 3).min(text.len()), ":00");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::iso;

    #[test]
    fn moments_are_written_as_in_iso_8601() {
        assert_eq!(iso("2024-01-02 03:04:05.12"), "2024-01-02T03:04:05.12");
        assert_eq!(iso("2024-01-02 03:04:05+01"), "2024-01-02T03:04:05+01:00");
        assert_eq!(iso("2024-01-02 03:04:05-03:30"), "2024-01-02T03:04:05-03:30");
        assert_eq!(iso("0044-03-15 12:00:00+00 BC"), "0044-03-15T12:00:00+00:00 BC");
    }
}
