//! `familiar search`: passages of a workspace, best first. Refuses: an answer from half an index; what is missing is
//! indexed first.

use std::path::{Path, PathBuf};

use app::{Hit, SearchResult};
use clap::Args;
use serde_json::json;

use super::reach::{Reach, reach};
use super::{folder, index};
use crate::context::Context;
use crate::daemon::attach::Daemon;
use crate::daemon::client::query;
use crate::failure::{Failure, USAGE};
use crate::render::{self, Style};

const HITS_DEFAULT: usize = 10;
const HITS_MAX: usize = 100;
/// Lines of a passage that are shown as text.
const LINES_SHOWN_MAX: usize = 6;

/// Find passages in a workspace: names, paths, words.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar search \"parse the header\"\n  familiar search QuerySet.filter --limit 3 --json"
)]
pub(crate) struct Search {
    /// What to look for.
    query: String,
    /// The folder to search [default: the nearest git repository, else the working directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one JSON object with all hits.
    #[arg(long)]
    json: bool,
    /// Hits at most, 1 to 100.
    #[arg(long, value_name = "N", default_value_t = HITS_DEFAULT, value_parser = hits_in_range)]
    limit: usize,
}

impl Search {
    /// Searches and prints.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        if self.query.trim().is_empty() {
            return Err(Failure::new("there is nothing to look for").hint("name some words").code(USAGE).into());
        }
        let root = folder::named_or_here(self.workspace.as_deref())?;
        let context = Context::open()?;
        let result = match reach(&context).await? {
            Reach::Daemon(daemon) => self.by_daemon(&daemon, &root).await?,
            Reach::Here(here) => {
                let indexed = index::by_ourselves(&here.app, &root).await;
                let result = match indexed {
                    Ok(_) => here.app.search(&root, &self.query, self.limit).await.map_err(Into::into),
                    Err(error) => Err(error),
                };
                here.close().await;
                result?
            }
        };
        let text = if self.json {
            render::json(&json!({ "hits": result.hits }))
        } else {
            let style = Style::of_output();
            result.hits.iter().map(|hit| shown(hit, style)).collect::<Vec<_>>().join("\n")
        };
        render::output(&text)?;
        if !self.json && result.hits.is_empty() {
            render::output("nothing found\n")?;
        }
        Ok(0)
    }

    async fn by_daemon(&self, daemon: &Daemon, root: &Path) -> anyhow::Result<SearchResult> {
        let limit = self.limit.to_string();
        let parameters = [("workspace", folder::text(root)?), ("q", &self.query), ("limit", &limit)];
        let path = query("/api/v1/search", &parameters);
        let result: SearchResult = daemon.client.get(&path).await?;
        if result.notice.is_none() {
            return Ok(result);
        }
        index::by_daemon(&daemon.client, root).await?;
        Ok(daemon.client.get(&path).await?)
    }
}

fn hits_in_range(text: &str) -> Result<usize, clap::Error> {
    let number = text.parse().ok().filter(|number| (1..=HITS_MAX).contains(number));
    number.ok_or_else(|| {
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("a number from 1 to {HITS_MAX}"))
    })
}

fn shown(hit: &Hit, style: Style) -> String {
    let place = render::one_line(&format!("{}:{}-{}", hit.path, hit.start_line, hit.end_line));
    let symbol = hit.symbol.as_deref().map(|symbol| format!("  {}", render::one_line(symbol))).unwrap_or_default();
    let mut text = format!("{}{symbol}  {}\n", style.bold(&place), style.dim(&render::one_line(&hit.why)));
    for line in render::escape(&hit.text).lines().take(LINES_SHOWN_MAX) {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_shown_with_its_place() {
        let hit = Hit {
            path: "a/b.py".into(),
            start_line: 3,
            end_line: 20,
            symbol: Some("f".into()),
            kind: "function".into(),
            score: 1.0,
            why: "defines `f`".into(),
            text: (1..=9).map(|n| format!("line {n}\x07\n")).collect(),
        };
        let text = shown(&hit, Style::plain());
        assert!(text.starts_with("a/b.py:3-20  f  defines `f`\n    line 1\\x07\n"), "{text}");
        assert_eq!(text.lines().count(), 1 + LINES_SHOWN_MAX);
    }

    #[test]
    fn limits_are_numbers_in_range() {
        for (text, number) in [("1", Some(1)), ("100", Some(100)), ("0", None), ("101", None), ("x", None)] {
            assert_eq!(hits_in_range(text).ok(), number, "{text}");
        }
    }
}
