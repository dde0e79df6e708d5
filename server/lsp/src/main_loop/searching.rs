//! Requests that search: passages of the session's folders, and what belongs to a line.
//!
//! Refuses: keeping the loop. Open documents are taken as a snapshot, and a request that is taken back is not answered.

use std::path::{Path, PathBuf};

use app::{App, AppError, Buffer, Editing, ErrorKind};
use serde_json::Value;
use text::Document;
use tower_lsp::jsonrpc::{Error, Result};

use super::{MainLoop, answer};
use crate::door::Reply;
use crate::jobs::work::{in_front, unsaved};
use crate::messages;
use crate::search::{RelatedParams, SearchParams, Wanted, passages, related};
use crate::uris::{name_of, path_of};

impl MainLoop {
    /// Answers with what was found.
    pub(super) fn search(&mut self, wanted: Wanted, reply: Reply<Value>) {
        let (app, open) = (self.app.clone(), self.documents.snapshots());
        match wanted {
            Wanted::Passages(params) => match params.roots(self.workspaces.roots()) {
                Ok(roots) => self.look(reply, search(app, roots, params, open)),
                Err(error) => answer(reply, Err(error)),
            },
            Wanted::Related(params) => match self.document_in_folder(&params) {
                Ok((root, path)) => self.look(reply, look(app, root, path, params.line(), open)),
                Err(error) => answer(reply, Err(error)),
            },
        }
    }

    /// The folder around a document, and its path in there.
    fn document_in_folder(&self, params: &RelatedParams) -> Result<(PathBuf, String)> {
        let path = path_of(params.uri());
        let root = self.workspaces.of(path.as_deref());
        let inside = path.as_deref().zip(root.as_deref()).and_then(|(path, root)| path.strip_prefix(root).ok());
        match (inside.and_then(Path::to_str), &root) {
            (Some(inside), Some(root)) => Ok((root.clone(), inside.to_owned())),
            _ => {
                let name = name_of(params.uri());
                Err(Error::invalid_params(format!("{name} lies in no folder of this session")))
            }
        }
    }
}

async fn search(app: App, roots: Vec<PathBuf>, params: SearchParams, open: Vec<Document>) -> Result<Value> {
    let failed = |error: AppError| messages::rpc_error("familiar/search", &error);
    if roots.is_empty() {
        let error = AppError::new(ErrorKind::Unavailable, "no folder is open in this session");
        return Err(failed(error.hint("open a folder in the editor")));
    }
    let (buffers, files) = compared(open).await.map_err(failed)?;
    let (options, editing) = (params.options(), Editing { buffers: &buffers, open: &files });
    let mut found = Vec::new();
    for root in roots {
        let result = app.search_in(&root, &params.query, &options, editing).await.map_err(failed)?;
        found.push((root, result));
    }
    Ok(passages(found, options.limit))
}

async fn look(app: App, root: PathBuf, path: String, line: u32, open: Vec<Document>) -> Result<Value> {
    let failed = |error: AppError| messages::rpc_error("familiar/related", &error);
    let (buffers, _) = compared(open).await.map_err(failed)?;
    let found = app.related(&root, &path, (line, line), &buffers).await.map_err(failed)?;
    Ok(related(&root, &found))
}

/// The documents whose text is not saved, and the files of all.
async fn compared(open: Vec<Document>) -> app::Result<(Vec<Buffer>, Vec<PathBuf>)> {
    let work = tokio::task::spawn_blocking(move || (unsaved(&open), in_front(None, &open)));
    work.await.map_err(|error| AppError::new(ErrorKind::Bug, error.to_string()))
}
