//! The open documents of one session, at the version the editor last told.
//!
//! Refuses: guessing a text. When versions go backwards the document counts as lost until its full text arrives.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use text::{Change, Document, Position, PositionEncoding, Range, TextError};
use tower_lsp::gen_lsp_types::{
    DidChangeTextDocumentParams, DidOpenTextDocumentParams, Position as LspPosition, Range as LspRange,
    TextDocumentContentChangeEvent,
};

use crate::uris::path_of;

/// Documents one editor may hold open; further ones are left out.
const DOCUMENTS_MAX: usize = 4096;

/// Changes of one opening, as a power of two, before its revisions would meet those of the next.
const REVISION_BITS: u32 = 32;

/// The open documents by the URI the editor uses.
#[derive(Default)]
pub(crate) struct Documents {
    open: HashMap<String, Open>,
    /// Texts that began so far. Each has revisions of its own, so that what was made for one never fits another.
    begun: u64,
}

struct Open {
    document: Document,
    /// Whether a change was missed, so that our text may not be the editor's.
    lost: bool,
}

/// What a change did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It was applied.
    Applied,
    /// The document is not open; nothing was done.
    Unknown,
    /// The document was just lost: its version went backwards. Said once.
    Lost {
        /// The version we have.
        current: i32,
        /// The version the editor named.
        given: i32,
    },
    /// The document was lost before; nothing was done.
    StillLost,
}

impl Documents {
    /// Takes a document that was opened, replacing one of the same name. Says whether there was room.
    pub(crate) fn open(&mut self, params: DidOpenTextDocumentParams) -> bool {
        let item = params.text_document;
        if self.open.len() >= DOCUMENTS_MAX && !self.open.contains_key(&item.uri.0) {
            return false;
        }
        let language_id = serde_json::to_value(&item.language_id).unwrap_or_default();
        let language_id = language_id.as_str().unwrap_or("plaintext");
        let document = Document::new(&item.uri.0, language_id, item.version, &item.text);
        let document = document.starting_at(next_revision(&mut self.begun));
        self.open.insert(item.uri.0, Open { document, lost: false });
        true
    }

    /// Applies what the editor changed.
    pub(crate) fn change(&mut self, params: &DidChangeTextDocumentParams, encoding: PositionEncoding) -> Changed {
        let Self { open: documents, begun } = self;
        let Some(open) = documents.get_mut(&params.text_document.text_document_identifier.uri.0) else {
            return Changed::Unknown;
        };
        let changes = changes_of(params);
        let version = params.text_document.version;
        if let Some(full) = changes.iter().rposition(|change| change.range.is_none())
            && (open.lost || version < open.document.version())
        {
            // The full text makes us one with the editor again, whatever was missed before.
            let (uri, language) = (open.document.uri().to_owned(), open.document.language_id().to_owned());
            let document = Document::new(&uri, &language, version, &changes[full].text);
            open.document = document.starting_at(next_revision(begun));
            open.lost = open.document.apply(&changes[full + 1..], version, encoding).is_err();
            return Changed::Applied;
        }
        if open.lost {
            return Changed::StillLost;
        }
        match open.document.apply(&changes, version, encoding) {
            Ok(()) => Changed::Applied,
            Err(error) => {
                open.lost = true;
                let current = open.document.version();
                debug_assert!(matches!(error, TextError::VersionWentBack { .. }), "{error}");
                Changed::Lost { current, given: version }
            }
        }
    }

    /// Counts a document as lost, because a change of it could not be read. Says whether it was open and known.
    pub(crate) fn lose(&mut self, uri: &str) -> bool {
        self.open.get_mut(uri).is_some_and(|open| !std::mem::replace(&mut open.lost, true))
    }

    /// Forgets a document that was closed. Says whether it was open.
    pub(crate) fn close(&mut self, uri: &str) -> bool {
        self.open.remove(uri).is_some()
    }

    /// The document, unless it is closed or lost.
    pub(crate) fn get(&self, uri: &str) -> Option<&Document> {
        self.open.get(uri).filter(|open| !open.lost).map(|open| &open.document)
    }

    /// Whether the editor holds a document of this name open.
    pub(crate) fn is_open(&self, uri: &str) -> bool {
        self.open.contains_key(uri)
    }

    /// Whether the document is open and its text is not known for sure.
    pub(crate) fn is_lost(&self, uri: &str) -> bool {
        self.open.get(uri).is_some_and(|open| open.lost)
    }

    /// The URI the editor uses for the file at `path`, if it is open.
    pub(crate) fn uri_at(&self, path: &Path) -> Option<&str> {
        self.open.keys().find(|uri| path_of(uri).as_deref() == Some(path)).map(String::as_str)
    }

    /// The names of open documents whose text is not known for sure.
    pub(crate) fn lost(&self) -> impl Iterator<Item = &str> {
        self.open.iter().filter(|(_, open)| open.lost).map(|(uri, _)| uri.as_str())
    }

    /// Snapshots of all documents whose text is known.
    pub(crate) fn snapshots(&self) -> Vec<Document> {
        self.open.values().filter(|open| !open.lost).map(|open| open.document.clone()).collect()
    }
}

/// The first revision of a text that begins.
fn next_revision(begun: &mut u64) -> u64 {
    *begun += 1;
    *begun << REVISION_BITS
}

/// Reads a change.
///
/// A range that cannot be read turns a change into one of the whole document by the protocol's types, which would put what
/// was typed in the place of everything. Such a change is refused.
///
/// # Errors
/// The document whose change could not be read, where that much can be.
pub(crate) fn read_change(params: Value) -> Result<DidChangeTextDocumentParams, Option<String>> {
    let uri = params["textDocument"]["uri"].as_str().map(str::to_owned);
    let has_range = |change: &Value| change.get("range").is_some_and(|range| !range.is_null());
    let partial: Vec<bool> = params["contentChanges"].as_array().into_iter().flatten().map(has_range).collect();
    let read: DidChangeTextDocumentParams = serde_json::from_value(params).map_err(|error| {
        tracing::info!(%error, "a change could not be read");
        uri.clone()
    })?;
    let is_partial = |event: &TextDocumentContentChangeEvent| {
        matches!(event, TextDocumentContentChangeEvent::TextDocumentContentChangePartial(_))
    };
    if read.content_changes.iter().map(is_partial).eq(partial) { Ok(read) } else { Err(uri) }
}

/// A range of the protocol as ours.
pub(crate) fn range_of(range: &LspRange) -> Range {
    let position = |position: &LspPosition| Position::new(position.line, position.character);
    Range::new(position(&range.start), position(&range.end))
}

/// A range of ours as the protocol's.
pub(crate) fn lsp_range_of(range: Range) -> LspRange {
    let position = |position: Position| LspPosition { line: position.line, character: position.character };
    LspRange { start: position(range.start), end: position(range.end) }
}

/// The changes of a notification, in order.
pub(crate) fn changes_of(params: &DidChangeTextDocumentParams) -> Vec<Change> {
    params.content_changes.iter().map(change_of).collect()
}

fn change_of(event: &TextDocumentContentChangeEvent) -> Change {
    match event {
        TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
            Change { range: Some(range_of(&part.range)), text: part.text.clone() }
        }
        TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
            Change { range: None, text: whole.text.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URI: &str = "file:///w/a.py";

    fn opened(text: &str) -> Documents {
        let mut documents = Documents::default();
        let item = json!({ "textDocument": { "uri": URI, "languageId": "python", "version": 3, "text": text } });
        assert!(documents.open(serde_json::from_value(item).expect("the parameters are complete")));
        documents
    }

    fn change(documents: &mut Documents, version: i32, changes: Value) -> Changed {
        let params = json!({ "textDocument": { "uri": URI, "version": version }, "contentChanges": changes });
        let params = serde_json::from_value(params).expect("the parameters are complete");
        documents.change(&params, PositionEncoding::Utf16)
    }

    fn text(documents: &Documents) -> Option<String> {
        documents.get(URI).map(|document| document.rope().to_string())
    }

    #[test]
    fn changes_are_applied_one_after_the_other_in_the_clients_columns() {
        let mut documents = opened("a = \"🦀b\"\n");
        assert_eq!(documents.get(URI).map(Document::language_id), Some("python"));
        let at = |start: u32, end: u32| json!({ "start": { "line": 0, "character": start }, "end": { "line": 0, "character": end } });
        let changes = json!([{ "range": at(7, 8), "text": "c" }, { "range": at(0, 1), "text": "name" }]);
        assert_eq!(change(&mut documents, 4, changes), Changed::Applied);
        assert_eq!(text(&documents).as_deref(), Some("name = \"🦀c\"\n"));
    }

    #[test]
    fn a_version_that_goes_backwards_is_noticed_once_and_healed_by_the_full_text() {
        let mut documents = opened("one\n");
        let insert = json!([{ "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } }, "text": "x" }]);
        assert_eq!(change(&mut documents, 2, insert.clone()), Changed::Lost { current: 3, given: 2 });
        assert_eq!(change(&mut documents, 4, insert), Changed::StillLost);
        assert!(documents.is_lost(URI));
        assert_eq!(text(&documents), None);
        assert_eq!(change(&mut documents, 2, json!([{ "text": "two\n" }])), Changed::Applied);
        assert_eq!(text(&documents).as_deref(), Some("two\n"));
    }

    #[test]
    fn no_two_texts_share_a_revision() {
        let mut documents = opened("one\n");
        let mut seen = Vec::new();
        let mut note = |documents: &Documents| seen.push(documents.get(URI).map(Document::revision));
        note(&documents);
        assert_eq!(change(&mut documents, 2, json!([{ "text": "two\n" }])), Changed::Applied);
        note(&documents);
        let item =
            json!({ "textDocument": { "uri": URI, "languageId": "python", "version": 3, "text": "three\n" } });
        for closes in [false, true] {
            if closes {
                documents.close(URI);
            }
            assert!(documents.open(serde_json::from_value(item.clone()).expect("the parameters are complete")));
            note(&documents);
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "{seen:?}");
    }

    #[test]
    fn a_range_that_cannot_be_read_is_not_the_whole_document() {
        let read = |changes: Value| {
            let params = json!({ "textDocument": { "uri": URI, "version": 4 }, "contentChanges": changes });
            read_change(params).map(|params| params.content_changes.len())
        };
        let at = |character: Value| json!({ "line": 0, "character": character });
        let typed =
            |place: Value| json!([{ "text": "one" }, { "range": { "start": place, "end": place }, "text": "x" }]);
        assert_eq!(read(typed(at(json!(0)))), Ok(2));
        assert_eq!(read(json!([{ "range": null, "text": "all of it" }])), Ok(1));
        for character in [json!(-1), json!(4_294_967_296_u64), json!(0.5), json!("0"), Value::Null] {
            assert_eq!(read(typed(at(character))), Err(Some(URI.to_owned())));
        }
        assert_eq!(read(json!({ "text": "x" })), Err(Some(URI.to_owned())));
        assert_eq!(read_change(json!([])), Err(None));
    }

    #[test]
    fn a_change_that_cannot_be_read_loses_the_document_once() {
        let mut documents = opened("one\n");
        assert!(documents.lose(URI));
        assert!(documents.is_lost(URI) && !documents.lose(URI) && !documents.lose("file:///other.py"));
        assert_eq!(change(&mut documents, 9, json!([{ "text": "two\n" }])), Changed::Applied);
        assert_eq!(text(&documents).as_deref(), Some("two\n"));
    }

    #[test]
    fn closed_documents_are_unknown() {
        let mut documents = opened("one\n");
        assert_eq!(documents.uri_at(Path::new("/w/a.py")), Some(URI));
        assert!(documents.close(URI));
        assert!(!documents.close(URI));
        assert_eq!(change(&mut documents, 4, json!([{ "text": "" }])), Changed::Unknown);
    }
}
