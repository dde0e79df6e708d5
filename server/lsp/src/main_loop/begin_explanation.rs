//! What begins an explanation, a review or the answer to a question.
//!
//! Refuses: a document that is neither open nor a file.

use tower_lsp::gen_lsp_types::ProgressToken;
use tower_lsp::jsonrpc::Result;

use super::MainLoop;
use crate::arguments::{Feature, Part, Target};
use crate::jobs::work::{self, Explain, ExplainPart};
use crate::messages::request_failed;
use crate::uris::{name_of, path_of};

impl MainLoop {
    /// Begins an explanation of a part of a file, which need not be open.
    pub(super) fn begin_explain(
        &mut self,
        feature: Feature,
        uri: String,
        target: Target,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
        let document = self.documents.get(&uri).cloned();
        let part = match &document {
            Some(document) => ExplainPart::Bytes(self.bytes_of(document, &target.part)?),
            None => whole_lines(&target.part),
        };
        let path = path_of(&uri);
        if document.is_none() && path.is_none() {
            return Err(request_failed(format!("{} is not open", name_of(&uri))));
        }
        let name = name_of(&uri);
        let what = Explain {
            workspace: self.workspaces.of(path.as_deref()),
            path: path.unwrap_or_else(|| name.clone().into()),
            name,
            document,
            part,
            question: target.instruction,
            title: feature.verb(),
            reviews: feature == Feature::Review,
            open: self.documents.snapshots(),
        };
        self.room_for_a_job()?;
        let number = self.add_job(feature.verb(), uri, token);
        self.start(number, |this| work::explain(this.app.clone(), what, this.teller(number)));
        Ok(number)
    }
}

/// The lines of a part of a file that is not open.
fn whole_lines(part: &Part) -> ExplainPart {
    match part {
        Part::Lines(first, last) => ExplainPart::Lines(*first, *last),
        Part::Range(range) => {
            let (start, end) = (range.start.min(range.end), range.start.max(range.end));
            // A range that ends before the first column of a line does not touch that line.
            let last =
                if end.character == 0 && end.line > start.line { end.line } else { end.line.saturating_add(1) };
            ExplainPart::Lines(start.line.saturating_add(1), last)
        }
    }
}
