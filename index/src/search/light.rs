//! Files of which only the path is known, such as lock files and pictures: found when a question names them.
//!
//! Refuses: to guess. A word of a question that happens to be part of a path is no name of a file.

use std::fs::symlink_metadata;

use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, TantivyDocument, Term};

use crate::error::{Doing, IndexError};
use crate::files::admit::Gate;
use crate::files::content::decode_bytes;
use crate::files::live::{inside, read};
use crate::limits::{FILE_BYTES_MAX, HEADER_PART_BYTES_MAX, IDENTIFIERS_MAX, LIGHT_HITS_MAX};
use crate::search::overlay::Overlay;
use crate::search::searcher::{Hit, SearchRequest, Searcher};
use crate::storage::document::light_name;

impl Searcher {
    /// The hits of a question with those files that it names and that are known by path only: first when it is nothing
    /// but such a name, else last.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the index cannot be read.
    pub(crate) fn with_named_files(
        &self,
        request: &SearchRequest,
        limit: usize,
        mut hits: Vec<Hit>,
    ) -> Result<Vec<Hit>, IndexError> {
        let question = request.query.trim();
        let mut named: Vec<Hit> = Vec::new();
        for name in file_names(question) {
            self.named_file(&name, request, &mut named)?;
        }
        named.retain(|one| !hits.iter().any(|hit| hit.path == one.path));
        named.truncate(limit);
        if named.is_empty() {
            return Ok(hits);
        }
        hits.truncate(limit - named.len());
        let at = if question.contains(char::is_whitespace) { hits.len() } else { 0 };
        let score = if at == 0 { hits.first() } else { hits.last() }.map_or(1.0, |hit| hit.score);
        named.iter_mut().for_each(|one| one.score = score);
        hits.splice(at..at, named);
        Ok(hits)
    }

    fn named_file(&self, name: &str, request: &SearchRequest, found: &mut Vec<Hit>) -> Result<(), IndexError> {
        let doing = "searching";
        let field = self.snapshot.fields.light_paths;
        let term = Term::from_field_text(field, &light_name(name));
        let wanted = format!("/{}", name.to_lowercase());
        for reader in self.snapshot.text.segment_readers() {
            let paths = reader.inverted_index(field).doing(doing)?;
            let Some(mut postings) = paths.read_postings(&term, IndexRecordOption::Basic).doing(doing)? else {
                continue;
            };
            let store = reader.get_store_reader(1).doing(doing)?;
            let mut document = postings.doc();
            while document != TERMINATED && found.len() < LIGHT_HITS_MAX {
                let here = document;
                document = postings.advance();
                if reader.is_deleted(here) {
                    continue;
                }
                let stored: TantivyDocument = store.get(here).doing(doing)?;
                let Some(card) = self.snapshot.fields.card(&stored) else { continue };
                let is_meant = format!("/{}", card.path.to_lowercase()).ends_with(&wanted)
                    && request.filter.admits(&card.path);
                let is_meant = is_meant && !self.saved.hides(&card.path);
                if is_meant && !found.iter().any(|hit| hit.path == card.path) && self.is_there(&card.path) {
                    found.push(self.path_hit(card.path, card.kind, &request.overlay));
                }
            }
        }
        Ok(())
    }

    fn is_there(&self, path: &str) -> bool {
        inside(&self.root, path)
            .is_ok_and(|(inner, full)| inner == path && symlink_metadata(full).is_ok_and(|meta| meta.is_file()))
    }

    /// A file with the beginning of its first line, where it has lines: of its unsaved text, where there is one.
    fn path_hit(&self, path: String, kind: String, overlay: &Overlay) -> Hit {
        let unsaved = overlay.text(&path).filter(|_| Gate::new(&self.root).admits(&path));
        let saved = || {
            let file = read(&self.root.join(&path), FILE_BYTES_MAX).ok()?;
            Some(decode_bytes(file.bytes)?.text)
        };
        let mut text = unsaved.map_or_else(|| saved().unwrap_or_default(), str::to_owned);
        let mut end = text.find(['\n', '\r']).unwrap_or(text.len()).min(HEADER_PART_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        let open = if unsaved.is_some() { "; unsaved text of an open editor" } else { "" };
        let why = format!("named by its path; {kind}, so nothing else of it is searched{open}");
        Hit { path, start_line: 1, end_line: 1, symbol: None, kind, score: 0.0, why, text, lines: Vec::new() }
    }
}

/// Names of files in a question, with the folders before them that it gives.
fn file_names(question: &str) -> Vec<String> {
    let runs = question.split(|letter: char| letter.is_whitespace() || "\"'`()[]{}<>,;".contains(letter));
    let names = runs.map(|run| run.replace('\\', "/").trim_matches(['.', '/', ':', '?', '!']).to_owned());
    names
        .filter(|name| name.rsplit('/').next().is_some_and(|name| name.contains('.')))
        .take(IDENTIFIERS_MAX)
        .collect()
}
