//! What runs, who may come in, and how it looks.

use app::{ApiToken, ImageModelEntry, ModelEntry, NewToken, Status, WorkspaceStatus, counted};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::access::caller::Visitor;
use crate::access::cookies;
use crate::api;
use crate::clock::{Moment, moment};
use crate::error::{self, PageError};
use crate::extract::{Fields, Segments};
use crate::pages::frame::{Frame, Section};
use crate::pages::home::sentence;
use crate::pages::words::{self, Piece};
use crate::pages::{page, see_other};
use crate::state::Shared;

const SETTINGS: &str = "/settings";

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    frame: Frame,
    facts: Vec<(&'static str, String)>,
    model: Model,
    models: Vec<File>,
    image_models: Vec<File>,
    workspaces: Vec<Workspace>,
    tokens: Vec<Token>,
    new_token: Option<NewToken>,
    problem: Vec<Piece>,
    notes: Vec<String>,
}

struct Model {
    text: String,
    hint: Vec<Piece>,
}

struct File {
    name: String,
    size: String,
    is_current: bool,
}

struct Workspace {
    root: String,
    text: String,
    notes: Vec<String>,
}

struct Token {
    name: String,
    prefix: String,
    created: Moment,
    last_used: Option<Moment>,
    revoke_url: String,
}

/// Shows everything.
pub(crate) async fn show(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    Ok(page(&load(&web, &visitor, &headers).await?))
}

/// The choice of a theme.
#[derive(Deserialize)]
pub(crate) struct Theme {
    #[serde(default)]
    theme: String,
}

/// Keeps the choice in a cookie.
pub(crate) async fn theme(_: Visitor, Fields(form): Fields<Theme>) -> Response {
    let value = match form.theme.as_str() {
        "light" => "light",
        "dark" => "dark",
        _ => "system",
    };
    let mut response = see_other(SETTINGS);
    if let Some(cookie) = cookies::theme(value) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The choice of the model that draws.
#[derive(Deserialize)]
pub(crate) struct ImageModel {
    #[serde(default)]
    name: String,
}

/// Keeps the choice.
pub(crate) async fn use_image_model(
    State(web): State<Shared>,
    _: Visitor,
    Fields(form): Fields<ImageModel>,
) -> Result<Response, PageError> {
    web.app.use_image_model(&form.name).await?;
    Ok(see_other(&format!("{SETTINGS}#image-models")))
}

/// The name of a new token.
#[derive(Deserialize)]
pub(crate) struct TokenName {
    #[serde(default)]
    name: String,
}

/// Makes a token and shows its secret, this once.
pub(crate) async fn create_token(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Fields(form): Fields<TokenName>,
) -> Result<Response, PageError> {
    let created = web.app.create_token(&form.name).await;
    let mut settings = load(&web, &visitor, &headers).await?;
    match created {
        Ok(token) => {
            settings.new_token = Some(token);
            Ok(page(&settings))
        }
        Err(problem) => {
            error::log(&problem);
            settings.problem = words::pieces(&sentence(&problem));
            Ok((error::status(problem.kind), page(&settings)).into_response())
        }
    }
}

/// Ends a token.
pub(crate) async fn revoke_token(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
) -> Result<Response, PageError> {
    web.app.revoke_token(&id).await?;
    Ok(see_other(SETTINGS))
}

async fn load(web: &Shared, visitor: &Visitor, headers: &HeaderMap) -> Result<Settings, PageError> {
    let status = web.status().await?;
    let models = api::list_models(web.app.clone()).await;
    Ok(Settings {
        frame: Frame::load(&web.app, visitor, headers, Section::Settings, None).await?,
        facts: facts(&status),
        model: model(&status),
        models: models.into_iter().map(file).collect(),
        image_models: web.app.image_models().await?.into_iter().map(image_file).collect(),
        workspaces: status.workspaces.iter().map(workspace).collect(),
        tokens: web.app.tokens().await?.into_iter().map(token).collect(),
        new_token: None,
        problem: Vec::new(),
        notes: status.notes,
    })
}

fn facts(status: &Status) -> Vec<(&'static str, String)> {
    vec![
        ("Version", status.version.clone()),
        ("Running for", words::duration(status.uptime_s)),
        ("Home", status.home.display().to_string()),
        ("Log", status.log.display().to_string()),
        ("Sessions and answers", format!("{} open, {} being written", status.sessions, status.runs)),
    ]
}

fn model(status: &Status) -> Model {
    let model = &status.model;
    let mut text = match (&model.name, model.state.as_str()) {
        (Some(name), "ready") => format!("{name} is loaded."),
        (Some(name), "loading") => {
            let share = model.loading.map(|share| format!(": {:.0} %", share * 100.0)).unwrap_or_default();
            format!("{name} is being loaded{share}.")
        }
        (Some(name), "unusable") => {
            format!("{name}: {}", words::sentence(model.problem.as_deref().unwrap_or("its file cannot be used")))
        }
        (Some(name), _) => format!("{name} is loaded with the next question."),
        (None, _) => "No model is here yet.".into(),
    };
    if let Some(tokens) = model.context_tokens {
        text.push_str(&format!(" It takes in {tokens} tokens at once."));
    }
    if let (Some(reading), Some(writing)) = (model.prompt_tokens_per_s, model.answer_tokens_per_s) {
        text.push_str(&format!(" It reads {reading:.0} and writes {writing:.0} tokens a second."));
    }
    Model { text, hint: words::pieces(&words::sentence(model.hint.as_deref().unwrap_or_default())) }
}

fn file(entry: ModelEntry) -> File {
    File { name: entry.name, size: words::size(entry.size_bytes), is_current: entry.current }
}

fn image_file(entry: ImageModelEntry) -> File {
    File { name: entry.name, size: words::size(entry.size_bytes), is_current: entry.current }
}

fn workspace(workspace: &WorkspaceStatus) -> Workspace {
    let (files, passages) = (counted(workspace.files, "file"), counted(workspace.chunks, "passage"));
    let text = match workspace.state.as_str() {
        "ready" if workspace.paused => {
            format!("{files}, {passages}, searchable; large changes wait")
        }
        "ready" => format!("{files}, {passages}, searchable"),
        "building" => format!("indexing: {} of {} files", workspace.done, workspace.total),
        other => other.to_owned(),
    };
    Workspace { root: workspace.root.display().to_string(), text, notes: workspace.notes.clone() }
}

fn token(token: ApiToken) -> Token {
    Token {
        name: token.name,
        prefix: token.prefix,
        created: moment(token.created_ms),
        last_used: token.last_used_ms.map(moment),
        revoke_url: format!("/settings/tokens/{}/revoke", words::segment(&token.id)),
    }
}
