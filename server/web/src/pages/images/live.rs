//! The queue while somebody looks at it, as pieces of HTML: a job's line at each step, the whole list when its order changes,
//! and each image as it is kept. Refuses: owning a job; dropping a stream changes nothing.

use std::collections::{BTreeMap, HashSet};
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
/// The header in which a browser that comes back says what it was told last.
const LAST_EVENT_ID: &str = "last-event-id";
/// What changed is sent at most this often.
const FLUSH_MS: u64 = 150;
/// A stream lasts as long as its page, so whether the page may still see it is looked at this often.
const SESSION_LOOK_MS: u64 = if cfg!(test) { 20 } else { 15_000 };
/// Images that are sent at once; a page that is further behind shows them when it is loaded again.
const TILES_AT_ONCE_MAX: usize = 64;

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
    /// What a button did, for who cannot see it.
    announce: Option<&'static str>,
    /// What became of the images that were asked for, wherever that was.
    news: Option<News>,
    /// The job whose line goes.
    gone: Option<String>,
    /// Whether it answers a form, whose last problem is over.
    is_answer: bool,
    /// What becomes of the page's stream.
    stream: Next,
    stream_url: String,
}

/// What is said of images that were asked for, with the place on the page where it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct News {
    words: &'static str,
    link: Option<(&'static str, &'static str)>,
}

impl News {
    /// They wait for their turn.
    pub(super) const QUEUED: Self = Self { words: "Queued.", link: Some(("#queue", "See how far it is")) };

    /// They ended so; `is_gallery_here` says whether the page shows what was made.
    pub(super) fn ended(state: ImageJobState, is_gallery_here: bool) -> Self {
        let shows = is_gallery_here && state == ImageJobState::Done;
        // On a small screen the gallery is further down than what says this.
        Self { words: ended(state), link: shows.then_some(("#gallery", "See them")) }
    }
}

/// What becomes of the stream of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// It goes on as it is.
    #[default]
    Same,
    /// Nobody is signed in any more.
    End,
    /// There was no place for it; the page asks again.
    AskAgain,
}

/// What the page shows besides the queue.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamQuery {
    /// When the newest image of its gallery was kept, UTC milliseconds, where new ones belong at the head of it.
    after: Option<i64>,
}

/// The queue, for a page whose form or button was sent by a script.
pub(super) fn whole(queue: Queue, change: Change) -> Response {
    let Change { announce, news, gone } = change;
    let gone = gone.map(|id| words::segment(&id));
    page(&Piece { queue: Some(queue), is_answer: true, announce, news, gone, ..Piece::default() })
}

/// Where the stream is for a page whose gallery shows the newest images, of which the last was kept at `after`; for others
/// it brings none.
pub(super) fn url(after: Option<i64>) -> String {
    after.map_or_else(|| STREAM.to_owned(), |after| format!("{STREAM}?after={after}"))
}

/// Streams the queue to a page for as long as somebody looks at it.
pub(crate) async fn stream(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Params(query): Params<StreamQuery>,
) -> Response {
    // A page that was hidden meanwhile knows more than its address says.
    let told = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()?.parse().ok());
    let after = query.after.map(|after| after.max(told.unwrap_or(after)));
    let Some(place) = web.open_stream(&visitor.session.id) else {
        // It is sent as a stream, because a page that lost its own takes nothing else in its place.
        let piece = Piece { stream: Next::AskAgain, stream_url: url(after), ..Piece::default() };
        let once = stream::iter(written(&piece, None).map(Ok::<_, Infallible>));
        return event_stream(once).into_response();
    };
    let live = Live {
        events: Box::pin(until_cut(&web.app, web.app.image_events(None))),
        visitor,
        guard: (place, web.app.count_session()),
        after,
        lines: BTreeMap::new(),
        tiles: Vec::new(),
        caught_up: None,
        news: None,
        // The page may be older than the queue.
        is_list_old: true,
        is_over: false,
        flush_at: Instant::now(),
        look_at: Instant::now() + Duration::from_millis(SESSION_LOOK_MS),
        web,
    };
    event_stream(live.into_stream()).into_response()
}

struct Live {
    web: Shared,
    events: std::pin::Pin<Box<dyn Stream<Item = Result<ImageJobEvent, AppError>> + Send>>,
    visitor: Visitor,
    guard: (StreamGuard, ActivityGuard),
    /// When the newest image was kept that the page knows, where it shows them.
    after: Option<i64>,
    /// What jobs are at that were not told yet.
    lines: BTreeMap<String, Now>,
    tiles: Vec<Tile>,
    /// The images that were kept before this stream began and that the page did not know; `None` before they are looked for.
    caught_up: Option<HashSet<String>>,
    /// How the last job ended that nothing was said of yet.
    news: Option<ImageJobState>,
    is_list_old: bool,
    is_over: bool,
    flush_at: Instant,
    look_at: Instant,
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
                () = tokio::time::sleep_until(self.look_at) => {
                    if !self.is_signed_in().await {
                        self.is_over = true;
                        return written(&Piece { stream: Next::End, ..Piece::default() }, None);
                    }
                }
                () = tokio::time::sleep_until(self.flush_at), if is_anything_new => return self.flush().await,
                event = self.events.next() => match event {
                    Some(Ok(event)) => self.take(event),
                    // The page keeps what it shows and asks again.
                    Some(Err(problem)) => {
                        error::log(&problem);
                        return None;
                    }
                    None => return None,
                },
            }
        }
    }

    /// Whether the session still is one. What cannot be read says nothing.
    async fn is_signed_in(&mut self) -> bool {
        self.look_at = Instant::now() + Duration::from_millis(SESSION_LOOK_MS);
        self.web.app.check_session(&self.visitor.cookie).await.map_or(true, |session| session.is_some())
    }

    fn take(&mut self, event: ImageJobEvent) {
        let ImageJobEvent { job_id, kind, .. } = event;
        match &kind {
            ImageJobEventKind::Saved { image } => self.keep(image),
            ImageJobEventKind::Ended { state, .. } => {
                self.news = Some(*state);
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
        // What comes before the page has caught up is among what it catches up with.
        let is_new = self.caught_up.as_ref().is_some_and(|known| !known.contains(&image.id));
        if let Some(after) = &mut self.after
            && is_new
            && self.tiles.len() < TILES_AT_ONCE_MAX
        {
            *after = (*after).max(image.created_ms);
            self.tiles.insert(0, Tile::of(image, ""));
        }
    }

    /// Finds what was kept while the page was made, or was not looked at.
    async fn catch_up(&mut self) {
        let mut known = HashSet::new();
        if let Some(after) = self.after {
            match self.web.app.gallery(GalleryFilter::default(), None, TILES_AT_ONCE_MAX).await {
                Ok(gallery) => {
                    let new = gallery.images.iter().take_while(|image| image.created_ms > after);
                    self.tiles = new.clone().map(|image| Tile::of(image, "")).collect();
                    known = new.clone().map(|image| image.id.clone()).collect();
                    self.after = new.map(|image| image.created_ms).max().or(self.after);
                }
                Err(problem) => error::log(&problem),
            }
        }
        if !self.tiles.is_empty() && self.news.is_none() {
            self.news = Some(ImageJobState::Done);
        }
        self.caught_up = Some(known);
    }

    async fn flush(&mut self) -> Option<Event> {
        let _held = &self.guard;
        if self.caught_up.is_none() {
            self.catch_up().await;
        }
        let news = self.news.take().map(|state| News::ended(state, self.after.is_some()));
        let mut piece = Piece { news, ..Piece::default() };
        piece.tiles = std::mem::take(&mut self.tiles);
        if !piece.tiles.is_empty() {
            let totals = self.web.app.gallery_totals(GalleryFilter::default()).await;
            piece.totals = totals.inspect_err(error::log).ok().as_ref().map(counted_totals);
        }
        piece.lines = std::mem::take(&mut self.lines).into_values().collect();
        if std::mem::take(&mut self.is_list_old) {
            match queue::short(&self.web, &self.visitor.session.form_token).await {
                Ok(queue) => {
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
        written(&piece, self.after)
    }
}

/// The event that brings `piece`; `after` is what the page knows with it, and says again when it comes back.
fn written(piece: &Piece, after: Option<i64>) -> Option<Event> {
    match piece.render() {
        Ok(html) => {
            let event = Event::default().data(html);
            Some(if let Some(after) = after { event.id(after.to_string()) } else { event })
        }
        Err(error) => {
            tracing::error!(%error, "a piece of the queue could not be rendered");
            None
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
