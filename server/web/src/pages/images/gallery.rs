//! The page of images: the form, what is being drawn, and the gallery below. Refuses: a page that grows with the gallery;
//! further images are behind a link.

use app::{AppError, ErrorKind, GalleryFilter, GalleryPage, GalleryTotals, ImageModelEntry, counted};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::filter::Filter;
use super::form::{Choice, Draft, Sizes, sizes};
use super::live::News;
use super::queue::{Change, Queue};
use super::tile::Tile;
use super::{IMAGES, QUEUE, live, queue};
use crate::access::caller::Visitor;
use crate::error::{self, PageError};
use crate::extract::{Fields, Params};
use crate::pages::frame::{Frame, Section};
use crate::pages::home::sentence;
use crate::pages::words::{self, Piece};
use crate::pages::{not_done, page, see_other, wants_piece};
use crate::state::{Shared, Web};

/// Images of one page: whole rows in grids of two, three, four, six and eight.
const TILES_PAGE_LEN: usize = 48;
/// Models that the filter offers.
const MODELS_MAX: usize = 100;

/// Where the gallery is, which images, and what the form begins with.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Query {
    #[serde(flatten)]
    filter: Filter,
    cursor: Option<String>,
    /// The image that the reader comes back from; it stands on the page that is shown.
    at: Option<String>,
    /// The image whose settings the form takes.
    r#use: Option<String>,
    /// The job whose settings it takes.
    job: Option<String>,
    /// Whether the seed stays open.
    reseed: Option<String>,
    /// The image that is drawn over.
    over: Option<String>,
    /// The image that is made larger.
    upscale: Option<String>,
    /// Whether what it was drawn over is left out.
    alone: Option<String>,
    /// How many images were just deleted.
    deleted: Option<u64>,
    /// How many images were just brought.
    brought: Option<u64>,
    /// How many images have their files again, after somebody looked.
    found: Option<u64>,
}

#[derive(Template)]
#[template(path = "images.html")]
struct Gallery {
    frame: Frame,
    draft: Draft,
    sizes: Vec<Sizes>,
    models: Vec<Choice>,
    samplers: Vec<Choice>,
    spacings: Vec<Choice>,
    /// The image that is drawn over.
    source: Option<Tile>,
    problem: Vec<Piece>,
    /// Why files could not be brought.
    bring_problem: Vec<Piece>,
    /// What is worth knowing about what the form was filled with.
    remark: Option<String>,
    queue: Queue,
    stream_url: String,
    notice: Option<String>,
    filter: Filter,
    /// The filter as the part of an address.
    kept: String,
    filter_problem: Vec<Piece>,
    filter_models: Vec<Choice>,
    shown: Shown,
    /// How many images the filter shows, and how much they take.
    totals: String,
    /// How many have no file any more, where those are not shown and there are some.
    without_files: String,
    is_first_page: bool,
}

/// A part of the gallery.
#[derive(Clone, Debug, Default)]
struct Shown {
    tiles: Vec<Tile>,
    next_url: Option<String>,
    /// When the first of them was kept; 0 when there is none.
    newest_ms: i64,
}

/// Further images, for a page that shows those before.
#[derive(Template)]
#[template(path = "images_more.html")]
struct More {
    shown: Shown,
}

/// Shows the page, or further images of it.
pub(crate) async fn show(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Params(query): Params<Query>,
) -> Result<Response, PageError> {
    if wants_piece(&headers) && query.cursor.is_some() {
        let shown = shown(&web, query.filter.checked()?, &query.filter, query.cursor.as_deref()).await?;
        return Ok(page(&More { shown }));
    }
    let (draft, remark) = drafted(&web, &query).await?;
    let mut gallery = load(&web, &visitor, &headers, query, draft).await?;
    gallery.remark = gallery.remark.or(remark);
    let status = if gallery.filter_problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Ok((status, page(&gallery)).into_response())
}

/// Asks for images. What was typed comes back when that does not work.
pub(crate) async fn generate(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Fields(draft): Fields<Draft>,
) -> Result<Response, PageError> {
    let asked = match draft.request() {
        Ok(request) => web.app.generate(request).await,
        Err(problem) => Err(problem),
    };
    let problem = match asked {
        Ok(_) if wants_piece(&headers) => {
            let queue = queue::short(&web, &visitor.session.form_token).await?;
            // A small model may be done by now.
            let over = if queue.is_any_open { None } else { queue::just_ended(&web).await? };
            let news = Some(over.map_or(News::QUEUED, |state| News::ended(state, false)));
            return Ok(live::whole(queue, Change { news, ..Change::default() }));
        }
        Ok(_) => return Ok(see_other(QUEUE)),
        Err(problem) => problem,
    };
    error::log(&problem);
    let status = error::status(problem.kind);
    if wants_piece(&headers) {
        return Ok((status, not_done(&problem)).into_response());
    }
    let mut gallery = load(&web, &visitor, &headers, Query::default(), draft).await?;
    gallery.problem = words::pieces(&sentence(&problem));
    Ok((status, page(&gallery)).into_response())
}

/// The page after files could not be brought, with the reason where they are chosen.
pub(super) async fn not_brought(
    web: &Web,
    visitor: &Visitor,
    headers: &HeaderMap,
    problem: AppError,
) -> Result<Response, PageError> {
    error::log(&problem);
    let mut gallery = load(web, visitor, headers, Query::default(), Draft::default()).await?;
    gallery.bring_problem = words::pieces(&sentence(&problem));
    Ok((error::status(problem.kind), page(&gallery)).into_response())
}

/// What the form begins with, and what is worth knowing about it.
async fn drafted(web: &Web, query: &Query) -> Result<(Draft, Option<String>), AppError> {
    let (mut draft, start) = match (&query.r#use, &query.job) {
        (Some(id), _) => {
            let image = web.app.image(id).await?;
            (Draft::of_image(&image), web.app.image_start(&image).await?)
        }
        (None, Some(id)) => {
            let job = web.app.image_job(id).await?;
            (Draft::of_job(&job), web.app.image_job_start(&job).await?)
        }
        (None, None) => return Ok((Draft::default(), None)),
    };
    let is_other = query.over.is_some() || query.upscale.is_some() || query.alone.is_some();
    let remark = start.filter(|_| !is_other).and_then(|start| draft.carry(start));
    if query.reseed.is_some() {
        draft.seed.clear();
    }
    if let Some(image) = &query.over {
        draft = draft.over(image);
    }
    if let Some(image) = &query.upscale {
        draft = draft.upscaled(&web.app.image(image).await?);
    }
    Ok((draft, remark))
}

async fn load(
    web: &Web,
    visitor: &Visitor,
    headers: &HeaderMap,
    mut query: Query,
    mut draft: Draft,
) -> Result<Gallery, AppError> {
    let (filter, filter_problem) = match query.filter.checked() {
        Ok(filter) => (Some(filter), Vec::new()),
        Err(problem) => (None, words::pieces(&sentence(&problem))),
    };
    let all = web.app.gallery_totals(GalleryFilter::default()).await?;
    let (totals, shown) = match filter {
        Some(filter) => {
            let totals =
                if query.filter.is_empty() { all.clone() } else { web.app.gallery_totals(filter.clone()).await? };
            (totals, shown_around(web, filter, &mut query).await?)
        }
        None => (GalleryTotals::default(), Shown::default()),
    };
    let without_files = if query.filter.is_missing() { 0 } else { count_without_files(web).await? };
    let models = web.app.image_models().await?;
    let mut sizes = sizes(web.app.image_side_pixels());
    let gone = draft.settle(&mut sizes, &models);
    let is_first_page = query.cursor.is_none();
    let shows_new = is_first_page && query.filter.is_empty();
    Ok(Gallery {
        frame: Frame::load(&web.app, visitor, headers, Section::Images, None).await?,
        models: model_choices(&models, &draft),
        samplers: draft.samplers(),
        spacings: draft.spacings(),
        source: source(web, &draft).await?,
        sizes,
        draft,
        problem: Vec::new(),
        bring_problem: Vec::new(),
        remark: gone.map(|name| format!("The model {name} is not here; another one draws.")),
        queue: queue::short(web, &visitor.session.form_token).await?,
        stream_url: live::url(shows_new.then_some(shown.newest_ms)),
        notice: notice(&query),
        filter_models: filter_models(&all, &query.filter),
        kept: query.filter.query(&[]),
        filter: query.filter,
        filter_problem,
        shown,
        totals: counted_totals(&totals),
        without_files: if without_files == 0 { String::new() } else { counted(without_files, "missing file") },
        is_first_page,
    })
}

/// How many images have no file any more, as far as that is known.
async fn count_without_files(web: &Web) -> Result<u64, AppError> {
    let filter = GalleryFilter { missing: true, ..GalleryFilter::default() };
    Ok(web.app.gallery_totals(filter).await?.images)
}

/// Looks whether files that were gone are back, and others gone.
pub(crate) async fn look(State(web): State<Shared>, _: Visitor) -> Result<Response, PageError> {
    let swept = web.app.sweep_images().await?;
    Ok(see_other(&format!("{IMAGES}?missing=1&found={}#gallery", swept.found)))
}

/// How many images there are, and how much room they take.
pub(super) fn counted_totals(totals: &GalleryTotals) -> String {
    format!("{}, {}", counted(totals.images, "image"), words::size(totals.size_bytes))
}

/// The page that is asked for. When the image that the reader comes back from is not on it, because they went on to others
/// or more were made meanwhile, it is the page that begins with that image.
async fn shown_around(web: &Web, filter: GalleryFilter, query: &mut Query) -> Result<Shown, AppError> {
    let page = shown(web, filter.clone(), &query.filter, query.cursor.as_deref()).await?;
    let Some(at) = query.at.as_deref().filter(|at| !page.tiles.iter().any(|tile| tile.id == *at)) else {
        return Ok(page);
    };
    match web.app.gallery_cursor(at).await {
        Ok(cursor) => query.cursor = Some(cursor),
        // It was deleted meanwhile, and the rest is still worth seeing.
        Err(problem) if problem.kind == ErrorKind::NotFound => return Ok(page),
        Err(problem) => return Err(problem),
    }
    shown(web, filter, &query.filter, query.cursor.as_deref()).await
}

async fn shown(web: &Web, filter: GalleryFilter, typed: &Filter, cursor: Option<&str>) -> Result<Shown, AppError> {
    let GalleryPage { images, next } = web.app.gallery(filter, cursor, TILES_PAGE_LEN).await?;
    // Whoever comes back from an image comes back to this page.
    let here = typed.query(cursor.map(|cursor| ("cursor", cursor)).as_slice());
    Ok(Shown {
        tiles: images.iter().map(|image| Tile::of(image, &here)).collect(),
        newest_ms: images.first().map_or(0, |image| image.created_ms),
        next_url: next.map(|cursor| format!("{IMAGES}{}", typed.query(&[("cursor", &cursor)]))),
    })
}

async fn source(web: &Web, draft: &Draft) -> Result<Option<Tile>, AppError> {
    if draft.source.is_empty() {
        return Ok(None);
    }
    match web.app.image(&draft.source).await {
        Ok(image) => Ok(Some(Tile::of(&image, ""))),
        // The form says so itself when it is sent.
        Err(problem) if problem.kind == ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn model_choices(models: &[ImageModelEntry], draft: &Draft) -> Vec<Choice> {
    let is_chosen = |entry: &ImageModelEntry| {
        if draft.model.is_empty() { entry.current } else { entry.name == draft.model }
    };
    let choice = |entry: &ImageModelEntry| Choice {
        value: entry.name.clone(),
        label: entry.name.clone(),
        is_chosen: is_chosen(entry),
    };
    models.iter().map(choice).collect()
}

/// Models that drew something, and the one that is asked for.
fn filter_models(totals: &GalleryTotals, filter: &Filter) -> Vec<Choice> {
    let wanted = filter.model.trim();
    let names = totals.models.iter().take(MODELS_MAX).map(|(name, images)| (name.as_str(), *images));
    let mut choices: Vec<Choice> = names
        .map(|(name, images)| Choice {
            value: name.to_owned(),
            label: format!("{name} ({images})"),
            is_chosen: name == wanted,
        })
        .collect();
    if !wanted.is_empty() && !choices.iter().any(|choice| choice.is_chosen) {
        choices.push(Choice { value: wanted.to_owned(), label: wanted.to_owned(), is_chosen: true });
    }
    choices
}

fn notice(query: &Query) -> Option<String> {
    let (count, what) = match (query.deleted, query.brought, query.found) {
        (Some(count), ..) => (count, "gone for good, files included"),
        (None, Some(count), _) => (count, "in the gallery now"),
        (None, None, Some(0)) => return Some("No file is back yet.".to_owned()),
        (None, None, Some(count)) => (count, "back with its file"),
        (None, None, None) => return None,
    };
    let verb = if count == 1 { "is" } else { "are" };
    Some(format!("{} {verb} {what}.", counted(count, "image")))
}
