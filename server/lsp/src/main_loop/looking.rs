//! Requests that only look: symbols of the workspace by name, and of one document.
//!
//! Refuses: keeping the loop. The search and the parsing run as tasks on a snapshot, and end when the client takes the
//! request back.

use app::{AppError, Buffer};
use serde_json::Value;
use tower_lsp::jsonrpc::Error;

use super::{MainLoop, answer};
use crate::door::Reply;
use crate::messages;
use crate::symbols::{SYMBOLS_MAX, document_symbols, workspace_symbols};
use crate::uris::{name_of, path_of};

impl MainLoop {
    /// Answers with the definitions whose name fits, unsaved text included.
    pub(super) fn workspace_symbol(&mut self, query: String, reply: Reply<Value>) {
        let (app, roots) = (self.app.clone(), self.workspaces.roots());
        let (documents, encoding) = (self.documents.snapshots(), self.client.encoding);
        self.look(reply, async move {
            // Whole texts are copied, for which nobody else waits.
            let buffers = tokio::task::spawn_blocking(move || {
                let buffers = documents.iter().filter_map(|document| {
                    Some(Buffer { path: path_of(document.uri())?, text: document.rope().to_string() })
                });
                buffers.collect()
            });
            let found = match buffers.await {
                Ok(buffers) => app.find_symbols(roots, query, buffers, SYMBOLS_MAX).await,
                Err(error) => Err(AppError::new(app::ErrorKind::Bug, error.to_string())),
            };
            let found = found.map_err(|error| messages::rpc_error("workspace/symbol", &error))?;
            Ok(workspace_symbols(&found, encoding))
        });
    }

    /// Answers with the definitions of an open document as it is in the editor.
    pub(super) fn document_symbol(&mut self, uri: &str, reply: Reply<Value>) {
        let Some(document) = self.documents.get(uri).cloned() else {
            let message = format!("{} is not open; open it in the editor first", name_of(uri));
            return answer(reply, Err(messages::request_failed(message)));
        };
        let (uri, encoding, is_tree) = (uri.to_owned(), self.client.encoding, self.client.takes_symbol_trees);
        self.look(reply, async move {
            let work = move || {
                let path = path_of(&uri).map_or_else(|| uri.clone(), |path| path.to_string_lossy().into_owned());
                let symbols = app::outline(&path, &document.rope().to_string()).unwrap_or_default();
                document_symbols(&symbols, &uri, is_tree, encoding)
            };
            let done = tokio::task::spawn_blocking(work).await;
            done.map_err(|error| {
                let error = AppError::new(app::ErrorKind::Bug, error.to_string());
                messages::rpc_error("textDocument/documentSymbol", &error)
            })
        });
    }

    /// Runs a task until it has the answer or nobody waits for it any more.
    pub(super) fn look<T: Send + 'static>(
        &mut self,
        mut reply: Reply<T>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) {
        self.tasks.spawn(async move {
            let done = tokio::select! {
                done = work => done,
                () = reply.closed() => return,
            };
            answer(reply, done);
        });
    }
}
