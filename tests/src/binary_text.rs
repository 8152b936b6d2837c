//! Values of the binary result format as PostgreSQL would write them in text, so that both formats can be compared.
//!
//! Written from PostgreSQL's documentation of the formats, on purpose not with the server's own code.

use std::error::Error;

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime};
use tokio_postgres::types::{FromSql, Kind, Type};

type Result<T> = std::result::Result<T, Box<dyn Error + Sync + Send>>;

/// A value of any type as text; `None` for NULL.
pub struct AnyText(pub Option<String>);

impl<'a> FromSql<'a> for AnyText {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self> {
        text(ty, raw).map(|text| AnyText(Some(text)))
    }

    fn from_sql_null(_: &Type) -> Result<Self> {
        Ok(AnyText(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// One value as text.
///
/// # Errors
/// Types this reader does not know, and bytes that are no value of the type.
pub fn text(ty: &Type, raw: &[u8]) -> Result<String> {
    Ok(match *ty {
        Type::BOOL => if raw == [1] { "t" } else { "f" }.to_owned(),
        Type::INT2 => i16::from_be_bytes(raw.try_into()?).to_string(),
        Type::INT4 => i32::from_be_bytes(raw.try_into()?).to_string(),
        Type::INT8 => i64::from_be_bytes(raw.try_into()?).to_string(),
        Type::OID => u32::from_be_bytes(raw.try_into()?).to_string(),
        Type::FLOAT4 => {
            let value = f32::from_be_bytes(raw.try_into()?);
            float(f64::from(value), &format!("{:e}", value.abs()), 6)
        }
        Type::FLOAT8 => {
            let value = f64::from_be_bytes(raw.try_into()?);
            float(value, &format!("{:e}", value.abs()), 15)
        }
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN | Type::JSON => {
            std::str::from_utf8(raw)?.to_owned()
        }
        Type::NUMERIC => numeric(raw)?,
        Type::DATE => {
            let days = i32::from_be_bytes(raw.try_into()?);
            let day = epoch().date().checked_add_signed(Duration::days(days.into())).ok_or("date out of range")?;
            match day.year() {
                1.. => day.format("%Y-%m-%d").to_string(),
                // There is no year 0: the year before 1 is 1 BC.
                before => format!("{:04}-{:02}-{:02} BC", 1 - before, day.month(), day.day()),
            }
        }
        Type::TIME => time(i64::from_be_bytes(raw.try_into()?)),
        Type::UUID => uuid(raw)?,
        // The version of the format, then the text.
        Type::JSONB => match raw.split_first() {
            Some((1, text)) => std::str::from_utf8(text)?.to_owned(),
            _ => return Err("jsonb of an unknown version".into()),
        },
        Type::TIMESTAMP => timestamp(raw)?,
        Type::TIMESTAMPTZ => format!("{}+00", timestamp(raw)?),
        Type::INTERVAL => interval(raw)?,
        Type::BYTEA => raw.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        _ => match ty.kind() {
            Kind::Array(element) => array(element, raw)?,
            _ => return Err(format!("no reader for binary {ty}").into()),
        },
    })
}

fn uuid(raw: &[u8]) -> Result<String> {
    if raw.len() != 16 {
        return Err("uuid of another length".into());
    }
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

/// Microseconds since midnight.
fn time(us: i64) -> String {
    let (seconds, fraction) = (us / 1_000_000, us % 1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    text
}

/// `i32` dimensions, a flag, the elements' OID; for each dimension its length and first index; then the elements with their
/// lengths, -1 for NULL.
fn array(element: &Type, raw: &[u8]) -> Result<String> {
    let word = |at: usize| -> Result<i32> {
        Ok(i32::from_be_bytes(raw.get(at..at + 4).ok_or("array too short")?.try_into()?))
    };
    if word(8)? as u32 != element.oid() {
        return Err(format!("an array of {} says that its elements are of type {}", element, word(8)?).into());
    }
    let count = match word(0)? {
        0 => return Ok("{}".to_owned()),
        1 => word(12)?,
        more => return Err(format!("no reader for arrays of {more} dimensions").into()),
    };
    let mut at = 20;
    let mut cells = Vec::new();
    for _ in 0..count {
        let length = word(at)?;
        at += 4;
        cells.push(match usize::try_from(length) {
            Err(_) => "NULL".to_owned(),
            Ok(length) => {
                let cell = text(element, raw.get(at..at + length).ok_or("array too short")?)?;
                at += length;
                quoted(&cell)
            }
        });
    }
    Ok(format!("{{{}}}", cells.join(",")))
}

/// An element as it stands in an array's text.
fn quoted(cell: &str) -> String {
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace();
    if cell.is_empty() || cell.eq_ignore_ascii_case("null") || cell.contains(special) {
        format!("\"{}\"", cell.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        cell.to_owned()
    }
}

fn epoch() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2000, 1, 1).and_then(|d| d.and_hms_opt(0, 0, 0)).unwrap_or_default()
}

fn timestamp(raw: &[u8]) -> Result<String> {
    let micros = i64::from_be_bytes(raw.try_into()?);
    let unix = micros
        .checked_add(
            DateTime::UNIX_EPOCH.naive_utc().signed_duration_since(epoch()).num_microseconds().map_or(0, |us| -us),
        )
        .ok_or("timestamp out of range")?;
    let moment = DateTime::from_timestamp_micros(unix).ok_or("timestamp out of range")?.naive_utc();
    let mut text = moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    while text.ends_with('0') && text.contains('.') {
        text.pop();
    }
    Ok(text.trim_end_matches('.').to_owned())
}

/// `i16 ndigits, weight, sign, dscale`, then base-10000 digits.
fn numeric(raw: &[u8]) -> Result<String> {
    let word = |at: usize| -> Result<i16> {
        Ok(i16::from_be_bytes(raw.get(at * 2..at * 2 + 2).ok_or("numeric too short")?.try_into()?))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?, word(2)? as u16, word(3)?);
    if sign == 0xC000 {
        return Ok("NaN".to_owned());
    }
    let digits: Vec<i16> = (0..count as usize).map(|i| word(4 + i)).collect::<Result<_>>()?;
    let digit = |power: i16| -> i16 {
        usize::try_from(i32::from(weight) - i32::from(power)).ok().and_then(|i| digits.get(i)).copied().unwrap_or(0)
    };
    let mut text = String::new();
    if sign == 0x4000 {
        text.push('-');
    }
    let mut whole = String::new();
    for power in (0..=weight.max(0)).rev() {
        whole.push_str(&format!("{:04}", digit(power)));
    }
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        let mut power = -1;
        while fraction.len() < scale as usize {
            fraction.push_str(&format!("{:04}", digit(power)));
            power -= 1;
        }
        text.push('.');
        text.push_str(&fraction[..scale as usize]);
    }
    Ok(text)
}

/// Shortest digits in PostgreSQL's layout.
fn float(value: f64, shortest: &str, scientific_from: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}Infinity");
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= scientific_from {
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.abs());
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        format!("{sign}{digits}{}", "0".repeat(whole - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
    }
}

fn interval(raw: &[u8]) -> Result<String> {
    let micros = i64::from_be_bytes(raw.get(..8).ok_or("interval too short")?.try_into()?);
    let days = i32::from_be_bytes(raw.get(8..12).ok_or("interval too short")?.try_into()?);
    let months = i32::from_be_bytes(raw.get(12..16).ok_or("interval too short")?.try_into()?);
    let mut parts = Vec::new();
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value != 0 {
            parts.push(format!("{value} {unit}{}", if value == 1 { "" } else { "s" }));
        }
    }
    if micros != 0 || parts.is_empty() {
        let (sign, us) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
        let seconds = us / 1_000_000;
        let mut time = format!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if !us.is_multiple_of(1_000_000) {
            time.push_str(format!(".{:06}", us % 1_000_000).trim_end_matches('0'));
        }
        parts.push(time);
    }
    Ok(parts.join(" "))
}
