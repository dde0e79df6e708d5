//! What became of the exercises, counted and shown. Refuses: shares without the number they are of and their interval.

use std::collections::BTreeMap;
use std::fmt::Write;

use app::counted;
use engine::{Format, Refusal};
use index::eval::statistics::{Sample, interval, mean, share_interval};
use serde::Serialize;

use crate::commands::eval::table::{markdown, percent};

/// The forms that are measured, with what they are called.
pub(super) const FORMS: [(Format, &str); 2] = [(Format::Whole, "whole"), (Format::Blocks, "blocks")];

/// Exercises that were left out or failed of which the report says why.
const REASONS_SHOWN: usize = 8;

/// One answer of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Answer {
    /// What it wrote.
    text: String,
    /// The kind of its refusal; none for an answer that became an edit.
    refused: Option<&'static str>,
    /// The same in words.
    why: Option<String>,
    /// Whether it could be read in the form that was asked for.
    well_formed: bool,
}

impl Answer {
    /// An answer and what was said of it.
    pub(super) fn new(text: String, refused: Option<&Refusal>) -> Self {
        Self {
            text,
            refused: refused.map(Refusal::kind),
            why: refused.map(ToString::to_string),
            well_formed: !refused.is_some_and(Refusal::is_about_the_form),
        }
    }
}

/// One exercise in one form, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Done {
    /// The track.
    pub(super) track: &'static str,
    /// The exercise.
    pub(super) exercise: String,
    /// The form that was asked for.
    pub(super) form: &'static str,
    /// The answers, in their order.
    pub(super) answers: Vec<Answer>,
    /// Whether the last of them became an edit that changes the file.
    pub(super) applied: bool,
    /// From the request to the end.
    pub(super) seconds: f64,
    /// Why it could not be measured.
    pub(super) failed: Option<String>,
}

impl Done {
    /// What became of it, in a few words.
    pub(super) fn in_words(&self) -> String {
        let end = match (&self.failed, self.applied, self.answers.last().and_then(|answer| answer.why.as_deref()))
        {
            (Some(failed), ..) => format!("not measured: {failed}"),
            (None, true, _) => format!("applied at answer {}", self.answers.len()),
            (None, false, why) => format!("refused, {}", why.unwrap_or("without a reason")),
        };
        format!("{} {}, {}: {end} ({:.1} s)", self.track, self.exercise, self.form, self.seconds)
    }

    fn retries(&self) -> usize {
        self.answers.len().saturating_sub(1)
    }
}

/// A track as it was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    /// Its name.
    pub(super) name: &'static str,
    /// The commit.
    pub(super) rev: String,
    /// Exercises it holds.
    pub(super) there: usize,
}

/// A whole evaluation.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Outcome {
    /// The model.
    pub(super) model: String,
    /// Its window.
    pub(super) context_tokens: Option<u32>,
    /// The tracks.
    pub(super) tracks: Vec<Measured>,
    /// Exercises that could not be used, with why.
    pub(super) left_out: Vec<String>,
    /// Exercises that were to be done, those of each form counted.
    pub(super) planned: usize,
    /// Those that were.
    pub(super) done: Vec<Done>,
    /// Wall clock without loading the model, in seconds.
    pub(super) seconds: f64,
}

/// Digits of a commit that are shown.
const REV_SHOWN: usize = 10;

impl Outcome {
    /// The whole report, for people.
    pub(super) fn report(&self) -> String {
        let mut text = String::new();
        let tracks = self.tracks.iter().map(|track| {
            let rev = track.rev.get(..REV_SHOWN).unwrap_or(&track.rev);
            format!("{} at {rev} ({})", track.name, counted(track.there as u64, "exercise"))
        });
        let window =
            self.context_tokens.map(|tokens| format!(", a window of {tokens} tokens")).unwrap_or_default();
        let _ = writeln!(text, "{}; model {}{window}\n", tracks.collect::<Vec<_>>().join(", "), self.model);
        text.push_str(&self.table());
        text.push_str("\nAnswers refused, by reason:\n\n");
        for (_, form) in FORMS {
            let _ = writeln!(text, "- {}", self.reasons(form));
        }
        text.push_str(MEANINGS);
        for (what, reasons) in [("not measured", self.failures()), ("left out", self.left_out.clone())] {
            for reason in reasons.iter().take(REASONS_SHOWN) {
                let _ = writeln!(text, "- {what}: {reason}");
            }
            if reasons.len() > REASONS_SHOWN {
                let _ = writeln!(text, "- {what}: {} more", reasons.len() - REASONS_SHOWN);
            }
        }
        let (done, planned) = (self.done.len(), self.planned);
        let part = if done < planned { format!(" of {planned}, broken off") } else { String::new() };
        let _ = writeln!(text, "{}{part} in {:.0} s", counted(done as u64, "edit"), self.seconds);
        text
    }

    /// Every exercise that became no edit, with what each of its answers was refused for.
    pub(super) fn details(&self) -> String {
        let mut text = String::new();
        for done in self.done.iter().filter(|done| !done.applied) {
            let _ = writeln!(text, "{}", done.in_words());
            for (at, answer) in done.answers.iter().enumerate() {
                let (kind, why) = (answer.refused.unwrap_or("used"), answer.why.as_deref().unwrap_or_default());
                let _ = writeln!(text, "    answer {} {kind}: {why}", at + 1);
            }
        }
        text
    }

    fn table(&self) -> String {
        let mut rows = Vec::new();
        for (_, form) in FORMS {
            let of_form: Vec<&Done> = self.measured().filter(|done| done.form == form).collect();
            for track in &self.tracks {
                let own: Vec<&Done> = of_form.iter().filter(|done| done.track == track.name).copied().collect();
                rows.push(row(form, track.name, &own));
            }
            if self.tracks.len() > 1 {
                rows.push(row(form, "all", &of_form));
            }
        }
        markdown(
            &[
                "form",
                "track",
                "exercises",
                "first try %",
                "in the end %",
                "well-formed %",
                "retries",
                "each",
                "s each",
            ],
            &rows,
        )
    }

    /// Those that say something: an exercise that could not be asked is neither applied nor refused.
    fn measured(&self) -> impl Iterator<Item = &Done> {
        self.done.iter().filter(|done| done.failed.is_none())
    }

    fn failures(&self) -> Vec<String> {
        let reason = |done: &Done| {
            let failed = done.failed.as_deref()?;
            Some(format!("{} {}, {}: {failed}", done.track, done.exercise, done.form))
        };
        self.done.iter().filter_map(reason).collect()
    }

    fn reasons(&self, form: &str) -> String {
        let answers: Vec<&Answer> =
            self.measured().filter(|done| done.form == form).flat_map(|done| &done.answers).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for kind in answers.iter().filter_map(|answer| answer.refused) {
            *counts.entry(kind).or_default() += 1;
        }
        let refused: usize = counts.values().sum();
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let counts: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        format!("{form}: {refused} of {}{counts}", counted(answers.len() as u64, "answer"))
    }
}

/// What the columns mean.
const MEANINGS: &str = "
First try: the first answer became a checked edit of the file, which was applied to its text. In the end: the same for one
of up to three answers; each further one is told why the last was refused. Well-formed: the first answer could be read in
the form that was asked for, whatever it holds. Each: of one exercise. In brackets: 95 % intervals, Wilson's for shares,
of resampled exercises for means. Nothing that was written is run: these are edits that can be used, not exercises solved.

";

fn row(form: &str, track: &str, done: &[&Done]) -> Vec<String> {
    let share = |is: &dyn Fn(&Done) -> bool| {
        let hits = done.iter().filter(|done| is(done)).count();
        let ends = share_interval(hits, done.len());
        format!("{:.0} [{:.0}, {:.0}]", percent(hits, done.len()), 100.0 * ends.low, 100.0 * ends.high)
    };
    let average = |value: &dyn Fn(&Done) -> f64, digits: usize| {
        let samples: Vec<Sample<'_>> =
            done.iter().map(|done| Sample { cluster: "", group: "", value: value(done) }).collect();
        let ends = interval(&samples);
        format!("{:.digits$} [{:.digits$}, {:.digits$}]", mean(&samples), ends.low, ends.high)
    };
    vec![
        form.to_owned(),
        track.to_owned(),
        done.len().to_string(),
        share(&|done| done.applied && done.answers.len() == 1),
        share(&|done| done.applied),
        share(&|done| done.answers.first().is_some_and(|answer| answer.well_formed)),
        done.iter().map(|done| done.retries()).sum::<usize>().to_string(),
        average(&|done| done.retries() as f64, 2),
        average(&|done| done.seconds, 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(form: &'static str, refused: &[Option<&Refusal>]) -> Done {
        let answers: Vec<Answer> = refused.iter().map(|refused| Answer::new("x".into(), *refused)).collect();
        let applied = answers.last().is_some_and(|answer| answer.refused.is_none());
        Done {
            track: "exercism/python",
            exercise: "leap".into(),
            form,
            answers,
            applied,
            seconds: 2.0,
            failed: None,
        }
    }

    #[test]
    fn first_tries_retries_and_reasons_are_counted_by_form() {
        let (lost, unread) = (Refusal::Lost { name: "f".into() }, Refusal::CutOff);
        let failed = Done { failed: Some("the prompt is too long".into()), ..done("blocks", &[]) };
        let outcome = Outcome {
            model: "tiny".into(),
            context_tokens: Some(4096),
            tracks: vec![Measured { name: "exercism/python", rev: "0123456789abcdef".into(), there: 140 }],
            left_out: vec!["exercism/python x: it is not described".into()],
            planned: 6,
            done: vec![
                done("whole", &[None]),
                done("whole", &[Some(&lost), None]),
                done("whole", &[Some(&unread), Some(&lost), Some(&lost)]),
                done("whole", &[Some(&unread), None]),
                failed,
            ],
            seconds: 12.4,
        };
        let report = outcome.report();
        for line in [
            "exercism/python at 0123456789 (140 exercises); model tiny, a window of 4096 tokens",
            "| whole  | exercism/python | 4         | 25 [5, 70]  | 75 [30, 95]  | 50 [15, 85]   | 4       | 1.00 [",
            "| blocks | exercism/python | 0         | 0 [0, 100]  | 0 [0, 100]   | 0 [0, 100]    | 0       | 0.00 [",
            "- whole: 5 of 8 answers: lost 3, cut-off 2",
            "- blocks: 0 of 0 answers",
            "not measured: exercism/python leap, blocks: the prompt is too long",
            "left out: exercism/python x: it is not described",
            "5 edits of 6, broken off in 12 s",
        ] {
            assert!(report.contains(line), "{line}\n{report}");
        }
        let details = outcome.details();
        assert!(details.contains("leap, whole: refused, the model's code leaves out `f`"), "{details}");
        assert!(details.contains("    answer 1 cut-off: the model's answer broke off"), "{details}");
    }
}
