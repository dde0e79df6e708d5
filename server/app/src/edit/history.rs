//! What became of each model's edits: looked up when the first edit is asked for, kept after every one.
//!
//! Refuses: holding an edit up. What cannot be read is an empty history, and what cannot be kept is said in the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::{EditTask, Format, OutcomeRow, Outcomes};
use store::Store;

/// What it is called in the store.
pub(crate) const NAME: &str = "outcomes of edits";

/// The history of one home. It reads and writes the disk, so not for async threads.
#[derive(Default)]
pub(crate) struct History {
    /// `None` until somebody asks.
    known: Mutex<Option<Outcomes>>,
}

impl History {
    /// The form to ask `model` for.
    pub(crate) fn choose(&self, store: &Store, model: &str, task: &EditTask) -> Format {
        let mut known = self.lock();
        known.get_or_insert_with(|| read(store)).choose(model, task)
    }

    /// Notes whether the first answer of `model` in this form became an edit.
    pub(crate) fn record(&self, store: &Store, model: &str, format: Format, landed_first_try: bool) {
        let mut known = self.lock();
        let outcomes = known.get_or_insert_with(|| read(store));
        outcomes.record(model, format, landed_first_try);
        // Written before the next one may note anything, so that an older state never follows a newer one.
        keep(store, outcomes);
    }

    /// Everything that is known, the model used last at the end.
    pub(crate) fn rows(&self, store: &Store) -> Vec<OutcomeRow> {
        let mut known = self.lock();
        known.get_or_insert_with(|| read(store)).rows()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outcomes>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(store: &Store) -> Outcomes {
    let text = match store.learned(NAME) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "what became of earlier edits could not be read; it is learned anew");
            return Outcomes::default();
        }
    };
    if text.is_empty() {
        return Outcomes::default();
    }
    serde_json::from_str(&text).unwrap_or_else(|error| {
        tracing::warn!(%error, "what was kept about earlier edits is damaged; it is learned anew");
        Outcomes::default()
    })
}

fn keep(store: &Store, outcomes: &Outcomes) {
    let Ok(text) = serde_json::to_string(outcomes) else { return };
    if let Err(error) = store.set_learned(NAME, &text) {
        tracing::warn!(%error, "what became of an edit could not be kept");
    }
}
