//! The places that arguments name: which document is meant, and which bytes of it.
//!
//! Refuses: lines that a document does not have.

use std::ops::Range;

use text::{Document, position};
use tower_lsp::jsonrpc::{Error, Result};

use super::MainLoop;
use crate::arguments::{Part, Place};
use crate::uris::{name_of, path_of, uri_of};

impl MainLoop {
    /// The editor's own way to write a URI, if it has the document open.
    pub(super) fn known_uri(&self, uri: &str) -> String {
        self.uri_of(&Place::Uri(uri.to_owned())).unwrap_or_else(|_| uri.to_owned())
    }

    /// The URI under which the editor knows a place.
    pub(super) fn uri_of(&self, place: &Place) -> Result<String> {
        let path = match place {
            // One file can be written as a URI in several ways; the editor's own way finds the document.
            Place::Uri(uri) if self.documents.is_open(uri) => return Ok(uri.clone()),
            Place::Uri(uri) => path_of(uri),
            Place::Path(path) => Some(path.clone()),
        };
        let open = path.as_deref().and_then(|path| self.documents.uri_at(path));
        let uri = match (open, place) {
            (Some(uri), _) => Some(uri.to_owned()),
            (None, Place::Uri(uri)) => Some(uri.clone()),
            (None, Place::Path(path)) => uri_of(path),
        };
        uri.ok_or_else(|| Error::invalid_params("The path names no file"))
    }

    /// The bytes of a part of a document.
    pub(super) fn bytes_of(&self, document: &Document, part: &Part) -> Result<Range<usize>> {
        let rope = document.rope();
        match part {
            Part::Range(range) => Ok(position::bytes_of(rope, *range, self.client.encoding)),
            Part::Lines(first, last) => {
                let (first, last) = (*first as usize - 1, (*last as usize).min(rope.len_lines()));
                if first >= rope.len_lines() {
                    let lines = rope.len_lines();
                    let name = name_of(document.uri());
                    return Err(Error::invalid_params(format!(
                        "Line {} is past the {lines} lines of {name}",
                        first + 1
                    )));
                }
                Ok(rope.line_to_byte(first)..rope.line_to_byte(last))
            }
        }
    }
}
