//! The queue of images for programs: list, watch, take back, try again, forget, change the order. Refuses: ending a job because
//! whoever watches it leaves.

use app::{ImageJobView, ImageJobs, ImageView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::access::caller::Caller;
use crate::api::{data, event_stream, failure, stream_events, until_cut};
use crate::error::ApiError;
use crate::extract::{Body, Params, Segments};
use crate::state::Shared;

/// Jobs that are over, on one page when the caller names no number, and at most.
const JOBS_DEFAULT: usize = 50;
const JOBS_MAX: usize = 200;

/// A place among the jobs that are over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Open jobs, and a page of those that are over.
pub(crate) async fn list(
    State(web): State<Shared>,
    Params(query): Params<ListQuery>,
) -> Result<Json<ImageJobs>, ApiError> {
    let limit = query.limit.unwrap_or(JOBS_DEFAULT).clamp(1, JOBS_MAX);
    Ok(Json(web.app.image_jobs(query.cursor.as_deref(), limit).await?))
}

/// One job.
pub(crate) async fn show(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<Json<ImageJobView>, ApiError> {
    Ok(Json(web.app.image_job(&id).await?))
}

/// The images that a job saved, in their order.
pub(crate) async fn images(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<Json<Vec<ImageView>>, ApiError> {
    Ok(Json(web.app.images_of_job(&id).await?))
}

/// How all open jobs stand, then what happens to any, until the connection closes.
pub(crate) async fn all_events(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let guard = (web.open_image_stream(&caller)?, web.app.count_session());
    let events = until_cut(&web.app, web.app.image_events(None)).map(move |event| {
        let _held = &guard;
        Ok(match &event {
            Ok(event) => data(event).id(event.seq.to_string()),
            Err(error) => failure(error),
        })
    });
    // Nothing may be open for a long time, so the answer does not wait for a first event.
    Ok(event_stream(events).into_response())
}

/// How a job stands, then what happens to it, to its end. A client that reconnects is told how it stands then.
pub(crate) async fn events(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    let place = web.open_image_stream(&caller)?;
    let events = until_cut(&web.app, web.app.image_events(Some(&id)));
    stream_events(&web, events, move |event| {
        let _held = &place;
        data(event).id(event.seq.to_string())
    })
    .await
}

/// Takes a job back; images that it saved stay.
pub(crate) async fn cancel(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    web.app.cancel_image_job(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many jobs were taken back.
#[derive(Serialize)]
pub(crate) struct Cancelled {
    cancelled: usize,
}

/// Takes back every open job.
pub(crate) async fn cancel_all(State(web): State<Shared>) -> Result<Json<Cancelled>, ApiError> {
    Ok(Json(Cancelled { cancelled: web.app.cancel_image_jobs().await? }))
}

/// Lets a job that failed or was taken back wait again.
pub(crate) async fn retry(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<ImageJobView>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(web.app.retry_image_job(&id).await?)))
}

/// Takes a job that is over out of the list; images that it saved stay.
pub(crate) async fn forget(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    web.app.forget_image_job(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a job goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The waiting job it goes before; behind all of its priority without one.
    #[serde(default)]
    before: Option<String>,
}

/// Gives a waiting job another place.
pub(crate) async fn move_to(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    Body(place): Body<Place>,
) -> Result<StatusCode, ApiError> {
    web.app.move_image_job(&id, place.before.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
