//! What begins an image that is drawn of words in a document and named behind them.
//!
//! Refuses: a document that lies nowhere, because the image is put beside it.

use tower_lsp::gen_lsp_types::ProgressToken;
use tower_lsp::jsonrpc::{Error, Result};

use super::MainLoop;
use crate::arguments::{Feature, Target};
use crate::jobs::drawing::{self, Draw};
use crate::messages::request_failed;
use crate::uris::{name_of, path_of};

/// A selection longer than this describes no image, in bytes; the queue counts characters.
const PROMPT_BYTES_MAX: usize = 16_000;

impl MainLoop {
    /// Has an image drawn of the user's words, else of those that are selected, and named behind them.
    pub(super) fn begin_image(
        &mut self,
        uri: String,
        target: Target,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
        self.applies_edits()?;
        let Some(document) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open; open it in the editor first", name_of(&uri))));
        };
        let Some(path) = path_of(&uri) else {
            let name = name_of(&uri);
            return Err(request_failed(format!("{name} lies nowhere yet; save it, the image is put beside it")));
        };
        let selection = self.bytes_of(&document, &target.part)?;
        let selected = document.rope().byte_slice(selection.clone());
        if target.instruction.is_none() && selected.len_bytes() > PROMPT_BYTES_MAX {
            let hint = "select the words that describe the image alone";
            return Err(request_failed(format!("The selection is too long for an image; {hint}")));
        }
        let prompt = target.instruction.unwrap_or_else(|| selected.to_string().trim().to_owned());
        if prompt.is_empty() {
            let how = "select the words that describe the image, or send them as the instruction";
            return Err(Error::invalid_params(format!("familiar.image needs words; {how}")));
        }
        let number = self.add_job(Feature::Image.verb(), uri, token);
        let asks_first = target.asks_first.or(self.client.asks_first);
        let asks_first = asks_first.unwrap_or_else(|| self.app.config().edits_ask_first);
        // The line that the selection ends in, not the one after it.
        let at = selection.end.saturating_sub(1).max(selection.start);
        let base = document.rope().clone();
        if let Some(job) = self.jobs.get_mut(number) {
            (job.base, job.asks_first) = (Some(document), asks_first);
        }
        let what = Draw { prompt, path, base, at };
        self.start(number, |this| drawing::draw(this.app.clone(), what, this.teller(number)));
        Ok(number)
    }
}
