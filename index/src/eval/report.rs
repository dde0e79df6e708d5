//! Scores as a table: means with intervals, per kind and language, cost and speed.
//!
//! Refuses: figures without the number of questions they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::eval::run::{Outcome, TaskResult};
use crate::eval::statistics::{Sample, interval, mean, percentile};

/// Bytes that are taken for one token, an estimate for code.
const BYTES_PER_TOKEN: f64 = 4.0;
/// The order in which scores are shown; those that are not named here come last.
const ORDER: &[&str] = &[
    "all@1",
    "all@3",
    "all@5",
    "all@10",
    "fn@5",
    "fn@10",
    "fn-named@5",
    "fn-named@10",
    "hit@1",
    "hit@5",
    "hit@10",
    "pass@5",
    "pass@10",
    "pass@20",
    "pass-half@5",
    "pass-half@10",
    "pass-half@20",
    "mrr",
    "ndcg@10",
    "ndcg@10-hits",
    "ndcg@10-repeated",
    "recall@10",
];

/// What the names of scores mean, by their beginnings; `N` is the number behind the `@`.
const MEANINGS: &[(&str, &str)] = &[
    ("all@", "1 when every file that had to be found is among the first N files, else 0"),
    ("fn@", "1 when every function that had to be found is among the first N hits, else 0"),
    ("fn-named@", "the same, but the hit has to name the function"),
    ("hit@", "1 when one of the first N hits shows what had to be found, else 0"),
    ("pass@", "the share of passages that had to be found of which one of the first N hits shows a line"),
    ("pass-half@", "the same, where the first N hits have to show half of the lines"),
    ("mrr", "1 divided by the place of the first right hit; 0 without one"),
    ("ndcg@10", "how far up the right ones stand among the first 10, from 0 to 1 (1: all of them first)"),
    ("ndcg@10-hits", "the same over hits instead of files"),
    ("ndcg@10-repeated", "the same, where what is found again counts again, so that it can exceed 1"),
    ("recall@", "the share of what had to be found among the first N hits"),
];

/// What the scores that were shown mean.
fn footnotes(tasks: &[TaskResult]) -> String {
    let names = score_names(tasks);
    let mut text = String::new();
    for (beginning, meaning) in MEANINGS {
        let is_it = |name: &String| {
            if beginning.ends_with('@') { name.starts_with(beginning) } else { name == beginning }
        };
        if names.iter().any(is_it) {
            let shown = if beginning.ends_with('@') { format!("{beginning}N") } else { (*beginning).to_owned() };
            let _ = writeln!(text, "{shown:<18} {meaning}");
        }
    }
    text
}

/// A number of things, of which one has no `s`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Names of the scores of some results, in the order in which they are shown.
pub(crate) fn score_names<'a>(tasks: impl IntoIterator<Item = &'a TaskResult>) -> Vec<String> {
    let names: BTreeSet<&String> = tasks.into_iter().flat_map(|task| task.scores.keys()).collect();
    let mut names: Vec<String> = names.into_iter().cloned().collect();
    names.sort_by_key(|name| ORDER.iter().position(|one| one == name).unwrap_or(ORDER.len()));
    names
}

/// What a mean counts once: each language of a set that has several, else each question. In one's own repository the
/// languages are not of equal weight.
pub(crate) fn group_of(task: &TaskResult) -> &str {
    if task.set.starts_with("own-") { "" } else { &task.language }
}

/// The results by set, in the order of the sets' names.
pub(crate) fn by_set(tasks: &[TaskResult]) -> BTreeMap<&str, Vec<&TaskResult>> {
    let mut sets: BTreeMap<&str, Vec<&TaskResult>> = BTreeMap::new();
    for task in tasks {
        sets.entry(&task.set).or_default().push(task);
    }
    sets
}

/// The whole report, for people.
pub fn table(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (set, tasks) in by_set(&outcome.tasks) {
        one_set(&mut text, set, &tasks, outcome);
    }
    for line in &outcome.missing {
        let _ = writeln!(text, "not asked: {line}");
    }
    text.push_str(&footnotes(&outcome.tasks));
    let asked = outcome.tasks.len();
    let _ = writeln!(text, "{} in {:.1} s", counted(asked, "question"), outcome.seconds);
    text
}

fn one_set(text: &mut String, set: &str, tasks: &[&TaskResult], outcome: &Outcome) {
    let left = outcome.not_asked.get(set).copied().unwrap_or(0);
    let left = if left > 0 { format!(", {left} not asked") } else { String::new() };
    let languages: BTreeSet<&str> = tasks.iter().map(|task| task.language.as_str()).collect();
    let macro_mean = if languages.len() > 1 && !set.starts_with("own-") { ", means over languages" } else { "" };
    let _ = writeln!(text, "{set}: {}{left}{macro_mean}", counted(tasks.len(), "question"));
    let names = score_names(tasks.iter().copied());
    let mut by_repository = true;
    for name in &names {
        let samples = samples(tasks, name);
        let interval = interval(&samples);
        by_repository = interval.by_repository;
        let (low, high) = (interval.low, interval.high);
        let count = if samples.len() < tasks.len() { format!("  of {}", samples.len()) } else { String::new() };
        let _ = writeln!(text, "  {name:<18} {:.3}  [{low:.3}, {high:.3}]{count}", mean(&samples));
    }
    let drawn = if by_repository { "repositories" } else { "questions" };
    let _ = writeln!(text, "  (95 % intervals, drawn by {drawn})");
    let shown: Vec<&String> = names.iter().take(4).chain(names.iter().filter(|name| *name == "ndcg@10")).collect();
    let mut unique: Vec<&String> = shown.into_iter().filter(|name| unique_name(name)).collect();
    unique.dedup();
    breakdown(text, "kind", tasks, &unique, |task| &task.kind);
    breakdown(text, "language", tasks, &unique, |task| &task.language);
    breakdown(text, "repository", tasks, &unique, |task| &task.repo);
    cost(text, set, tasks, outcome);
    text.push('\n');
}

/// Scores that are a second reading of another stay out of the breakdowns.
fn unique_name(name: &str) -> bool {
    !name.ends_with("-hits") && !name.ends_with("-repeated")
}

fn samples<'a>(tasks: &[&'a TaskResult], name: &str) -> Vec<Sample<'a>> {
    let valued = tasks.iter().filter_map(|task| Some((*task, *task.scores.get(name)?)));
    valued.map(|(task, value)| Sample { cluster: &task.repo, group: group_of(task), value }).collect()
}

fn breakdown(
    text: &mut String,
    title: &str,
    tasks: &[&TaskResult],
    names: &[&String],
    key: fn(&TaskResult) -> &String,
) {
    let mut groups: BTreeMap<&str, Vec<&TaskResult>> = BTreeMap::new();
    for task in tasks {
        groups.entry(key(task)).or_default().push(task);
    }
    if groups.len() < 2 {
        return;
    }
    let heads: String = names.iter().map(|name| format!("{name:>9}")).collect();
    let _ = writeln!(text, "  {title:<24}    n{heads}");
    for (group, tasks) in groups {
        let values: String = names.iter().map(|name| format!("{:>9.3}", mean(&samples(&tasks, name)))).collect();
        let _ = writeln!(text, "  {group:<24} {:>4}{values}", tasks.len());
    }
}

fn cost(text: &mut String, set: &str, tasks: &[&TaskResult], outcome: &Outcome) {
    let mut tokens: Vec<f64> =
        tasks.iter().filter_map(|task| Some(task.first_bytes? as f64 / BYTES_PER_TOKEN)).collect();
    tokens.sort_by(f64::total_cmp);
    let mut times: Vec<f64> = tasks.iter().map(|task| task.search_ms).collect();
    times.sort_by(f64::total_cmp);
    let _ = writeln!(
        text,
        "  first gold passage found for {} of {}; tokens until its end (bytes / 4): median {:.0}, 90 % {:.0}",
        tokens.len(),
        tasks.len(),
        percentile(&tokens, 0.5),
        percentile(&tokens, 0.9)
    );
    let _ = writeln!(
        text,
        "  search: p50 {:.1} ms, p95 {:.1} ms, max {:.1} ms",
        percentile(&times, 0.5),
        percentile(&times, 0.95),
        percentile(&times, 1.0)
    );
    if let Some(indexed) = outcome.indexed.get(set) {
        let _ = writeln!(
            text,
            "  index: {}, {}, {} of them parsed in this run, {:.1} s",
            counted(indexed.trees, "tree"),
            counted(indexed.files, "file"),
            indexed.parsed,
            indexed.seconds
        );
    }
    let unreachable = tasks.iter().filter(|task| !task.not_indexed.is_empty()).count();
    if unreachable > 0 {
        let _ = writeln!(text, "  questions with a gold file of which the index holds nothing: {unreachable}");
    }
}

/// The questions whose first score is not full, with the hits that came instead.
pub fn details(outcome: &Outcome) -> String {
    let mut text = String::new();
    for task in &outcome.tasks {
        let names = score_names([task]);
        let perfect = names.first().and_then(|name| task.scores.get(name)).is_none_or(|value| *value >= 1.0);
        if perfect {
            continue;
        }
        let first = task.first.map_or("nowhere".to_owned(), |first| format!("at {first}"));
        let scores: Vec<String> = names.iter().map(|name| format!("{name} {:.2}", task.scores[name])).collect();
        let _ =
            writeln!(text, "{} {} ({}): first gold {first}; {}", task.set, task.id, task.kind, scores.join(", "));
        for gold in &task.gold {
            let _ = writeln!(text, "    gold {gold}");
        }
        for path in &task.not_indexed {
            let _ = writeln!(text, "    not in the index: {path}");
        }
        for hit in &task.top {
            let _ = writeln!(text, "         {hit}");
        }
    }
    text
}
