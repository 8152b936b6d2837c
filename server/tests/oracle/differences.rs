//! Where zxq answers otherwise than PostgreSQL, on purpose. docs/postgresql.md tells users; a reason here has its line there.

use crate::answers::Answer;
use crate::statements::Statement;

/// Why these two answers may differ; `None` where they must not.
pub(crate) fn reason(_statement: &Statement, right: &Answer, given: &Answer) -> Option<&'static str> {
    match (right, given) {
        // A decimal has 38 digits here, more than a hundred thousand there.
        (Answer::Rows(_), Answer::Refused((code, _))) if code == "22003" && has_long_number(right) => {
            Some("numbers of more than 38 digits are refused (22003)")
        }
        _ => None,
    }
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
