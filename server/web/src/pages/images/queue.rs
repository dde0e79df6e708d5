//! The queue: what is drawn now, what waits, what failed, and what its buttons do. Refuses: the order of its own; jobs stand
//! as the use cases list them.

use app::{AppError, ImageJobEventKind, ImageJobState, ImageJobView, ImageJobs, ImagePreview};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::tile::Tile;
use super::{QUEUE, images_url, live};
use crate::access::caller::Visitor;
use crate::clock::{Moment, moment};
use crate::error::PageError;
use crate::extract::{Params, Segments};
use crate::pages::frame::{Frame, Section};
use crate::pages::words::{self, Piece};
use crate::pages::{page, see_other, wants_piece};
use crate::state::{Shared, Web};

/// Jobs that are over, on the page of the queue.
const ENDED_PAGE_LEN: usize = 20;
/// Jobs that are over, of which the gallery shows those that failed.
const ENDED_LOOKED_AT: usize = 5;
/// How long a failure is shown above the gallery, in milliseconds.
const FAILURE_SHOWN_MS: i64 = 60 * 60 * 1000;
/// How long ago a job ended that a page which asks now cannot have heard of, in milliseconds; a test may be held up longer.
const JUST_ENDED_MS: i64 = if cfg!(test) { 600_000 } else { 5_000 };
/// Characters of a prompt in the queue.
const PROMPT_CHARS_MAX: usize = 160;

/// One job, ready for its template.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) prompt: String,
    /// Model, size and number of images.
    pub(super) about: String,
    pub(super) when: Option<Moment>,
    pub(super) is_open: bool,
    pub(super) now: Now,
    pub(super) error: Vec<Piece>,
    /// What it saved so far.
    pub(super) tiles: Vec<Tile>,
    pub(super) can_move_up: bool,
    pub(super) can_retry: bool,
    pub(super) can_dismiss: bool,
    pub(super) change_url: String,
    pub(super) form_token: String,
}

/// What a job is at.
#[derive(Clone, Debug, Default)]
pub(super) struct Now {
    pub(super) id: String,
    pub(super) words: String,
    /// Steps done and in all.
    pub(super) progress: Option<(u32, u32)>,
    pub(super) preview: Option<ImagePreview>,
}

/// Jobs as a page lists them.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    pub(super) jobs: Vec<Job>,
    pub(super) is_any_open: bool,
    /// How many wait or run; more than one can be taken back at once.
    pub(super) open: usize,
    pub(super) form_token: String,
}

#[derive(Template)]
#[template(path = "images_queue.html")]
struct QueuePage {
    frame: Frame,
    queue: Queue,
    ended: Vec<Job>,
    next: Option<String>,
    refresh_url: String,
    stream_url: String,
}

/// Which of the jobs that are over.
#[derive(Default, Deserialize)]
pub(crate) struct QueueQuery {
    before: Option<String>,
    /// How often the page has reloaded itself.
    #[serde(default)]
    follow: u32,
}

/// Shows the queue alone; without scripts it reloads itself while anything is drawn.
pub(crate) async fn show(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Params(query): Params<QueueQuery>,
) -> Result<Response, PageError> {
    let form_token = &visitor.session.form_token;
    let jobs = web.app.image_jobs(query.before.as_deref(), ENDED_PAGE_LEN).await?;
    let mut ended = Vec::new();
    for job in &jobs.ended {
        ended.push(row(&web, job, None, form_token).await?);
    }
    Ok(page(&QueuePage {
        frame: Frame::load(&web.app, &visitor, &headers, Section::Image, None).await?,
        queue: open(&web, &jobs.open, form_token).await?,
        ended,
        next: jobs.next.map(|before| format!("{QUEUE}?before={}", words::segment(&before))),
        refresh_url: format!("{QUEUE}?follow={}", query.follow.wrapping_add(1)),
        stream_url: live::url(None),
    }))
}

/// Takes a job back.
pub(crate) async fn cancel(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    web.app.cancel_image_job(&id).await?;
    // It may have been over before.
    let state = match web.app.image_job(&id).await?.state {
        ImageJobState::Running | ImageJobState::Queued => ImageJobState::Cancelled,
        over => over,
    };
    changed(&web, &visitor, &headers, Change { announce: Some(live::ended(state)), ..Change::default() }).await
}

/// Takes back everything that waits or is drawn.
pub(crate) async fn cancel_all(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let said = match web.app.cancel_image_jobs().await? {
        0 => "There was no job to cancel.",
        _ => "All jobs were cancelled.",
    };
    changed(&web, &visitor, &headers, Change { announce: Some(said), ..Change::default() }).await
}

/// Lets a job wait again.
pub(crate) async fn retry(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    web.app.retry_image_job(&id).await?;
    let change = Change { announce: Some("The job waits again."), gone: Some(id), ..Change::default() };
    changed(&web, &visitor, &headers, change).await
}

/// Takes a job that is over out of the list.
pub(crate) async fn dismiss(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    web.app.forget_image_job(&id).await?;
    let change = Change { announce: Some("The job was dismissed."), gone: Some(id), ..Change::default() };
    changed(&web, &visitor, &headers, change).await
}

/// Puts a job before the one that goes first among those that wait.
pub(crate) async fn move_up(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let jobs = web.app.image_jobs(None, 1).await?;
    let waiting: Vec<&ImageJobView> = jobs.open.iter().filter(|job| job.state == ImageJobState::Queued).collect();
    let place = waiting.iter().position(|job| job.id == id);
    if let Some(before) = place.and_then(|place| place.checked_sub(1)) {
        web.app.move_image_job(&id, Some(&waiting[before].id)).await?;
    }
    changed(&web, &visitor, &headers, Change::default()).await
}

/// What a button did, for the page that shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// What is said of it; not every page has a stream that would.
    pub(super) announce: Option<&'static str>,
    /// What became of images that it asked for.
    pub(super) news: Option<live::News>,
    /// The job that is no longer where it stood.
    pub(super) gone: Option<String>,
}

/// The queue as it is now: for a script in its place, else as a page.
async fn changed(
    web: &Web,
    visitor: &Visitor,
    headers: &HeaderMap,
    change: Change,
) -> Result<Response, PageError> {
    if !wants_piece(headers) {
        return Ok(see_other(QUEUE));
    }
    let queue = short(web, &visitor.session.form_token).await?;
    Ok(live::whole(queue, change))
}

/// How the job ended that was over last, when that is so short ago that no page can have heard of it.
pub(super) async fn just_ended(web: &Web) -> Result<Option<ImageJobState>, AppError> {
    // They come in the order in which they were asked for.
    let ended = web.app.image_jobs(None, ENDED_LOOKED_AT).await?.ended;
    let since_ms = crate::clock::now_ms() - JUST_ENDED_MS;
    let last = ended.iter().max_by_key(|job| job.finished_ms);
    let last = last.filter(|job| job.finished_ms.is_some_and(|finished| finished >= since_ms));
    Ok(last.map(|job| job.state))
}

/// What stands above the gallery: open jobs, and those that failed lately.
pub(super) async fn short(web: &Web, form_token: &str) -> Result<Queue, AppError> {
    let ImageJobs { open: jobs, ended, .. } = web.app.image_jobs(None, ENDED_LOOKED_AT).await?;
    let mut queue = open(web, &jobs, form_token).await?;
    let since_ms = crate::clock::now_ms() - FAILURE_SHOWN_MS;
    let failed = ended.iter().filter(|job| {
        job.state == ImageJobState::Failed && job.finished_ms.is_some_and(|finished| finished >= since_ms)
    });
    for job in failed {
        queue.jobs.push(row(web, job, None, form_token).await?);
    }
    Ok(queue)
}

async fn open(web: &Web, jobs: &[ImageJobView], form_token: &str) -> Result<Queue, AppError> {
    let mut rows = Vec::new();
    let mut waiting = 0;
    for job in jobs {
        let place = (job.state == ImageJobState::Queued).then_some(waiting);
        waiting += usize::from(place.is_some());
        rows.push(row(web, job, place, form_token).await?);
    }
    let open = rows.len();
    Ok(Queue { jobs: rows, is_any_open: open > 0, open, form_token: form_token.to_owned() })
}

/// One job; `place` is its place among those that wait, from 0.
async fn row(web: &Web, job: &ImageJobView, place: Option<usize>, form_token: &str) -> Result<Job, AppError> {
    let images = if job.images_done > 0 { web.app.images_of_job(&job.id).await? } else { Vec::new() };
    let id = words::segment(&job.id);
    let is_open = matches!(job.state, ImageJobState::Queued | ImageJobState::Running);
    let now = match &job.now {
        Some(kind) if is_open => now(&job.id, kind),
        _ => Now { words: ended(job), ..now_of(&job.id) },
    };
    Ok(Job {
        prompt: shortened(&job.request.prompt),
        about: about(job),
        when: job.finished_ms.filter(|_| !is_open).map(moment),
        is_open,
        now,
        error: words::pieces(&words::sentence(job.error.as_deref().unwrap_or_default())),
        tiles: images.iter().map(|image| Tile::of(image, "")).collect(),
        can_move_up: place.is_some_and(|place| place > 0),
        can_retry: matches!(job.state, ImageJobState::Failed | ImageJobState::Cancelled),
        can_dismiss: !is_open,
        change_url: images_url(&[("job", &job.id)]),
        form_token: form_token.to_owned(),
        id,
    })
}

/// What `kind` says of a job.
pub(super) fn now(job_id: &str, kind: &ImageJobEventKind) -> Now {
    let mut now = now_of(job_id);
    now.words = match kind {
        ImageJobEventKind::Queued { position: 0 | 1 } => "Next …".into(),
        ImageJobEventKind::Queued { position } => format!("Waiting, place {position} …"),
        ImageJobEventKind::Running => "Starting …".into(),
        ImageJobEventKind::Held { notice } => notice.clone(),
        ImageJobEventKind::Loading { fraction } => {
            format!("Loading the model: {:.0} % …", fraction.clamp(0.0, 1.0) * 100.0)
        }
        ImageJobEventKind::Encoding => "Reading the prompt …".into(),
        ImageJobEventKind::Step { done, all, place, remaining_ms, preview } => {
            now.progress = Some((*done, *all));
            now.preview.clone_from(preview);
            let step = place.map_or_else(|| format!("step {done} of {all}"), |place| place.to_string());
            let left = remaining_ms.map(|ms| format!(", {} left", words::duration(ms.div_ceil(1000))));
            words::capitalized(&step) + &left.unwrap_or_default()
        }
        ImageJobEventKind::Decoding => "Finishing the pixels …".into(),
        ImageJobEventKind::Saved { .. } => "Drawing …".into(),
        ImageJobEventKind::Ended { .. } => "Over".into(),
    };
    now
}

fn now_of(job_id: &str) -> Now {
    Now { id: words::segment(job_id), ..Now::default() }
}

fn ended(job: &ImageJobView) -> String {
    match job.state {
        ImageJobState::Queued => "Waiting …".into(),
        ImageJobState::Running => "Drawing …".into(),
        ImageJobState::Done => app::counted(job.images_done.into(), "image"),
        ImageJobState::Failed => "Failed".into(),
        ImageJobState::Cancelled if job.images_done > 0 => {
            format!("Cancelled after {}", app::counted(job.images_done.into(), "image"))
        }
        ImageJobState::Cancelled => "Cancelled".into(),
    }
}

fn about(job: &ImageJobView) -> String {
    let mut parts = vec![job.model.clone()];
    if let Some((width, height)) = job.request.width_pixels.zip(job.request.height_pixels) {
        parts.push(format!("{width} × {height}"));
    }
    if job.images_all > 1 {
        parts.push(format!("{} images", job.images_all));
    }
    if job.strength.is_some() {
        parts.push("drawn over an image".into());
    }
    parts.join(" · ")
}

fn shortened(prompt: &str) -> String {
    let line = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(PROMPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use app::StepPlace;

    use super::*;

    #[test]
    fn a_step_of_several_images_says_which_image_it_is() {
        let seen = |place| {
            let remaining_ms = Some(61_000);
            let now =
                now("id", &ImageJobEventKind::Step { done: 27, all: 80, place, remaining_ms, preview: None });
            (now.words, now.progress)
        };
        let place = StepPlace { first: 2, last: 2, images: 4, step: 7, steps: 20 };
        assert_eq!(seen(Some(place)), ("Image 2 of 4, step 7 of 20, 1 min left".into(), Some((27, 80))));
        assert_eq!(seen(None), ("Step 27 of 80, 1 min left".into(), Some((27, 80))));
    }
}
