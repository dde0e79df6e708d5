//! The list of chats, and the form that begins one with its first question.

use std::path::PathBuf;

use app::{AppError, ChatSummary, ErrorKind, ModelStatus, WorkspaceStatus};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::access::caller::Visitor;
use crate::clock::{Moment, moment};
use crate::error::{self, PageError};
use crate::extract::{Fields, Params, workspace};
use crate::pages::frame::{Frame, Section, chat_url, title};
use crate::pages::words::{self, Piece};
use crate::pages::{page, see_other};
use crate::state::Shared;

/// Chats on one page.
const CHATS_PAGE_LEN: usize = 30;
/// Folders offered in the picker.
const FOLDERS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    chats: Vec<Row>,
    next: Option<String>,
    is_first_page: bool,
    folders: Vec<Folder>,
    /// What was typed before something went wrong.
    draft: String,
    other_folder: String,
    problem: Vec<Piece>,
    /// What a missing model needs.
    no_model: Vec<Piece>,
    /// Where a chat that was just thrown away can be taken back.
    undo_url: Option<String>,
}

struct Row {
    url: String,
    title: String,
    folder: Option<String>,
    when: Moment,
    running: bool,
}

struct Folder {
    path: String,
    is_chosen: bool,
}

/// Which part of the list, and what was just thrown away.
#[derive(Default, Deserialize)]
pub(crate) struct ListQuery {
    cursor: Option<String>,
    trashed: Option<String>,
}

/// Shows the list.
pub(crate) async fn show(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Params(query): Params<ListQuery>,
) -> Result<Response, PageError> {
    let home = load(&web, &visitor, &headers, query, &NewChat::default()).await?;
    Ok(page(&home))
}

/// The form of a new chat.
#[derive(Default, Deserialize)]
pub(crate) struct NewChat {
    #[serde(default)]
    folder: String,
    #[serde(default)]
    other_folder: String,
    #[serde(default)]
    question: String,
}

/// Begins a chat with its first question. What was typed comes back when that does not work.
pub(crate) async fn begin(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Fields(form): Fields<NewChat>,
) -> Result<Response, PageError> {
    match create(&web, &form).await {
        Ok(id) => Ok(see_other(&format!("{}#latest", chat_url(&id)))),
        Err(problem) => {
            error::log(&problem);
            let mut home = load(&web, &visitor, &headers, ListQuery::default(), &form).await?;
            home.problem = words::pieces(&sentence(&problem));
            Ok((error::status(problem.kind), page(&home)).into_response())
        }
    }
}

/// An error on one line.
pub(super) fn sentence(error: &AppError) -> String {
    match &error.hint {
        Some(hint) => format!("{} {}", words::sentence(&error.message), words::sentence(hint)),
        None => words::sentence(&error.message),
    }
}

async fn create(web: &Shared, form: &NewChat) -> Result<String, AppError> {
    if form.question.trim().is_empty() {
        return Err(AppError::new(ErrorKind::User, "the question is empty").hint("ask something about the code"));
    }
    let folder = form.chosen()?;
    let chat = web.app.create_chat(folder).await?;
    if let Err(problem) = web.app.send(&chat.id, &form.question).await {
        // A chat without a question is nothing the user asked for.
        if let Err(error) = web.app.trash_chat(&chat.id).await {
            error::log(&error);
        }
        return Err(problem);
    }
    Ok(chat.id)
}

impl NewChat {
    /// The folder that was typed, else the one that was picked.
    fn chosen(&self) -> Result<Option<PathBuf>, AppError> {
        let typed = self.other_folder.trim();
        let folder = if typed.is_empty() { self.folder.trim() } else { typed };
        if folder.is_empty() { Ok(None) } else { workspace(folder).map(Some) }
    }
}

async fn load(
    web: &Shared,
    visitor: &Visitor,
    headers: &HeaderMap,
    query: ListQuery,
    form: &NewChat,
) -> Result<Home, AppError> {
    let frame = Frame::load(&web.app, visitor, headers, Section::Chats, None).await?;
    let is_first_page = query.cursor.is_none();
    let found = web.app.chats(query.cursor, CHATS_PAGE_LEN).await?;
    let status = web.status().await?;
    Ok(Home {
        frame,
        folders: folders(&status.workspaces, &found.chats, form),
        chats: found.chats.iter().map(row).collect(),
        next: found.next,
        is_first_page,
        draft: form.question.clone(),
        other_folder: form.other_folder.clone(),
        problem: Vec::new(),
        no_model: words::pieces(&no_model(&status.model)),
        undo_url: query.trashed.map(|id| format!("{}/restore", chat_url(&id))),
    })
}

/// Why no model answers, and what to do; empty when one does.
pub(super) fn no_model(model: &ModelStatus) -> String {
    let why = match (model.state.as_str(), &model.problem) {
        ("none", _) => "No model is here yet, so answers are the passages themselves.".to_owned(),
        ("unusable", Some(problem)) => {
            format!("{} For now answers are the passages themselves.", words::sentence(problem))
        }
        _ => return String::new(),
    };
    format!("{why} {}", words::sentence(model.hint.as_deref().unwrap_or_default()))
}

fn row(chat: &ChatSummary) -> Row {
    Row {
        url: chat_url(&chat.id),
        title: title(chat),
        folder: chat.workspace.as_deref().map(words::folder_name),
        when: moment(chat.updated_ms),
        running: chat.running,
    }
}

/// The folders of recent chats and those that are open, the likeliest chosen.
fn folders(open: &[WorkspaceStatus], chats: &[ChatSummary], form: &NewChat) -> Vec<Folder> {
    let recent = chats.iter().filter_map(|chat| chat.workspace.clone());
    let open = open.iter().map(|workspace| workspace.root.clone());
    let mut paths: Vec<String> = Vec::new();
    for path in recent.chain(open).map(|path| path.to_string_lossy().into_owned()) {
        if paths.len() < FOLDERS_MAX && !paths.contains(&path) {
            paths.push(path);
        }
    }
    // After a failed try the choice of the form stands, "no folder" included.
    let was_submitted = !form.question.is_empty() || !form.folder.is_empty() || !form.other_folder.is_empty();
    let chosen = if was_submitted { Some(form.folder.clone()) } else { paths.first().cloned() };
    paths.into_iter().map(|path| Folder { is_chosen: chosen.as_ref() == Some(&path), path }).collect()
}
