//! Two result files, question by question.
//!
//! Refuses: questions that only one of them asked; they are counted, not compared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::eval::EvalError;
use crate::eval::report::{by_set, group_of, score_names};
use crate::eval::run::{Outcome, TaskResult};
use crate::eval::statistics::{Interval, Sample, interval, mcnemar, mean};
use crate::eval::task::bounded_text;

/// Differences smaller than this are ties.
const TIE: f64 = 1e-9;

/// One score of one set in both files.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The set.
    pub set: String,
    /// The score.
    pub score: String,
    /// Its means: first, second.
    pub means: (f64, f64),
    /// Questions in which the second is better, worse, the same.
    pub wins: usize,
    /// Questions in which the second is worse.
    pub losses: usize,
    /// Questions in which both are the same.
    pub ties: usize,
    /// Second minus first.
    pub difference: Interval,
    /// Exact McNemar probability, for scores that are 0 or 1.
    pub probability: Option<f64>,
}

/// Compares results of the same questions.
pub fn compare(first: &Outcome, second: &Outcome) -> Vec<Comparison> {
    let second: BTreeMap<(&str, &str), &TaskResult> =
        second.tasks.iter().map(|task| ((task.set.as_str(), task.id.as_str()), task)).collect();
    let mut rows = Vec::new();
    for (set, tasks) in by_set(&first.tasks) {
        let pairs: Vec<(&TaskResult, &TaskResult)> =
            tasks.into_iter().filter_map(|a| Some((a, *second.get(&(set, a.id.as_str()))?))).collect();
        for name in score_names(pairs.iter().map(|pair| pair.0)) {
            rows.extend(one_score(set, &name, &pairs));
        }
    }
    rows
}

fn one_score(set: &str, name: &str, pairs: &[(&TaskResult, &TaskResult)]) -> Option<Comparison> {
    let values: Vec<(&TaskResult, f64, f64)> =
        pairs.iter().filter_map(|(a, b)| Some((*a, *a.scores.get(name)?, *b.scores.get(name)?))).collect();
    if values.is_empty() {
        return None;
    }
    let of =
        |value: &dyn Fn(f64, f64) -> f64| -> Vec<f64> { values.iter().map(|(_, a, b)| value(*a, *b)).collect() };
    let sampled = |list: Vec<f64>| -> Vec<Sample<'_>> {
        let with = values.iter().zip(list);
        with.map(|((task, _, _), value)| Sample { cluster: &task.repo, group: group_of(task), value }).collect()
    };
    let wins = values.iter().filter(|(_, a, b)| b - a > TIE).count();
    let losses = values.iter().filter(|(_, a, b)| a - b > TIE).count();
    let binary = values.iter().all(|(_, a, b)| [a, b].into_iter().all(|value| *value == 0.0 || *value == 1.0));
    Some(Comparison {
        set: set.to_owned(),
        score: name.to_owned(),
        means: (mean(&sampled(of(&|a, _| a))), mean(&sampled(of(&|_, b| b)))),
        wins,
        losses,
        ties: values.len() - wins - losses,
        difference: interval(&sampled(of(&|a, b| b - a))),
        probability: binary.then(|| mcnemar(losses, wins)),
    })
}

/// The comparison as a table, for people.
pub fn table(first: &Outcome, second: &Outcome) -> String {
    let mut text = String::new();
    let head = format!("{:<12} {:<18}", "set", "score");
    let _ =
        writeln!(text, "{head} {:>6} {:>6} {:>7}  {:<18} wins losses ties  p", "first", "second", "diff", "95 %");
    for row in compare(first, second) {
        let (a, b) = row.means;
        let interval = format!("[{:+.3}, {:+.3}]", row.difference.low, row.difference.high);
        let probability = row.probability.map_or(String::new(), |p| format!("{p:.3}"));
        let name = format!("{:<12} {:<18}", row.set, row.score);
        let _ = writeln!(
            text,
            "{name} {a:>6.3} {b:>6.3} {:>+7.3}  {interval:<18} {:>4} {:>6} {:>4}  {probability}",
            b - a,
            row.wins,
            row.losses,
            row.ties
        );
    }
    text
}

/// The questions that one of two results answers better, by a score's name; for a look at causes.
pub fn changed(first: &Outcome, second: &Outcome) -> String {
    let second: BTreeMap<(&str, &str), &TaskResult> =
        second.tasks.iter().map(|task| ((task.set.as_str(), task.id.as_str()), task)).collect();
    let mut text = String::new();
    for a in &first.tasks {
        let Some(b) = second.get(&(a.set.as_str(), a.id.as_str())) else { continue };
        let names = score_names([a]);
        let differs =
            |name: &&String| b.scores.get(*name).is_some_and(|value| (value - a.scores[*name]).abs() > TIE);
        let changes: Vec<String> = names
            .iter()
            .filter(differs)
            .map(|name| format!("{name} {:.2} -> {:.2}", a.scores[name], b.scores[name]))
            .collect();
        if !changes.is_empty() {
            let _ = writeln!(text, "{} {} ({}): {}", a.set, a.id, a.kind, changes.join(", "));
        }
    }
    text
}

/// Reads a result file.
///
/// # Errors
/// [`EvalError::Input`] for a file that is missing, too large or of another form.
pub fn read_outcome(path: &Path) -> Result<Outcome, EvalError> {
    serde_json::from_str(&bounded_text(path)?)
        .map_err(|_| EvalError::input(path, None, "it holds no scores that an evaluation wrote"))
}
