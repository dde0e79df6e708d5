//! The work of one run: follows the answer until it ends, is stopped or is cut off. Refuses: an end that is told before
//! it is stored.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use store::RunOutcome;

use super::drawing;
use super::journal::{Journal, Outcome};
use super::{LiveRun, RunEventKind};
use crate::{Answer, AnswerEvent, App, AppError, Ask, ErrorKind};

/// How often the text so far is made durable.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);

/// Makes the answer of one run, keeping what it writes.
pub(super) async fn run(app: App, run_id: String, ask: Ask, live: Arc<LiveRun>) {
    let mut journal = Journal {
        app: app.clone(),
        run_id: run_id.clone(),
        text: String::new(),
        sources: Vec::new(),
        kept: 0,
        stored: 0,
    };
    let outcome = match journal.start().await {
        Ok(()) => match drawing::asked_for(&ask.question).map(str::to_owned) {
            Some(prompt) => drawing::follow(&app, &prompt, &live, &mut journal).await,
            None => follow(&app, ask, &live, &mut journal).await,
        },
        Err(error) => failed(error),
    };
    let end = journal.finish(outcome).await;
    journal.keep_events(&live).await;
    // Whoever hears of the end may ask again at once, so the run is off the list by then. The end itself is told from
    // the stored state of the run.
    app.inner.runs.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&run_id);
    live.push(end);
    app.inner.activity.tell();
}

async fn follow(app: &App, ask: Ask, live: &LiveRun, journal: &mut Journal) -> Outcome {
    let mut answer = app.ask_accepted(ask);
    let mut checkpoint = tokio::time::interval(CHECKPOINT_EVERY);
    let ended = |outcome| Outcome { outcome, error: None, answer: None, images: Vec::new() };
    loop {
        tokio::select! {
            biased;
            () = live.stop.cancelled() => return ended(RunOutcome::Stopped),
            () = app.inner.shutdown.cancelled() => return ended(RunOutcome::Interrupted),
            event = answer.next() => match event {
                Some(Ok(event)) => {
                    let mut finished = None;
                    match &event {
                        AnswerEvent::Text { text } => journal.text.push_str(text),
                        AnswerEvent::Sources { passages } => journal.sources.clone_from(passages),
                        AnswerEvent::Finished { answer } => finished = Some(answer.clone()),
                        _ => {}
                    }
                    live.push(RunEventKind::Answer(event));
                    if let Some(answer) = finished {
                        return finished_with(answer);
                    }
                }
                Some(Err(error)) => return failed(error),
                None => return failed(AppError::new(ErrorKind::Bug, "the answer ended without saying why")),
            },
            _ = checkpoint.tick() => {
                journal.checkpoint().await;
                journal.keep_events(live).await;
            }
        }
    }
}

/// An answer that is the passages alone, because its model could not be loaded, is kept as one that failed: it can be
/// tried again.
fn finished_with(answer: Box<Answer>) -> Outcome {
    let error = answer.problem.as_ref().map(|problem| crate::with_hint(&problem.message, problem.hint.as_deref()));
    let outcome = if error.is_some() { RunOutcome::Failed } else { RunOutcome::Done };
    Outcome { outcome, error, answer: Some(answer), images: Vec::new() }
}

pub(super) fn failed(error: AppError) -> Outcome {
    tracing::warn!(kind = ?error.kind, %error, "an answer failed");
    let error = Some(crate::with_hint(&error.message, error.hint.as_deref()));
    Outcome { outcome: RunOutcome::Failed, error, answer: None, images: Vec::new() }
}
