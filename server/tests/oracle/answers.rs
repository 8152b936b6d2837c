//! What a system answers, and whether two answers are the same.

use std::fmt;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::program::Program;
use crate::values::Type;

/// Digits that a quotient or an average must have right.
const DIGITS: usize = 16;
/// Digits behind the point that a decimal has at least room for.
const PLACES: usize = 20;
/// Doubles differ at most so much, relatively: sums may be added up in another order.
const RELATIVE: f64 = 1e-12;

/// Rows as text, or an error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Rows(Vec<Vec<Option<String>>>),
    /// An error, by its SQLSTATE and message.
    Refused((String, String)),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Refused((code, message)) => write!(f, "ERROR {code}: {message}"),
            Answer::Rows(rows) => {
                for (at, row) in rows.iter().enumerate() {
                    let cells: Vec<&str> = row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
                    write!(f, "{}{}", if at == 0 { "" } else { " / " }, cells.join("|"))?;
                }
                if rows.is_empty() { f.write_str("no rows") } else { Ok(()) }
            }
        }
    }
}

/// A connection to each system.
pub(crate) struct Asked {
    postgres: Client,
    zxq: Client,
}

impl Asked {
    pub(crate) async fn connect(program: &Program) -> Asked {
        Asked { postgres: program.postgres().await, zxq: program.zxq().await }
    }

    pub(crate) async fn postgres(&self, sql: &str) -> Answer {
        ask(&self.postgres, sql).await
    }

    pub(crate) async fn zxq(&self, sql: &str) -> Answer {
        ask(&self.zxq, sql).await
    }
}

async fn ask(client: &Client, sql: &str) -> Answer {
    match client.simple_query(sql).await {
        Ok(messages) => {
            let rows = messages.into_iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
                _ => None,
            });
            Answer::Rows(rows.collect())
        }
        Err(error) => match error.as_db_error() {
            Some(error) => Answer::Refused((error.code().code().to_owned(), error.message().to_owned())),
            None => panic!("the connection is gone after {sql}: {error}"),
        },
    }
}

/// Two answers are the same: the rows, or the SQLSTATE.
pub(crate) fn agree(right: &Answer, given: &Answer, types: &[Type], ordered: bool) -> bool {
    match (right, given) {
        (Answer::Refused((right, _)), Answer::Refused((given, _))) => right == given,
        (Answer::Rows(right), Answer::Rows(given)) => {
            if right.len() != given.len() {
                return false;
            }
            if ordered {
                return right.iter().zip(given).all(|(a, b)| same_row(a, b, types));
            }
            let sorted = |rows: &Vec<Vec<Option<String>>>| {
                let mut rows = rows.clone();
                rows.sort();
                rows
            };
            sorted(right).iter().zip(&sorted(given)).all(|(a, b)| same_row(a, b, types))
        }
        _ => false,
    }
}

fn same_row(right: &[Option<String>], given: &[Option<String>], types: &[Type]) -> bool {
    right.len() == given.len()
        && right.iter().zip(given).enumerate().all(|(at, (right, given))| match (right, given) {
            (Some(right), Some(given)) => right == given || same_number(right, given, types.get(at).copied()),
            (None, None) => true,
            _ => false,
        })
}

/// Decimals of which one is shown with more zeros, or digits, than the other; doubles that were added up in another order.
fn same_number(right: &str, given: &str, data_type: Option<Type>) -> bool {
    match data_type {
        Some(Type::Numeric) => same_decimal(right, given),
        Some(Type::Double) => match (right.parse::<f64>(), given.parse::<f64>()) {
            (Ok(a), Ok(b)) => a == b || (a - b).abs() <= RELATIVE * a.abs().max(b.abs()),
            _ => false,
        },
        _ => false,
    }
}

fn same_decimal(right: &str, given: &str) -> bool {
    let behind = |text: &str| text.split_once('.').map_or(0, |(_, part)| part.len());
    let shown = (behind(right), behind(given));
    let (Some(right), Some(given)) = (digits(right), digits(given)) else { return false };
    if right == given {
        return true;
    }
    // A quotient that one of the two carries on further: equal to sixteen digits, or to the last that there is room for.
    let places = shown.0.min(shown.1);
    let significant = right.1.trim_start_matches('0').len() + places;
    let close = |places: usize| match (cut(&right, places), cut(&given, places)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1,
        _ => false,
    };
    significant >= DIGITS && close(places) || close(PLACES)
}

/// The number in units of so many places behind the point; what lies behind them is cut off.
fn cut(digits: &(bool, String, String), places: usize) -> Option<i128> {
    let part: String = digits.2.chars().chain(std::iter::repeat('0')).take(places).collect();
    let number = format!("{}{part}", digits.1).parse::<i128>().ok()?;
    Some(if digits.0 { -number } else { number })
}

/// The sign, the digits before the point and those behind it without the zeros at the end.
fn digits(text: &str) -> Option<(bool, String, String)> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = rest.split_once('.').unwrap_or((rest, ""));
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !numeric(whole) || !numeric(part) {
        return None;
    }
    let part = part.trim_end_matches('0').to_owned();
    let zero = part.is_empty() && whole.bytes().all(|byte| byte == b'0');
    Some((negative && !zero, whole.to_owned(), part))
}

#[test]
fn decimals_are_the_same_up_to_zeros_and_sixteen_digits() {
    assert!(same_decimal("0.86376811594202898551", "0.8637681159420290"));
    assert!(same_decimal("0.00000000000000000000000000021667500195007502", "0.00000000000000000000"));
    assert!(same_decimal("1.50", "1.5") && same_decimal("0.0", "0") && same_decimal("-0.00", "0"));
    assert!(same_decimal("0.66666666666666666667", "0.6666666666666667"));
    assert!(!same_decimal("0.66666666666666666667", "0.66667"));
    assert!(!same_decimal("1.5", "-1.5") && !same_decimal("2", "3") && !same_decimal("15", "1.5"));
}
