//! Messages as a page shows them. Refuses: deciding what a message says; it only arranges what the use cases gave.

use std::path::Path;

use app::{ChatImage, MessageState, MessageView, Role};
use engine::{Citation, ManifestEntry};

use crate::clock::{Moment, moment};
use crate::markdown::{self, Html, Sources};
use crate::pages::frame::chat_url;
use crate::pages::words;

/// One message, ready for its template.
#[derive(Clone, Debug)]
pub(super) struct Article {
    pub(super) id: String,
    pub(super) is_user: bool,
    pub(super) when: Moment,
    /// The words of the user, as they are.
    pub(super) words: String,
    /// The words of the model.
    pub(super) html: Html,
    pub(super) state: Ending,
    pub(super) error: Vec<words::Piece>,
    pub(super) notice: Vec<words::Piece>,
    /// The images it made.
    pub(super) images: Vec<ChatImage>,
    pub(super) used: Vec<Source>,
    pub(super) looked_at: Vec<Source>,
    pub(super) receipt: Option<Receipt>,
    pub(super) usage: Option<String>,
    /// What is being done, while it is written.
    pub(super) phase: String,
    /// Where the answer goes on, while it is written.
    pub(super) stream_url: String,
    pub(super) stop_url: String,
    pub(super) retry_url: String,
    pub(super) form_token: String,
    /// Whether it is the last one, where a link to the newest lands.
    pub(super) is_last: bool,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    Streaming,
    Interrupted,
    Failed,
    Stopped,
}

/// A passage under an answer.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) n: u32,
    pub(super) place: String,
    pub(super) symbol: Option<String>,
    pub(super) reason: String,
    /// `None` where there is no workspace to open it in.
    pub(super) url: Option<String>,
    /// Whether the file differed when the answer was finished.
    pub(super) changed: bool,
}

/// What was sent and what was not.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) sent_to: Option<String>,
    pub(super) used_tokens: u32,
    pub(super) budget_tokens: u32,
    pub(super) sent: Vec<Line>,
    pub(super) left_out: Vec<Line>,
    pub(super) notes: Vec<String>,
}

/// A passage of a receipt.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) place: String,
    pub(super) tokens: u32,
    pub(super) reason: Vec<words::Piece>,
}

/// Where messages stand.
pub(super) struct Place<'a> {
    pub(super) chat_id: &'a str,
    pub(super) workspace: Option<&'a Path>,
    pub(super) form_token: &'a str,
}

impl Place<'_> {
    /// All messages of a page; rendering takes time, so this belongs on a blocking thread.
    pub(super) fn articles(&self, messages: Vec<MessageView>) -> Vec<Article> {
        let count = messages.len();
        let numbered = messages.into_iter().enumerate();
        numbered.map(|(at, message)| self.article(message, at + 1 == count)).collect()
    }

    /// One message.
    pub(super) fn article(&self, message: MessageView, is_last: bool) -> Article {
        let chat = chat_url(self.chat_id);
        let id = words::segment(&message.id);
        let is_user = message.role == Role::User;
        let run = message.run_id.as_deref().map(words::segment).unwrap_or_default();
        let cited_ms = message.created_ms;
        let sources = self.sources(&message.citations, cited_ms);
        let phase = if message.text.is_empty() { "Starting …" } else { "Writing …" };
        let html = if is_user { Html::default() } else { markdown::render(&message.text, &sources) };
        let (used, looked_at) = self.split(&message.citations, cited_ms);
        Article {
            is_user,
            when: moment(message.created_ms),
            words: if is_user { message.text } else { String::new() },
            html,
            state: ending(message.state),
            error: words::pieces(&words::sentence(message.error.as_deref().unwrap_or_default())),
            notice: words::pieces(message.notice.as_deref().unwrap_or_default()),
            images: message.images,
            used,
            looked_at,
            receipt: message.manifest.map(receipt),
            usage: message.usage.map(|usage| words::usage(&usage, message.model.as_deref())),
            phase: phase.to_owned(),
            stream_url: format!("{chat}/runs/{run}/stream"),
            stop_url: format!("{chat}/runs/{run}/stop"),
            retry_url: format!("{chat}/messages/{id}/retry"),
            form_token: self.form_token.to_owned(),
            is_last,
            id,
        }
    }

    /// The passages that `[n]` may open.
    pub(super) fn sources(&self, citations: &[Citation], cited_ms: i64) -> Sources {
        let mut sources = Sources::default();
        for citation in citations {
            if let Some(url) = self.url(citation, cited_ms) {
                let label = words::place(&citation.path, citation.start_line, citation.end_line);
                sources.insert(citation.n, url, label);
            }
        }
        sources
    }

    /// Those an answer used, and those that were only looked at.
    pub(super) fn split(&self, citations: &[Citation], cited_ms: i64) -> (Vec<Source>, Vec<Source>) {
        let (used, looked_at): (Vec<&Citation>, Vec<&Citation>) =
            citations.iter().partition(|citation| citation.used);
        let all =
            |list: Vec<&Citation>| list.into_iter().map(|citation| self.source(citation, cited_ms)).collect();
        (all(used), all(looked_at))
    }

    fn source(&self, citation: &Citation, cited_ms: i64) -> Source {
        Source {
            n: citation.n,
            place: words::place(&citation.path, citation.start_line, citation.end_line),
            symbol: citation.symbol.clone(),
            reason: citation.reason.replace('`', ""),
            url: self.url(citation, cited_ms),
            changed: !citation.live,
        }
    }

    fn url(&self, citation: &Citation, cited_ms: i64) -> Option<String> {
        Some(words::passage_url(self.workspace?, citation, cited_ms))
    }
}

fn ending(state: MessageState) -> Ending {
    match state {
        MessageState::Complete => Ending::Complete,
        MessageState::Streaming => Ending::Streaming,
        MessageState::Interrupted => Ending::Interrupted,
        MessageState::Failed => Ending::Failed,
        MessageState::Stopped => Ending::Stopped,
    }
}

fn receipt(manifest: engine::Manifest) -> Receipt {
    Receipt {
        sent_to: manifest.sent_to,
        used_tokens: manifest.used_tokens,
        budget_tokens: manifest.budget_tokens,
        sent: manifest.sent.into_iter().map(line).collect(),
        left_out: manifest.left_out.into_iter().map(line).collect(),
        notes: manifest.notes.iter().map(|note| words::sentence(note)).collect(),
    }
}

fn line(entry: ManifestEntry) -> Line {
    Line {
        place: words::place(&entry.path, entry.start_line, entry.end_line),
        tokens: entry.tokens,
        reason: words::pieces(&entry.reason),
    }
}
