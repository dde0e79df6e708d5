//! What the asker is at, as a small gain: files that are open in the editor, were edited lately, change together with an
//! open one, or were changed by a commit whose subject speaks of the question.
//!
//! Refuses: to find anything by itself, and to outweigh words. Where nothing is known every score stays exactly as it is.

use std::collections::HashMap;
use std::sync::Arc;

use crate::history::History;
use crate::limits::NEARBY_FILES_MAX;

/// What each reason adds to a score of 1.
const OPEN: f32 = 0.08;
const EDITED: f32 = 0.05;
/// The most that changing together with an open file adds; less, the looser the two are.
const CO_CHANGED: f32 = 0.06;
/// The most that subjects of commits add.
const SUBJECTS: f32 = 0.05;
/// All reasons together.
const GAIN_MAX: f32 = 0.15;
/// A smaller gain is not worth a word.
const TOLD_MIN: f32 = 0.01;
/// Reasons told of one file.
const TOLD_MAX: usize = 2;
/// Files that change together with one open file, and that commits speak of.
const CO_CHANGED_MAX: usize = 12;
const SPOKEN_OF_MAX: usize = 24;
/// Common commits from which two files belong together.
const COMMON_COMMITS_MIN: u32 = 2;
/// Letters of a subject that a reason repeats.
const SUBJECT_CHARS_MAX: usize = 60;

/// What the asker is at. The default knows nothing and changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Nearby {
    /// Files that are open in the asker's editor, relative to the workspace with `/`, the one in front first; the first
    /// [`NEARBY_FILES_MAX`] count.
    pub open: Vec<String>,
    /// Files that were edited lately, the last one first; the first [`NEARBY_FILES_MAX`] count.
    pub edited: Vec<String>,
    /// The history of the workspace, where it is known.
    pub history: Option<Arc<History>>,
}

/// What each file near the asker gains.
#[derive(Debug, Default)]
pub(crate) struct Gains(HashMap<String, Gain>);

#[derive(Debug, Default)]
struct Gain {
    gain: f32,
    reasons: Vec<String>,
}

impl Nearby {
    /// What files gain for a question.
    pub(crate) fn gains(&self, question: &str) -> Gains {
        let mut gains = Gains::default();
        let open = &self.open[..self.open.len().min(NEARBY_FILES_MAX)];
        for path in open {
            gains.add(path, OPEN, || "open in the editor".to_owned());
        }
        for path in self.edited.iter().take(NEARBY_FILES_MAX).filter(|path| !open.contains(path)) {
            gains.add(path, EDITED, || "edited lately".to_owned());
        }
        if let Some(history) = self.history.as_deref().filter(|history| !history.is_empty()) {
            for path in open {
                gains.add_co_changed(history, path, open);
            }
            gains.add_subjects(history, question);
        }
        gains
    }
}

impl Gains {
    /// The factor of a file's scores; exactly 1 for one that nothing is known about.
    pub(crate) fn factor(&self, path: &str) -> f32 {
        self.0.get(path).map_or(1.0, |one| 1.0 + one.gain.min(GAIN_MAX))
    }

    /// Why a file gains, in words; `None` when it gains nothing worth telling.
    pub(crate) fn why(&self, path: &str) -> Option<String> {
        let reasons = &self.0.get(path)?.reasons;
        (!reasons.is_empty()).then(|| reasons[..reasons.len().min(TOLD_MAX)].join("; "))
    }

    fn add(&mut self, path: &str, gain: f32, reason: impl FnOnce() -> String) {
        let one = self.0.entry(path.to_owned()).or_default();
        one.gain += gain;
        if gain >= TOLD_MIN {
            one.reasons.push(reason());
        }
    }

    fn add_co_changed(&mut self, history: &History, path: &str, open: &[String]) {
        let together = history.co_changed(path, CO_CHANGED_MAX);
        let Some(closest) = together.first().map(|one| one.weight).filter(|weight| *weight > 0.0) else { return };
        for one in together {
            if one.commits >= COMMON_COMMITS_MIN && !open.contains(&one.path) {
                self.add(&one.path, CO_CHANGED * one.weight / closest, || format!("changes with `{path}`"));
            }
        }
    }

    fn add_subjects(&mut self, history: &History, question: &str) {
        for one in history.matching(question, SPOKEN_OF_MAX) {
            let gain = SUBJECTS * one.score.min(1.0);
            self.add(&one.path, gain, || {
                let subject: String = one.commit.subject.chars().take(SUBJECT_CHARS_MAX).collect();
                format!("changed by {}, '{subject}'", one.commit.id)
            });
        }
    }
}
