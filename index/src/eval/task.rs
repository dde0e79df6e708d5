//! Questions with known answers, as lines of JSON.
//!
//! Refuses: sets that are larger than their bounds, and to guess what a broken line meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::eval::EvalError;
use crate::eval::own::Own;
use crate::limits::{EVAL_DOCUMENTS_MAX, EVAL_SET_BYTES_MAX, EVAL_TASKS_MAX};

/// One passage, function or file that answers a question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Gold {
    /// Relative to the repository, with `/`.
    pub path: String,
    /// 1-based first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u32>,
    /// 1-based last line, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
    /// A function or class, with the class around it: `Class.method`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// How good an answer it is; 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
}

/// One question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Task {
    /// The set it belongs to.
    pub set: String,
    /// Its name in the set.
    pub id: String,
    /// `owner/name`; without one, the set carries its documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The commit whose tree is searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    /// Only this folder of the tree is indexed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// What kind of question it is.
    #[serde(default)]
    pub kind: String,
    /// The main language of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The question.
    pub query: String,
    /// Its answers.
    pub gold: Vec<Gold>,
}

/// A document that a set carries.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Questions, and where the documents of those sets lie that carry their own.
#[derive(Debug, Default)]
pub struct Sets {
    /// All questions, in the order of their files.
    pub tasks: Vec<Task>,
    /// The file of documents of a set, by the set's name.
    pub documents: BTreeMap<String, PathBuf>,
    /// Where questions about a user's own repository are asked.
    pub own: Option<Own>,
}

impl Sets {
    /// Reads set files; a folder stands for every `.jsonl` file in it. `only` names the sets that are wanted (empty: all),
    /// `limit` is the most questions of one set.
    ///
    /// # Errors
    /// [`EvalError::Input`] for a file that is missing, too large, or has a line of another form.
    pub fn read(paths: &[PathBuf], only: &[String], limit: Option<usize>) -> Result<Self, EvalError> {
        let mut sets = Self::default();
        for path in paths {
            for file in set_files(path)? {
                sets.read_file(&file, only, limit)?;
            }
        }
        let known: BTreeSet<&str> = sets.tasks.iter().map(|task| task.set.as_str()).collect();
        if let Some(missing) = only.iter().find(|name| !known.contains(name.as_str())) {
            let reason = format!("there is no set `{missing}` here");
            return Err(EvalError::input(paths.first().map_or(Path::new("."), PathBuf::as_path), None, reason));
        }
        Ok(sets)
    }

    fn read_file(&mut self, path: &Path, only: &[String], limit: Option<usize>) -> Result<(), EvalError> {
        let text = bounded_text(path)?;
        let mut sets: BTreeMap<String, Vec<Task>> = BTreeMap::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let task: Task =
                serde_json::from_str(line).map_err(|error| EvalError::line(path, at + 1, "question", &error))?;
            if task.gold.is_empty() {
                return Err(EvalError::input(path, Some(at + 1), "the question has no `gold`"));
            }
            if at >= EVAL_TASKS_MAX {
                return Err(EvalError::input(path, None, format!("more than {EVAL_TASKS_MAX} questions")));
            }
            if only.is_empty() || only.contains(&task.set) {
                sets.entry(task.set.clone()).or_default().push(task);
            }
        }
        for (set, tasks) in sets {
            if tasks.iter().any(|task| task.repo.is_none()) {
                self.documents.entry(set).or_insert_with(|| path.with_extension("docs.jsonl"));
            }
            self.tasks.extend(spread(tasks, limit));
        }
        Ok(())
    }
}

/// At most `limit` of some questions, evenly spread over them: neighbours are often of one repository.
pub fn spread<T>(questions: Vec<T>, limit: Option<usize>) -> Vec<T> {
    let count = questions.len();
    let Some(limit) = limit.filter(|limit| *limit < count) else { return questions };
    // A question is taken where the share of those taken so far reaches the next whole number.
    let taken = |at: usize| (at + 1) * limit / count > at * limit / count;
    questions.into_iter().enumerate().filter(|(at, _)| taken(*at)).map(|(_, question)| question).collect()
}

/// The documents in a file.
///
/// # Errors
/// As [`Sets::read`].
pub(crate) fn documents(path: &Path) -> Result<Vec<Document>, EvalError> {
    let text = bounded_text(path)?;
    let mut documents = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let document =
            serde_json::from_str(line).map_err(|error| EvalError::line(path, at + 1, "document", &error))?;
        documents.push(document);
        if documents.len() > EVAL_DOCUMENTS_MAX {
            return Err(EvalError::input(path, None, format!("more than {EVAL_DOCUMENTS_MAX} documents")));
        }
    }
    Ok(documents)
}

fn set_files(path: &Path) -> Result<Vec<PathBuf>, EvalError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(EvalError::unread(path))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".jsonl") && !name.ends_with(".docs.jsonl")
    });
    files.sort();
    Ok(files)
}

/// The text of a file of at most [`EVAL_SET_BYTES_MAX`] bytes.
pub(crate) fn bounded_text(path: &Path) -> Result<String, EvalError> {
    let file = fs::File::open(path).map_err(EvalError::unread(path))?;
    let mut text = String::new();
    file.take(EVAL_SET_BYTES_MAX + 1).read_to_string(&mut text).map_err(EvalError::unread(path))?;
    if text.len() as u64 > EVAL_SET_BYTES_MAX {
        return Err(EvalError::input(path, None, format!("larger than {EVAL_SET_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_takes_from_everywhere() {
        let tasks = || (0..10).map(|id| Task { id: id.to_string(), ..Task::default() }).collect::<Vec<_>>();
        let ids = |limit| spread(tasks(), limit).into_iter().map(|task| task.id).collect::<String>();
        assert_eq!(ids(Some(3)), "369");
        assert_eq!(ids(Some(0)), "");
        assert_eq!(ids(Some(10)), "0123456789");
        assert_eq!(ids(None), "0123456789");
    }
}
