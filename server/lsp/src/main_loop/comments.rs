//! Comments that ask for something: looked for at a place, and begun as an edit or a question.
//!
//! Refuses: a comment that cannot be taken out of the text.

use engine::{EditAction, Trigger, TriggerKind};
use text::{Document, position};
use tower_lsp::jsonrpc::{Error, Result};

use super::MainLoop;
use super::begin_edit::EditAsked;
use crate::arguments::{Feature, Part, Place, ReviewArguments, Target};
use crate::jobs::work;
use crate::messages::{Level, request_failed};
use crate::review::Wish;
use crate::uris::name_of;

impl MainLoop {
    /// Does what a comment at a place asks for.
    pub(super) fn comment_command(&mut self, which: &ReviewArguments) -> Result<()> {
        let (Some(uri), Some(position)) = (&which.uri, &which.position) else {
            return Err(Error::invalid_params("familiar.comment needs {\"uri\", \"position\"}."));
        };
        let (uri, line) = (self.known_uri(uri), position.line);
        let Some(document) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open; open it in the editor first", name_of(&uri))));
        };
        let number = self.add_silent_job(uri, "Comment".to_owned())?;
        if let Some(job) = self.jobs.get_mut(number) {
            job.base = Some(document.clone());
        }
        self.start(number, |_| work::find_comment(document, line));
        Ok(())
    }

    /// Begins what a comment asks for: an edit, which takes the comment out with it, or an answer.
    pub(super) fn comment_found(&mut self, number: u64, found: Option<Trigger>) {
        let Some((uri, Some(document))) = self.jobs.get_mut(number).map(|job| (job.uri.clone(), job.base.clone()))
        else {
            return;
        };
        self.finish(number, "done");
        let Some(trigger) = found else {
            let message = "No comment asks for anything here; write `familiar: ...` or `familiar? ...`";
            return self.tell(Level::Info, message);
        };
        let begun = match trigger.kind {
            TriggerKind::Edit => self.begin_commented(uri, &document, trigger),
            TriggerKind::Question => {
                let part = Part::Range(position::range_of(document.rope(), trigger.target, self.client.encoding));
                let place = Place::Uri(uri.clone());
                let instruction = Some(trigger.instruction);
                let target = Target { place, part, instruction, asks_first: None, several_files: false };
                self.begin_explain(Feature::Ask, uri, target, None)
            }
        };
        if let Err(error) = begun {
            self.tell(Level::Warning, &error.message);
        }
    }

    fn begin_commented(&mut self, uri: String, document: &Document, trigger: Trigger) -> Result<u64> {
        let Trigger { instruction, target, removal, .. } = trigger;
        let wish =
            Wish { action: EditAction::Edit, instruction: Some(instruction), target, variation: 0, comment: None };
        self.begin_edit_without(removal, uri, document, wish, EditAsked::default(), None)
    }
}
