//! The settings of one connection that PostgreSQL clients read and write.
//!
//! Only settings PostgreSQL has are known, so that a typing mistake is an error and not a wish nobody hears; and those of
//! clients themselves, whose names have a point in them (`app.user_id`). `zxq.*` belongs to the engine's session and is
//! not kept here.

pub(crate) mod known;
pub(crate) mod measured;
mod others;
pub(crate) mod search_path;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use zxq_engine::Zone;

use super::error::WireError;
use crate::sqlstate;
use known::{Context, KNOWN, Known, Values};
use measured::Unit;
use others::OTHERS;

/// Settings that say as whom a session acts.
const OF_THE_USER: [&str; 3] = ["role", "session_authorization", "is_superuser"];

/// Longest value of a setting, in bytes.
const LONGEST_VALUE: usize = 8 << 10;
/// Schemas of a search path: each name in a statement is looked for in all of them.
const MOST_SCHEMAS: usize = 100;
/// Bytes of the names and values of the settings that are a client's own: they are copied with every transaction.
const MOST_CUSTOM_BYTES: usize = 256 << 10;
/// Longest name of a client, in bytes, as in PostgreSQL.
const LONGEST_APPLICATION_NAME: usize = 63;

/// The settings of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionSettings {
    /// Values that differ from the default, by lower-case name.
    changed: BTreeMap<&'static str, String>,
    /// What `RESET` goes back to: what the client asked for when it connected.
    initial: BTreeMap<&'static str, String>,
    /// Settings of the client's own, by lower-case name.
    custom: BTreeMap<String, String>,
    /// Changes so far.
    version: u64,
}

/// The setting of that name, in any case.
pub(crate) fn known(name: &str) -> Option<&'static Known> {
    all().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// All settings that PostgreSQL has, those first that mean something here.
pub(crate) fn all() -> impl Iterator<Item = &'static Known> {
    KNOWN.iter().chain(OTHERS)
}

/// True for a name that clients may give to settings of their own: words with points between them.
pub(crate) fn is_custom(name: &str) -> bool {
    let is_word = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    };
    name.contains('.') && name.split('.').all(is_word)
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
        self.version += 1;
        let Some(value) = value else {
            check_context(known)?;
            self.reset(known);
            return Ok(known);
        };
        check_context(known)?;
        let value = check(known, value)?;
        self.changed.insert(known.name, value);
        Ok(known)
    }

    /// Changes a setting of the client's own; `None` empties it.
    ///
    /// # Errors
    /// 54000 where all of them together would be too long.
    pub(crate) fn set_custom(&mut self, name: &str, value: Option<&str>) -> Result<(), WireError> {
        let (name, value) = (name.to_lowercase(), value.unwrap_or_default());
        let others: usize = self.customs().filter(|(other, _)| *other != name).map(|(n, v)| n.len() + v.len()).sum();
        if others + name.len() + value.len() > MOST_CUSTOM_BYTES {
            let most = MOST_CUSTOM_BYTES >> 10;
            return Err(WireError::too_many(format!("settings of one's own take at most {most} kB")));
        }
        self.version += 1;
        self.custom.insert(name, value.to_owned());
        Ok(())
    }

    /// About how many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        let changed = self.changed.values().chain(self.initial.values()).map(String::len);
        let own = self.customs().map(|(name, value)| name.len() + value.len());
        size_of::<SessionSettings>() + changed.chain(own).map(|bytes| bytes + size_of::<String>()).sum::<usize>()
    }

    /// A setting of the client's own, once it was set.
    pub(crate) fn custom(&self, name: &str) -> Option<&str> {
        self.custom.get(&name.to_lowercase()).map(String::as_str)
    }

    /// All settings of the client's own.
    pub(crate) fn customs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.custom.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The settings that differ from their defaults.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.changed.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A number that is another one after every change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Settings as they were, of which it is not known how they came to be so.
    pub(crate) fn go_back_to(&mut self, before: SessionSettings) {
        let version = self.version.max(before.version) + 1;
        *self = SessionSettings { version, ..before };
    }

    /// The number behind a value that is shown with its unit, and the unit's name.
    pub(crate) fn measured(&self, known: &'static Known) -> Option<(i64, &'static str)> {
        let Values::Measured(unit, ..) = known.values else { return None };
        Some((unit.parse(self.get(known))?, unit.name()))
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
        self.version += 1;
        self.changed.insert(name, value.to_owned());
    }

    /// All settings go back to what the client connected with, but for those that say as whom the session acts.
    pub(crate) fn reset_all(&mut self) {
        let acting = OF_THE_USER.map(|name| (name, self.value(name).to_owned()));
        self.version += 1;
        self.changed = self.initial.clone();
        self.changed.extend(acting);
        for value in self.custom.values_mut() {
            value.clear();
        }
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
        let millis = Unit::Millisecond.parse(self.value(name)).and_then(|millis| u64::try_from(millis).ok())?;
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
    let outside = |number: &dyn std::fmt::Display, min: &dyn std::fmt::Display, max: &dyn std::fmt::Display| {
        let message = format!("{number} is outside the valid range for parameter \"{}\" ({min} .. {max})", known.name);
        Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message))
    };
    if value.len() > LONGEST_VALUE {
        let message = format!("the value of parameter \"{}\" is longer than {LONGEST_VALUE} bytes", known.name);
        return Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    }
    let text = value.trim();
    match known.values {
        // As PostgreSQL, which shows this name in its logs.
        Values::Any if known.name == "application_name" => {
            let shown = value.bytes().map(|b| if (32..127).contains(&b) { char::from(b) } else { '?' });
            Ok(shown.take(LONGEST_APPLICATION_NAME).collect())
        }
        Values::SearchPath if value.split(',').count() > MOST_SCHEMAS => {
            let message = format!("parameter \"{}\" names at most {MOST_SCHEMAS} schemas", known.name);
            Err(WireError::new(sqlstate::INVALID_PARAMETER_VALUE, message))
        }
        Values::Any | Values::ReadOnly | Values::SearchPath => Ok(value.to_owned()),
        Values::Bool => match boolean(text) {
            Some(true) => Ok("on".to_owned()),
            Some(false) => Ok("off".to_owned()),
            None => bad("Use on or off".to_owned()),
        },
        Values::AlwaysOn => match boolean(text) {
            Some(true) => Ok("on".to_owned()),
            _ => bad("zxq has it always on".to_owned()),
        },
        Values::Integer(min, max) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                let number = number.round() as i64;
                if (min..=max).contains(&number) { Ok(number.to_string()) } else { outside(&number, &min, &max) }
            }
            _ => bad("Use a whole number".to_owned()),
        },
        Values::Real(min, max) => match text.parse::<f64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
            Ok(number) if !number.is_nan() => outside(&number, &min, &max),
            _ => bad("Use a number".to_owned()),
        },
        Values::Measured(unit, min, max) => match unit.parse(text) {
            Some(number) if (min..=max).contains(&number) => Ok(unit.show(number)),
            Some(number) => outside(&number, &min, &max),
            None if matches!(unit, Unit::Millisecond | Unit::Second | Unit::Minute) => {
                bad("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".".to_owned())
            }
            None => bad("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".".to_owned()),
        },
        Values::OneOf(values) => match values.iter().find(|one| one.eq_ignore_ascii_case(text)) {
            Some(one) => Ok((*one).to_owned()),
            None => match boolean(text).map(|on| if on { "on" } else { "off" }) {
                Some(word) if values.contains(&word) => Ok(word.to_owned()),
                _ => bad(format!("Available values: {}.", values.join(", "))),
            },
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
    }
}

/// Refuses to change what only the configuration, or nobody, changes.
fn check_context(known: &'static Known) -> Result<(), WireError> {
    let name = known.name;
    let message = match known.context {
        Context::User | Context::Superuser => return Ok(()),
        Context::Start => format!("parameter \"{name}\" cannot be set after connection start"),
        Context::File => format!("parameter \"{name}\" cannot be changed now"),
        Context::Server => format!("parameter \"{name}\" cannot be changed without restarting the server"),
        Context::Internal => format!("parameter \"{name}\" cannot be changed"),
    };
    Err(WireError::new(sqlstate::CANT_CHANGE_RUNTIME_PARAM, message))
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some(true),
        "off" | "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}
