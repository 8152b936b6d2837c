//! Settings as they were at the savepoints of the block: going back to one undoes what `SET` did since.

use std::sync::Arc;

use super::Session;
use crate::wire::error::WireError;
use crate::wire::settings::SessionSettings;
use crate::wire::utility::SESSION_AUTHORIZATION;

/// Bytes that the savepoints of a block may take together.
const MOST_BYTES: usize = 16 << 20;
/// What one takes where nothing was set since the one before.
const BYTES_OF_ONE: usize = 256;

/// The settings at one savepoint.
#[derive(Debug)]
pub(super) struct Mark {
    name: String,
    /// Those of the savepoint before, where nothing was set in between.
    settings: Arc<SessionSettings>,
    /// Bytes of this savepoint and those before it.
    bytes: usize,
    local_settings: Vec<&'static str>,
    local_customs: Vec<(String, String)>,
}

impl Session {
    /// A savepoint is set.
    ///
    /// # Errors
    /// 54000 where those of the block take too much.
    pub(crate) fn mark_settings(&mut self, name: &str) -> Result<(), WireError> {
        let before = self.marks.last();
        let same = before.filter(|mark| mark.settings.version() == self.settings.version());
        let customs = self.local_customs.iter().map(|(name, value)| name.len() + value.len());
        let own = customs.sum::<usize>() + size_of_val(self.local_settings.as_slice());
        let settings = if same.is_some() { 0 } else { self.settings.bytes() };
        // Each also remembers the session's own tables.
        let tables = self.engine.temporaries().len() * BYTES_OF_ONE;
        let bytes = before.map_or(0, |mark| mark.bytes) + BYTES_OF_ONE + own + settings + tables;
        if bytes > MOST_BYTES {
            return Err(WireError::too_many("too many savepoints in one transaction")
                .hint("RELEASE those that are not gone back to"));
        }
        let settings = same.map_or_else(|| Arc::new(self.settings.clone()), |mark| Arc::clone(&mark.settings));
        self.marks.push(Mark {
            name: name.to_owned(),
            settings,
            bytes,
            local_settings: self.local_settings.clone(),
            local_customs: self.local_customs.clone(),
        });
        Ok(())
    }

    /// How many savepoints there are.
    pub(crate) fn savepoint_count(&self) -> usize {
        self.marks.len()
    }

    /// A savepoint has ended, and those after it; cursors that were declared since belong to the one before.
    pub(crate) fn release_settings(&mut self, name: &str) {
        if let Some(at) = self.marks.iter().rposition(|mark| mark.name == name) {
            self.marks.truncate(at);
            self.portals.values_mut().for_each(|portal| portal.savepoints = portal.savepoints.min(at));
        }
    }

    /// The block went back to a savepoint, which stays; cursors that were declared since are closed.
    pub(crate) fn settings_go_back_to(&mut self, name: &str) {
        let Some(at) = self.marks.iter().rposition(|mark| mark.name == name) else { return };
        self.marks.truncate(at + 1);
        self.portals.retain(|_, portal| portal.savepoints <= at);
        let mark = &self.marks[at];
        let (local_settings, local_customs) = (mark.local_settings.clone(), mark.local_customs.clone());
        self.settings.go_back_to(mark.settings.as_ref().clone());
        self.local_settings = local_settings;
        self.local_customs = local_customs;
        for name in ["TimeZone", "search_path", SESSION_AUTHORIZATION] {
            self.report(name);
        }
    }
}
