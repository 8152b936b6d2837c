//! The settings of one connection that PostgreSQL clients read and write.
//!
//! Only settings PostgreSQL has are known, so that a typing mistake is an error and not a wish nobody hears. `zxq.*`
//! belongs to the engine's session and is not kept here.

pub(crate) mod known;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use zxq_engine::Zone;

use super::error::WireError;
use crate::sqlstate;
use known::{KNOWN, Known, Values};

/// Settings that say as whom a session acts.
const OF_THE_USER: [&str; 3] = ["role", "session_authorization", "is_superuser"];

/// The settings of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionSettings {
    /// Values that differ from the default, by lower-case name.
    changed: BTreeMap<&'static str, String>,
    /// What `RESET` goes back to: what the client asked for when it connected.
    initial: BTreeMap<&'static str, String>,
}

/// The setting of that name, in any case.
pub(crate) fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The error for a setting there is not.
pub(crate) fn unknown(name: &str) -> WireError {
    WireError::new(sqlstate::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

impl SessionSettings {
    /// The value in force.
    pub(crate) fn get(&self, known: &'static Known) -> &str {
        self.changed.get(known.name).map_or(known.default, String::as_str)
    }

    /// The value of the named setting; empty when there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        known(name).map_or("", |known| self.get(known))
    }

    /// Changes a setting; `None` goes back to what holds without a change.
    ///
    /// # Errors
    /// 42704 for an unknown name, 55P02 for one that cannot be changed, 22023 for a value it cannot have.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<&'static Known, WireError> {
        let known = known(name).ok_or_else(|| unknown(name))?;
        let Some(value) = value else {
            self.reset(known);
            return Ok(known);
        };
        let value = check(known, value)?;
        self.changed.insert(known.name, value);
        Ok(known)
    }

    /// Goes back to what the client connected with.
    fn reset(&mut self, known: &'static Known) {
        match self.initial.get(known.name) {
            Some(value) => self.changed.insert(known.name, value.clone()),
            None => self.changed.remove(known.name),
        };
    }

    /// Keeps a value that the session itself gives a setting. The caller knows that there is such a setting.
    pub(crate) fn keep(&mut self, name: &'static str, value: &str) {
        self.changed.insert(name, value.to_owned());
    }

    /// All settings go back to what the client connected with, but for those that say as whom the session acts.
    pub(crate) fn reset_all(&mut self) {
        let acting = OF_THE_USER.map(|name| (name, self.value(name).to_owned()));
        self.changed = self.initial.clone();
        self.changed.extend(acting);
    }

    /// What holds now is what `RESET` goes back to.
    pub(crate) fn keep_as_initial(&mut self) {
        self.initial = self.changed.clone();
    }

    /// True where a setting that is on or off is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.value(name) == "on"
    }

    /// How long a statement may run; `None` for as long as it takes.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        self.time("statement_timeout")
    }

    /// The time of a setting that is one; `None` for no limit.
    pub(crate) fn time(&self, name: &str) -> Option<Duration> {
        let millis = parse_millis(self.value(name)).unwrap_or(0);
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// True where notices reach the client.
    pub(crate) fn wants_notices(&self) -> bool {
        !matches!(self.value("client_min_messages"), "warning" | "error" | "fatal" | "panic")
    }

    /// True where warnings reach the client.
    pub(crate) fn wants_warnings(&self) -> bool {
        !matches!(self.value("client_min_messages"), "error" | "fatal" | "panic")
    }
}

/// The value as it is kept, if the setting can have it.
fn check(known: &'static Known, value: &str) -> Result<String, WireError> {
    let bad = |hint: String| {
        let message = format!("invalid value for parameter \"{}\": \"{value}\"", known.name);
        Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message).hint(hint))
    };
    let text = value.trim();
    match known.values {
        Values::Any => Ok(value.to_owned()),
        Values::ReadOnly => Err(WireError::new(
            sqlstate::CANT_CHANGE_RUNTIME_PARAM,
            format!("parameter \"{}\" cannot be changed", known.name),
        )),
        Values::Bool => match boolean(text) {
            Some(true) => Ok("on".to_owned()),
            Some(false) => Ok("off".to_owned()),
            None => bad("Use on or off".to_owned()),
        },
        Values::AlwaysOn => match boolean(text) {
            Some(true) => Ok("on".to_owned()),
            _ => bad("zxq has it always on".to_owned()),
        },
        Values::Integer(min, max) => match text.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(text.to_owned()),
            _ => bad(format!("Use a whole number from {min} to {max}")),
        },
        Values::Millis => match parse_millis(text) {
            Some(millis) => Ok(show_millis(millis)),
            None => bad("Use milliseconds, or a number with a unit: 500ms, 30s, 5min, 1h, 1d".to_owned()),
        },
        Values::OneOf(values) => match values.iter().find(|one| one.eq_ignore_ascii_case(text)) {
            Some(one) => Ok((*one).to_owned()),
            None => bad(format!("zxq has: {}", values.join(", "))),
        },
        Values::Utf8 => {
            // Letters and digits count in names of encodings: some drivers send quotes as well.
            let name: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
            match name.to_ascii_lowercase().as_str() {
                // SQL_ASCII asks for bytes as they are, and they are UTF-8.
                "utf8" | "unicode" | "sqlascii" => Ok("UTF8".to_owned()),
                _ => bad("zxq speaks UTF8 only".to_owned()),
            }
        }
        Values::Iso => {
            let fits = text.split(',').all(|part| {
                matches!(part.trim().to_ascii_lowercase().as_str(), "iso" | "mdy" | "us" | "noneuropean" | "default")
            });
            if fits { Ok("ISO, MDY".to_owned()) } else { bad("zxq shows dates as ISO, MDY".to_owned()) }
        }
        Values::Zone => match Zone::of_setting(text) {
            Some((_, shown)) => Ok(shown),
            None => bad("Use a name such as Europe/Berlin, or an offset from UTC in hours".to_owned()),
        },
        Values::SearchPath => {
            let schemas: Vec<String> = text.split(',').map(|s| s.trim().trim_matches('"').to_lowercase()).collect();
            let fits = text.is_empty()
                || schemas
                    .iter()
                    .find(|s| !matches!(s.as_str(), "" | "$user" | "pg_catalog"))
                    .is_none_or(|s| s == "public");
            if fits {
                Ok(value.to_owned())
            } else {
                bad("Unqualified names are looked up in public first; write hot.t, warm.t or cold.t, or SET zxq.tiers"
                    .to_owned())
            }
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some(true),
        "off" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Milliseconds of `30s`, `500` and the like.
fn parse_millis(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let millis = number.parse::<f64>().ok()? * factor;
    (millis <= f64::from(i32::MAX)).then_some(millis.round() as u64)
}

/// Milliseconds in the largest unit that divides them, as PostgreSQL shows them.
fn show_millis(millis: u64) -> String {
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)] {
        if millis > 0 && millis.is_multiple_of(length) {
            return format!("{}{unit}", millis / length);
        }
    }
    if millis == 0 { "0".to_owned() } else { format!("{millis}ms") }
}
