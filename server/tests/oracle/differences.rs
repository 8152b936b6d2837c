//! Where zxq answers otherwise than PostgreSQL, on purpose. docs/postgresql.md tells users; a reason here has its line there.

use crate::answers::Answer;
use crate::statements::Statement;

/// Why these two answers may differ; `None` where they must not.
pub(crate) fn reason(statement: &Statement, right: &Answer, given: &Answer) -> Option<&'static str> {
    match (right, given) {
        // A decimal has 38 digits here, more than a hundred thousand there.
        (Answer::Rows(_), Answer::Refused((code, _))) if code == "22003" && has_long_number(right) => {
            Some("numbers of more than 38 digits are refused (22003)")
        }
        (Answer::Rows(_), Answer::Refused((code, message))) if code == "22003" && message.contains("38 digits") => {
            Some("numbers of more than 38 digits are refused (22003)")
        }
        // Quotients that are computed with further have other digits behind the sixteenth.
        (Answer::Rows(right), Answer::Rows(given))
            if statement.text().contains(" / ") && differs_in_late_digits(right, given) =>
        {
            Some("quotients that are computed with have 20 digits behind the point")
        }
        // Zones beyond the table of rules.
        (Answer::Rows(right), Answer::Rows(given))
            if statement.text().contains("AT TIME ZONE")
                && (differs_after_2099(right, given) || statement.text().contains("'9999-")) =>
        {
            Some("time zones after 2099 have standard time all year")
        }
        (Answer::Rows(_), Answer::Refused((code, _))) if is_of_data(code) && statement.text().contains(" OVER (") => {
            Some("window functions compute their argument for every row")
        }
        (Answer::Rows(_), Answer::Refused((code, _))) if is_of_data(code) && statement.text().contains("NULL") => {
            Some("beside NULL the rest is computed, and may be a mistake")
        }
        (Answer::Refused((code, _)), Answer::Rows(_))
            if is_of_data(code)
                && [" BETWEEN ", " AND ", " OR ", "CASE ", " WHERE ", "LIMIT 0", "coalesce(", " IN ("]
                    .iter()
                    .any(|w| statement.text().contains(w)) =>
        {
            Some("what a condition leaves out is not computed")
        }
        // A name in ORDER BY that two columns of the result have.
        (Answer::Refused((code, _)), Answer::Rows(_)) if code == "42702" => {
            Some("of two columns of one name ORDER BY takes the first")
        }
        // A time on the way to the answer, or the answer.
        (Answer::Refused((code, message)), Answer::Rows(rows))
            if code == "22008" && (message == "timestamp out of range" || reaches_before_christ(rows)) =>
        {
            Some("times reach further back than 4713 BC")
        }
        (Answer::Rows(_), Answer::Refused((code, _))) if is_of_data(code) && statement.text().contains(" IN (") => {
            Some("all of a list is computed, also what is behind the value that fits")
        }
        (Answer::Refused((code, message)), Answer::Rows(_))
            if code == "42804" && message.starts_with("could not determine polymorphic type") =>
        {
            Some("functions of any type take texts without a type")
        }
        // Which row, and which operator, is computed first is not told by SQL.
        (Answer::Refused((right, _)), Answer::Refused((given, _))) if is_of_data(right) && is_of_data(given) => {
            Some("of several mistakes another one is named")
        }
        // What is NULL whatever stands beside it is not computed.
        (Answer::Refused((right, _)), Answer::Rows(rows))
            if is_of_data(right) && statement.text().contains("NULL") && rows.iter().flatten().all(Option::is_none) =>
        {
            Some("what NULL makes NULL is not computed")
        }
        _ => None,
    }
}

/// True where the answers are the same numbers in all digits that a quotient has to have right.
fn differs_in_late_digits(right: &[Vec<Option<String>>], given: &[Vec<Option<String>>]) -> bool {
    let is_near = |right: &Option<String>, given: &Option<String>| match (right, given) {
        (Some(right), Some(given)) => match (right.parse::<f64>(), given.parse::<f64>()) {
            (Ok(right), Ok(given)) => (right - given).abs() <= right.abs().max(given.abs()) * 1e-15,
            _ => right == given,
        },
        (right, given) => right == given,
    };
    let cells = |rows: &[Vec<Option<String>>]| rows.iter().map(Vec::len).collect::<Vec<_>>();
    cells(right) == cells(given) && right.iter().flatten().zip(given.iter().flatten()).all(|(r, g)| is_near(r, g))
}

/// True where only times of years after 2099 differ.
fn differs_after_2099(right: &[Vec<Option<String>>], given: &[Vec<Option<String>>]) -> bool {
    let is_late =
        |text: &String| text.split('-').next().and_then(|year| year.parse::<u32>().ok()).is_some_and(|y| y > 2099);
    let (right, given) = (right.iter().flatten().flatten(), given.iter().flatten().flatten());
    right.zip(given).all(|(right, given)| right == given || is_late(right))
}

fn reaches_before_christ(rows: &[Vec<Option<String>>]) -> bool {
    rows.iter().flatten().flatten().any(|text| text.contains(" BC"))
}

/// Class 22: values that cannot be.
fn is_of_data(code: &str) -> bool {
    code.starts_with("22")
}

/// True if a number of the answer does not fit 38 digits.
fn has_long_number(answer: &Answer) -> bool {
    let Answer::Rows(rows) = answer else { return false };
    let is_long = |text: &String| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        digits > 38 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')
    };
    rows.iter().flatten().flatten().any(is_long)
}
