//! The queue while it is worked on, as pieces of HTML: a job's line at each step, the whole list when its order changes,
//! and each image as it is kept. Refuses: owning a job; dropping a stream changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use app::{ActivityGuard, AppError, GalleryFilter, ImageJobEvent, ImageJobEventKind, ImageJobState, ImageView};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::time::Instant;

use super::IMAGES;
use super::gallery::counted_totals;
use super::queue::{self, Change, Now, Queue};
use super::tile::Tile;
use crate::access::caller::Visitor;
use crate::api::{event_stream, until_cut};
use crate::error;
use crate::extract::Params;
use crate::pages::{page, words};
use crate::state::{Shared, StreamGuard};

/// Where the stream is.
pub(super) const STREAM: &str = "/images/queue/stream";
/// The same for a page that shows the newest images.
const STREAM_WITH_TILES: &str = "/images/queue/stream?tiles=1";
/// The header in which scripts say which page they are on.
const CURRENT_URL: &str = "hx-current-url";
/// Parameters that show other images than the newest.
const CHOOSES: [&str; 8] = ["words", "model", "favourite", "size", "from", "to", "seed", "cursor"];
/// What changed is sent at most this often.
const FLUSH_MS: u64 = 150;
/// How often an empty list is sent again while the end of a job is not told yet.
const LATE_FLUSHES_MAX: u32 = 10;
/// Images that are waiting to be sent at once; a page that is further behind shows them when it is loaded again.
const TILES_WAITING_MAX: usize = 64;

/// One message to the page.
#[derive(Template, Default)]
#[template(path = "images_live.html")]
struct Piece {
    /// The whole list.
    queue: Option<Queue>,
    /// Lines of single jobs.
    lines: Vec<Now>,
    /// Images for the gallery, where it is shown.
    tiles: Vec<Tile>,
    /// How many images there are now.
    totals: Option<String>,
    announce: Option<&'static str>,
    /// The job whose line goes.
    gone: Option<String>,
    /// Whether it answers a form, whose last problem is over.
    is_answer: bool,
    /// What becomes of the page's stream.
    stream: Next,
    stream_url: &'static str,
}

/// What becomes of the stream of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// It goes on as it is.
    #[default]
    Same,
    /// It begins.
    Begin,
    /// It is over.
    End,
    /// There was no place for it; the page asks again.
    AskAgain,
}

/// What the page shows besides the queue.
#[derive(Default, Deserialize)]
pub(crate) struct StreamQuery {
    /// `1` when new images belong at the head of its gallery.
    #[serde(default)]
    tiles: String,
}

/// The queue with its stream, for a page whose form or button was sent by a script.
pub(super) fn whole(queue: Queue, headers: &HeaderMap, change: Change) -> Response {
    let Change { announce, gone } = change;
    let gone = gone.map(|id| words::segment(&id));
    let stream = if queue.is_any_open { Next::Begin } else { Next::End };
    let stream_url = url(shows_newest(headers));
    page(&Piece { queue: Some(queue), stream, stream_url, is_answer: true, announce, gone, ..Piece::default() })
}

/// Where the stream is for a page that shows the newest images, or other ones.
pub(super) fn url(shows_newest: bool) -> &'static str {
    if shows_newest { STREAM_WITH_TILES } else { STREAM }
}

/// Whether the page that a script sent from shows the newest images, whatever they are.
fn shows_newest(headers: &HeaderMap) -> bool {
    let address = headers.get(CURRENT_URL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(address) = url::Url::parse(address) else { return false };
    address.path() == IMAGES
        && !address.query_pairs().any(|(name, value)| CHOOSES.contains(&&*name) && !value.is_empty())
}

/// Streams the queue to a page, until nothing is open any more.
pub(crate) async fn stream(
    State(web): State<Shared>,
    visitor: Visitor,
    Params(query): Params<StreamQuery>,
) -> Response {
    let Some(place) = web.open_stream(&visitor.session.id) else {
        let stream_url = url(query.tiles == "1");
        return page(&Piece { stream: Next::AskAgain, stream_url, ..Piece::default() });
    };
    let live = Live {
        events: Box::pin(until_cut(&web.app, web.app.image_events(None))),
        form_token: visitor.session.form_token,
        guard: (place, web.app.count_session()),
        shows_tiles: query.tiles == "1",
        lines: BTreeMap::new(),
        tiles: Vec::new(),
        announce: None,
        is_begun: false,
        // The page may be older than the queue.
        is_list_old: true,
        open: BTreeSet::new(),
        late_flushes: 0,
        is_over: false,
        flush_at: Instant::now(),
        web,
    };
    event_stream(live.into_stream()).into_response()
}

struct Live {
    web: Shared,
    events: std::pin::Pin<Box<dyn Stream<Item = Result<ImageJobEvent, AppError>> + Send>>,
    form_token: String,
    guard: (StreamGuard, ActivityGuard),
    shows_tiles: bool,
    /// What jobs are at that were not told yet.
    lines: BTreeMap<String, Now>,
    tiles: Vec<Tile>,
    announce: Option<&'static str>,
    /// Whether anything was sent.
    is_begun: bool,
    is_list_old: bool,
    /// Jobs whose end was not told yet. It is stored a moment before, so an empty list alone is not the end.
    open: BTreeSet<String>,
    late_flushes: u32,
    is_over: bool,
    flush_at: Instant,
}

impl Live {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
        stream::unfold(self, |mut live| async move { live.next().await.map(|event| (Ok(event), live)) })
    }

    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        loop {
            let is_anything_new = self.is_list_old || !self.lines.is_empty() || !self.tiles.is_empty();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.flush_at), if is_anything_new => return self.flush().await,
                event = self.events.next() => match event {
                    Some(Ok(event)) => self.take(event),
                    // The page keeps what it shows; without a stream it is loaded again by hand.
                    Some(Err(problem)) => {
                        error::log(&problem);
                        return None;
                    }
                    None => return None,
                },
            }
        }
    }

    fn take(&mut self, event: ImageJobEvent) {
        let ImageJobEvent { job_id, kind, .. } = event;
        if matches!(kind, ImageJobEventKind::Ended { .. }) {
            self.open.remove(&job_id);
        } else {
            self.open.insert(job_id.clone());
        }
        match &kind {
            ImageJobEventKind::Saved { image } => self.keep(image),
            ImageJobEventKind::Ended { state, .. } => {
                self.announce = Some(ended(*state));
                self.is_list_old = true;
            }
            // A place changes when another job comes, goes or moves.
            ImageJobEventKind::Queued { .. } | ImageJobEventKind::Running => self.is_list_old = true,
            kind => {
                let now = queue::now(&job_id, kind);
                self.lines.insert(job_id, now);
            }
        }
    }

    fn keep(&mut self, image: &ImageView) {
        self.is_list_old = true;
        if self.shows_tiles && self.tiles.len() < TILES_WAITING_MAX {
            self.tiles.insert(0, Tile::of(image, ""));
        }
    }

    /// Whether that was the last there is to tell.
    fn judge(&mut self, is_any_open: bool) {
        if is_any_open {
            self.late_flushes = 0;
        } else if self.open.is_empty() || self.late_flushes >= LATE_FLUSHES_MAX {
            self.is_over = true;
        } else {
            self.late_flushes += 1;
            self.is_list_old = true;
        }
    }

    async fn flush(&mut self) -> Option<Event> {
        let _held = &self.guard;
        let mut piece = Piece { announce: self.announce.take(), ..Piece::default() };
        piece.tiles = std::mem::take(&mut self.tiles);
        if !piece.tiles.is_empty() {
            let totals = self.web.app.gallery_totals(GalleryFilter::default()).await;
            piece.totals = totals.inspect_err(error::log).ok().as_ref().map(counted_totals);
        }
        piece.lines = std::mem::take(&mut self.lines).into_values().collect();
        if std::mem::take(&mut self.is_list_old) {
            match queue::short(&self.web, &self.form_token).await {
                Ok(queue) => {
                    self.judge(queue.is_any_open);
                    let is_first = !std::mem::replace(&mut self.is_begun, true);
                    if is_first && self.is_over && piece.announce.is_none() {
                        // A page that asks for a stream knows of a job, which was over before anybody could tell it here.
                        piece.announce = queue::just_ended(&self.web).await.unwrap_or_default();
                    }
                    piece.stream = if self.is_over { Next::End } else { Next::Same };
                    // The list says what each line would.
                    piece.lines.clear();
                    piece.queue = Some(queue);
                }
                Err(problem) => {
                    self.is_list_old = true;
                    error::log(&problem);
                }
            }
        }
        self.flush_at = Instant::now() + Duration::from_millis(FLUSH_MS);
        match piece.render() {
            Ok(html) => Some(Event::default().data(html)),
            Err(error) => {
                tracing::error!(%error, "a piece of the queue could not be rendered");
                None
            }
        }
    }
}

/// What is said of a job that ended.
pub(super) fn ended(state: ImageJobState) -> &'static str {
    match state {
        ImageJobState::Failed => "A job failed.",
        ImageJobState::Cancelled => "A job was cancelled.",
        _ => "The images are ready.",
    }
}
