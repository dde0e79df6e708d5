//! Which folders of this machine a request may name. The user's own processes name any; a browser that is signed in
//! names a new one only by asking about it; a program with a token only what can be a project.
//!
//! Refuses: reading files, over the network door, of a folder that is not open and that no chat is about.

use std::path::{Path, PathBuf};

use app::{App, AppError, Ask, ErrorKind};

use crate::access::caller::Caller;
use crate::extract::workspace;

/// The folder a question or a new chat is about.
pub(crate) async fn asked_about(app: &App, caller: &Caller, folder: &str) -> Result<PathBuf, AppError> {
    let folder = workspace(folder)?;
    match caller {
        Caller::Peer | Caller::Browser { .. } => Ok(folder),
        Caller::Program => app.nameable_workspace(&folder).await,
    }
}

/// The folder to search or to index.
pub(crate) async fn searched(app: &App, caller: &Caller, folder: &str) -> Result<PathBuf, AppError> {
    let folder = workspace(folder)?;
    match caller {
        Caller::Peer => Ok(folder),
        Caller::Browser { .. } | Caller::Program => app.nameable_workspace(&folder).await,
    }
}

/// The folder whose files are read.
pub(crate) async fn read(app: &App, caller: &Caller, folder: &str) -> Result<PathBuf, AppError> {
    let folder = workspace(folder)?;
    if !matches!(caller, Caller::Peer) && !app.knows_workspace(&folder).await? {
        return Err(unknown(&folder));
    }
    Ok(folder)
}

/// Checks the folder of a question, and that a program has no other file read with it.
pub(crate) async fn check_ask(app: &App, caller: &Caller, ask: &mut Ask) -> Result<(), AppError> {
    if !matches!(caller, Caller::Program) {
        return Ok(());
    }
    let named = ask.workspace.take();
    if let Some(folder) = &named {
        ask.workspace = Some(app.nameable_workspace(folder).await?);
    }
    let Some(focus) = ask.focus.as_mut().filter(|focus| focus.text.is_none()) else { return Ok(()) };
    if let Some(Ok(inside)) = named.as_ref().map(|folder| focus.path.strip_prefix(folder)) {
        // As the workspace was spelled; it is canonical from here on.
        focus.path = inside.to_owned();
    }
    let is_inside = match &ask.workspace {
        Some(root) => focus.path.is_relative() || focus.path.starts_with(root),
        None => false,
    };
    if is_inside { Ok(()) } else { Err(unknown(&focus.path)) }
}

fn unknown(path: &Path) -> AppError {
    let message = format!("{} lies in no folder that is open or that a chat is about", path.display());
    AppError::new(ErrorKind::User, message).hint("open its folder in an editor, or begin a chat about it, first")
}
