//! Changes that wait to be judged: marked when an edit is in, moved with the text, shown, found again after a restart.
//!
//! Refuses: judging for the user. A change leaves the marks when the user decides, or when its text is gone.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app::{App, ChangeState, Proposal, ProposalDocument};
use engine::{Review, TriggerKind};
use serde_json::{Value, json};
use text::Document;
use tokio::sync::{mpsc, oneshot};
use tower_lsp::gen_lsp_types::{CodeActionParams, CodeActionResponse};

use super::{Asked, Event, MainLoop};
use crate::actions::{self, Menu};
use crate::client::Editor;
use crate::documents::{lsp_range_of, range_of};
use crate::door::Reply;
use crate::jobs::work::comment_at;
use crate::review::marks::{actions_at, diagnostics, function_lenses, lenses, marks, notification};
use crate::review::shown::Shown;
use crate::review::{Standing, Turned, Undecided};
use crate::uris::path_of;

/// Proposals of a file that are looked through for changes that still wait.
const RESTORED_MAX: usize = 20;
/// Changes older than this no longer wait when their file is opened again.
const WAIT_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Proposals that wait for a decision and are offered in the menu; the oldest is forgotten when a further one comes.
const UNDECIDED_MAX: usize = 8;

/// What editors call the languages whose documents hold images as Markdown does.
const MARKDOWN: [&str; 5] = ["markdown", "mdx", "quarto", "rmarkdown", "rmd"];

/// A line longer than this is no comment to the product, in bytes.
const COMMENT_BYTES_MAX: usize = 4096;

/// Notes that may wait to be written down.
pub(crate) const NOTES_LEN_MAX: usize = 4096;

/// What is to be kept in mind about proposals.
pub(crate) enum Note {
    /// What became of changes of a proposal.
    Settle(String, Vec<(usize, usize)>, ChangeState),
    /// Somebody waits for everything before this.
    Tell(oneshot::Sender<()>),
}

/// What a task found out about proposals.
pub(crate) enum Found {
    /// Changes of an opened document that still wait, for a revision of it, and proposals of it that nobody decided on.
    Waiting(String, u64, Vec<Standing>, Vec<Undecided>),
    /// An opened document is that of a proposal.
    Shown(String, Box<Proposal>, ProposalDocument),
    /// A proposal as it is now.
    Read(Box<Proposal>),
    /// The document of a proposal, to be shown.
    Document(PathBuf),
    /// It did not go well.
    Failed(&'static str, app::AppError),
}

impl MainLoop {
    /// Takes what a task found out.
    pub(super) fn found(&mut self, found: Found) {
        match found {
            Found::Waiting(uri, revision, waiting, undecided) => {
                undecided.into_iter().for_each(|one| self.waits_for_decision(Some(one)));
                // Whoever typed meanwhile has the text looked through once more.
                match self.documents.get(&uri).map(Document::revision) {
                    Some(now) if now == revision => {
                        for standing in waiting {
                            if self.reviews.get(&uri, &standing.proposal).is_none() {
                                self.reviews.insert(&uri, standing);
                            }
                        }
                        self.show_review(&uri);
                    }
                    Some(_) => self.look_for_waiting(&uri),
                    None => {}
                }
            }
            Found::Shown(uri, proposal, document) => {
                if self.documents.is_open(&uri) {
                    self.shown.insert(uri.clone(), Shown { proposal: *proposal, changes: document.changes });
                    self.show_proposal_state(&uri);
                }
            }
            Found::Read(proposal) => self.proposal_read(&proposal),
            Found::Document(path) => self.show_document(path),
            Found::Failed(what, error) => self.tell_error(what, &error),
        }
    }

    /// A document was opened: changes of it may still wait, or it is that of a proposal.
    pub(super) fn look_for_waiting(&mut self, uri: &str) {
        let Some(document) = self.documents.get(uri).cloned() else {
            return;
        };
        let (app, events) = (self.app.clone(), self.events.clone());
        self.tasks.spawn(async move {
            if let Some(found) = waiting(&app, &document).await {
                let _ = events.send(Event::Proposal(found)).await;
            }
        });
    }

    /// A proposal changed, in this session or in another one.
    pub(super) fn proposal_changed(&mut self, id: String) {
        let is_here = self.reviews.uris().iter().any(|uri| self.reviews.get(uri, &id).is_some())
            || self.shown.values().any(|shown| shown.proposal.id == id)
            || self.undecided.iter().any(|one| one.proposal == id);
        if is_here {
            self.look_up(async move |app: App| match app.proposal(&id).await {
                Ok(proposal) => Found::Read(Box::new(proposal)),
                Err(error) => Found::Failed("Familiar", error),
            });
        }
    }

    /// More changed than could be told: every proposal that is shown is read again.
    pub(super) fn proposals_missed(&mut self) {
        let uris = self.reviews.uris();
        let waiting = uris.iter().flat_map(|uri| self.reviews.of(uri)).map(|standing| standing.proposal.clone());
        let shown = self.shown.values().map(|shown| shown.proposal.id.clone());
        let undecided = self.undecided.iter().map(|one| one.proposal.clone());
        let ids: std::collections::BTreeSet<String> = waiting.chain(shown).chain(undecided).collect();
        ids.into_iter().for_each(|id| self.proposal_changed(id));
    }

    /// Offers a proposal in the menu of what it changes.
    pub(super) fn waits_for_decision(&mut self, undecided: Option<Undecided>) {
        let Some(undecided) = undecided else { return };
        self.undecided.retain(|one| one.proposal != undecided.proposal);
        self.undecided.push(undecided);
        if self.undecided.len() > UNDECIDED_MAX {
            self.undecided.remove(0);
        }
    }

    fn proposal_read(&mut self, proposal: &Proposal) {
        if Undecided::of(proposal).is_none() {
            self.undecided.retain(|one| one.proposal != proposal.id);
        }
        for uri in self.reviews.uris() {
            let Some(file) = self.reviews.get(&uri, &proposal.id).map(|standing| standing.file) else { continue };
            let Some(states) = proposal.said.files.get(file).map(|file| &file.states) else { continue };
            let judged = |number: usize| states.get(number).is_some_and(|state| *state != ChangeState::Standing);
            if self.reviews.settle(&uri, &proposal.id, judged) {
                self.show_review(&uri);
            }
        }
        let here: Vec<String> = self.shown.keys().cloned().collect();
        for uri in here {
            if let Some(shown) = self.shown.get_mut(&uri).filter(|shown| shown.proposal.id == proposal.id) {
                shown.proposal = proposal.clone();
                self.show_proposal_state(&uri);
            }
        }
    }

    /// Shows which changes of a document wait, in the client's way.
    pub(super) fn show_review(&mut self, uri: &str) {
        let Some(document) = self.documents.get(uri) else {
            return;
        };
        let (marks, encoding) = (marks(&self.reviews, uri), self.client.encoding);
        if marks.is_empty() && !self.marked.contains_key(uri) {
            return;
        }
        if self.client.draws_reviews {
            // The state of all of them, so that a later one stands in the place of one that was not read yet.
            let state = notification(&marks, document, encoding);
            self.outbox.report(&format!("review/{uri}"), "familiar/review", state);
        } else {
            let diagnostics = diagnostics(&marks, document.rope(), encoding);
            let params = json!({ "uri": uri, "version": document.version(), "diagnostics": diagnostics });
            self.outbox.notify("textDocument/publishDiagnostics", params);
        }
        let count = marks.len();
        let before = if count == 0 { self.marked.remove(uri) } else { self.marked.insert(uri.to_owned(), count) };
        if before != Some(count) && self.client.refreshes_lenses && !self.client.draws_reviews {
            let id = self.outbox.request("workspace/codeLens/refresh", Value::Null);
            self.asked.insert(id, Asked::Refresh);
        }
    }

    /// Takes the marks of a document away, whose text is not followed any more.
    pub(super) fn unmark(&mut self, uri: &str) {
        self.reviews.close(uri);
        self.late_edits.retain(|late| late.target.uri != uri);
        if self.marked.remove(uri).is_none() {
            return;
        }
        if self.client.draws_reviews {
            // In the place of a state that was not read yet, which would bring the marks back.
            let state = json!({ "uri": uri, "version": null, "changes": [] });
            self.outbox.report(&format!("review/{uri}"), "familiar/review", state);
        } else {
            self.outbox.notify("textDocument/publishDiagnostics", json!({ "uri": uri, "diagnostics": [] }));
        }
    }

    fn show_proposal_state(&self, uri: &str) {
        if let (Some(shown), Some(document)) = (self.shown.get(uri), self.documents.get(uri)) {
            let diagnostics = shown.diagnostics(&self.reviews);
            let params = json!({ "uri": uri, "version": document.version(), "diagnostics": diagnostics });
            self.outbox.notify("textDocument/publishDiagnostics", params);
        }
    }

    /// Answers with the menu of actions at a place.
    pub(super) fn menu(&mut self, params: &CodeActionParams, reply: Reply<Option<Vec<CodeActionResponse>>>) {
        let uri = &params.text_document.uri.0;
        let collapsed = self.without_block_cursor(params);
        let params = collapsed.as_ref().unwrap_or(params);
        let lines =
            params.range.start.line.min(params.range.end.line)..params.range.end.line.max(params.range.start.line);
        let mut asking = None;
        let mut offers = match (self.shown.get(uri), self.documents.get(uri)) {
            (Some(shown), _) => shown.actions(&lines),
            (None, Some(document)) => {
                let mut offers = actions_at(&marks(&self.reviews, uri), uri, document.rope(), &lines);
                let place = place_of(uri);
                offers.extend(self.undecided.iter().rev().filter(|one| one.is_at(&place)).map(|one| {
                    let title = format!("Decide on the changes of \"{}\"", one.title);
                    (title, "familiar.showProposal", json!({ "proposal": one.proposal }))
                }));
                asking = may_ask_at(document, lines.start).then(|| document.clone());
                offers
            }
            (None, None) => Vec::new(),
        };
        let is_proposal = self.shown.contains_key(uri);
        let language = self.documents.get(uri).map(Document::language_id);
        let holds_images = language.is_some_and(|language| MARKDOWN.contains(&language));
        let running = self.jobs.len();
        let Some(document) = asking else {
            let menu = Menu { running, offers, holds_images, is_proposal, client: &self.client };
            return super::answer(reply, Ok(Some(actions::menu(params, &menu))));
        };
        // Whether a comment asks there is told by a parse, which this loop does not wait for.
        let (params, client) = (params.clone(), self.client.clone());
        self.look(reply, async move {
            let looked = tokio::task::spawn_blocking(move || comment_action(&document, lines.start));
            offers.extend(looked.await.ok().flatten());
            let menu = Menu { running, offers, holds_images, is_proposal, client: &client };
            Ok(Some(actions::menu(&params, &menu)))
        });
    }

    /// The same request without a selection, where all that is selected is the block that Helix draws as its cursor.
    fn without_block_cursor(&self, params: &CodeActionParams) -> Option<CodeActionParams> {
        if self.client.editor != Editor::Helix {
            return None;
        }
        let range = range_of(&params.range);
        let is_block = match self.documents.get(&params.text_document.uri.0).map(Document::rope) {
            Some(rope) => is_one_letter(rope, text::position::bytes_of(rope, range, self.client.encoding)),
            // A server that just started may be asked before it is told of the document.
            None => range.start.line == range.end.line && range.end.character == range.start.character + 1,
        };
        is_block.then(|| {
            let mut collapsed = params.clone();
            collapsed.range.end = collapsed.range.start;
            collapsed
        })
    }

    /// Answers with the lenses of a document: on what waits, and on functions for those who want them.
    pub(super) fn code_lenses(&mut self, uri: &str, reply: Reply<Value>) {
        let Some(document) = self.documents.get(uri).cloned() else {
            return super::answer(reply, Ok(json!([])));
        };
        let mut all = Vec::new();
        if !self.client.draws_reviews {
            all = lenses(&marks(&self.reviews, uri), uri, document.rope(), self.client.encoding);
        }
        if !self.client.wants_function_lenses.unwrap_or_else(|| self.app.config().function_lenses) {
            return super::answer(reply, Ok(all.into()));
        }
        self.look(reply, async move {
            let functions = tokio::task::spawn_blocking(move || function_lenses(&document)).await;
            all.extend(functions.unwrap_or_default());
            Ok(all.into())
        });
    }

    /// Changes that the user undid or took away, or brought back.
    pub(super) fn turned(&mut self, turned: Vec<Turned>) {
        for Turned { proposal, file, changes, state } in turned {
            self.settle(proposal, changes.into_iter().map(|change| (file, change)).collect(), state);
        }
    }

    /// Keeps in mind what became of changes, one after the other.
    pub(super) fn settle(&mut self, proposal: String, changes: Vec<(usize, usize)>, state: ChangeState) {
        if self.notes.try_send(Note::Settle(proposal, changes, state)).is_err() {
            tracing::warn!("too much waits to be written down; what became of a change is not");
        }
    }

    /// Ends when everything that was to be kept in mind so far is.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        let (done, settled) = oneshot::channel();
        let sent = self.notes.try_send(Note::Tell(done)).is_ok();
        async move {
            if sent {
                // The writer ends only with the session.
                let _ = settled.await;
            }
        }
    }

    /// The same for all changes of an edit that wait.
    pub(super) fn settle_standing(&mut self, standing: &Standing, state: ChangeState) {
        let changes = standing.review.standing().map(|(number, _)| (standing.file, number)).collect();
        self.settle(standing.proposal.clone(), changes, state);
    }

    /// Another version took the place of an edit.
    pub(super) fn superseded(&mut self, uri: &str, proposal: &str) {
        if let Some(old) = self.reviews.remove(uri, proposal) {
            self.settle_standing(&old, ChangeState::Reverted);
        }
    }

    /// Waiting changes are out of the text.
    pub(super) fn taken_back(&mut self, changes: Vec<(String, String, Vec<usize>)>) {
        for (uri, proposal, numbers) in changes {
            let file = self.reviews.get(&uri, &proposal).map(|standing| standing.file);
            // Following the text may have ended them already.
            if let Some(file) = file
                && self.reviews.settle(&uri, &proposal, |number| numbers.contains(&number))
            {
                let changes = numbers.into_iter().map(|number| (file, number)).collect();
                self.settle(proposal, changes, ChangeState::Reverted);
            }
            self.show_review(&uri);
        }
    }

    /// Shows the code that is written so far.
    pub(super) fn preview(&mut self, number: u64, code: &str, done: bool) {
        if !self.client.draws_previews {
            return;
        }
        let encoding = self.client.encoding;
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let place = |job: &crate::jobs::Job| {
            let (base, wish) = (job.base.as_ref()?, job.wish.as_ref()?);
            let range = text::position::range_of(base.rope(), wish.target.clone(), encoding);
            Some(json!(lsp_range_of(range)))
        };
        if done && job.previewed.is_none() {
            return;
        }
        let Some(range) = job.previewed.clone().or_else(|| place(job)) else {
            return;
        };
        let params = json!({
            "token": job.progress.name(), "uri": job.uri, "range": range, "text": code, "done": done,
        });
        job.previewed = Some(range);
        // All of the code so far: an editor that reads slowly gets the last one alone.
        self.outbox.report(&format!("preview/{number}"), "familiar/preview", params);
    }

    pub(super) fn look_up<W: Future<Output = Found> + Send + 'static>(&mut self, work: impl FnOnce(App) -> W) {
        let (work, events, settled) = (work(self.app.clone()), self.events.clone(), self.settled());
        self.tasks.spawn(async move {
            settled.await;
            let _ = events.send(Event::Proposal(work.await)).await;
        });
    }
}

/// Whether these bytes are one character, or one line break.
fn is_one_letter(rope: &text::Rope, bytes: Range<usize>) -> bool {
    let part = rope.byte_slice(bytes);
    part.len_chars() == 1 || part == "\r\n"
}

/// Whether a line has words that ask for something, in a comment or not.
fn may_ask_at(document: &Document, line: u32) -> bool {
    let text = document.rope().get_line(line as usize).filter(|text| text.len_bytes() <= COMMENT_BYTES_MAX);
    text.is_some_and(|text| engine::may_ask(&text.to_string()).is_some())
}

/// The entry for a line with a comment that asks for something. Parses the document.
fn comment_action(document: &Document, line: u32) -> Option<(String, &'static str, Value)> {
    let title = match comment_at(document, line)?.kind {
        TriggerKind::Edit => "Do what the comment asks for",
        TriggerKind::Question => "Answer the comment",
    };
    let arguments = json!({ "uri": document.uri(), "position": { "line": line, "character": 0 } });
    Some((title.to_owned(), "familiar.comment", arguments))
}

/// Writes down what became of changes, in order, until the session is over and all is written.
pub(crate) async fn write_notes(app: App, mut notes: mpsc::Receiver<Note>) {
    while let Some(note) = notes.recv().await {
        match note {
            Note::Settle(proposal, changes, state) => {
                // The text is right anyway, so this is no error of the user's.
                if let Err(error) = app.settle(&proposal, changes, state).await {
                    tracing::warn!(error = %error.message, "what became of a change was not written down");
                }
            }
            // Whoever waited may have been cancelled.
            Note::Tell(done) => drop(done.send(())),
        }
    }
}

/// What waits in an opened document, or which proposal it is of.
async fn waiting(app: &App, document: &Document) -> Option<Found> {
    let uri = document.uri().to_owned();
    if let Some(path) = path_of(&uri)
        && let Ok(Some((proposal, shown))) = app.proposal_of_document(&path).await
    {
        return Some(Found::Shown(uri, Box::new(proposal), shown));
    }
    let place = place_of(&uri);
    let proposals = app.proposals_at(&place, RESTORED_MAX).await.ok()?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let young = |proposal: &Proposal| {
        let age_ms = now_ms.saturating_sub(u128::try_from(proposal.created_ms).unwrap_or_default());
        age_ms <= WAIT_MAX.as_millis()
    };
    let mut proposals: Vec<Proposal> = proposals.into_iter().filter(young).collect();
    // Oldest first, as they were asked for.
    let undecided: Vec<Undecided> = proposals.iter().rev().filter_map(Undecided::of).collect();
    proposals.retain(|proposal| proposal.said.count(ChangeState::Standing) > 0);
    if proposals.is_empty() && undecided.is_empty() {
        return None;
    }
    let (text, revision) = (document.rope().clone(), document.revision());
    let looked = tokio::task::spawn_blocking(move || {
        let text = text.to_string();
        // Oldest first, as they were marked.
        proposals.iter().rev().filter_map(|proposal| standing_again(proposal, &place, &text)).collect::<Vec<_>>()
    });
    Some(Found::Waiting(uri, revision, looked.await.unwrap_or_default(), undecided))
}

fn standing_again(proposal: &Proposal, place: &str, text: &str) -> Option<Standing> {
    let (file, said) = (0..).zip(&proposal.said.files).find(|(_, file)| file.place == place)?;
    let stands = |number: usize| said.states.get(number) == Some(&ChangeState::Standing);
    let review = Review::found_again(said.blocks().to_vec(), stands, text);
    review.standing().next()?;
    Some(Standing {
        proposal: proposal.id.clone(),
        file,
        title: proposal.said.title.clone(),
        instruction: proposal.said.instruction.clone(),
        review,
        wish: None,
        candidates: Vec::new(),
        shown: 0,
    })
}

/// What a document is known by beyond one session: its path, or its URI when it is no file.
pub(super) fn place_of(uri: &str) -> String {
    path_of(uri).map_or_else(|| uri.to_owned(), |path| path.to_string_lossy().into_owned())
}
