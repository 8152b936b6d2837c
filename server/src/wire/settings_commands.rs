//! `SET`, `SHOW`, `RESET` and `DISCARD`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use pgwire::api::Type;
use zxq_engine::sql::quoted_text;

use super::error::WireError;
use super::session::{BY_DEFAULT_READ_ONLY, ISOLATION, READ_ONLY, Session};
use super::settings::search_path::schemas;
use super::settings::{all, is_custom, known, unknown};
use super::types::Column;
use super::utility::{ROLE, SESSION_AUTHORIZATION};
use crate::sqlstate;

/// Settings of DataFusion that a session may change, with the most that a number may be: how one statement runs, never what
/// the process has.
const DATAFUSION_ALLOWED: [(&str, u64); 5] = [
    ("datafusion.execution.batch_size", 65_536),
    ("datafusion.execution.target_partitions", 256),
    ("datafusion.explain.logical_plan_only", 0),
    ("datafusion.explain.physical_plan_only", 0),
    ("datafusion.explain.show_statistics", 0),
];

/// The columns of `SHOW name`.
pub(crate) fn show_columns(name: &str) -> Vec<Column> {
    let names: Vec<&str> = match name {
        "all" => vec!["name", "setting", "description"],
        name => vec![known(name).map_or(name, |known| known.name)],
    };
    names
        .into_iter()
        .map(|name| Column { name: name.to_owned(), pg_type: Type::TEXT, typmod: -1, quotient: None, origin: (0, 0) })
        .collect()
}

impl Session {
    /// `SHOW name` and `SHOW ALL`.
    ///
    /// # Errors
    /// 42704 for an unknown name.
    pub(crate) fn show(&self, name: &str) -> Result<RecordBatch, WireError> {
        if name != "all" {
            let column = known(name).map_or(name, |known| known.name);
            return text_batch(&[column], vec![vec![self.setting(name)?]]);
        }
        let mut rows: Vec<Vec<String>> = all()
            .map(|known| vec![known.name.to_owned(), self.settings.get(known).to_owned(), known.about.to_owned()])
            .collect();
        rows.extend(self.engine_settings().into_iter().filter(|row| row[0].starts_with("zxq.")));
        rows.sort_by_key(|row| row[0].to_lowercase());
        text_batch(&["name", "setting", "description"], rows)
    }

    /// The value of a setting, of PostgreSQL's or the engine's.
    ///
    /// # Errors
    /// 42704 for an unknown name.
    pub(crate) fn setting(&self, name: &str) -> Result<String, WireError> {
        if let Some(known) = known(name) {
            // Outside of a block the next transaction's are asked for.
            let name = match known.name {
                ISOLATION if !self.in_block() => "default_transaction_isolation",
                READ_ONLY if !self.in_block() => BY_DEFAULT_READ_ONLY,
                name => name,
            };
            return Ok(self.settings.value(name).to_owned());
        }
        if let Some(value) = self.settings.custom(name) {
            return Ok(value.to_owned());
        }
        self.engine_settings()
            .into_iter()
            .find(|row| row[0].eq_ignore_ascii_case(name))
            .and_then(|row| row.into_iter().nth(1))
            .ok_or_else(|| unknown(name))
    }

    fn engine_settings(&self) -> Vec<Vec<String>> {
        let config = self.engine.context().copied_config();
        config
            .options()
            .entries()
            .into_iter()
            .map(|entry| vec![entry.key, entry.value.unwrap_or_default(), entry.description.to_owned()])
            .collect()
    }

    /// `SET name = value`; `None` is `DEFAULT`.
    ///
    /// # Errors
    /// For an unknown name, a value it cannot have, or a setting that is refused.
    pub(crate) async fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), WireError> {
        if local && !self.in_block() {
            let message = "SET LOCAL can only be used in transaction blocks";
            self.notice(WireError::warning(sqlstate::NO_ACTIVE_SQL_TRANSACTION, message));
            return Ok(());
        }
        if let Some(user) = [ROLE, SESSION_AUTHORIZATION].into_iter().find(|user| name.eq_ignore_ascii_case(user)) {
            self.set_user(user, value)?;
            self.local_settings.retain(|name| *name != user);
            if local {
                self.local_settings.push(user);
            }
            return Ok(());
        }
        if name.starts_with("zxq.") || name.starts_with("datafusion.") {
            if local {
                return Err(WireError::unsupported(format!("SET LOCAL {name} is not supported: use SET {name}")));
            }
            return self.set_in_engine(name, value).await;
        }
        if known(name).is_none() && is_custom(name) {
            if local {
                self.note_local_custom(name);
            }
            return self.settings.set_custom(name, value);
        }
        let changed = self.settings.set(name, value)?;
        self.local_settings.retain(|name| *name != changed.name);
        if local {
            self.local_settings.push(changed.name);
        }
        self.report(changed.name);
        Ok(())
    }

    /// What a changed setting means to the engine.
    pub(crate) fn report(&mut self, name: &str) {
        match name {
            "TimeZone" => self.engine.set_time_zone(self.settings.value(name)),
            "search_path" => {
                let path = schemas(self.settings.value(name));
                self.engine.set_search_path(path);
            }
            // The later one of the two, so that both are as they shall be.
            SESSION_AUTHORIZATION => self.follow_user_settings(),
            _ => {}
        }
    }

    async fn set_in_engine(&mut self, name: &str, value: Option<&str>) -> Result<(), WireError> {
        if name.starts_with("datafusion.") {
            check_datafusion(name, value)?;
        }
        let sql = match value {
            Some(value) => format!("SET {name} = {}", quoted_text(value)),
            None => format!("RESET {name}"),
        };
        self.engine.run(&sql).await?;
        Ok(())
    }

    /// `RESET name` and `RESET ALL`.
    ///
    /// # Errors
    /// 42704 for an unknown name.
    pub(crate) async fn reset(&mut self, name: &str) -> Result<(), WireError> {
        if name == "zxq.tiers" {
            return self.set_in_engine(name, self.initial_tiers.clone().as_deref()).await;
        }
        if name != "all" {
            return self.set(name, None, false).await;
        }
        // What belongs to the transaction, and who the user is, stays.
        let keeps = ["transaction_read_only", "transaction_isolation", "transaction_deferrable"];
        let kept = keeps.map(|name| (name, self.settings.value(name).to_owned()));
        self.settings.reset_all();
        if self.in_block() {
            for (name, value) in kept {
                self.settings.set(name, Some(&value))?;
            }
        }
        for name in ["TimeZone", "search_path"] {
            self.report(name);
        }
        self.set_in_engine("zxq.tiers", self.initial_tiers.clone().as_deref()).await
    }
}

/// Checks a setting of DataFusion.
///
/// # Errors
/// 42501 for one that is refused, 22023 for a number outside of what it can be.
fn check_datafusion(name: &str, value: Option<&str>) -> Result<(), WireError> {
    let Some((_, most)) = DATAFUSION_ALLOWED.iter().find(|(allowed, _)| *allowed == name) else {
        let message = format!("setting {name} over a connection is refused");
        let allowed: Vec<&str> = DATAFUSION_ALLOWED.iter().map(|(allowed, _)| *allowed).collect();
        let hint = format!("These can be set: {}", allowed.join(", "));
        return Err(WireError::new(sqlstate::INSUFFICIENT_PRIVILEGE, message).hint(hint));
    };
    let number = value.map(|value| value.trim().parse::<u64>());
    match number {
        Some(number) if *most > 0 && !number.as_ref().is_ok_and(|number| (1..=*most).contains(number)) => {
            let message = format!("{} is outside the valid range for {name} (1 .. {most})", value.unwrap_or_default());
            Err(WireError::new(sqlstate::of(zxq_engine::ErrorKind::InvalidParameter), message))
        }
        _ => Ok(()),
    }
}

/// A batch of text columns.
fn text_batch(names: &[&str], rows: Vec<Vec<String>>) -> Result<RecordBatch, WireError> {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let columns: Vec<ArrayRef> = (0..names.len())
        .map(|at| Arc::new(rows.iter().map(|row| row.get(at).map(String::as_str)).collect::<StringArray>()) as ArrayRef)
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(WireError::from)
}
