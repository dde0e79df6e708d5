//! The one loop that owns a session: documents, client, jobs, folders, requests of ours.
//!
//! Refuses: waiting. It does no model, disk or index work; whatever takes time runs as a task on a snapshot and comes
//! back as an event.

mod asked;
mod begin_edit;
mod begin_explanation;
mod begin_image;
mod commands;
mod comments;
mod edits;
mod judging;
mod looking;
mod places;
mod quiet;
mod review;
mod running;
mod searching;

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use app::{App, AppError, Status, WorkspaceGuard};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_lsp::gen_lsp_types::{
    ChangeNotifications, CodeActionOptions, CodeActionProvider, CodeLensOptions, DidChangeTextDocumentParams,
    DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams, DidOpenTextDocumentParams,
    ExecuteCommandOptions, InitializeParams, InitializeResult, Save, SaveOptions, ServerCapabilities, ServerInfo,
    TextDocumentSync, TextDocumentSyncKind, TextDocumentSyncOptions, WorkspaceFoldersServerCapabilities,
    WorkspaceOptions,
};
use tower_lsp::jsonrpc::Error;

use asked::{Asked, Requests};
use quiet::{Front, Typing};
use review::{Found, NOTES_LEN_MAX, Note, write_notes};

use crate::Hello;
use crate::actions;
use crate::arguments::CommandName;
use crate::client::{Client, Surface};
use crate::documents::{Changed, Documents, changes_of};
use crate::door::{Inbound, Reply};
use crate::indexing::FirstIndexes;
use crate::jobs::Jobs;
use crate::jobs::delivery::LateEdit;
use crate::jobs::progress::Progress;
use crate::jobs::work::{JobEvent, Teller};
use crate::messages::{self, Level};
use crate::review::shown::ShownProposals;
use crate::review::{Reviews, Undecided};
use crate::transport::{Answer, Outbox};
use crate::uris::{name_of, path_of, uri_of};
use crate::workspaces::{self, Workspaces};

/// Events that may wait for the loop; tasks with more to tell wait for it.
const EVENTS_LEN_MAX: usize = 256;

/// Ended jobs whose progress the client has not agreed to; that of further ones is never shown.
const LATE_MAX: usize = 64;

/// Files of one report of watched files that are looked at; a watcher of our own sees the others too.
const FILES_CHANGED_MAX: usize = 10_000;

/// What a task tells the loop.
pub(crate) enum Event {
    /// Something about a job.
    Job(u64, JobEvent),
    /// A folder was opened, or refused.
    Folder(PathBuf, Result<WorkspaceGuard, AppError>),
    /// The folders to use because the client named none.
    Fallback(Vec<PathBuf>),
    /// The state of everything, to be shown to the user.
    Status(Box<Status>),
    /// Something about proposals.
    Proposal(Found),
    /// Something comes up, for which so many pauses were waited.
    Front(Front, u32),
}

/// The state of one session.
pub(crate) struct MainLoop {
    app: App,
    hello: Hello,
    outbox: Outbox,
    client: Client,
    documents: Documents,
    workspaces: Workspaces,
    jobs: Jobs,
    asked: Requests,
    /// The changes that wait to be judged.
    reviews: Reviews,
    /// How many waiting changes the client was last told of, by document.
    marked: HashMap<String, usize>,
    /// Edits that were given up while they lay with the editor, which may apply them all the same; the oldest first.
    late_edits: VecDeque<LateEdit>,
    /// Open documents of proposals.
    shown: ShownProposals,
    /// Proposals that wait for a decision, the newest last.
    undecided: Vec<Undecided>,
    typing: Typing,
    /// What is to be written down about proposals.
    notes: mpsc::Sender<Note>,
    first_indexes: FirstIndexes,
    /// Progress of jobs that ended before the client agreed to show it.
    late: HashMap<u64, Progress>,
    events: mpsc::Sender<Event>,
    inbox: Option<mpsc::Receiver<Event>>,
    tasks: JoinSet<()>,
}

impl MainLoop {
    /// A session that has not heard anything yet.
    pub(crate) fn new(app: App, hello: Hello, outbox: Outbox) -> Self {
        let (events, inbox) = mpsc::channel(EVENTS_LEN_MAX);
        let (notes, unwritten) = mpsc::channel(NOTES_LEN_MAX);
        // Outlives the session for as long as something is unwritten.
        tokio::spawn(write_notes(app.clone(), unwritten));
        Self {
            first_indexes: FirstIndexes::new(app.clone(), outbox.clone()),
            app,
            hello,
            outbox,
            client: Client::default(),
            documents: Documents::default(),
            workspaces: Workspaces::default(),
            jobs: Jobs::default(),
            asked: Requests::default(),
            reviews: Reviews::default(),
            marked: HashMap::new(),
            late_edits: VecDeque::new(),
            shown: ShownProposals::default(),
            undecided: Vec::new(),
            typing: Typing::default(),
            notes,
            late: HashMap::new(),
            events,
            inbox: Some(inbox),
            tasks: JoinSet::new(),
        }
    }

    /// Takes messages and events, one at a time, until `ended` is cancelled; then ends every job.
    pub(crate) async fn run(mut self, mut inbound: mpsc::Receiver<Inbound>, ended: CancellationToken) {
        let Some(mut inbox) = self.inbox.take() else {
            return;
        };
        let mut proposals = self.app.proposal_changes();
        loop {
            tokio::select! {
                biased;
                () = ended.cancelled() => break,
                Some(message) = inbound.recv() => self.guarded(|this| this.message(message)),
                Some(event) = inbox.recv() => self.guarded(|this| this.event(event)),
                changed = proposals.recv() => match changed {
                    Ok(changed) => self.guarded(|this| this.proposal_changed(changed.id)),
                    Err(RecvError::Lagged(_)) => self.guarded(Self::proposals_missed),
                    Err(RecvError::Closed) => break,
                },
                Some(_) = self.tasks.join_next() => {}
                else => break,
            }
        }
        self.cancel_jobs(|_| true, "the session ended");
        self.tasks.shutdown().await;
    }

    /// A defect in one message must not end the session.
    fn guarded(&mut self, step: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| step(self))).is_err() {
            tracing::error!("a message of a session met a defect of ours");
            self.tell(Level::Error, "A defect of our own; the log says more");
        }
    }

    fn message(&mut self, message: Inbound) {
        match message {
            Inbound::Initialize(params, reply) => answer(reply, Ok(self.initialize(&params))),
            Inbound::Shutdown(reply) => {
                self.cancel_jobs(|_| true, "the editor is leaving");
                answer(reply, Ok(()));
            }
            Inbound::Opened(params) => self.opened(params),
            Inbound::Changed(params) => self.changed(&params),
            Inbound::ChangedUnreadably(uri) => {
                if self.documents.lose(&uri) {
                    self.lost(&uri, "a change of it could not be read");
                }
            }
            Inbound::Saved(params) => {
                if let Some(path) = path_of(&params.text_document.uri.0) {
                    self.app.edited(&path);
                }
            }
            Inbound::Closed(params) => {
                let uri = params.text_document.uri.0;
                if self.documents.close(&uri) {
                    self.unmark(&uri);
                    self.shown.remove(&uri);
                    self.cancel_jobs(|job| job.uri == uri, "the document was closed");
                }
            }
            Inbound::FilesChanged(params) => self.files_changed(&params),
            Inbound::FoldersChanged(params) => self.folders_changed(params),
            Inbound::CodeAction(params, reply) => self.menu(&params, reply),
            Inbound::WorkspaceSymbol(params, reply) => self.workspace_symbol(params.query, reply),
            Inbound::DocumentSymbol(params, reply) => self.document_symbol(&params.text_document.uri.0, reply),
            Inbound::CodeLens(params, reply) => self.code_lenses(&params.text_document.uri.0, reply),
            Inbound::Search(wanted, reply) => self.search(wanted, reply),
            Inbound::Command(request) => self.command(request),
            Inbound::Status(reply) => self.status(reply),
            Inbound::ProgressCancelled(token) => {
                self.cancel_jobs(|job| job.progress.is(&token), "cancelled");
                self.first_indexes.cancelled(&token);
            }
            Inbound::RequestCancelled(id) => {
                self.cancel_jobs(|job| job.request.as_ref() == Some(&id), "cancelled");
            }
            Inbound::Answered(answer) => self.answered(answer),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Job(number, event) => self.job_event(number, event),
            Event::Folder(root, Ok(guard)) => {
                if self.client.shows_progress {
                    self.tasks.spawn(self.first_indexes.show(guard.root()));
                }
                self.workspaces.opened(root, guard);
            }
            Event::Folder(root, Err(error)) => {
                self.workspaces.refused(&root);
                let why = messages::sentence(&error);
                tracing::info!(kind = ?error.kind, error = %error.message, "a folder was not opened");
                let message = format!("Familiar works without an index of {}: {why}", root.display());
                messages::log(&self.outbox, Level::Warning, &message);
            }
            Event::Fallback(folders) => folders.into_iter().for_each(|folder| self.open_folder(folder)),
            Event::Proposal(found) => self.found(found),
            Event::Front(what, waited) => self.bring_up(what, waited),
            Event::Status(status) => self.tell(Level::Info, &commands::status_line(&status)),
        }
    }

    fn initialize(&mut self, params: &InitializeParams) -> InitializeResult {
        self.client = Client::new(params);
        tracing::info!(editor = ?self.client.editor, encoding = ?self.client.encoding, "a session begins");
        let named = workspaces::named_folders(params);
        if named.is_empty() {
            let (hello, events) = (self.hello.clone(), self.events.clone());
            self.tasks.spawn(async move {
                let found = tokio::task::spawn_blocking(move || workspaces::fallback_folders(&hello)).await;
                let _ = events.send(Event::Fallback(found.unwrap_or_default())).await;
            });
        }
        named.into_iter().for_each(|folder| self.open_folder(folder));
        InitializeResult {
            capabilities: capabilities(&self.client),
            server_info: Some(ServerInfo {
                name: "familiar".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        }
    }

    fn open_folder(&mut self, root: PathBuf) {
        if !self.workspaces.want(&root) {
            return;
        }
        let (app, events) = (self.app.clone(), self.events.clone());
        self.tasks.spawn(async move {
            let folder = root.clone();
            if let Ok(opened) = tokio::task::spawn_blocking(move || app.open_workspace(&folder)).await {
                let _ = events.send(Event::Folder(root, opened)).await;
            }
        });
    }

    fn folders_changed(&mut self, params: DidChangeWorkspaceFoldersParams) {
        for folder in params.event.removed {
            if let Some(path) = path_of(&folder.uri.0) {
                self.workspaces.close(&path);
            }
        }
        for folder in params.event.added {
            if let Some(path) = path_of(&folder.uri.0) {
                self.open_folder(path);
            }
        }
    }

    fn opened(&mut self, params: DidOpenTextDocumentParams) {
        let uri = params.text_document.uri.0.clone();
        // A second opening begins a new document: nothing made for the first one fits it.
        self.cancel_jobs(|job| job.uri == uri && job.base.is_some(), "the document was opened anew");
        self.unmark(&uri);
        if !self.documents.open(params) {
            let message = format!("Too many documents are open; {} is left out", name_of(&uri));
            return messages::log(&self.outbox, Level::Warning, &message);
        }
        self.look_for_delivered_edits(&uri);
        self.look_for_waiting(&uri);
    }

    fn changed(&mut self, params: &DidChangeTextDocumentParams) {
        self.app.typed();
        self.typing.note();
        let uri = &params.text_document.text_document_identifier.uri.0;
        let reviewed = self.documents.get(uri).filter(|_| self.reviews.follows(uri)).cloned();
        let was_lost = self.documents.is_open(uri) && self.documents.get(uri).is_none();
        match self.documents.change(params, self.client.encoding) {
            Changed::Applied => {
                if let Some(before) = reviewed {
                    let turned = self.reviews.follow(&before, &changes_of(params), self.client.encoding);
                    self.turned(turned);
                }
                self.look_for_delivered_edits(uri);
                self.show_review(uri);
                if was_lost {
                    self.look_for_waiting(uri);
                }
            }
            Changed::Lost { current, given } => {
                self.lost(uri, &format!("its version went from {current} back to {given}"));
            }
            Changed::Unknown | Changed::StillLost => {
                tracing::debug!("a change of an unknown document was ignored")
            }
        }
    }

    /// Says once that the text of a document is not known any more, and ends what was made for it.
    fn lost(&mut self, uri: &str, why: &str) {
        let message = format!("Familiar lost track of {}: {why}. Close and reopen it.", name_of(uri));
        messages::log(&self.outbox, Level::Warning, &message);
        self.cancel_jobs(|job| job.uri == *uri && job.base.is_some(), "the document was lost");
        // Where its changes are is not known either; they are looked for once the whole text is there again.
        self.unmark(uri);
    }

    fn files_changed(&mut self, params: &DidChangeWatchedFilesParams) {
        for change in params.changes.iter().take(FILES_CHANGED_MAX) {
            self.touch(&change.uri.0);
        }
    }

    /// Tells that a file on disk changed.
    fn touch(&self, uri: &str) {
        if let Some(path) = path_of(uri) {
            self.app.touch(&path);
        }
    }

    fn answered(&mut self, answer: Answer) {
        match self.asked.take(answer.id) {
            Some(Asked::Progress(number)) => {
                let agreed = answer.result.is_ok();
                if let Some(job) = self.jobs.get_mut(number) {
                    job.progress.created(&self.outbox, agreed);
                } else if let Some(mut progress) = self.late.remove(&number) {
                    progress.created(&self.outbox, agreed);
                }
            }
            Some(Asked::Show(path)) => {
                let shown = answer.result.is_ok_and(|result| result["success"].as_bool().unwrap_or(false));
                if !shown {
                    self.name_document(&path);
                }
            }
            Some(Asked::Apply(number)) => self.edit_answered(number, answer.result),
            Some(Asked::Judge(proposal, document)) => self.decided(proposal, document, &answer.result),
            Some(Asked::Refresh) => {}
            None if self.first_indexes.answered(answer.id, answer.result.is_ok()) => {}
            None => tracing::debug!(id = answer.id, "an answer nobody waits for was ignored"),
        }
    }

    /// Opens a document in the editor, or says where it is.
    fn show_document(&mut self, path: PathBuf) {
        let Some(uri) = uri_of(&path).filter(|_| self.client.shows_documents) else {
            return self.name_document(&path);
        };
        let params = json!({ "uri": uri, "external": false, "takeFocus": true });
        let id = self.outbox.request("window/showDocument", params);
        self.asked.insert(id, Asked::Show(path));
    }

    fn name_document(&self, path: &std::path::Path) {
        let is_proposal = path.extension().is_some_and(|extension| extension == "diff");
        let what = if is_proposal { "The proposed changes are" } else { "The explanation is" };
        self.tell(Level::Info, &format!("{what} in {}", path.display()));
    }

    /// Shows one line to the user.
    fn tell(&self, level: Level, message: &str) {
        messages::show(&self.outbox, level, &self.client.signed(Surface::Message, message));
    }

    /// Shows a failed use case, and logs it here, once.
    fn tell_error(&self, what: &str, error: &AppError) {
        messages::log_here(what, error);
        let why = messages::joined(&error.message, error.hint.as_deref(), self.client.cuts_messages);
        self.tell(Level::Error, &format!("{what}: {why}"));
    }

    fn teller(&self, number: u64) -> Teller<Event> {
        Teller::new(self.events.clone(), number, Event::Job)
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, Error>) {
    if reply.send(result).is_err() {
        tracing::debug!("the client took a request back before its answer");
    }
}

fn capabilities(client: &Client) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(client.encoding_kind()),
        text_document_sync: Some(TextDocumentSync::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::Incremental),
            save: Some(Save::SaveOptions(SaveOptions { include_text: Some(false) })),
            ..TextDocumentSyncOptions::default()
        })),
        code_action_provider: Some(CodeActionProvider::CodeActionOptions(CodeActionOptions {
            code_action_kinds: Some(actions::kinds()),
            resolve_provider: Some(false),
            ..CodeActionOptions::default()
        })),
        workspace_symbol_provider: Some(true.into()),
        document_symbol_provider: Some(true.into()),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false), ..CodeLensOptions::default() }),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: CommandName::all(),
            ..ExecuteCommandOptions::default()
        }),
        workspace: Some(WorkspaceOptions {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: Some(ChangeNotifications::Bool(true)),
            }),
            ..WorkspaceOptions::default()
        }),
        ..ServerCapabilities::default()
    }
}
