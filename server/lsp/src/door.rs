//! The handlers: each forwards its message into the main loop before its first await and then only waits.
//!
//! Refuses: doing anything itself. A request whose handler is dropped, because the client cancelled it, cancels what
//! it asked for.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tower_lsp::gen_lsp_types::{
    CodeActionParams, CodeActionResponse, CodeLensParams, DidChangeTextDocumentParams,
    DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, DocumentSymbolParams, ExecuteCommandParams,
    InitializeParams, InitializeResult, ProgressToken, WorkDoneProgressCancelParams, WorkspaceSymbolParams,
};
use tower_lsp::jsonrpc::{Error, Id, Result};
use tower_lsp::{LanguageServer, LspService};

use crate::documents::read_change;
use crate::transport::{Answer, Backend};

/// Messages that may wait for the main loop; a client that sends more has to wait for it.
const INBOUND_LEN_MAX: usize = 1024;

/// Where the main loop sends the answer to a request.
pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

/// One message for the main loop, in order of arrival.
pub(crate) enum Inbound {
    /// The client says who it is.
    Initialize(Box<InitializeParams>, Reply<InitializeResult>),
    /// The client is about to leave.
    Shutdown(Reply<()>),
    /// A document was opened.
    Opened(DidOpenTextDocumentParams),
    /// A document was changed.
    Changed(DidChangeTextDocumentParams),
    /// A change of this document could not be read, so its text is not known any more.
    ChangedUnreadably(String),
    /// A document was saved.
    Saved(DidSaveTextDocumentParams),
    /// A document was closed.
    Closed(DidCloseTextDocumentParams),
    /// Files were changed by somebody else.
    FilesChanged(DidChangeWatchedFilesParams),
    /// The folders of the workspace changed.
    FoldersChanged(DidChangeWorkspaceFoldersParams),
    /// The client asks for the menu of actions.
    CodeAction(CodeActionParams, Reply<Option<Vec<CodeActionResponse>>>),
    /// The client asks for the lenses of a document.
    CodeLens(CodeLensParams, Reply<Value>),
    /// The client asks for symbols of the workspace by name.
    WorkspaceSymbol(WorkspaceSymbolParams, Reply<Value>),
    /// The client asks for the symbols of a document.
    DocumentSymbol(DocumentSymbolParams, Reply<Value>),
    /// The client asks for a command.
    Command(CommandRequest),
    /// The client asks for the state of everything.
    Status(Reply<Value>),
    /// The user cancelled the work behind a progress.
    ProgressCancelled(ProgressToken),
    /// The client no longer wants the answer to a request, or the work it began.
    RequestCancelled(Id),
    /// The client answered a request of ours.
    Answered(Answer),
}

/// A command with what is needed to answer and to cancel it.
pub(crate) struct CommandRequest {
    /// The command and its arguments.
    pub(crate) params: ExecuteCommandParams,
    /// The id of the request.
    pub(crate) request: Option<Id>,
    /// Cancelled when the request is cancelled before it was answered.
    pub(crate) cancel: CancellationToken,
    /// Where the answer goes.
    pub(crate) reply: Reply<Option<Value>>,
}

/// The handlers of one session.
pub(crate) struct Door {
    inbound: mpsc::Sender<Inbound>,
    /// The id of the message whose handler is polled for the first time; set and read on the same task, in order.
    current: Mutex<Option<Id>>,
}

impl Door {
    /// The handlers, and the other end of what they forward.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Inbound>) {
        let (inbound, receiver) = mpsc::channel(INBOUND_LEN_MAX);
        (Self { inbound, current: Mutex::default() }, receiver)
    }

    /// The router over these handlers. Any method not named here is answered with "method not found".
    pub(crate) fn into_service(self) -> LspService<Self> {
        let (service, _unused_socket) = LspService::build_with_lifecycle_methods(|_| self)
            .custom_method("textDocument/didOpen", Self::did_open)
            .custom_method("textDocument/didChange", Self::did_change)
            .custom_method("textDocument/didSave", Self::did_save)
            .custom_method("textDocument/didClose", Self::did_close)
            .custom_method("textDocument/codeAction", Self::code_action)
            .custom_method("textDocument/codeLens", Self::code_lens)
            .custom_method("textDocument/documentSymbol", Self::document_symbol)
            .custom_method("workspace/symbol", Self::workspace_symbol)
            .custom_method("workspace/didChangeWatchedFiles", Self::files_changed)
            .custom_method("workspace/didChangeWorkspaceFolders", Self::folders_changed)
            .custom_method("workspace/didChangeConfiguration", Self::configuration_changed)
            .custom_method("workspace/executeCommand", Self::execute_command)
            .custom_method("window/workDoneProgress/cancel", Self::progress_cancelled)
            .custom_method("$/setTrace", Self::configuration_changed)
            .custom_method("familiar/status", Self::status)
            .finish();
        service
    }

    fn tell(&self, message: Inbound) {
        // There is room: the transport waited for it, and nobody else sends.
        if let Err(error) = self.inbound.try_send(message) {
            tracing::debug!(%error, "a message came after the end of its session");
        }
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Inbound) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(message(reply));
        answer.await.unwrap_or_else(|_| Err(Error::internal_error()))
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        self.tell(Inbound::Opened(params));
    }

    /// Read here and not by the router, which would drop what it cannot read: a change that is dropped in silence would
    /// leave us with another text than the editor's.
    async fn did_change(&self, params: Value) {
        match read_change(params) {
            Ok(params) => self.tell(Inbound::Changed(params)),
            Err(Some(uri)) => self.tell(Inbound::ChangedUnreadably(uri)),
            Err(None) => {}
        }
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        self.tell(Inbound::Saved(params));
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.tell(Inbound::Closed(params));
    }

    async fn files_changed(&self, params: DidChangeWatchedFilesParams) {
        self.tell(Inbound::FilesChanged(params));
    }

    async fn folders_changed(&self, params: DidChangeWorkspaceFoldersParams) {
        self.tell(Inbound::FoldersChanged(params));
    }

    /// Settings come from the user's own configuration, so what an editor pushes is heard and not used.
    async fn configuration_changed(&self, _params: Value) {}

    async fn progress_cancelled(&self, params: WorkDoneProgressCancelParams) {
        self.tell(Inbound::ProgressCancelled(params.token));
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<Vec<CodeActionResponse>>> {
        self.ask(|reply| Inbound::CodeAction(params, reply)).await
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Value> {
        self.ask(|reply| Inbound::CodeLens(params, reply)).await
    }

    async fn workspace_symbol(&self, params: WorkspaceSymbolParams) -> Result<Value> {
        self.ask(|reply| Inbound::WorkspaceSymbol(params, reply)).await
    }

    async fn document_symbol(&self, params: DocumentSymbolParams) -> Result<Value> {
        self.ask(|reply| Inbound::DocumentSymbol(params, reply)).await
    }

    async fn status(&self, _params: Value) -> Result<Value> {
        self.ask(Inbound::Status).await
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        let request = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cancel = CancellationToken::new();
        let dropped = cancel.clone().drop_guard();
        let answer = self.ask(|reply| Inbound::Command(CommandRequest { params, request, cancel, reply })).await;
        dropped.disarm();
        answer
    }
}

impl LanguageServer for Door {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        self.ask(|reply| Inbound::Initialize(Box::new(params), reply)).await
    }

    async fn shutdown(&self) -> Result<()> {
        self.ask(Inbound::Shutdown).await
    }
}

impl Backend for Door {
    async fn room(&self) {
        // The permit is given back at once: the handler that runs next takes its place.
        drop(self.inbound.reserve().await);
    }

    fn arriving(&self, id: Option<&Id>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = id.cloned();
    }

    fn cancelled(&self, id: &Id) {
        self.tell(Inbound::RequestCancelled(id.clone()));
    }

    fn answered(&self, answer: Answer) {
        self.tell(Inbound::Answered(answer));
    }
}
