//! Settings as they were at the savepoints of the block: going back to one undoes what `SET` did since.

use super::Session;
use crate::wire::settings::SessionSettings;
use crate::wire::utility::SESSION_AUTHORIZATION;

/// The settings at one savepoint.
#[derive(Debug)]
pub(super) struct Mark {
    name: String,
    settings: SessionSettings,
    local_settings: Vec<&'static str>,
    local_customs: Vec<(String, String)>,
}

impl Session {
    /// A savepoint was set.
    pub(crate) fn mark_settings(&mut self, name: &str) {
        self.marks.push(Mark {
            name: name.to_owned(),
            settings: self.settings.clone(),
            local_settings: self.local_settings.clone(),
            local_customs: self.local_customs.clone(),
        });
    }

    /// A savepoint has ended, and those after it.
    pub(crate) fn release_settings(&mut self, name: &str) {
        if let Some(at) = self.marks.iter().rposition(|mark| mark.name == name) {
            self.marks.truncate(at);
        }
    }

    /// The block went back to a savepoint, which stays.
    pub(crate) fn settings_go_back_to(&mut self, name: &str) {
        let Some(at) = self.marks.iter().rposition(|mark| mark.name == name) else { return };
        self.marks.truncate(at + 1);
        let mark = &self.marks[at];
        let (local_settings, local_customs) = (mark.local_settings.clone(), mark.local_customs.clone());
        self.settings.go_back_to(mark.settings.clone());
        self.local_settings = local_settings;
        self.local_customs = local_customs;
        for name in ["TimeZone", "search_path", SESSION_AUTHORIZATION] {
            self.report(name);
        }
    }
}
