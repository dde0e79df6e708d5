//! `familiar search`: passages of a workspace, best first. Refuses: keeping anybody waiting for a whole index; what is
//! there answers, and the answer says what it may lack.

mod batch;
mod related;
mod shown;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use app::{
    BatchAnswer, BatchQuery, Editing, IndexStatus, SEARCH_HITS_MAX, SearchKind, SearchOptions, SearchResult,
    search_read_only,
};
use clap::{Args, ValueEnum};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::reach::{Reach, reach, reach_to_read};
use super::{folder, index};
use crate::context::Context;
use crate::daemon::client::{self, Client};
use crate::failure::{FAILED, Failure, USAGE};
use crate::render::{self, Style};

const HITS_DEFAULT: usize = 10;
/// How long one question waits for files that are not indexed yet, before what is there answers.
const FRESH_WAIT_MAX: Duration = Duration::from_millis(800);
/// How often the daemon is asked meanwhile how far its build is.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Find passages in a workspace: names, paths, words.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar search \"parse the header\"\n  familiar search QuerySet.filter --limit 3 --json\n  familiar search 'fn \\w+_hash' --kind regex --language rust --path src\n  familiar search Basket::add --related\n  familiar search --batch queries.jsonl --limit 40\n\nA batch has one {\"id\": ..., \"query\": ...} a line; its answers are\n{\"id\": ..., \"hits\": [...]}, one a line, in that order."
)]
pub(crate) struct Search {
    /// What to look for.
    #[arg(required_unless_present = "batch")]
    query: Option<String>,
    /// The folder to search [default: the nearest git repository, else the working directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one JSON object with all hits.
    #[arg(long)]
    json: bool,
    /// Hits at most, 1 to 200.
    #[arg(long, value_name = "N", default_value_t = HITS_DEFAULT, value_parser = hits_in_range)]
    limit: usize,
    /// What the query is taken for: auto, symbol, text or regex. Text and patterns are looked for line by line, in any
    /// letter case unless they have capitals.
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    kind: Kind,
    /// Only files of this language, by name or extension; may be given several times.
    #[arg(long = "language", value_name = "NAME")]
    languages: Vec<String>,
    /// Only this folder, file or glob, counted from the workspace; one that exists below the working directory counts
    /// from there; may be given several times.
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// Also list what belongs to the first hit: its file's outline, callers, callees, imports, tests, last commits.
    #[arg(long, conflicts_with = "batch")]
    related: bool,
    /// Answer the queries in FILE, once the index is complete; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "query")]
    batch: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Kind {
    // Told from its form.
    #[default]
    Auto,
    // A definition's name, or a part of it.
    Symbol,
    // Text as it stands in the files.
    Text,
    // A regular expression over lines.
    Regex,
}

impl Search {
    /// Searches and prints.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let root = folder::named_or_here_to_index(self.workspace.as_deref())?;
        if let Some(file) = &self.batch {
            let queries = batch::read(file)?;
            return self.answer_batch(&root, queries).await;
        }
        let query = self.query.as_deref().unwrap_or_default();
        if query.trim().is_empty() {
            return Err(Failure::new("there is nothing to look for").hint("name some words").code(USAGE).into());
        }
        let context = Context::open()?;
        let options = self.options(&root);
        let reach = match reach_to_read(&context).await {
            Ok(reach) => reach,
            // A home that cannot be used keeps nobody from looking through their own files.
            Err(error) => {
                let found = read_only(&context, &root, query, &options).await?;
                self.print(query, &with_notice(found, &error))?;
                return Ok(0);
            }
        };
        let result = match reach {
            Some(Reach::Daemon(daemon)) => by_daemon(&daemon.client, &root, query, &options).await?,
            Some(Reach::Here(here)) => {
                let settled = settle(&here.app, &root).await;
                let found = here.app.search_in(&root, query, &options, Editing::default()).await;
                here.close().await;
                match (settled, found) {
                    (Ok(()), found) => found?,
                    (Err(error), Ok(found)) if found.notice.is_none() => with_notice(found, &error),
                    (Err(_), Ok(found)) => found,
                    (Err(error), Err(_)) => return Err(error),
                }
            }
            None => read_only(&context, &root, query, &options).await?,
        };
        self.print(query, &result)?;
        Ok(0)
    }

    fn options(&self, root: &Path) -> SearchOptions {
        let here = std::env::current_dir().unwrap_or_default();
        SearchOptions {
            limit: self.limit,
            kind: match self.kind {
                Kind::Auto => SearchKind::Auto,
                Kind::Symbol => SearchKind::Symbol,
                Kind::Text => SearchKind::Text,
                Kind::Regex => SearchKind::Regex,
            },
            languages: self.languages.clone(),
            paths: self.paths.iter().map(|path| from_here(root, &here, path)).collect(),
            related: self.related,
            // A batch measures; its answers do not depend on what was edited lately.
            words_alone: self.batch.is_some(),
        }
    }

    fn print(&self, query: &str, result: &SearchResult) -> std::io::Result<()> {
        if self.json {
            let mut object = json!({ "hits": result.hits });
            if let Some(related) = &result.related {
                object["related"] = json!(related);
            }
            if let Some(notice) = &result.notice {
                object["notice"] = notice.as_str().into();
            }
            return render::output(&render::json(&object));
        }
        render::output(&shown::page(result, query, Style::of_output()))
    }

    async fn answer_batch(&self, root: &Path, queries: Vec<BatchQuery>) -> anyhow::Result<u8> {
        let context = Context::open()?;
        let options = self.options(root);
        let mut unread = 0;
        match reach(&context).await? {
            Reach::Daemon(daemon) => {
                index::by_daemon(&daemon.client, root, false).await?;
                for group in batch::groups(queries) {
                    unread += batch::print(ask(&daemon.client, root, &group, &options).await?).await?;
                }
            }
            Reach::Here(here) => {
                let result = match index::by_ourselves(&here.app, root).await {
                    Ok(_) => batch::print(here.app.search_batch(root, queries, options)).await,
                    Err(error) => Err(error),
                };
                here.close().await;
                unread += result?;
            }
        }
        if unread > 0 {
            let (queries, their_lines) =
                if unread == 1 { ("query", "its line says") } else { ("queries", "their lines say") };
            render::complain(&format!("familiar: {unread} {queries} could not be read; {their_lines} why"));
            return Ok(FAILED);
        }
        Ok(0)
    }
}

/// Asks the daemon, and once more when files that it lacked were indexed at once. It asks for no build: one that begins
/// ends the one in the background, which would not get done under many questions.
async fn by_daemon(
    client: &Client,
    root: &Path,
    query: &str,
    options: &SearchOptions,
) -> anyhow::Result<SearchResult> {
    let began = Instant::now();
    let queries = [BatchQuery { id: Value::Null, query: query.to_owned() }];
    let first = one(client, root, &queries, options).await?;
    if first.notice.is_none() {
        return Ok(first);
    }
    let left = FRESH_WAIT_MAX.saturating_sub(began.elapsed());
    match tokio::time::timeout(left, settled(client, root)).await {
        Ok(Ok(false)) => Ok(first),
        Ok(Err(error)) => Ok(with_notice(first, &error)),
        // What is not done by then may be found the next time.
        Ok(Ok(true)) | Err(_) => one(client, root, &queries, options).await,
    }
}

/// Waits until the daemon's own build is done; false when there is none to wait for.
async fn settled(client: &Client, root: &Path) -> anyhow::Result<bool> {
    let path = client::query("/api/v1/index", &[("workspace", folder::text(root)?)]);
    loop {
        match waits_for(&client.get::<IndexStatus>(&path).await?) {
            Some(true) => tokio::time::sleep(LOOK_AGAIN).await,
            Some(false) => return Ok(true),
            None => return Ok(false),
        }
    }
}

/// Whether a build goes on that ends; `None` when an answer stays what it is.
fn waits_for(index: &IndexStatus) -> Option<bool> {
    match index.state.as_str() {
        "ready" => Some(false),
        "building" if !index.paused => Some(true),
        _ => None,
    }
}

/// What was found, and why there may be more.
fn with_notice(mut found: SearchResult, error: &anyhow::Error) -> SearchResult {
    found.notice =
        Some(format!("The index could not be brought up to date ({error}); answers may lack something."));
    found
}

async fn one(
    client: &Client,
    root: &Path,
    queries: &[BatchQuery],
    options: &SearchOptions,
) -> anyhow::Result<SearchResult> {
    let mut answers = ask(client, root, queries, options).await?;
    let answer = answers.next().await;
    let answer = answer.unwrap_or_else(|| Err(app::AppError::new(app::ErrorKind::Bug, "the search broke off")))?;
    match answer.error {
        Some(error) => Err(Failure::new(error).hint("write it otherwise, or choose another `--kind`").into()),
        None => Ok(SearchResult { hits: answer.hits, related: answer.related, notice: answer.notice }),
    }
}

async fn ask(
    client: &Client,
    root: &Path,
    queries: &[BatchQuery],
    options: &SearchOptions,
) -> anyhow::Result<crate::daemon::client::Events<BatchAnswer>> {
    let body = json!({ "workspace": folder::text(root)?, "queries": queries, "options": options });
    Ok(client.events("/api/v1/search", &body).await?)
}

/// Indexes what changed, as far as that goes in a moment; what was done by then can be found.
async fn settle(app: &app::App, root: &Path) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut work = std::pin::pin!(index::follow(app.index_until(root, stop.clone())));
    match tokio::time::timeout(FRESH_WAIT_MAX, &mut work).await {
        Ok(done) => done.map(drop),
        Err(_) => {
            stop.cancel();
            match work.await {
                Err(error) if index::is_cancelled(&error) => Ok(()),
                done => done.map(drop),
            }
        }
    }
}

/// Searches beside another command that has the home.
async fn read_only(
    context: &Context,
    root: &Path,
    query: &str,
    options: &SearchOptions,
) -> anyhow::Result<SearchResult> {
    let (home, root) = (context.home.clone(), root.to_owned());
    let (query, options) = (query.to_owned(), options.clone());
    let search = tokio::task::spawn_blocking(move || search_read_only(&home, &root, &query, &options));
    Ok(search.await??)
}

/// A path that exists below the working directory, as it counts from the workspace (both canonical); any other as it was
/// given.
fn from_here(root: &Path, here: &Path, path: &str) -> String {
    let real = here.join(path).canonicalize().ok().filter(|_| here.starts_with(root));
    let below = real.as_deref().and_then(|real| real.strip_prefix(root).ok()).and_then(Path::to_str);
    below.unwrap_or(path).to_owned()
}

fn hits_in_range(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=SEARCH_HITS_MAX).contains(number));
    number.ok_or_else(|| format!("give a number from 1 to {SEARCH_HITS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_build_that_goes_on_is_waited_for() {
        for (state, paused, expected) in [
            ("building", false, Some(true)),
            ("building", true, None),
            ("paused", true, None),
            ("partial", false, None),
            ("failed", false, None),
            ("ready", false, Some(false)),
            ("ready", true, Some(false)),
        ] {
            let index = IndexStatus { state: state.into(), paused, ..IndexStatus::default() };
            assert_eq!(waits_for(&index), expected, "{state}, paused: {paused}");
        }
    }

    #[test]
    fn limits_are_numbers_in_range() {
        for (text, number) in [("1", Some(1)), ("200", Some(200)), ("0", None), ("201", None), ("x", None)] {
            assert_eq!(hits_in_range(text).ok(), number, "{text}");
        }
    }

    #[test]
    fn paths_below_the_working_directory_count_from_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        std::fs::create_dir_all(root.join("src/parse")).expect("it can be made");
        std::fs::create_dir(root.join("docs")).expect("it can be made");
        for (here, path, expected) in [
            ("", "src", "src"),
            ("src", "parse", "src/parse"),
            ("src", ".", "src"),
            ("src", "../docs", "docs"),
            // These are not there, so they count from the workspace.
            ("src", "docs", "docs"),
            ("src", "**/*.py", "**/*.py"),
            ("src", "../..", "../.."),
        ] {
            assert_eq!(from_here(&root, &root.join(here), path), expected, "{path} in {here}");
        }
        assert_eq!(from_here(&root.join("docs"), &root.join("src"), "../docs"), "../docs", "it is elsewhere");
    }
}
