//! Plans kept for the texts that they were made from: a client that sends a text again, or the same with other constants, pays
//! for no planning. What is kept is used only as long as planning it would give the same.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::scalar::ScalarValue;
use zxq_engine::EngineSession;

use super::error::WireError;
use super::lifted::Lifted;
use super::plan::Planned;
use super::session::Session;

/// Plans that a session keeps.
const MOST: usize = 64;
/// Bytes of their texts: a plan takes some ten times as much.
const MOST_BYTES: usize = 64 << 10;
/// Longest text that is kept.
const LONGEST: usize = 4 << 10;

/// Words that stand for a time of now in a constant: a plan with one is right today alone.
const OF_NOW: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// The plans that a session keeps, by text.
#[derive(Default)]
pub(crate) struct KeptPlans {
    plans: HashMap<String, Entry>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    plan: Kept,
    used: u64,
}

/// What is known of a text.
#[derive(Clone)]
enum Kept {
    /// The plan of a text that came before.
    Plan(Arc<Planned>),
    /// A form of a statement that looks a key up, which has come once.
    Seen,
    /// A form whose parameters cannot stand for constants.
    Refused,
}

impl KeptPlans {
    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = KeptPlans::default();
    }

    fn get(&mut self, text: &str, engine: &EngineSession) -> Option<Kept> {
        let entry = self.plans.get_mut(text)?;
        self.uses += 1;
        entry.used = self.uses;
        if let Kept::Plan(planned) = &entry.plan
            && !planned.is_current(engine)
        {
            self.bytes -= text.len();
            self.plans.remove(text);
            return None;
        }
        Some(entry.plan.clone())
    }

    fn keep(&mut self, text: &str, plan: Kept) {
        if text.len() > LONGEST {
            return;
        }
        self.uses += 1;
        if self.plans.insert(text.to_owned(), Entry { plan, used: self.uses }).is_none() {
            self.bytes += text.len();
        }
        while self.plans.len() > MOST || self.bytes > MOST_BYTES {
            let oldest = self.plans.iter().min_by_key(|(_, entry)| entry.used).map(|(text, _)| text.clone());
            let Some(oldest) = oldest else { return };
            self.bytes -= oldest.len();
            self.plans.remove(&oldest);
        }
    }
}

impl Session {
    /// Plans a statement of the simple protocol, or takes the plan that is there; gives the values of its parameters, too, where
    /// constants were lifted.
    ///
    /// # Errors
    /// As [`Planned::new`].
    pub(super) async fn plan_text(&mut self, text: &str) -> Result<(Arc<Planned>, Vec<ScalarValue>), WireError> {
        if text.len() > LONGEST {
            return Ok((Arc::new(Planned::new(self, text, &[]).await?), Vec::new()));
        }
        if let Some(Kept::Plan(planned)) = self.kept_plans.get(text, &self.engine) {
            return Ok((planned, Vec::new()));
        }
        let lifted = Lifted::of(text);
        let mut form = None;
        if let Some(lifted) = &lifted {
            form = self.kept_plans.get(&lifted.form, &self.engine);
            if matches!(form, Some(Kept::Seen)) {
                let planned = Planned::new(self, &lifted.form, &[]).await.ok();
                let plan = match planned.filter(Planned::looks_up_by_parameters) {
                    Some(planned) => Kept::Plan(Arc::new(planned)),
                    None => Kept::Refused,
                };
                self.kept_plans.keep(&lifted.form, plan.clone());
                form = Some(plan);
            }
            if let Some(Kept::Plan(form)) = &form
                && let Some(values) = lifted.values(form, self.settings.value("TimeZone"))
            {
                return Ok((Arc::new(form.showing(text)), values));
            }
        }
        let planned = Arc::new(Planned::new(self, text, &[]).await?);
        match lifted {
            // Not the text, which may not come again: its form, once that has come again.
            Some(lifted) if form.is_none() && planned.looks_up() => self.kept_plans.keep(&lifted.form, Kept::Seen),
            _ => self.keep_plan(text, &planned),
        }
        Ok((planned, Vec::new()))
    }

    /// Plans a statement of the extended protocol, or takes the plan that is there.
    ///
    /// # Errors
    /// As [`Planned::new`].
    pub(super) async fn plan_parsed(&mut self, text: &str, oids: &[u32]) -> Result<Arc<Planned>, WireError> {
        let key = match oids.iter().all(|oid| *oid == 0) {
            true => text.to_owned(),
            // No text holds a NUL.
            false => format!("{text}\0{oids:?}"),
        };
        if let Some(Kept::Plan(planned)) = self.kept_plans.get(&key, &self.engine) {
            return Ok(planned);
        }
        let planned = Arc::new(Planned::new(self, text, oids).await?);
        self.keep_plan(&key, &planned);
        Ok(planned)
    }

    fn keep_plan(&mut self, text: &str, planned: &Arc<Planned>) {
        let lower = text.to_ascii_lowercase();
        if planned.is_repeatable() && !OF_NOW.iter().any(|word| lower.contains(word)) {
            self.kept_plans.keep(text, Kept::Plan(Arc::clone(planned)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_plans_are_kept_and_those_used_last() {
        let mut kept = KeptPlans::default();
        for number in 0..MOST {
            kept.keep(&format!("text {number}"), Kept::Seen);
        }
        assert_eq!(kept.plans.len(), MOST);
        // Used again, the first stays and the second goes.
        kept.keep("text 0", Kept::Refused);
        kept.keep("another", Kept::Seen);
        assert_eq!(kept.plans.len(), MOST);
        assert!(kept.plans.contains_key("text 0") && !kept.plans.contains_key("text 1"));
        kept.keep(&"long".repeat(LONGEST), Kept::Seen);
        assert_eq!(kept.plans.len(), MOST);
        for number in 0..2 * MOST {
            kept.keep(&format!("{number} {}", "long".repeat(LONGEST / 5)), Kept::Seen);
        }
        assert!(kept.bytes <= MOST_BYTES);
        assert_eq!(kept.bytes, kept.plans.keys().map(String::len).sum::<usize>());
        kept.clear();
        assert_eq!((kept.plans.len(), kept.bytes), (0, 0));
    }
}
