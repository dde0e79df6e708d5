//! `familiar eval`: how often search finds what it should, on sets of questions or on one's own repository, and how often
//! a model's edits can be used.
//!
//! Refuses: the user's own index and history, any write in a repository, and figures without intervals.

mod answers;
mod clone;
mod edits;
mod table;

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args};
use index::CancelFlag;
use index::eval::{EvalError, Options, Outcome, Sets, compare, layout, own, report, run};

use super::folder;
use super::script::Script;
use crate::failure::{Failure, INTERRUPTED, USAGE};
use crate::render::{self, ProgressLine};

/// Questions of each kind that are made from a repository.
const OWN_QUESTIONS: usize = 100;

/// The next step after what is no set of questions, and after what is no result.
const SETS_HINT: &str = r#"name files with a question on each line, such as {"set": "mine", "id": "1", "repo": "owner/name", "rev": "COMMIT", "query": "parse the header", "gold": [{"path": "src/header.rs"}]}"#;
const COMPARE_HINT: &str = "name two files that `familiar eval --json FILE` wrote";

/// Measure how often search finds what it should, or a model's edits can be used.
///
/// Sets are lines of JSON with questions and known answers. With --own the questions come from your repository:
/// documentation asks for its function, commits ask for the files they changed. Nothing is written there. With --edits
/// the model does exercises, as whole files and as search and replace blocks; nothing of what it writes is run.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["sets", "own", "edits", "answers", "compare"]),
    after_help = "Examples:\n  familiar eval --own\n  familiar eval --sets sets/ --repos ~/repos --work /tmp/eval --json new.json\n  \
                  familiar eval --compare old.json new.json\n  familiar eval --edits --clone --repos ~/repos\n  \
                  familiar eval --edits exercism/rust --repos ~/repos --model my-model --limit-tasks 50"
)]
pub(crate) struct Eval {
    /// Files of questions, or folders of them.
    #[arg(long, value_name = "FILE_OR_DIR", num_args = 1..)]
    sets: Vec<PathBuf>,
    /// Make questions from a git repository [default: the one around the working directory]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    own: Option<Option<PathBuf>>,
    /// Have the model do exercises of these public tracks [default: all of them]
    #[arg(long, value_name = "TRACK", num_args = 0.., value_parser = PossibleValuesParser::new(edits::TRACK_NAMES))]
    edits: Option<Vec<String>>,
    /// Read recorded answers of models again, without a model: files of them, or folders.
    #[arg(long, value_name = "FILE_OR_DIR", num_args = 1..)]
    answers: Vec<PathBuf>,
    /// Compare two files written by --json with --sets or --own, question by question.
    #[arg(long, value_name = "FILE", num_args = 2)]
    compare: Vec<PathBuf>,
    /// Where the repositories of sets and tracks lie: DIR/OWNER+NAME, a git directory, a checkout, or either inside it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["own", "answers", "compare"])]
    repos: Option<PathBuf>,
    /// Clone what --repos lacks, with git, from URL/OWNER/NAME [default: https://github.com]; without --repos into the
    /// folder of --work
    #[arg(long, value_name = "URL", conflicts_with_all = ["own", "answers", "compare"], num_args = 0..=1,
          default_missing_value = clone::ORIGIN)]
    clone: Option<String>,
    /// Keep laid out trees and their indexes here for the next run [default: a temporary folder]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["answers", "compare"])]
    work: Option<PathBuf>,
    /// Only these sets.
    #[arg(long, value_name = "SET", value_delimiter = ',', conflicts_with_all = ["own", "edits", "answers", "compare"])]
    only: Vec<String>,
    /// Questions or exercises at most, of each set or track [default: all; 100 of each kind with --own, 20 with --edits]
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with_all = ["answers", "compare"])]
    limit_tasks: Option<usize>,
    /// The model that does the exercises [default: the one in use]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["sets", "own", "answers", "compare"])]
    model: Option<String>,
    /// Trees handled at the same time [default: one for each core; 1 gives the truest search times]
    #[arg(long, value_name = "N", conflicts_with_all = ["edits", "answers", "compare"])]
    jobs: Option<usize>,
    /// Also write every question with its scores, or every answer with what became of it, to a file.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    json: Option<PathBuf>,
    /// Also print what was not answered in full, became no edit, or differs.
    #[arg(long)]
    details: bool,
    #[command(flatten)]
    script: Script,
}

impl Eval {
    /// Measures and prints.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        if let [first, second] = &self.compare[..] {
            let read = |path: &Path| compare::read_outcome(path).map_err(|error| failed(&error, COMPARE_HINT));
            let (first, second) = (read(first)?, read(second)?);
            if self.details {
                render::output(&render::escape(&compare::changed(&first, &second)))?;
            }
            render::output(&render::escape(&compare::table(&first, &second)))?;
            return Ok(0);
        }
        if self.edits.is_some() {
            return edits::run(self).await;
        }
        if !self.answers.is_empty() {
            return tokio::task::spawn_blocking(move || answers::run(&self)).await?;
        }
        let cancel = CancelFlag::new();
        let json = self.json.clone();
        let details = self.details;
        let flag = cancel.clone();
        let mut measuring = tokio::task::spawn_blocking(move || self.measure(&flag));
        let outcome = tokio::select! {
            outcome = &mut measuring => outcome,
            pressed = tokio::signal::ctrl_c() => {
                if pressed.is_ok() {
                    cancel.cancel();
                }
                measuring.await
            }
        };
        let outcome = outcome??;
        if let Some(path) = json {
            write_json(&path, &outcome)?;
        }
        if details {
            render::output(&render::escape(&report::details(&outcome)))?;
        }
        render::output(&render::escape(&report::table(&outcome)))?;
        Ok(0)
    }

    /// Lays out, indexes, asks and scores. A temporary folder is gone afterwards, whatever happened.
    fn measure(&self, cancel: &CancelFlag) -> anyhow::Result<Outcome> {
        let work_folder = WorkFolder::open(self.work.as_deref())?;
        let work = work_folder.path().to_owned();
        let sets = match &self.own {
            Some(own) => self.own_sets(own.as_deref(), &work, cancel)?,
            None => {
                Sets::read(&self.sets, &self.only, self.limit_tasks).map_err(|error| failed(&error, SETS_HINT))?
            }
        };
        if sets.tasks.is_empty() {
            let hint = if self.own.is_some() {
                "documentation and commits that say something are needed"
            } else {
                SETS_HINT
            };
            return Err(Failure::new("there are no questions to ask").hint(hint).into());
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let repos = self.repositories(&sets, &work, cancel)?;
        let options = Options { repos, work, jobs: self.jobs.unwrap_or(cores) };
        let told = Mutex::new(Told { line: ProgressLine::new(), names: HashSet::new() });
        let progress = |text: &str| {
            if let Ok(mut told) = told.lock() {
                told.tell(text);
            }
        };
        let outcome = run(&sets, &options, &progress, cancel).map_err(|error| failed(&error, SETS_HINT))?;
        if outcome.tasks.is_empty() {
            let reason = outcome.missing.first().cloned().unwrap_or_default();
            return Err(Failure::new(format!("no question could be asked: {reason}"))
                .hint("name --repos, or add --clone")
                .into());
        }
        Ok(outcome)
    }

    /// The folder of repositories, with those in it that are to be cloned.
    fn repositories(&self, sets: &Sets, work: &Path, cancel: &CancelFlag) -> anyhow::Result<Option<PathBuf>> {
        let Some(origin) = &self.clone else { return Ok(self.repos.clone()) };
        let repos = self.repos.clone().unwrap_or_else(|| work.join("repos"));
        let names = sets.tasks.iter().filter_map(|task| task.repo.as_deref());
        clone::all(&layout::missing(names, &repos), origin, cancel)?;
        Ok(Some(repos))
    }

    fn own_sets(&self, named: Option<&Path>, work: &Path, cancel: &CancelFlag) -> anyhow::Result<Sets> {
        let root = folder::named_or_here(named)?;
        if work.starts_with(&root) {
            return Err(Failure::new("the work folder lies in the repository")
                .hint("name a folder outside of it with --work")
                .code(USAGE)
                .into());
        }
        if std::io::stderr().is_terminal() {
            render::complain("reading the repository");
        }
        let most = self.limit_tasks.unwrap_or(OWN_QUESTIONS);
        Ok(own::sets(&root, work, most, cancel).map_err(|error| failed(&error, SETS_HINT))?)
    }
}

/// Where trees are laid out: the user's folder, or one that is gone with this.
struct WorkFolder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl WorkFolder {
    fn open(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(work) = named {
            std::fs::create_dir_all(work)
                .map_err(|error| Failure::new(format!("{} cannot be made: {error}", work.display())))?;
            return Ok(Self { path: std::fs::canonicalize(work)?, _temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("familiar-eval-").tempdir()?;
        Ok(Self { path: temporary.path().canonicalize()?, _temporary: Some(temporary) })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes what was measured for other programs to read.
fn write_json(path: &Path, value: &impl serde::Serialize) -> anyhow::Result<()> {
    let written = serde_json::to_vec(value)?;
    let failed = |error| Failure::new(format!("{} cannot be written: {error}", path.display()));
    Ok(std::fs::write(path, written).map_err(failed)?)
}

/// What went wrong with the next step, which is `input` for a file that is not what was asked for.
fn failed(error: &EvalError, input: &str) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        EvalError::Input { .. } => failure.hint(input),
        EvalError::NoHistory { .. } => {
            failure.hint("name a git repository that has commits with --own, or files of questions with --sets")
        }
        EvalError::Repository { .. } => failure.hint("name --repos, or add --clone"),
        EvalError::Files { .. } => failure.hint("name a folder that can be written, with some room, with --work"),
        EvalError::Cancelled => failure.code(INTERRUPTED),
        EvalError::Index(_) => failure,
    }
}

fn at_least_one(text: &str) -> Result<usize, &'static str> {
    text.parse::<usize>().ok().filter(|number| *number > 0).ok_or("give a number from 1 on")
}

/// Progress: on a terminal a line that changes, else a line for each repository as its first tree is done.
struct Told {
    line: ProgressLine,
    names: HashSet<String>,
}

impl Told {
    fn tell(&mut self, text: &str) {
        if self.line.is_seen() {
            return self.line.show(text);
        }
        let name = text.split_once(": ").map_or(text, |(_, name)| name);
        let name = name.split([' ', ',']).next().unwrap_or(name);
        if self.names.insert(name.to_owned()) {
            render::complain(&render::one_line(text));
        }
    }
}
