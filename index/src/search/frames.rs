//! A traceback as the question: the passages of its frames that lie in the workspace come first, the innermost in front;
//! only what words beside it find best comes before them.
//!
//! Refuses: frames of other people's files that only happen to be called like one of the workspace.

use std::path::Path;

use crate::error::IndexError;
use crate::files::live::inside;
use crate::limits::HITS_MAX;
use crate::parse::qualified::parts;
use crate::search::place::is_same_passage;
use crate::search::rank::is_end_of;
use crate::search::searcher::{Hit, SearchRequest, Searcher};
use crate::search::traceback::{Frame, frames_of, has_words};

/// Passages that come first for being frames.
const FIRST_MAX: usize = 6;
/// Last parts of two paths that must be the same, so that they may be the same file in two folders.
const SAME_PARTS_MIN: usize = 2;

impl Searcher {
    /// Puts the passages of the frames before the other hits, when the question is a traceback.
    ///
    /// # Errors
    /// [`IndexError::Root`] when the workspace is gone, [`IndexError::Storage`] when the index cannot be read.
    pub(super) fn with_frames(&self, request: &SearchRequest, mut hits: Vec<Hit>) -> Result<Vec<Hit>, IndexError> {
        let frames = frames_of(&request.query);
        if frames.is_empty() {
            return Ok(hits);
        }
        let named: Vec<&str> = frames.iter().map(|frame| frame.path.as_str()).collect();
        let known = self.files_called(&named, request)?;
        let best = hits.first().map_or(1.0, |hit| hit.score);
        let mut first: Vec<Hit> = Vec::new();
        for frame in &frames {
            if first.len() == FIRST_MAX {
                break;
            }
            let Some(hit) = self.at_frame(frame, &known, request)? else { continue };
            match first.iter_mut().find(|one| is_same_passage(one, &hit)) {
                Some(one) => one
                    .lines
                    .extend(hit.lines.into_iter().filter(|line| !one.lines.contains(line)).collect::<Vec<_>>()),
                None => {
                    let which = if first.is_empty() { "the innermost frame here" } else { "a frame further out" };
                    first.push(Hit { why: format!("{which}: {}", hit.why), score: best, ..hit });
                }
            }
        }
        first.iter_mut().for_each(|one| one.lines.sort_unstable());
        // Where somebody says what is wrong, what is found by that stands in front.
        if has_words(&request.query) && !first.is_empty() && !hits.is_empty() {
            match first.iter().position(|one| is_same_passage(one, &hits[0])) {
                Some(at) => first[..=at].rotate_right(1),
                None => first.insert(0, hits.remove(0)),
            }
        }
        hits.retain(|hit| !first.iter().any(|one| is_same_passage(one, hit)));
        first.append(&mut hits);
        first.truncate(request.limit.min(HITS_MAX));
        Ok(first)
    }

    /// The passage of a frame, where it is one of the workspace.
    fn at_frame(
        &self,
        frame: &Frame,
        known: &[String],
        request: &SearchRequest,
    ) -> Result<Option<Hit>, IndexError> {
        match inside(&self.root, &frame.path) {
            Ok((path, full)) if full.is_file() => return Ok(self.passage_at(&path, frame.line, request).ok()),
            Err(error @ IndexError::Root { .. }) => return Err(error),
            _ => {}
        }
        let most = known.iter().map(|path| same_parts(path, &frame.path)).max().unwrap_or(0);
        let likest: Vec<&String> = known.iter().filter(|path| same_parts(path, &frame.path) == most).collect();
        // One whole path that ends the other is the same file in another folder. What only ends alike, as the copy of a
        // package that is installed, has to have the function there.
        let is_whole = |path: &str| {
            let of_other_folder = most >= SAME_PARTS_MIN && is_end_of(&frame.path, path);
            of_other_folder || !Path::new(&frame.path).is_absolute() && is_end_of(path, &frame.path)
        };
        if let [path] = likest.as_slice()
            && is_whole(path)
        {
            return Ok(self.passage_at(path, frame.line, request).ok());
        }
        let Some(function) = frame.function.as_deref() else { return Ok(None) };
        if !likest.iter().any(|path| most >= SAME_PARTS_MIN || is_whole(path)) {
            return Ok(None);
        }
        let passages = likest.into_iter().filter_map(|path| self.passage_at(path, frame.line, request).ok());
        let mut meant = passages.filter(|hit| {
            hit.symbol.as_deref().is_some_and(|symbol| parts(symbol).last().is_some_and(|name| *name == function))
        });
        Ok(meant.next().filter(|_| meant.next().is_none()))
    }
}

/// How many parts two paths have in common from their ends.
fn same_parts(one: &str, other: &str) -> usize {
    one.rsplit('/').zip(other.rsplit('/')).take_while(|(a, b)| a == b).count()
}
