//! Commit -> files: what a commit says asks for the source files that it changed, in the tree before it.
//!
//! Refuses: merges, reverts, machines' commits, bumps and formatting, and changes of tests or of many files alone.

use std::collections::BTreeSet;

use git2::{Commit, Delta, Repository, Sort};

use crate::eval::EvalError;
use crate::eval::own::is_source;
use crate::eval::own::words::{alike, stems, without_places};
use crate::eval::statistics::Chance;
use crate::eval::task::{Gold, Task};
use crate::limits::{CancelFlag, EVAL_SEED, OWN_COMMITS_MAX, OWN_QUERY_BYTES_MAX};
use crate::parse::outline::language_name;

/// Words of a commit that says something.
const WORDS_MIN: usize = 4;
/// Source files of a change that one question can ask for.
const GOLD_MAX: usize = 5;
/// Files of a change that is about one thing.
const CHANGED_MAX: usize = 30;
/// Parts of the names of machines that commit.
const MACHINES: &[&str] =
    &["[bot]", "-bot", "dependabot", "renovate", "greenkeeper", "pre-commit-ci", "github-actions"];
/// Beginnings of subjects that say nothing about code.
const EMPTY_STARTS: &[&str] = &[
    "merge",
    "revert",
    "bump",
    "release",
    "version",
    "prepare",
    "chore(deps",
    "build(deps",
    "deps",
    "update changelog",
];
/// Parts of such subjects.
const EMPTY_PARTS: &[&str] = &[
    "bump ",
    "rustfmt",
    "cargo fmt",
    "gofmt",
    "clang-format",
    "prettier",
    "reformat",
    "formatting",
    "whitespace",
    "pyupgrade",
    "run black",
    "isort",
];
/// Last words of the keys of trailers.
const TRAILERS: &[&str] =
    &["by", "id", "fixes", "closes", "cc", "refs", "link", "see", "bug", "issue", "ticket", "to"];

/// Up to `most` questions from the history, oldest first.
pub(super) fn questions(
    repository: &Repository,
    most: usize,
    cancel: &CancelFlag,
) -> Result<Vec<Task>, EvalError> {
    let broken = |error: git2::Error| EvalError::git(repository, &error);
    let mut walk = repository.revwalk().map_err(broken)?;
    walk.set_sorting(Sort::TIME).map_err(broken)?;
    walk.push_head().map_err(broken)?;
    let mut found: Vec<(usize, Task, BTreeSet<String>)> = Vec::new();
    for (age, commit) in walk.take(OWN_COMMITS_MAX).enumerate() {
        if cancel.is_cancelled() {
            return Err(EvalError::Cancelled);
        }
        // A shallow history ends in commits whose parents are not there.
        let Ok(commit) = commit.and_then(|id| repository.find_commit(id)) else { continue };
        if let Some(task) = question(repository, &commit) {
            let words = stems(&task.query);
            found.push((age, task, words));
        }
    }
    let mut chance = Chance::new(EVAL_SEED);
    let mut chosen: Vec<(usize, Task, BTreeSet<String>)> = Vec::new();
    while chosen.len() < most && !found.is_empty() {
        let one = found.swap_remove(chance.below(found.len()));
        if !chosen.iter().any(|other| alike(&other.2, &one.2)) {
            chosen.push(one);
        }
    }
    // Neighbours in history differ little, which makes the way from tree to tree short.
    chosen.sort_by_key(|(age, ..)| std::cmp::Reverse(*age));
    Ok(chosen.into_iter().map(|(_, task, _)| task).collect())
}

fn question(repository: &Repository, commit: &Commit<'_>) -> Option<Task> {
    if commit.parent_count() != 1 || is_machine(commit) {
        return None;
    }
    let query = query_of(commit.message().ok()?)?;
    let parent = commit.parent(0).ok()?;
    let gold = changed_sources(repository, &parent, commit)?;
    let id = commit.id().to_string();
    Some(Task {
        set: "own-commits".to_owned(),
        id: id.chars().take(12).collect(),
        repo: Some("own".to_owned()),
        rev: Some(parent.id().to_string()),
        kind: if gold.len() == 1 { "one file" } else { "several files" }.to_owned(),
        language: gold.first().and_then(|path| language_name(path)).map(str::to_owned),
        query,
        gold: gold.into_iter().map(|path| Gold { path, ..Gold::default() }).collect(),
        ..Task::default()
    })
}

fn is_machine(commit: &Commit<'_>) -> bool {
    let author = commit.author();
    let name = String::from_utf8_lossy(author.name_bytes()).to_lowercase();
    let address = String::from_utf8_lossy(author.email_bytes()).to_lowercase();
    MACHINES.iter().any(|part| name.contains(part) || address.contains(part))
}

/// The source files outside tests that a commit modified; `None` when there are none, or too many.
fn changed_sources(repository: &Repository, parent: &Commit<'_>, commit: &Commit<'_>) -> Option<Vec<String>> {
    let diff = repository.diff_tree_to_tree(Some(&parent.tree().ok()?), Some(&commit.tree().ok()?), None).ok()?;
    if diff.deltas().len() > CHANGED_MAX {
        return None;
    }
    let modified = diff.deltas().filter(|delta| delta.status() == Delta::Modified);
    let paths = modified.filter_map(|delta| delta.old_file().path()?.to_str().map(str::to_owned));
    let gold: Vec<String> = paths.filter(|path| is_source(path)).collect();
    (1..=GOLD_MAX).contains(&gold.len()).then_some(gold)
}

/// Subject and body without trailers, numbers and places; `None` when they say nothing.
fn query_of(message: &str) -> Option<String> {
    let subject = message.lines().next()?.to_lowercase();
    let empty = EMPTY_STARTS.iter().any(|start| subject.starts_with(start))
        || EMPTY_PARTS.iter().any(|part| subject.contains(part));
    if empty {
        return None;
    }
    let kept = message.lines().enumerate().filter(|(at, line)| *at == 0 || !is_trailer(line));
    let lines: Vec<String> = kept.map(|(_, line)| without_places(line)).filter(|line| !line.is_empty()).collect();
    let query = lines.join("\n");
    (stems(&query).len() >= WORDS_MIN && query.len() <= OWN_QUERY_BYTES_MAX).then_some(query)
}

/// `Signed-off-by: ...` and the like.
fn is_trailer(line: &str) -> bool {
    let line = line.trim();
    if line.starts_with("(cherry picked") {
        return true;
    }
    let Some((key, _)) = line.split_once(": ") else { return false };
    let one_word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    let last = key.rsplit('-').next().unwrap_or_default().to_lowercase();
    one_word && TRAILERS.contains(&last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_what_the_commit_says() {
        let said = "parser: keep the comments of a header (#12)\n\nThey were lost in src/cut.rs since 1.2.\n\nSigned-off-by: A <a@b>\nFixes: 12\n";
        assert_eq!(
            query_of(said).as_deref(),
            Some("parser: keep the comments of a header\nThey were lost in since")
        );
        for said in [
            "Merge branch 'a' into the big one",
            "Bump the parser to a new version",
            "Run rustfmt over all the files",
            "Fix it",
        ] {
            assert_eq!(query_of(said), None, "{said}");
        }
    }
}
