//! Which form a model's edits are asked for in: learned from what became of its last ones.
//!
//! Refuses: clocks, files and chance. It is a value; whoever calls keeps it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::limits::{OUTCOME_MODELS_MAX, OUTCOMES_MAX, WHOLE_BYTES_MAX};
use super::{EditAction, EditTask, Reach};

/// Outcomes before a form is trusted.
const TRUST_AFTER: usize = 50;
/// Outcomes before a form is given up, which is sooner, because users wait for each failure.
const GIVE_UP_AFTER: usize = 12;
/// Percent of edits that land before a form is trusted.
const TRUST_PERCENT: usize = 80;
/// Below this many percent a trusted form is no longer.
const DOUBT_PERCENT: usize = 60;
/// Below this many percent a form is given up.
const GIVE_UP_PERCENT: usize = 30;
/// Edits of a model in other forms after which one that was given up is tried again.
const TRY_AGAIN_AFTER: u32 = 50;
/// A selection up to this size is rewritten; a larger one is worth blocks, if the model can write them.
const SMALL_BYTES: usize = 4 * 1024;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The selection or the enclosing symbol, written anew.
    Rewrite,
    /// Search and replace blocks.
    Blocks,
    /// The whole file, written anew.
    Whole,
}

/// How far a model is trusted with a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not enough is known.
    #[default]
    Untried,
    /// Most of its edits land.
    Trusted,
    /// Hardly any lands.
    GivenUp,
}

/// The last outcomes of one model and form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Window {
    landed: VecDeque<bool>,
    standing: Standing,
    /// Edits in other forms since this one was given up.
    waited: u32,
}

/// What became of the edits of the models in use. It serialises, so that it can be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcomes {
    /// The one used last stands last.
    models: Vec<(String, BTreeMap<Format, Window>)>,
}

/// One line of what is known, to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// The model.
    pub model: String,
    /// The form.
    pub format: Format,
    /// Edits that landed, of those in `tried`.
    pub landed: usize,
    /// The last edits, at most [`OUTCOMES_MAX`].
    pub tried: usize,
    /// What follows from them.
    pub standing: Standing,
}

impl Outcomes {
    /// Notes whether an edit that `model` wrote in this form landed at the first try.
    pub fn record(&mut self, model: &str, format: Format, landed: bool) {
        let at = self.models.iter().position(|(name, _)| name == model);
        let (name, mut windows) =
            at.map_or_else(|| (model.to_owned(), BTreeMap::new()), |at| self.models.remove(at));
        for (other, window) in &mut windows {
            if *other != format && window.standing == Standing::GivenUp {
                window.wait();
            }
        }
        windows.entry(format).or_default().record(landed);
        self.models.push((name, windows));
        // A stored value may hold more than this version keeps.
        while self.models.len() > OUTCOME_MODELS_MAX {
            self.models.remove(0);
        }
    }

    /// How far a model is trusted with a form.
    #[must_use]
    pub fn standing(&self, model: &str, format: Format) -> Standing {
        let windows = self.models.iter().find(|(name, _)| name == model).map(|(_, windows)| windows);
        windows.and_then(|windows| windows.get(&format)).map_or(Standing::Untried, |window| window.standing)
    }

    /// Everything that is known, the model used last at the end.
    #[must_use]
    pub fn rows(&self) -> Vec<OutcomeRow> {
        let row = |model: &str, format: Format, window: &Window| OutcomeRow {
            model: model.to_owned(),
            format,
            landed: window.count(),
            tried: window.landed.len(),
            standing: window.standing,
        };
        let of_model = |(model, windows): &(String, BTreeMap<Format, Window>)| {
            windows.iter().map(|(format, window)| row(model, *format, window)).collect::<Vec<_>>()
        };
        self.models.iter().flat_map(of_model).collect()
    }

    /// The form to ask `model` for: plain code for tests, which are added and replace nothing; blocks where several files may change; a rewrite of what is small, which every model
    /// can write; else what the model has proved to be able to.
    #[must_use]
    pub fn choose(&self, model: &str, task: &EditTask) -> Format {
        let bytes = task.document.rope().len_bytes();
        let can = |format| self.standing(model, format) != Standing::GivenUp;
        let all_of_small_file = task.target.len() == bytes && bytes <= WHOLE_BYTES_MAX;
        if task.action == EditAction::Tests {
            Format::Rewrite
        } else if task.reach == Reach::Workspace {
            Format::Blocks
        } else if task.target.len() <= SMALL_BYTES && can(Format::Rewrite) {
            Format::Rewrite
        } else if self.standing(model, Format::Blocks) == Standing::Trusted {
            Format::Blocks
        } else if all_of_small_file && can(Format::Whole) {
            Format::Whole
        } else if can(Format::Rewrite) {
            Format::Rewrite
        } else if can(Format::Blocks) {
            Format::Blocks
        } else {
            Format::Rewrite
        }
    }
}

impl Window {
    fn record(&mut self, landed: bool) {
        self.landed.push_back(landed);
        while self.landed.len() > OUTCOMES_MAX {
            self.landed.pop_front();
        }
        let (tried, percent) = (self.landed.len(), self.count() * 100 / self.landed.len());
        self.standing = match self.standing {
            Standing::Trusted if percent < DOUBT_PERCENT => Standing::Untried,
            _ if tried >= GIVE_UP_AFTER && percent < GIVE_UP_PERCENT => Standing::GivenUp,
            Standing::Untried if tried >= TRUST_AFTER && percent >= TRUST_PERCENT => Standing::Trusted,
            Standing::GivenUp => Standing::Untried,
            standing => standing,
        };
        self.waited = 0;
    }

    /// Another form was used. After long enough this one gets a new start.
    fn wait(&mut self) {
        // A stored value may be any number.
        self.waited = self.waited.saturating_add(1);
        if self.waited >= TRY_AGAIN_AFTER {
            *self = Self::default();
        }
    }

    fn count(&self) -> usize {
        self.landed.iter().filter(|landed| **landed).count()
    }
}

#[cfg(test)]
mod tests {
    use text::Document;

    use super::*;
    use crate::EditAction;

    fn recorded(outcomes: &mut Outcomes, format: Format, landed: usize, failed: usize) -> Standing {
        for _ in 0..landed {
            outcomes.record("m", format, true);
        }
        for _ in 0..failed {
            outcomes.record("m", format, false);
        }
        outcomes.standing("m", format)
    }

    #[test]
    fn trust_is_earned_slowly_and_lost_with_a_margin() {
        let mut outcomes = Outcomes::default();
        assert_eq!(recorded(&mut outcomes, Format::Blocks, 49, 0), Standing::Untried);
        assert_eq!(recorded(&mut outcomes, Format::Blocks, 1, 0), Standing::Trusted);
        assert_eq!(recorded(&mut outcomes, Format::Blocks, 0, 33), Standing::Trusted, "50 of 83 is 60 %");
        assert_eq!(recorded(&mut outcomes, Format::Blocks, 0, 2), Standing::Untried);
        assert_eq!(recorded(&mut outcomes, Format::Blocks, 0, 60), Standing::GivenUp, "the window forgets");
        assert_eq!(outcomes.rows()[0].tried, OUTCOMES_MAX);
    }

    #[test]
    fn a_form_given_up_is_tried_again_later() {
        let mut outcomes = Outcomes::default();
        assert_eq!(recorded(&mut outcomes, Format::Whole, 0, 11), Standing::Untried);
        assert_eq!(recorded(&mut outcomes, Format::Whole, 0, 1), Standing::GivenUp);
        recorded(&mut outcomes, Format::Rewrite, TRY_AGAIN_AFTER as usize - 1, 0);
        assert_eq!(outcomes.standing("m", Format::Whole), Standing::GivenUp);
        recorded(&mut outcomes, Format::Rewrite, 1, 0);
        assert_eq!(outcomes.standing("m", Format::Whole), Standing::Untried);
    }

    #[test]
    fn the_form_follows_size_and_trust() {
        let task = |lines: usize, few: bool| {
            let document = Document::new("file:///a.txt", "plaintext", 1, &"0123456789abcde\n".repeat(lines));
            let end = if few { 16 } else { document.rope().len_bytes() };
            EditTask::new(document, 0..end, EditAction::Fix, None).expect("not too large")
        };
        let mut outcomes = Outcomes::default();
        assert_eq!(outcomes.choose("m", &task(4000, true)), Format::Rewrite);
        assert_eq!(outcomes.choose("m", &task(500, false)), Format::Whole);
        assert_eq!(outcomes.choose("m", &task(2000, false)), Format::Rewrite);
        assert_eq!(outcomes.choose("m", &task(10, true).with_files(Vec::new())), Format::Blocks);
        recorded(&mut outcomes, Format::Blocks, 50, 0);
        assert_eq!(outcomes.choose("m", &task(500, false)), Format::Blocks);
        assert_eq!(outcomes.choose("other", &task(500, false)), Format::Whole);
        recorded(&mut outcomes, Format::Rewrite, 0, 20);
        assert_eq!(outcomes.choose("m", &task(4000, true)), Format::Blocks);
        let tests = EditTask { action: EditAction::Tests, ..task(500, false) };
        assert_eq!(outcomes.choose("m", &tests), Format::Rewrite);
    }

    #[test]
    fn the_model_longest_unused_is_forgotten() {
        let mut outcomes = Outcomes::default();
        for model in 0..=OUTCOME_MODELS_MAX {
            outcomes.record(&model.to_string(), Format::Rewrite, true);
            outcomes.record("0", Format::Rewrite, true);
        }
        let rows = outcomes.rows();
        assert_eq!(rows.len(), OUTCOME_MODELS_MAX);
        assert_eq!((rows[0].model.as_str(), rows[OUTCOME_MODELS_MAX - 1].model.as_str()), ("2", "0"));
        let stored = serde_json::to_string(&outcomes).expect("plain data");
        assert_eq!(serde_json::from_str::<Outcomes>(&stored).expect("it reads itself"), outcomes);
    }
}
