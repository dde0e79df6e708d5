//! What is kept of one run: its text so far, its events, its end. Refuses: holding an answer up; what cannot be kept
//! now is tried again with the end, which says so when it fails too.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::{Citation, Manifest};
use serde::{Deserialize, Serialize};
use store::{EVENTS_BATCH_MAX, RunEnd, RunOutcome, RunUsage};

use super::drawing::ChatImage;
use super::{LiveRun, RunEventKind};
use crate::chats::{self, MessageState};
use crate::{Answer, App, Result, Usage};

/// What is kept of an answer besides its text and citations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) manifest: Option<Manifest>,
    pub(crate) usage: Option<Usage>,
    pub(crate) notice: Option<String>,
    pub(crate) images: Vec<ChatImage>,
}

/// What became of a run.
pub(super) struct Outcome {
    pub(super) outcome: RunOutcome,
    pub(super) error: Option<String>,
    pub(super) answer: Option<Box<Answer>>,
    pub(super) images: Vec<ChatImage>,
}

/// Keeps the state of one run in the store.
pub(super) struct Journal {
    pub(super) app: App,
    pub(super) run_id: String,
    pub(super) text: String,
    /// The passages that were sent: what an answer that broke off cites.
    pub(super) sources: Vec<Citation>,
    /// Bytes of the text that are stored.
    pub(super) kept: usize,
    /// Events that are stored.
    pub(super) stored: u64,
}

impl Journal {
    pub(super) async fn start(&self) -> Result<()> {
        let id = self.run_id.clone();
        self.app.stored(move |store| store.start_run(&id)).await
    }

    pub(super) async fn checkpoint(&mut self) {
        if self.kept == self.text.len() {
            return;
        }
        let (id, text) = (self.run_id.clone(), self.text.clone());
        match self.app.stored(move |store| store.checkpoint_run(&id, &text)).await {
            Ok(()) => self.kept = self.text.len(),
            // The answer goes on in memory; the end tries again and says so when it cannot be kept.
            Err(error) => tracing::warn!(%error, "the answer so far could not be kept"),
        }
    }

    pub(super) async fn keep_events(&mut self, live: &LiveRun) {
        let events = live.after(self.stored);
        let Some(last) = events.last().map(|event| event.seq) else { return };
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        let rows: Vec<store::RunEvent> = events
            .iter()
            .filter_map(|event| {
                let data = serde_json::to_string(&event.kind).ok()?;
                Some(store::RunEvent { seq: event.seq as i64, kind: "answer".into(), data, at_ms })
            })
            .collect();
        let id = self.run_id.clone();
        let kept = self
            .app
            .stored(move |store| {
                rows.chunks(EVENTS_BATCH_MAX).try_for_each(|rows| store.append_run_events(&id, rows))
            })
            .await;
        match kept {
            Ok(()) => self.stored = last,
            // Replay is a convenience: the text itself is kept with the message.
            Err(error) => tracing::warn!(%error, "events of a run could not be kept"),
        }
    }

    /// Stores the end and tells what to show.
    pub(super) async fn finish(&mut self, outcome: Outcome) -> RunEventKind {
        let Outcome { outcome: how, error, answer, images } = outcome;
        let id = self.run_id.clone();
        // Without a model the passages are the text, and no piece of it was streamed.
        let text = answer.as_ref().map_or_else(|| self.text.clone(), |answer| answer.text.clone());
        let message = error.clone();
        let sources = std::mem::take(&mut self.sources);
        let stored = self.app.stored(move |store| {
            let citations = answer.as_ref().map_or(&sources, |answer| &answer.citations);
            let citations = serde_json::to_string(citations).ok();
            let record = match &answer {
                Some(answer) => Some(Record {
                    manifest: Some(answer.manifest.clone()),
                    usage: answer.usage,
                    notice: answer.notice.clone(),
                    images,
                }),
                None if images.is_empty() => None,
                None => Some(Record { images, ..Record::default() }),
            };
            let record = record.and_then(|record| serde_json::to_string(&record).ok());
            store.finish_run(
                &id,
                &RunEnd {
                    outcome: how,
                    text: Some(&text),
                    error: message.as_deref(),
                    citations: citations.as_deref(),
                    manifest: record.as_deref(),
                    usage: answer.as_deref().and_then(ledger),
                },
            )
        });
        match stored.await {
            Ok(()) => RunEventKind::Ended { state: chats::state(how.message_state()), error },
            Err(lost) => {
                tracing::error!(error = %lost, "the end of an answer could not be stored");
                let error = Some(format!("the answer could not be stored: {lost}"));
                RunEventKind::Ended { state: MessageState::Failed, error }
            }
        }
    }
}

fn ledger(answer: &Answer) -> Option<RunUsage<'_>> {
    let usage = answer.usage?;
    Some(RunUsage {
        model: answer.model.as_deref()?,
        prompt_tokens: usage.prompt_tokens,
        cached_tokens: usage.cached_tokens,
        answer_tokens: usage.answer_tokens,
        prompt_ms: usage.prompt_ms as u32,
        answer_ms: usage.answer_ms as u32,
    })
}
