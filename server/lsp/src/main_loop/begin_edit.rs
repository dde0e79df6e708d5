//! What begins an edit of a document: a command, a comment in it, another version of an edit that waits, or a wish
//! that goes on from one.
//!
//! Refuses: documents that are not open, and clients that apply no edits.

use std::ops::Range;

use app::EditRequest;
use engine::EditAction;
use text::{Document, Edit};
use tower_lsp::gen_lsp_types::ProgressToken;
use tower_lsp::jsonrpc::{Error, Result};

use super::MainLoop;
use crate::arguments::{Feature, ReviewArguments, Target};
use crate::jobs::{Over, work};
use crate::messages::request_failed;
use crate::review::{Wish, moved};
use crate::uris::{name_of, path_of};

/// How an edit is asked for, besides what is wished.
#[derive(Default)]
pub(super) struct EditAsked {
    /// The edit in whose place it is to stand.
    pub(super) over: Option<Over>,
    /// What it goes on from.
    pub(super) earlier: Option<String>,
    /// Whether it is asked about before it is sent; as configured when nobody says.
    pub(super) asks_first: Option<bool>,
    /// Whether it may change other files.
    pub(super) several_files: bool,
    /// The document with the comment that asks for it, which goes with it.
    pub(super) commented: Option<Document>,
}

impl MainLoop {
    /// Begins an edit of what is selected in an open document.
    pub(super) fn begin_edit(
        &mut self,
        action: EditAction,
        uri: String,
        target: Target,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
        let Some(document) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open; open it in the editor first", name_of(&uri))));
        };
        let selection = self.bytes_of(&document, &target.part)?;
        let wish =
            Wish { action, instruction: target.instruction, target: selection, variation: 0, comment: None };
        let (asks_first, several_files) = (target.asks_first, target.several_files);
        let asked = EditAsked { asks_first, several_files, ..EditAsked::default() };
        self.begin_edit_of(uri, document, wish, asked, token)
    }

    /// Asks for another version of an edit. The one that is there stays until the new one is.
    pub(super) fn begin_again(&mut self, which: &ReviewArguments, token: Option<ProgressToken>) -> Result<()> {
        let (uri, standing) = self.standing_at(which)?;
        let (Some(wish), Some(target)) = (standing.wish.clone(), standing.target_in_base()) else {
            return Err(request_failed("This edit was asked for in an earlier session; ask for it anew"));
        };
        let Some(now) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open", name_of(&uri))));
        };
        let base = Document::new(&uri, now.language_id(), now.version(), &standing.base(now.rope()).to_string());
        let wish = Wish { target, variation: wish.variation + 1, ..wish };
        let over = Over { proposal: standing.proposal, goes_on: false };
        let asked = EditAsked { over: Some(over), asks_first: Some(false), ..EditAsked::default() };
        // The comment is back in the text that is edited again, unless its removal was kept.
        let text = base.rope().to_string();
        let comment = wish.comment.as_deref().and_then(|comment| nearest(&text, comment, wish.target.start));
        match comment {
            Some(comment) => self.begin_edit_without(comment, uri, &base, wish, asked, token),
            None => self.begin_edit_of(uri, base, wish, asked, token),
        }
        .map(drop)
    }

    /// Goes on from an edit that waits: what comes is judged together with it.
    pub(super) fn begin_follow_up(&mut self, which: &ReviewArguments, token: Option<ProgressToken>) -> Result<()> {
        let Some(instruction) = which.instruction.clone() else {
            return Err(Error::invalid_params("familiar.followUp needs an instruction."));
        };
        let (uri, standing) = self.standing_at(which)?;
        let Some(now) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open", name_of(&uri))));
        };
        let first = standing.review.standing().next().map_or(0..0, |(_, bytes)| bytes);
        let (target, earlier) = match standing.wish {
            Some(wish) => (wish.target, wish.instruction),
            None => (first, None),
        };
        let earlier = earlier.unwrap_or_else(|| standing.title.clone());
        let wish =
            Wish { action: EditAction::Edit, instruction: Some(instruction), target, variation: 0, comment: None };
        let over = Over { proposal: standing.proposal, goes_on: true };
        let asked = EditAsked {
            over: Some(over),
            earlier: Some(earlier),
            asks_first: Some(false),
            ..EditAsked::default()
        };
        self.begin_edit_of(uri, now, wish, asked, token).map(drop)
    }

    /// Begins an edit of this version of a document without a comment in it, which asks for the edit and goes with it. The
    /// wish is one of the document with the comment.
    pub(super) fn begin_edit_without(
        &mut self,
        comment: Range<usize>,
        uri: String,
        document: &Document,
        wish: Wish,
        asked: EditAsked,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
        let misfit = |_| request_failed("The comment cannot be taken out");
        let removal = Edit::replace(comment.start, comment.end, "").map_err(misfit)?;
        let without = removal.apply(document.rope()).map_err(misfit)?;
        let base = Document::new(&uri, document.language_id(), document.version(), &without.to_string());
        let wish = Wish {
            target: moved(&wish.target, &removal),
            comment: Some(document.rope().byte_slice(comment).to_string()),
            ..wish
        };
        let asked = EditAsked { commented: Some(document.clone()), ..asked };
        self.begin_edit_of(uri, base, wish, asked, token)
    }

    /// Begins an edit of this version of a document.
    pub(super) fn begin_edit_of(
        &mut self,
        uri: String,
        document: Document,
        wish: Wish,
        asked: EditAsked,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
        self.applies_edits()?;
        let EditAsked { over, earlier, asks_first, several_files, commented } = asked;
        self.room_for_a_job()?;
        let path = path_of(&uri);
        let request = EditRequest {
            workspace: self.workspaces.of(path.as_deref()),
            path,
            document: document.clone(),
            selection: wish.target.clone(),
            action: wish.action,
            instruction: wish.instruction.clone(),
            open_buffers: Vec::new(),
            open_files: Vec::new(),
            earlier: earlier.clone(),
            variation: wish.variation,
            several_files,
            form: None,
        };
        let open = self.documents.snapshots();
        let number = self.add_job(Feature::Edit(wish.action).verb(), uri, token);
        let asks_first =
            asks_first.or(self.client.asks_first).unwrap_or_else(|| self.app.config().edits_ask_first);
        // An edit that may reach further is asked about also when it stays in its own file.
        let asks_first = asks_first || several_files;
        if let Some(job) = self.jobs.get_mut(number) {
            // What is shown of the edit names all that it came from.
            let instruction = match (earlier, &wish.instruction) {
                (Some(earlier), Some(words)) => Some(format!("{earlier}; then {words}")),
                (_, words) => words.clone(),
            };
            // The edit is one of the text as it is, comment and all; so is the place it is shown at.
            let text = commented.as_ref().map(|commented| commented.rope().to_string());
            let back =
                text.map(|text| text::minimal_edit(&document.rope().to_string(), &text)).unwrap_or_default();
            let target = moved(&wish.target, &back);
            job.back = back;
            (job.base, job.wish) =
                (Some(commented.clone().unwrap_or(document)), Some(Wish { instruction, target, ..wish }));
            (job.over, job.asks_first) = (over, asks_first);
        }
        let commented = commented.map(|document| document.rope().clone());
        self.start(number, |this| work::edit(this.app.clone(), request, open, commented, this.teller(number)));
        Ok(number)
    }

    /// Refuses what would end with a request that the client did not say it takes.
    pub(super) fn applies_edits(&self) -> Result<()> {
        if self.client.applies_edits {
            return Ok(());
        }
        Err(request_failed("This editor does not apply edits for language servers"))
    }
}

/// Where `words` stand in a text, as near before `at` as they do, else as near behind it.
fn nearest(text: &str, words: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at).and_then(|before| before.rfind(words));
    let start = before.or_else(|| text.get(at..)?.find(words).map(|behind| at + behind))?;
    Some(start..start + words.len())
}
