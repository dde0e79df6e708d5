//! `familiar ask`: one question about a workspace, answered as it is written.
//!
//! Refuses: progress where nobody looks, and an answer without its sources.

mod question;
mod shown;

use std::path::{Path, PathBuf};

use app::{Answer, AnswerEvent, Problem};
use clap::Args;
use futures::StreamExt;
use serde_json::json;

use super::folder;
use super::script::Script;
use crate::context::Context;
use crate::daemon::attach;
use crate::failure::Failure;
use crate::render::{self, ProgressLine, Style};
use question::{Asked, FileLines};

/// Ask about a workspace; the answer names its sources.
///
/// What is piped in is what the question is about. Without a model the best passages are shown.
///
/// When the model cannot be loaded they are shown too, and the exit code is 1.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar ask \"How does the router match a path?\"\n  familiar ask \"What is wrong here?\" --file src/main.rs:10-40\n  cargo test 2>&1 | familiar ask \"Why does this fail?\"\n  familiar ask - --json < question.txt"
)]
pub(crate) struct Ask {
    /// The question; `-` reads it from standard input.
    question: String,
    /// The folder whose files may answer it [default: the nearest git repository, else the working directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// The file it is about, with lines if you like.
    #[arg(long, value_name = "FILE[:L1-L2]")]
    file: Option<FileLines>,
    /// Leave standard input alone, for scripts that inherit a pipe.
    #[arg(long)]
    no_input: bool,
    /// Print one JSON object: answer, citations, model, manifest, usage.
    #[arg(long)]
    json: bool,
    /// Show what the model was given, and what was left out.
    #[arg(long)]
    show_context: bool,
    #[command(flatten)]
    script: Script,
}

impl Ask {
    /// Asks and prints.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let file = self.file.as_ref().map(FileLines::existing).transpose()?;
        let workspace = self.searched(file.as_deref())?;
        let Asked { question, attachment } = question::with_input(&self.question, self.no_input).await?;
        let mut body = json!({ "workspace": folder::text(&workspace)?, "question": question });
        if let Some(attachment) = attachment {
            body["attachment"] = attachment.into();
        }
        if let (Some(file), Some(path)) = (&self.file, &file) {
            body["file"] = folder::text(path)?.into();
            body["lines"] = json!(file.lines);
        }
        let context = Context::open()?;
        context.tell_notes();
        let mut progress = ProgressLine::new();
        progress.show("starting the daemon");
        let daemon = attach::running_or_started(&context, &self.script.for_daemon()).await?;
        progress.show("asking");
        let mut events = daemon.client.events::<AnswerEvent>("/api/v1/ask", &body).await?;
        let mut streamed = false;
        while let Some(event) = events.next().await {
            match event? {
                AnswerEvent::Finished { answer } => {
                    progress.clear();
                    self.print(&answer, streamed)?;
                    return match answer.problem {
                        Some(problem) => Err(unanswered(problem).into()),
                        None => Ok(0),
                    };
                }
                AnswerEvent::Text { text } => {
                    progress.clear();
                    if !self.json {
                        streamed = true;
                        render::output(&render::escape(&text))?;
                    }
                }
                event => {
                    if let Some(words) = shown::progress(&event) {
                        progress.show(&words);
                    }
                }
            }
        }
        Err(Failure::new("the answer broke off").hint("ask again; `familiar status` names the log").into())
    }

    /// The folder whose files may answer: the one that was named, else that of the file, else the one here.
    fn searched(&self, file: Option<&Path>) -> Result<PathBuf, Failure> {
        let workspace = folder::named_or_here(self.workspace.as_deref())?;
        let Some(file) = file.filter(|file| !file.starts_with(&workspace)) else { return Ok(workspace) };
        let own = file.parent().and_then(app::git_root);
        let (shown, searched) = (file.display(), workspace.display());
        match (own, &self.workspace) {
            (Some(own), None) => {
                render::complain(&render::one_line(&format!(
                    "familiar: {shown} lies in {}, so that is searched instead of {searched}",
                    own.display()
                )));
                Ok(own)
            }
            (own, _) => {
                let own = own.as_deref().or(file.parent()).unwrap_or(file);
                Err(Failure::new(format!("{shown} lies outside {searched}, where answers are looked for"))
                    .hint(format!("add `--workspace {}`", own.display())))
            }
        }
    }

    fn print(&self, answer: &Answer, streamed: bool) -> anyhow::Result<()> {
        if self.json {
            if let Some(notice) = &answer.notice {
                render::complain(&format!("familiar: {}", render::one_line(notice)));
            }
            return Ok(render::output(&render::json(&shown::object(answer)))?);
        }
        let mut text = String::new();
        if !streamed {
            text.push_str(&render::escape(&answer.text));
        }
        text.push_str(&shown::after(answer, self.show_context, Style::of_output()));
        Ok(render::output(&text)?)
    }
}

/// The failure after the passages were printed: whoever only looks at the exit code must not take them for an answer.
fn unanswered(problem: Problem) -> Failure {
    let failure = Failure::new(format!("{}; the passages alone are shown", problem.message));
    match problem.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
