//! An answer while it is written, as pieces of HTML: closed blocks are sent once, the open one again and again.
//!
//! Refuses: owning the answer. The run is the server's; this only reads its events, from the first one on, so that a
//! page that comes late or comes back shows the same text. Dropping it changes nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use app::{ActivityGuard, AnswerEvent, AppError, ErrorKind, RunEvent, RunEventKind, RunStream};
use askama::Template;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use tokio::time::Instant;

use crate::access::caller::Visitor;
use crate::api::event_stream;
use crate::error::{self, PageError};
use crate::extract::Segments;
use crate::markdown::{self, Html, Sources};
use crate::pages::frame::chat_url;
use crate::pages::message::{Article, Ending, Place, Source};
use crate::pages::{page, words};
use crate::state::{Shared, StreamGuard};

/// The open block is sent again at most this often.
const FLUSH_MS: u64 = 100;
/// For each of these bytes the open block is sent that much less often, so that a long one stays cheap.
const FLUSH_STEP_BYTES: usize = 8 * 1024;
/// What is said aloud changes at most this often.
const ANNOUNCE_MS: u64 = 2000;
/// Messages looked through for the finished answer; it is the last one.
const LAST_MESSAGES: usize = 4;

/// One message to the page.
#[derive(Template, Default)]
#[template(path = "live.html")]
struct Piece {
    id: String,
    /// Replaces the closed blocks; what a page that comes in begins with.
    restart: bool,
    closed: Html,
    tail: Option<Html>,
    phase: Option<String>,
    looked_at: Option<Vec<Source>>,
    announce: Option<String>,
    /// The finished article, which takes the place of everything.
    done: Option<Box<Article>>,
    /// Where to ask again when there was no place for a stream.
    ask_again: Option<String>,
}

/// Streams the answer of a run to the page of its chat.
pub(crate) async fn stream(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments((chat_id, run_id)): Segments<(String, String)>,
) -> Result<Response, PageError> {
    let view = web.app.chat(&chat_id, None, LAST_MESSAGES).await?;
    let message = view.messages.iter().find(|message| message.run_id.as_deref() == Some(&run_id));
    let Some(message) = message else {
        return Err(AppError::new(ErrorKind::NotFound, "this answer is not the last one of its chat").into());
    };
    let id = words::segment(&message.id);
    let Some(place) = web.open_stream(&visitor.session.id) else {
        // The page asks again until a place is free or the answer is there.
        let url = format!("{}/runs/{}/stream", chat_url(&chat_id), words::segment(&run_id));
        let phase = Some("Writing; too many pages show answers at once, this one follows …".into());
        return Ok(page(&Piece { id, phase, ask_again: Some(url), ..Piece::default() }));
    };
    let live = Live {
        id,
        events: web.app.run_events(&run_id, 0),
        workspace: view.chat.workspace.clone(),
        form_token: visitor.session.form_token.clone(),
        guard: (place, web.app.count_session()),
        cited_ms: message.created_ms,
        replay_to: view.run.map_or(0, |run| run.last_seq),
        sources: Sources::default(),
        text: String::new(),
        closed_to: 0,
        seq: 0,
        phase: Pending::default(),
        looked_at: None,
        flush_at: Instant::now(),
        announce_at: Instant::now(),
        is_dirty: false,
        is_started: false,
        is_over: false,
        chat_id,
        run_id,
        web,
    };
    Ok(event_stream(live.into_stream()).into_response())
}

/// Something the page shows, and whether it knows already.
#[derive(Default)]
struct Pending {
    text: Option<String>,
    is_new: bool,
}

struct Live {
    web: Shared,
    chat_id: String,
    run_id: String,
    /// Of the message, as it stands in the page.
    id: String,
    events: RunStream,
    workspace: Option<PathBuf>,
    form_token: String,
    guard: (StreamGuard, ActivityGuard),
    /// When the answer was begun.
    cited_ms: i64,
    /// What happened up to this event is sent in one piece.
    replay_to: u64,
    sources: Sources,
    text: String,
    /// Bytes of the text whose blocks were sent for good.
    closed_to: usize,
    /// The last event taken in.
    seq: u64,
    phase: Pending,
    looked_at: Option<Vec<Source>>,
    flush_at: Instant,
    announce_at: Instant,
    /// Whether there is something to send.
    is_dirty: bool,
    /// Whether this page was sent anything yet.
    is_started: bool,
    is_over: bool,
}

impl Live {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        let state = (self, VecDeque::new());
        stream::unfold(state, |(mut live, mut waiting): (Self, VecDeque<Event>)| async move {
            loop {
                if let Some(event) = waiting.pop_front() {
                    return Some((Ok(event), (live, waiting)));
                }
                if live.is_over {
                    return None;
                }
                waiting.extend(live.next().await);
            }
        })
    }

    /// Waits for something to send; `None` when there was nothing after all.
    async fn next(&mut self) -> Option<Event> {
        let is_due = self.is_dirty && self.seq >= self.replay_to;
        let event = tokio::select! {
            biased;
            () = tokio::time::sleep_until(self.flush_at), if is_due => return self.flush(),
            event = self.events.next() => event,
        };
        match event {
            Some(Ok(RunEvent { seq, kind: RunEventKind::Answer(answer) })) => {
                self.seq = seq;
                self.take(answer);
                None
            }
            Some(Ok(RunEvent { seq, .. })) => {
                self.seq = seq;
                self.finish().await
            }
            Some(Err(problem)) => {
                error::log(&problem);
                self.finish().await
            }
            None => self.finish().await,
        }
    }

    fn take(&mut self, event: AnswerEvent) {
        if let Some(phase) = words::phase(&event)
            && self.phase.text.as_ref() != Some(&phase)
        {
            self.phase = Pending { text: Some(phase), is_new: true };
        }
        match event {
            AnswerEvent::Text { text } => self.text.push_str(&text),
            AnswerEvent::Sources { passages } => {
                let place = self.place();
                let (sources, (_, looked_at)) =
                    (place.sources(&passages, self.cited_ms), place.split(&passages, self.cited_ms));
                self.sources = sources;
                self.looked_at = Some(looked_at);
            }
            _ => {}
        }
        self.is_dirty = true;
    }

    /// Sends what is new: the blocks that were closed since the last time, the open one, what is going on.
    fn flush(&mut self) -> Option<Event> {
        self.is_dirty = false;
        let open = self.text.get(self.closed_to..).unwrap_or_default();
        let cut = markdown::open_tail(open);
        let (closed, tail) = open.split_at_checked(cut).unwrap_or(("", open));
        let piece = Piece {
            closed: markdown::render(closed, &self.sources),
            tail: (!tail.is_empty()).then(|| markdown::render(tail, &self.sources)),
            phase: self.phase.text.clone().filter(|_| self.phase.is_new),
            looked_at: self.looked_at.take(),
            ..Piece::default()
        };
        let steps = u32::try_from(1 + tail.len() / FLUSH_STEP_BYTES).unwrap_or(u32::MAX);
        self.flush_at = Instant::now() + Duration::from_millis(FLUSH_MS).saturating_mul(steps);
        self.closed_to += cut;
        self.phase.is_new = false;
        self.send(piece)
    }

    /// Sends the finished message, as it is stored, in place of everything.
    async fn finish(&mut self) -> Option<Event> {
        self.is_over = true;
        match self.stored().await {
            Ok(article) => {
                let announce = Some(match article.state {
                    // What was drawn has no words.
                    Ending::Complete if self.text.trim().is_empty() => "Done.".into(),
                    Ending::Complete => {
                        format!("Answer complete, {} words.", self.text.split_whitespace().count())
                    }
                    Ending::Stopped => "Answer stopped.".into(),
                    _ => "The answer failed.".into(),
                });
                self.send(Piece { done: Some(Box::new(article)), announce, ..Piece::default() })
            }
            Err(problem) => {
                error::log(&problem);
                let phase = Some("The answer is over; reload the page to see it.".into());
                self.send(Piece { phase, ..Piece::default() })
            }
        }
    }

    async fn stored(&mut self) -> Result<Article, AppError> {
        let view = self.web.app.chat(&self.chat_id, None, LAST_MESSAGES).await?;
        let found = view.messages.into_iter().find(|message| message.run_id.as_deref() == Some(&self.run_id));
        let message = found.ok_or_else(|| AppError::new(ErrorKind::NotFound, "the answer is not in the chat"))?;
        Ok(self.place().article(message, true))
    }

    fn place(&self) -> Place<'_> {
        Place { chat_id: &self.chat_id, workspace: self.workspace.as_deref(), form_token: &self.form_token }
    }

    fn send(&mut self, mut piece: Piece) -> Option<Event> {
        let _held = &self.guard;
        piece.id.clone_from(&self.id);
        piece.restart = !self.is_started && piece.done.is_none();
        self.is_started = true;
        let now = Instant::now();
        if piece.announce.is_none() && now >= self.announce_at {
            piece.announce.clone_from(&piece.phase);
            self.announce_at = now + Duration::from_millis(ANNOUNCE_MS);
        }
        match piece.render() {
            Ok(html) => Some(Event::default().id(self.seq.to_string()).data(html)),
            Err(error) => {
                tracing::error!(%error, "a piece of an answer could not be rendered");
                None
            }
        }
    }
}
